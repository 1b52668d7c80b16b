import { civilDate } from '../core/index.ts';
import type { EventId, Seq } from '../log/index.ts';
import { escapeMarkup } from './markup.ts';
import type { Derivation, Evolution } from './derived.ts';
import type { EntryKind } from './kinds.ts';

/** Something that is kept for good: as it was said, never rewritten. */
export interface Entry {
  /** The event that recorded it. */
  readonly id: EventId;
  readonly text: string;
  /** Its first line, at most 50 characters, cut at a word. */
  readonly name: string;
  readonly kind: EntryKind;
  readonly tags: readonly string[];
  /** 0–1. */
  readonly importance: number;
  /** Since when, and until before when, it holds in the world; null: for ever. When it was recorded is another time. */
  readonly validMs: number;
  readonly invalidMs: number | null;
  readonly recordedMs: number;
  /** What it takes the place of, and what took its place, and when that was recorded. */
  readonly supersedes: EventId | null;
  readonly supersededBy: { readonly id: EventId; readonly recordedMs: number } | null;
  /** Each time that it was recorded until before when it holds, oldest first, each earlier than the one before; one before it began: it never held. */
  readonly endings: readonly Ending[];
  /** Where it comes from: an event of a session. */
  readonly source: EventId | null;
  /** It is left out of recall; null while it is not. */
  readonly forgottenMs: number | null;
  /** Whose personal data it is; absent where it is nobody's. */
  readonly subject?: string;
  /** What was made of its text, one by each maker; absent while nothing was. */
  readonly derived?: readonly Derivation[];
  /** How it stands to entries before it, one by each maker; absent while nobody looked. */
  readonly evolved?: readonly Evolution[];
}

/** Where in its log an entry was recorded. */
export const seqOf = (id: EventId): Seq => Number(id.slice(id.lastIndexOf(':') + 1));

/** That something holds until before `atMs` only; and when that was recorded. */
export interface Ending {
  readonly atMs: number;
  readonly recordedMs: number;
}

/** The last moment that a calendar has, and with a minus the first; ms from 1970. */
export const TIME_MAX = 8_640_000_000_000_000;

/** From when one looks: at what holds at `validAtMs`, as far as it was recorded by `knownAtMs`. */
export interface Moment {
  readonly validAtMs: number;
  readonly knownAtMs: number;
}

/** Whether an entry holds, as seen from a moment. */
export function holdsAt(entry: Entry, { validAtMs, knownAtMs }: Moment): boolean {
  if (entry.recordedMs > knownAtMs || entry.validMs > validAtMs) return false;
  if (entry.forgottenMs !== null && entry.forgottenMs <= knownAtMs) return false;
  return !entry.endings.some(({ atMs, recordedMs }) => recordedMs <= knownAtMs && atMs <= validAtMs);
}

/** An entry that ends as this says, or null where it ended no later already. */
export function endedAt(entry: Entry, ending: Ending): Entry | null {
  const last = entry.endings.at(-1);
  if (last !== undefined && last.atMs <= ending.atMs) return null;
  return { ...entry, invalidMs: Math.max(entry.validMs, ending.atMs), endings: [...entry.endings, ending] };
}

/** An entry as an agent was told of it. */
export type ToldEntry = Pick<Entry, 'id' | 'text' | 'validMs'>;

/** Entries as they stand in a prompt: no text can end one or begin one. Empty for none. */
export function renderEntries(entries: readonly ToldEntry[]): string {
  if (entries.length === 0) return '';
  const rows = entries.map(({ id, text, validMs }) => `<entry id="${id}" since="${dayOf(validMs)}">${escapeMarkup(text)}</entry>`);
  return `<recalled>\n${rows.join('\n')}\n</recalled>`;
}

/** The day of a time, `2026-05-07`. */
export function dayOf(ms: number): string {
  const { year, month, day } = civilDate(Math.floor(ms / DAY_MS));
  return [year, month, day].map((part) => String(part).padStart(2, '0')).join('-');
}

const DAY_MS = 86_400_000;
const NAME_MAX = 50;

/**
 * The name of a text: its first line, at most 50 code points, cut at a word, with `…` where something of the line is left out. Never within what is
 * read as one sign (an accent on its letter, a family of emoji), unless that alone is longer.
 */
export function nameOf(text: string): string {
  const [line = ''] = text.trim().split(/[\n\r\u2028\u2029]/u);
  if (lengthOf(line) <= NAME_MAX) return line.trimEnd();
  let [cut, length] = ['', 0];
  for (const { segment } of SIGNS.segment(line)) {
    length += lengthOf(segment);
    if (length > NAME_MAX - 1) break;
    cut += segment;
  }
  if (cut === '')
    cut = Array.from(line)
      .slice(0, NAME_MAX - 1)
      .join('');
  // A word that ends where the line is cut is whole.
  const isWhole = /^\s/u.test(line.slice(cut.length));
  const atWord = isWhole ? cut : cut.replace(/\s+\S*$/u, '');
  return `${(atWord === '' ? cut : atWord).trimEnd()}…`;
}

const SIGNS = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** In code points. */
const lengthOf = (text: string): number => Array.from(text).length;
