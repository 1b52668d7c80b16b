import { utf8Bytes } from '../core/index.ts';
import { eventsOf, isBlobRef, type EventId, type LogEvent, type Seq } from '../log/index.ts';
import { recallIndex, type RecallIndex } from '../memory/index.ts';
import type { Part } from '../model/index.ts';
import type { ToolContext } from '../tool/index.ts';
import { known, type AgentEvent } from './events.ts';

/** A piece of what was said. */
export interface Said {
  /** The event that says it; in a fork that of the log that it was inherited from. */
  readonly id: EventId;
  readonly seq: Seq;
  readonly by: 'user' | 'assistant' | 'tool' | 'system';
  /** Of the tool that said it, where it is known. */
  readonly name: string | null;
  readonly text: string;
  readonly atMs: number;
  /** Which piece of a long one it is, from 1; 0: the whole. */
  readonly piece: number;
}

/** Characters of a piece: what is found in a long text is read without the rest of it. */
const PIECE_CHARS = 1_000;

/**
 * What was said in one session, found by its words. It follows the session's log; one that is older, or another under the same name, is read anew.
 * Invariants: H1 what is in it stands in the log, with the same words · H2 what its own tool found is not in it, or each search would find the one
 * before · H3 what the open turn says is found once the turn is over, or the prompt was cut within it: until then it stands there, and what is asked
 * has the words of every search for it.
 */
export class SaidIndex {
  readonly #tool: string;
  readonly #bytesMax: number;
  #index: RecallIndex = recallIndex({ kind: 'conversation' });
  readonly #said = new Map<string, Said>();
  /** Messages that no turn took yet: nobody was told of them. */
  readonly #waiting = new Map<Seq, LogEvent>();
  /** What the open turn says, as long as it stands in the prompt. */
  #open: Said[] = [];
  /** Names of calls, by `answer.part` and by the seq of their first intent, of the open turn; and those of its own tool, for good. */
  readonly #names = new Map<string, string>();
  readonly #own = new Set<string>();
  #head: Seq = 0;
  /** Of the last frame that was read. */
  #hash = '';
  #bytes = 0;
  #earliest: EventId | null = null;
  #reading: Promise<unknown> = Promise.resolve();

  constructor({ tool, bytesMax }: { readonly tool: string; readonly bytesMax: number }) {
    this.#tool = tool;
    this.#bytesMax = bytesMax;
  }

  /** Of the texts. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The oldest that is searched, where there was no room for what is older; else null. */
  get earliest(): EventId | null {
    return this.#earliest;
  }

  /** Reads what was said since. @throws what the log throws, and why `signal` aborted. What was read stays. */
  refresh(readLog: ToolContext['readLog'], signal: AbortSignal): Promise<void> {
    const read = this.#reading.then(() => this.#read(readLog, signal));
    this.#reading = read.catch(() => undefined);
    return read;
  }

  /** The best for a question, best first. */
  search(query: string, limit: number): readonly Said[] {
    return this.#index.search(query, { limit }).flatMap(({ id }) => this.#said.get(id) ?? []);
  }

