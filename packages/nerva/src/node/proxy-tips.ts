import { foldAt } from '../agent/index.ts';
import type { World } from '../core/index.ts';
import type { Seq, SessionInfo, Sid, Store } from '../log/index.ts';

/** A recorded conversation that a request may go on with. */
export interface Conversation {
  readonly sid: Sid;
  /** Digest of the instructions that it was last asked with; empty when they are not known any more. */
  about: string;
  /** Up to where this process knows the log; 0 before the first event. */
  head: Seq;
  /** Resolves when what was begun is in the log. */
  ready: Promise<void>;
  /** The log is not what the client saw: nothing goes on from here. */
  isBroken: boolean;
}

/** The name under which recorded sessions stand. */
export const PROXY_AGENT = 'proxy';
/** Of a conversation's key in the log. */
const KEY_DIGITS = 24;
/** An answer and the calls it led to lie within so many events of a log's end. */
const TAIL_EVENTS = 256;

/**
 * The ends of the recorded conversations. A conversation is known by a digest of its messages, so a request finds the one that it goes on with
 * by its own beginning. Each end is taken once: of two requests that go on from one place, the second finds nothing.
 */
export class Tips {
  readonly #tips = new Map<string, Conversation[]>();
  readonly #max: number;
  #count = 0;

  /** @param max of conversations; the one unused for longest is forgotten first. */
  constructor(max: number) {
    this.#max = max;
  }

  put(key: string, tip: Conversation): void {
    const there = this.#tips.get(key) ?? [];
    // Anew, so that it is the youngest.
    this.#tips.delete(key);
    this.#tips.set(key, [...there, tip]);
    this.#count++;
    for (const [oldest, tips] of this.#tips) {
      if (this.#count <= this.#max) break;
      this.#tips.delete(oldest);
      this.#count -= tips.length;
    }
  }

  /**
   * An end at the longest of these beginnings, and how many messages that is; null when there is none. It is no end any more.
   * Of several the youngest one `about` the same, so that agents who happen to say the same stay apart; else the youngest.
   */
  take(keys: readonly string[], about: string): { readonly tip: Conversation; readonly count: number } | null {
    for (let count = keys.length; count > 0; count--) {
      const tips = this.#tips.get(keys[count - 1] as string) ?? [];
      const tip = tips.findLast((one) => one.about === about) ?? tips.at(-1);
      if (tip === undefined) continue;
      this.drop(keys[count - 1] as string, tip);
      return { tip, count };
    }
    return null;
  }

  drop(key: string, tip: Conversation): void {
    const tips = this.#tips.get(key) ?? [];
    const left = tips.filter((other) => other !== tip);
    this.#count -= tips.length - left.length;
    if (left.length === 0) this.#tips.delete(key);
    else this.#tips.set(key, left);
  }
}

/** The keys of every beginning of a conversation, the shortest first. */
export function keysOf(messages: readonly { readonly key: string }[], digest: World['digest']): readonly string[] {
  let key = '';
  return messages.map((message) => (key = keyAfter(key, message.key, digest)));
}

/** The key of a conversation that grew by a message. */
export function keyAfter(key: string, message: string, digest: World['digest']): string {
  return digest(`${key} ${message}`).slice(0, KEY_DIGITS);
}

/**
 * Finds the ends of what an earlier proxy recorded in this store, the newest `max`, and ends what it was stopped in the middle of.
 * O(sessions), and one read for each that is kept.
 */
export async function loadTips(store: Store, world: World, max: number): Promise<Tips> {
  const tips = new Tips(max);
  const rows: SessionInfo[] = [];
  for (let after: Sid | undefined; ;) {
    const page = await store.list({ agent: PROXY_AGENT, limit: 500, ...(after === undefined ? {} : { after }) });
    rows.push(...page);
    after = page.at(-1)?.sid;
    if (after === undefined) break;
  }
  rows.sort((one, other) => one.atMs - other.atMs);
  for (const row of rows.filter(({ status }) => status === 'ready')) await endLost(store, world, row.sid);
  for (const { sid, head } of rows.filter(({ status }) => status === 'idle' || status === 'waiting').slice(-max)) {
    const frames = await store.read(sid, { after: Math.max(-1, head - TAIL_EVENTS) });
    const last = frames.at(-1)?.events.find(({ type }) => type === 'model.answered');
    const meta = last?.data['meta'] as { readonly conversation?: string } | undefined;
    if (meta?.conversation !== undefined) tips.put(meta.conversation, conversationAt(sid, head));
  }
  return tips;
}

/** Whether its answer came to the client is not known, nor what it was. */
async function endLost(store: Store, world: World, sid: Sid): Promise<void> {
  const { seq, state } = await foldAt(store, sid);
  const { open } = state.model;
  const events = [
    ...(open === null ? [] : [{ type: 'model.failed', data: { call: open.seq, why: 'lost' } }]),
    ...(state.turn.open === null
      ? []
      : [{ type: 'turn.ended', data: { reason: 'error', why: 'the proxy was stopped before an answer came' } }]),
  ];
  if (events.length > 0)
    await store.append({ id: world.ids.next(), sid, expected: seq + 1, events, by: PROXY_AGENT, then: { status: 'idle' } });
}

/** A conversation whose log has so many events. */
export const conversationAt = (sid: Sid, head: Seq): Conversation => ({ sid, head, about: '', ready: Promise.resolve(), isBroken: false });
