import { checkOptions, checkRange, NervaError, toWellFormed, utf8Bytes, type JsonObject } from '../core/index.ts';
import type { EventDraft, EventId, Seq, Sid } from '../log/index.ts';
import type { Archive } from './archive.ts';
import { nameOf, seqOf, TIME_MAX, type Entry } from './entries.ts';
import { byRules } from './extract.ts';
import { CLEARED_MAX, type MemoryData } from './fold.ts';
import { ENTRY_KINDS, type EntryKind } from './kinds.ts';
import type { Write } from './log-writer.ts';
import { isTags, TAG_CHARS_MAX, TAGS_MAX } from './query.ts';
import { reused } from './refusals.ts';

/** How a change is made safe to repeat. */
export interface Repeatable {
  /** The same change under the same key again is made once, and gives the same result, and another is refused; recognised among the last 10,000. 1–1,000 characters. */
  readonly key?: string;
}

/** What is said of a text that is remembered. */
export interface Remembered extends Repeatable {
  /** Default `note`. */
  readonly kind?: EntryKind;
  readonly tags?: readonly string[];
  /** 0–1, default 0.5. */
  readonly importance?: number;
  /** Since when it holds, ms since 1970, which may be before it; default now. */
  readonly validMs?: number;
  /** Until before when it holds, where that is known: its end is recorded with it. Default for ever; none after `validMs`: it never held. */
  readonly invalidMs?: number;
  /** The entry whose place it takes, from `validMs` on. */
  readonly supersedes?: EventId;
  /** The event that it comes from. */
  readonly source?: EventId;
  /** Whose personal data it is, where that is not whose the memory's is: it goes when they are erased. */
  readonly subject?: string;
  /** Whether rules take it apart at once: people, dates, quantities, preferences, commitments. Default as the memory was opened. */
  readonly extract?: boolean;
}

/** What is other about an entry from `validMs` on, which is now where nothing is said; at least one of the text, `kind`, `tags` and `importance`. */
export interface Updated extends Omit<Remembered, 'supersedes' | 'subject'> {
  readonly text?: string;
}

/** How an end is recorded. */
export interface Ended extends Repeatable {
  /** Whose personal data it is that it ended; default whose the entry is. */
  readonly subject?: string;
}

/** The memory whose entries are recorded. */
export interface RecorderGround {
  readonly sid: Sid;
  readonly head: () => Seq;
  readonly nowMs: () => number;
  readonly textBytesMax: number;
  /** Whether texts are taken apart where nothing is said. */
  readonly isTakenApart: boolean;
  readonly look: <T>(work: (archive: Archive) => T) => T;
  /** @throws MEMORY_UNKNOWN */
  readonly entry: (id: EventId) => Entry;
  readonly refresh: () => Promise<void>;
  readonly write: Write;
}

const SAID = ['kind', 'tags', 'importance', 'validMs', 'invalidMs', 'source', 'extract', 'key'];
const REMEMBERED = [...SAID, 'supersedes', 'subject'];
const UPDATED = [...SAID, 'text'];

/** Records what is kept for good, that it ended, and that it is left out. Nothing that was recorded is changed by it. */
export class Recorder {
  readonly #ground: RecorderGround;

  constructor(ground: RecorderGround) {
    this.#ground = ground;
  }

  /** @throws OPTION_INVALID, MEMORY_TOO_LARGE, MEMORY_UNKNOWN, MEMORY_CHANGED */
  async remember(text: string, options: Remembered): Promise<Entry> {
    checkOptions(options, REMEMBERED, 'remember');
    const { sid, nowMs, head, write, entry } = this.#ground;
    const whole = this.#checked(text, options);
    const { kind = 'note', tags = [], importance = 0.5, invalidMs, supersedes, source, subject } = options;
    const isTakenApart = checkFlag('extract', options.extract ?? this.#ground.isTakenApart);
    const seq = await write({ key: options.key, mark: 'memory.recorded ' }, () => {
      const validMs = checkRange('validMs', options.validMs ?? nowMs(), -TIME_MAX, TIME_MAX);
      if (supersedes !== undefined) this.#checkCurrent(supersedes);
      const data: MemoryData['memory.recorded'] = {
        text: whole,
        name: nameOf(whole),
        kind,
        tags,
        importance,
        validMs,
        ...(supersedes === undefined ? {} : { supersedes }),
        ...(source === undefined ? {} : { source }),
      };
      const of = `${sid}:${head() === 0 ? 1 : head()}`; // after the event that opens the log
      const derived = isTakenApart ? [{ type: 'memory.derived', data: { of, ...byRules(whole, validMs) } as unknown as JsonObject }] : [];
      const ended = invalidMs === undefined ? [] : [{ type: 'memory.ended', data: { id: of, atMs: invalidMs } }];
      const drafts = [{ type: 'memory.recorded', data: { ...data } }, ...derived, ...ended];
      return subject === undefined ? drafts : drafts.map((draft) => ({ ...draft, subject }));
    });
    const made = entry(`${sid}:${seq ?? -1}`);
    if (made.text !== whole) throw reused(options.key);
    return made;
  }

  /** @throws as `remember` does */
  async update(id: EventId, change: Updated): Promise<Entry> {
    checkOptions(change, UPDATED, 'update');
    const { text, kind, tags, importance, ...more } = change;
    if ([text, kind, tags, importance].every((one) => one === undefined))
      throw new NervaError('OPTION_INVALID', 'update takes a text, a kind, tags or an importance: there is nothing to change.');
    await this.#ground.refresh();
    const old = this.#ground.entry(id);
    return this.remember(text ?? old.text, {
      ...more,
      kind: kind ?? old.kind,
      tags: tags ?? old.tags,
      importance: importance ?? old.importance,
      ...(old.subject === undefined ? {} : { subject: old.subject }),
      supersedes: id,
    });
  }

  /** @throws MEMORY_UNKNOWN, MEMORY_CHANGED, OPTION_INVALID */
  async end(id: EventId, atMs: number, { key, subject, ...others }: Ended): Promise<Entry> {
    checkOptions(others, ['key', 'subject'], 'end');
    checkRange('atMs', atMs, -TIME_MAX, TIME_MAX);
    const { write, entry } = this.#ground;
    await write({ key, mark: `memory.ended ${id}` }, () => {
      const old = entry(id);
      const last = old.endings.at(-1);
      if (last?.atMs === atMs) return [];
      if (last !== undefined && last.atMs < atMs)
        throw new NervaError(
          'MEMORY_CHANGED',
          `${id} ended before that already, at ${last.atMs}: an end is only moved to sooner. Nothing was changed.`,
          { details: { id, atMs: last.atMs } },
        );
      return [draftOf({ type: 'memory.ended', data: { id, atMs } }, subject ?? old.subject)];
    });
    const ended = entry(id);
    if (!ended.endings.some((ending) => ending.atMs === atMs)) throw reused(key);
    return ended;
  }

  /** @throws MEMORY_UNKNOWN */
  async forget(id: EventId, options: Repeatable): Promise<void> {
    checkOptions(options, ['key'], 'forget');
    await this.#ground.write({ key: options.key, mark: `memory.forgotten ${id}` }, () =>
      this.#ground.entry(id).forgottenMs === null ? [{ type: 'memory.forgotten', data: { id } }] : [],
    );
  }

