import { readFileSync } from 'node:fs';
import type { HttpRequest, World } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import type { Message, Part } from './message.ts';
import type { Delta, Model, ModelAnswer, ModelRequest } from './model.ts';

/** What a canned network answers: text, or the pieces in which it comes. */
export interface Canned {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | readonly Uint8Array[];
}

/** A world whose network answers what it is told: the same each time, or one answer a request. What it is asked goes into `seen`. */
export function cannedWorld(answer: Canned | readonly Canned[], seen: HttpRequest[] = []): World {
  const answers = Array.isArray(answer) ? (answer as readonly Canned[]) : null;
  return {
    ...testWorld(),
    transport: {
      close: () => Promise.resolve(),
      request: (request) => {
        const { status = 200, headers = {}, body } = answers?.[seen.length] ?? (answer as Canned);
        seen.push(request);
        const pieces = typeof body === 'string' ? [new TextEncoder().encode(body)] : body;
        return Promise.resolve({
          status,
          headers,
          text: () => Promise.resolve(Buffer.concat(pieces).toString()),
          async *bytes() {
            yield* pieces;
          },
          discard: () => undefined,
        });
      },
    },
  };
}

/** A fixture of `tests/wire`. */
export function wireFixture(name: string): string {
  return readFileSync(new URL(`../../../../tests/wire/${name}`, import.meta.url), 'utf8');
}

/** The bytes of a text in pieces of so many. */
export function byteSplits(text: string, length: number): Uint8Array[] {
  const bytes = new TextEncoder().encode(text);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += length) pieces.push(bytes.subarray(at, at + length));
  return pieces;
}

/** A message of a person. */
export function say(text: string): Message {
  return { role: 'user', parts: [{ type: 'text', text }], origin: 'person' };
}

/** A request of these messages. */
export function ask(messages: readonly Message[] = [say('hi')], rest: Partial<ModelRequest> = {}): ModelRequest {
  return { instructions: 'be brief', tools: [], params: {}, messages, ...rest };
}

/** Asks a model in a canned world. */
export function askCanned(
  model: Model,
  answer: Canned,
  { request = ask(), onDelta }: { readonly request?: ModelRequest; readonly onDelta?: (delta: Delta) => void } = {},
): Promise<ModelAnswer> {
  return model.call(request, { world: cannedWorld(answer), ...(onDelta === undefined ? {} : { onDelta }) });
}

/** The parts that the deltas add up to; those that nothing was said of are left out. */
export function rebuilt(deltas: readonly Delta[]): unknown[] {
  const parts: { type: string; id?: string; name?: string; text: string }[] = [];
  for (const delta of deltas) {
    if (delta.type === 'tool_call') parts[delta.index] = { type: 'tool_call', id: delta.id, name: delta.name, text: '' };
    else (parts[delta.index] ??= { type: delta.type, text: '' }).text += delta.text;
  }
  return parts
    .filter((part) => part !== undefined)
    .map(({ type, id, name, text }) => (type === 'tool_call' ? { type, id, name, input: JSON.parse(text) as unknown } : { type, text }));
}

/** What deltas can tell of parts. */
export function told(parts: readonly Part[]): unknown[] {
  return parts.flatMap((part): unknown[] => {
    if (part.type === 'tool_call') return [{ type: part.type, id: part.id, name: part.name, input: part.input }];
    return (part.type === 'text' || part.type === 'reasoning') && part.text !== '' ? [{ type: part.type, text: part.text }] : [];
  });
}
