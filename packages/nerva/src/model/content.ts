import { NervaError, type Json } from '../core/index.ts';
import { isBlobRef } from '../log/index.ts';
import type { FilePart, Message, ToolResultPart } from './message.ts';
import type { ModelParams, ModelRequest } from './model.ts';

/** The bytes of a file in base64, or where the provider finds it. */
export type FileSource = { readonly base64: string } | { readonly url: string };

/** Where a file's content is. Invariant M4: blobs are resolved before a request is made. */
export function sourceOf({ data }: FilePart): FileSource {
  if (typeof data === 'string') return { base64: data };
  if ('url' in data) return { url: data.url };
  throw new Error('Invariant broken: M4 blobs are resolved before a request is made');
}

/** `image`, `audio`, `document` …: the part of a media type that wires tell apart. */
export function kindOf({ mediaType }: FilePart): 'image' | 'audio' | 'video' | 'document' {
  const [kind] = mediaType.split('/');
  return kind === 'image' || kind === 'audio' || kind === 'video' ? kind : 'document';
}

/** What a wire cannot carry is refused before anything is sent. */
export function cannotCarry(model: string, what: string, instead: string): NervaError {
  return new NervaError('MODEL_REFUSED', `${model} takes no ${what} over this wire. Nothing was sent. ${instead}`, {
    details: { content: what },
  });
}

/** Text of a tool's result. `mark`: where the wire has no flag for errors, the text says so. */
export function resultText({ output, isError }: ToolResultPart, mark: boolean): string {
  if (isBlobRef(output as Json)) throw new Error('Invariant broken: M4 blobs are resolved before a request is made');
  const text = typeof output === 'string' ? output : JSON.stringify(output);
  return mark && isError === true && !/^error/i.test(text) ? `Error: ${text}` : text;
}

/** The instructions with what the answer must look like, for wires that cannot be told otherwise. */
export function promptedOutput(instructions: string, schema: ModelParams['outputSchema']): string {
  if (schema === undefined) return instructions;
  const order = `Answer with one JSON value that fits this JSON Schema, and with nothing else:\n${JSON.stringify(schema)}`;
  return instructions === '' ? order : `${instructions}\n\n${order}`;
}

/**
 * What of a request a wire leaves out, in words for `meta.notSent`. `params` are the names of those that it has no place for;
 * reasoning goes to nobody but its maker (`by`), sources of what was said to nobody.
 */
export function notSent(
  request: ModelRequest,
  {
    by,
    params,
    keepsReasoning,
  }: { readonly by: string; readonly params: readonly (keyof ModelParams)[]; readonly keepsReasoning: boolean },
): readonly string[] {
  const left = params.filter((name) => request.params[name] !== undefined).map((name) => `params.${name}`);
  const { reasoning, citations } = leftOf(request.messages, keepsReasoning ? by : null);
  return [...left, ...counted('reasoning', reasoning), ...counted('citations', citations)];
}

/** How many parts something of was left out, in words; nothing for none. */
function counted(what: string, count: number): readonly string[] {
  return count === 0 ? [] : [`${what} of ${count} earlier ${count === 1 ? 'part' : 'parts'}`];
}

interface Left {
  readonly reasoning: number;
  readonly citations: number;
}

const NOTHING: Left = { reasoning: 0, citations: 0 };
const counts = new WeakMap<Message, Map<string | null, Left>>();

/** Parts of reasoning that do not come from `by` (null counts all), and parts with sources. Each message is looked at once. */
function leftOf(messages: readonly Message[], by: string | null): Left {
  let all = NOTHING;
  for (const message of messages) {
    if (message.role !== 'assistant') continue;
    const known = counts.get(message) ?? new Map<string | null, Left>();
    let own = known.get(by);
    if (own === undefined) {
      own = {
        reasoning: message.parts.filter((part) => part.type === 'reasoning' && (by === null || part.echo?.by !== by)).length,
        citations: message.parts.filter((part) => part.type === 'text' && part.citations !== undefined).length,
      };
      counts.set(message, known.set(by, own));
    }
    if (own.reasoning + own.citations > 0) all = { reasoning: all.reasoning + own.reasoning, citations: all.citations + own.citations };
  }
  return all;
}
