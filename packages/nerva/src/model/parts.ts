import { checkJson, toWellFormed, type Json, type JsonObject } from '../core/index.ts';
import type { Citation, Part, ToolCallPart } from './message.ts';
import type { CallOptions } from './model.ts';

/** A part of an answer as it grows. */
interface Growing {
  readonly type: 'text' | 'reasoning' | 'tool_call';
  text: string;
  id: string;
  name: string;
  isAnnounced: boolean;
  echo: JsonObject | null;
  readonly citations: Citation[];
}

/**
 * The parts of an answer, built from the pieces of a stream or from a whole answer alike, so that both give the same.
 * A key names a part within its answer (an index of the wire, or a word); parts stand in the order in which they began.
 * Contract: `onDelta` hears of each piece as it comes; joined, the pieces equal the parts.
 */
export class PartsBuilder {
  readonly #by: string;
  readonly #onDelta: CallOptions['onDelta'];
  readonly #parts: Growing[] = [];
  readonly #byKey = new Map<string | number, number>();

  /** @param by name of the model, which echoes are bound to. */
  constructor(by: string, onDelta?: CallOptions['onDelta']) {
    this.#by = by;
    this.#onDelta = onDelta;
  }

  /** Whether a part with this key began. */
  has(key: string | number): boolean {
    return this.#byKey.has(key);
  }

  /** How many parts there are. */
  get size(): number {
    return this.#parts.length;
  }

  /** Whether a tool call is among them. */
  get hasCalls(): boolean {
    return this.#parts.some(({ type }) => type === 'tool_call');
  }

  /** Adds to a text or to reasoning; nothing for an empty piece. */
  text(type: 'text' | 'reasoning', key: string | number, text: string): void {
    if (text === '') return;
    const index = this.#at(type, key);
    this.#part(index).text += text;
    this.#onDelta?.({ type, index, text });
  }

  /** Begins a call, or completes what is known of it. It is announced once its name is known. */
  call(key: string | number, { id, name }: { readonly id?: string; readonly name?: string }): void {
    const index = this.#at('tool_call', key);
    const part = this.#part(index);
    if (part.id === '' && id !== undefined) part.id = id;
    if (part.name === '' && name !== undefined) part.name = name;
    if (part.isAnnounced || part.name === '') return;
    if (part.id === '') part.id = `call_${index}`;
    part.isAnnounced = true;
    this.#onDelta?.({ type: 'tool_call', index, id: part.id, name: part.name });
  }

  /** Adds to the arguments of a call that was announced. @returns false when it was not. */
  input(key: string | number, text: string): boolean {
    const index = this.#byKey.get(key);
    const part = index === undefined ? undefined : this.#part(index);
    if (index === undefined || part === undefined || !part.isAnnounced) return false;
    if (text === '') return true;
    part.text += text;
    this.#onDelta?.({ type: 'tool_input', index, text });
    return true;
  }

  /** What the maker wants back with this part, which begins here if it has not; later members win. */
  echo(type: Growing['type'], key: string | number, data: JsonObject): void {
    const part = this.#part(this.#at(type, key));
    part.echo = { ...part.echo, ...data };
  }

  /** A source of what a text says; of a text that did not begin it is dropped. */
  cite(key: string | number, citation: Citation): void {
    this.#parts[this.#byKey.get(key) ?? -1]?.citations.push(citation);
  }

  /** The text of a part so far; empty for an unknown key. */
  textOf(key: string | number): string {
    return this.#parts[this.#byKey.get(key) ?? -1]?.text ?? '';
  }

  /** The parts in order; null when a call has no name: that is for the caller to refuse. */
  parts(): readonly Part[] | null {
    const done: Part[] = [];
    for (const part of this.#parts) {
      const echo = part.echo === null ? {} : { echo: { by: this.#by, data: part.echo } };
      if (part.type === 'tool_call') {
        if (part.name === '') return null;
        done.push({ ...callPart(part), ...echo });
      } else {
        const citations = part.type === 'reasoning' || part.citations.length === 0 ? {} : { citations: part.citations };
        done.push({ type: part.type, text: toWellFormed(part.text), ...citations, ...echo });
      }
    }
    return done;
  }

  #at(type: Growing['type'], key: string | number): number {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const index = this.#parts.push({ type, text: '', id: '', name: '', isAnnounced: false, echo: null, citations: [] }) - 1;
    this.#byKey.set(key, index);
    return index;
  }

  #part(index: number): Growing {
    return this.#parts[index] as Growing;
  }
}

/** Arguments that are not JSON, or not JSON that a log can hold, stay text: the model is told and tries again. */
function callPart({ id, name, text }: Growing): ToolCallPart {
  if (text.trim() === '') return { type: 'tool_call', id, name, input: {} };
  try {
    return { type: 'tool_call', id, name, input: checkJson(toWellFormed(JSON.parse(text) as Json)) };
  } catch {
    return { type: 'tool_call', id, name, input: toWellFormed(text), malformed: true };
  }
}
