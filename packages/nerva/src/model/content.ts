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
 * reasoning and other echoes go to nobody but their maker (`by`).
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
  const foreign = foreignReasoning(request.messages, keepsReasoning ? by : null);
  return foreign === 0 ? left : [...left, `reasoning of ${foreign} earlier ${foreign === 1 ? 'part' : 'parts'}`];
}

const counts = new WeakMap<Message, Map<string | null, number>>();

/** Reasoning parts that do not come from `by`; null counts all. Each message is looked at once. */
function foreignReasoning(messages: readonly Message[], by: string | null): number {
  let count = 0;
  for (const message of messages) {
    if (message.role !== 'assistant') continue;
    const known = counts.get(message) ?? new Map<string | null, number>();
    let own = known.get(by);
    if (own === undefined) {
      own = message.parts.filter((part) => part.type === 'reasoning' && (by === null || part.echo?.by !== by)).length;
      counts.set(message, known.set(by, own));
    }
    count += own;
  }
  return count;
}