  /** Forgets what was recorded before it begins, frame by frame, each decided on what stands. @returns how many that were. */
  async clear(): Promise<number> {
    const { head, look, write } = this.#ground;
    let [count, after, until]: [number, Seq, Seq | null] = [0, -1, null];
    for (;;) {
      let page: readonly Entry[] = [];
      await write({}, () => {
        const before = (until ??= head());
        page = look((archive) => notForgotten(archive.values(after), before));
        // What is decided about somebody's data goes with it.
        const bySubject = Map.groupBy(page, ({ subject }) => subject);
        return Array.from(bySubject, ([subject, all]) =>
          draftOf({ type: 'memory.cleared', data: { ids: all.map(({ id }) => id) } }, subject),
        );
      });
      const last = page.at(-1);
      if (last === undefined) return count;
      count += page.length;
      after = seqOf(last.id);
    }
  }

  /** The text as it is kept. */
  #checked(text: string, { kind = 'note', tags = [], importance = 0.5, invalidMs, source }: Remembered): string {
    const { textBytesMax } = this.#ground;
    if (typeof text !== 'string' || !isTags(tags) || !['string', 'undefined'].includes(typeof source))
      throw new NervaError(
        'OPTION_INVALID',
        `What is remembered is a string, its source too, and its tags a list of at most ${TAGS_MAX} strings of at most ${TAG_CHARS_MAX} characters. Nothing was changed.`,
      );
    const whole = toWellFormed(text) as string;
    const bytes = utf8Bytes(whole);
    if (whole.trim() === '')
      throw new NervaError('OPTION_INVALID', 'There is nothing to remember: the text is empty. Nothing was changed.');
    if (bytes > textBytesMax)
      throw new NervaError(
        'MEMORY_TOO_LARGE',
        `A text of ${bytes} bytes came; ${textBytesMax} is the limit. Remember it in parts; nothing was changed.`,
      );
    if (!ENTRY_KINDS.includes(kind))
      throw new NervaError(
        'OPTION_INVALID',
        `kind must be one of ${ENTRY_KINDS.join(', ')}; ${JSON.stringify(kind)} came. Nothing was changed.`,
      );
    checkRange('importance', importance, 0, 1);
    if (invalidMs !== undefined) checkRange('invalidMs', invalidMs, -TIME_MAX, TIME_MAX);
    return whole;
  }

  #checkCurrent(id: EventId): void {
    const { supersededBy } = this.#ground.entry(id);
    if (supersededBy !== null)
      throw new NervaError('MEMORY_CHANGED', `${id} was superseded by ${supersededBy.id}: supersede that one. Nothing was changed.`, {
        details: { id, by: supersededBy.id },
      });
  }
}

/** The first of what stands, as many as one frame may name. */
function notForgotten(entries: Iterable<Entry>, until: Seq): readonly Entry[] {
  const page: Entry[] = [];
  for (const entry of entries) {
    if (seqOf(entry.id) >= until) break;
    if (entry.forgottenMs === null && page.push(entry) === CLEARED_MAX) break;
  }
  return page;
}

function draftOf(draft: EventDraft, subject: string | undefined): EventDraft {
  return subject === undefined ? draft : { ...draft, subject };
}

/** @throws OPTION_INVALID for what is neither true nor false. */
export function checkFlag(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new NervaError('OPTION_INVALID', `${name} is true or false; ${typeof value} came. Nothing was changed.`);
}