  async #read(readLog: ToolContext['readLog'], signal: AbortSignal): Promise<void> {
    if (this.#head > 0) {
      const [last] = await readLog({ after: this.#head - 2, limit: 1 });
      if (last?.hash !== this.#hash) this.#clear();
    }
    for (let isAnew = this.#head === 0; ;) {
      signal.throwIfAborted();
      const frames = await readLog({ after: this.#head - 1 });
      if (frames.length === 0) return;
      for (const frame of frames) {
        const events = eventsOf(frame);
        if (!isAnew && events.some(({ type }) => type === 'subject.erased')) {
          // What was read before the key went is not kept here either.
          this.#clear();
          isAnew = true;
          break;
        }
        for (const event of events) this.#apply(event);
        this.#hash = frame.hash;
      }
    }
  }

  #clear(): void {
    this.#index = recallIndex({ kind: 'conversation' });
    for (const kept of [this.#said, this.#waiting, this.#names, this.#own]) kept.clear();
    [this.#head, this.#hash, this.#bytes, this.#earliest, this.#open] = [0, '', 0, null, []];
  }

  #apply(raw: LogEvent): void {
    this.#head = raw.seq + 1;
    const event = known(raw);
    if (event?.type === 'turn.ended') return this.#ended();
    // Before there is an answer the turn is its question, which stays.
    if (event?.type === 'context.compacted') return this.#open.some(({ by }) => by !== 'user') ? this.#close() : undefined;
    if (event === null || event.erased === true) return;
    switch (event.type) {
      case 'message.received':
        this.#waiting.set(raw.seq, raw);
        return;
      case 'turn.started':
      case 'model.called':
        return this.#take(event.data.takes ?? []);
      case 'model.answered':
      case 'model.interrupted':
        return this.#answered(event, event.data.parts);
      case 'policy.decided':
        return this.#decided(event);
      case 'tool.called':
        return this.#called(event);
      case 'tool.returned':
        return this.#returned(event);
      default:
    }
  }

  #take(takes: readonly Seq[]): void {
    for (const seq of takes) {
      const raw = this.#waiting.get(seq);
      const event = raw === undefined ? null : known(raw);
      this.#waiting.delete(seq);
      if (event?.type !== 'message.received') continue;
      const { text, data, files = [] } = event.data;
      const names = files.flatMap(({ name }) => (name === undefined ? [] : [`(${name})`]));
      const said = [text ?? (data === undefined ? '' : JSON.stringify(data)), ...names].filter((row) => row !== '').join('\n');
      this.#add(event, { by: event.origin === 'system' ? 'system' : 'user', text: said });
    }
  }

  #answered(event: AgentEvent, parts: readonly Part[]): void {
    const rows: string[] = [];
    let calls = 0;
    for (const part of parts) {
      if (part.type === 'text') rows.push(part.text);
      if (part.type !== 'tool_call') continue;
      const place = `${event.seq}.${calls++}`;
      this.#names.set(place, part.name);
      if (part.name === this.#tool) this.#own.add(place);
      else rows.push(`calls ${part.name} ${JSON.stringify(part.input)}`);
    }
    this.#add(event, { by: 'assistant', text: rows.join('\n') });
  }

  #decided(event: AgentEvent & { readonly type: 'policy.decided' }): void {
    const { action } = event.data;
    if (action.type === 'call')
      return this.#answered(
        event,
        action.calls.map(({ tool, input }): Part => ({ type: 'tool_call', id: '', name: tool, input })),
      );
    if (action.type === 'model') return;
    const text = action.text ?? (action.output === undefined ? '' : JSON.stringify(action.output));
    this.#add(event, { by: 'assistant', text });
  }

  #called({ seq, data: { answer, part } }: AgentEvent & { readonly type: 'tool.called' }): void {
    const name = this.#names.get(`${answer}.${part}`);
    if (name !== undefined) this.#names.set(String(seq), name);
    if (this.#own.has(`${answer}.${part}`)) this.#own.add(String(seq));
  }

  #returned(event: AgentEvent & { readonly type: 'tool.returned' }): void {
    const { call, answer, part, output } = event.data;
    const place = call === undefined ? `${answer ?? -1}.${part ?? -1}` : String(call);
    // What stands beside the log is not read: a result of that size is looked up where it came from.
    if (this.#own.has(place) || isBlobRef(output)) return;
    const name = this.#names.get(place) ?? null;
    this.#add(event, { by: 'tool', name, text: typeof output === 'string' ? output : JSON.stringify(output) });
  }

  #add({ sid, seq, atMs }: AgentEvent, { by, name = null, text }: Pick<Said, 'by' | 'text'> & { readonly name?: string | null }): void {
    if (text.trim() === '') return;
    const pieces = piecesOf(text);
    for (const [index, piece] of pieces.entries())
      this.#open.push({ id: `${sid}:${seq}`, seq, by, name, text: piece, atMs, piece: pieces.length === 1 ? 0 : index + 1 });
  }

  #ended(): void {
    this.#names.clear();
    this.#close();
  }

  /** From now on it is found. */
  #close(): void {
    for (const said of this.#open) {
      const { seq, piece, text, atMs, by } = said;
      const key = `${seq}.${piece}`;
      this.#said.set(key, said);
      this.#bytes += utf8Bytes(text);
      // Only those who speak are authors: a question that names a tool is not about who said something.
      this.#index.add({ id: key, text, atMs, ...(by === 'user' || by === 'assistant' ? { author: by } : {}) });
    }
    this.#open = [];
    this.#trim();
  }

  /** Room for the newest. */
  #trim(): void {
    if (this.#bytes <= this.#bytesMax) return;
    for (const [key, { text }] of this.#said) {
      if (this.#bytes <= this.#bytesMax || this.#said.size === 1) break;
      this.#said.delete(key);
      this.#index.remove(key);
      this.#bytes -= utf8Bytes(text);
    }
    const [oldest] = this.#said.values();
    this.#earliest = oldest?.id ?? null;
  }
}

/** A text in pieces that add up to it, cut at the end of a line or behind a space where there is one in the later half, and never within a character. */
function piecesOf(text: string): readonly string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length;) {
    const rest = text.length - at;
    const end = rest <= PIECE_CHARS ? text.length : cutAt(text, at);
    pieces.push(text.slice(at, end));
    at = end;
  }
  return pieces;
}

function cutAt(text: string, from: number): number {
  const window = text.slice(from, from + PIECE_CHARS);
  const line = window.lastIndexOf('\n') + 1;
  const space = window.lastIndexOf(' ') + 1;
  const place = line > PIECE_CHARS / 2 ? line : space > PIECE_CHARS / 2 ? space : PIECE_CHARS;
  const isLow = (text.charCodeAt(from + place) & 0xfc00) === 0xdc00;
  return from + (isLow && place === PIECE_CHARS ? place - 1 : place);
}
