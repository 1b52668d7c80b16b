import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NervaError, type World } from '../../packages/nerva/src/core/index.ts';
import type { AiSdkModel, Model, ModelAnswer, ModelRequest, Part } from '../../packages/nerva/src/model/index.ts';
import { nodeWorld } from '../../packages/nerva/src/node/index.ts';

// The oracle: a provider package of the AI SDK and a dialect of ours are given the same conversation, and then the same bytes. What they
// send and what they read must agree; each difference is a row of data with its reason.

/** What the loopback server answers. */
export interface Served {
  readonly status?: number;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** A request as the loopback server got it. */
export interface Captured {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Parsed; text where it is no JSON. */
  readonly body: unknown;
}

/** A server that answers each request with the same bytes and keeps what it was asked. */
export interface Loopback {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** The world that our models are called in. */
  readonly world: World;
  /** A `fetch` that comes here whatever host it is given; path and query stay. For SDKs whose URL cannot be set. */
  readonly fetch: typeof globalThis.fetch;
  /** Oldest first. */
  readonly requests: readonly Captured[];
  /** What is answered from now on. */
  serve(answer: Served): void;
  close(): Promise<void>;
}

/** Starts a loopback server; it answers 500 until it is told what to serve. */
export async function loopback(): Promise<Loopback> {
  const requests: Captured[] = [];
  let answer: Served = { status: 500, body: 'nothing to serve' };
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { method = '', url: path = '', headers } = incoming;
      requests.push({ method, path, headers, body: readJson(Buffer.concat(chunks).toString()) });
      outgoing.writeHead(answer.status ?? 200, { 'content-type': answer.contentType ?? 'application/json', ...answer.headers });
      outgoing.end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const world = nodeWorld();
  return {
    url,
    world,
    fetch: (input, init) => {
      const { pathname, search } = new URL(input instanceof Request ? input.url : input);
      return fetch(`${url}${pathname}${search}`, init);
    },
    requests,
    serve: (served) => void (answer = served),
    async close() {
      await world.transport.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** An answer as both sides can tell it. Tokens that are not reported are null on either side. */
export interface Read {
  readonly parts: readonly ReadPart[];
  readonly finish: string;
  readonly usage: Readonly<Record<'input' | 'output' | 'cachedInput' | 'cacheWrite' | 'reasoning', number | null>>;
  readonly model: string | null;
  /** Sources of all texts, in order. */
  readonly sources: readonly { readonly url: string | null; readonly title: string | null }[];
}

/** A part as both sides can tell it: what only its maker can read is left out. */
export type ReadPart =
  | { readonly type: 'text' | 'reasoning'; readonly text: string }
  /** `input` is parsed where it can be. */
  | { readonly type: 'tool_call'; readonly id: string; readonly name: string; readonly input: unknown };

/** How a failure looks from outside: the status, and whether it is worth calling again. */
export interface Failed {
  readonly failed: { readonly status: number | null; readonly isWorthRetry: boolean };
}

/** How a request is handed to the AI SDK. */
export interface SdkOptions {
  /** `providerOptions` of the call. */
  readonly providerOptions?: Readonly<Record<string, unknown>>;
  /** `providerOptions` of a part: what our echo of it is called there. */
  readonly echo?: (part: Part) => Readonly<Record<string, unknown>> | undefined;
}

/** Which two are compared, and on what. */
export interface Pair {
  readonly loopback: Loopback;
  readonly ours: Model;
  readonly theirs: AiSdkModel;
  readonly request: ModelRequest;
  readonly served: Served;
  readonly isStream?: boolean;
  readonly sdk?: SdkOptions;
}

/** What came of it on either side. */
export interface Seen<T> {
  readonly ours: T;
  readonly theirs: T;
}

/** Asks both with one request and answers both with the same bytes. @returns what either sent, and what either read of the answer. */
export async function askBoth(pair: Pair): Promise<{ readonly sent: Seen<Captured>; readonly read: Seen<Read | Failed> }> {
  pair.loopback.serve(pair.served);
  const from = pair.loopback.requests.length;
  const ours = await askOurs(pair).catch(ourFailure);
  const middle = pair.loopback.requests.length;
  const theirs = await askTheirs(pair).catch(theirFailure);
  const [our, their] = [pair.loopback.requests[from], pair.loopback.requests[middle]];
  assert.ok(our !== undefined && from < middle, `we sent nothing: ${JSON.stringify(ours)}`);
  assert.ok(their !== undefined, `the AI SDK sent nothing: ${JSON.stringify(theirs)}`);
  return { sent: { ours: our, theirs: their }, read: { ours, theirs } };
}

/** A difference between ours and theirs. */
export interface Difference {
  /** Where, as `parts.0.text`. */
  readonly at: string;
  readonly ours: unknown;
  readonly theirs: unknown;
}

/** A difference that is known, with its reason. `ours` and `theirs` are looked at only when given. */
export interface Known {
  /** As `at` of a difference; `*` stands for any one name or index, `**` at the end for all below. */
  readonly at: string;
  readonly ours?: unknown;
  readonly theirs?: unknown;
  readonly reason: string;
}

/**
 * Asserts that both agree but for what is known, and that all that is known is so: a row that nothing needs any more must go.
 * Absent and undefined are the same.
 */
export function assertAgree({ ours, theirs }: Seen<unknown>, known: readonly Known[] = [], what = ''): void {
  const used = new Set<Known>();
  const unknown = differences(ours, theirs).filter((difference) => {
    const row = known.find((candidate) => isKnown(difference, candidate));
    if (row !== undefined) used.add(row);
    return row === undefined;
  });
  assert.deepEqual(unknown, [], `${what}: ours and theirs differ`);
  assert.deepEqual(
    known.filter((row) => !used.has(row)),
    [],
    `${what}: known differences that are none`,
  );
}

/** Where two JSON values differ. Lists are compared by index. */
export function differences(ours: unknown, theirs: unknown, at = ''): Difference[] {
  const [a, b] = [branches(ours), branches(theirs)];
  if (a === null || b === null || Array.isArray(ours) !== Array.isArray(theirs))
    return Object.is(ours, theirs) || (a !== null && b !== null && a.size + b.size === 0) ? [] : [{ at, ours, theirs }];
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((key) => differences(a.get(key), b.get(key), at === '' ? key : `${at}.${key}`));
}

/** A call of the AI SDK: the request in its words. */
export function sdkCall({ instructions, messages, tools, params }: ModelRequest, options: SdkOptions = {}): Record<string, unknown> {
  const { maxOutputTokens, temperature, topP, seed, stop, toolChoice, outputSchema, reasoning } = params;
  const content = (part: Part): unknown => {
    const mine = options.echo?.(part);
    return { ...sdkPart(part), ...(mine === undefined ? {} : { providerOptions: mine }) };
  };
  return {
    prompt: [
      ...(instructions === '' ? [] : [{ role: 'system', content: instructions }]),
      ...messages.map(({ role, parts }) => ({ role, content: parts.map(content) })),
    ],
    maxOutputTokens,
    temperature,
    topP,
    seed,
    stopSequences: stop,
    reasoning,
    responseFormat: outputSchema === undefined ? undefined : { type: 'json', schema: outputSchema, name: 'answer' },
    tools: tools.length === 0 ? undefined : tools.map((tool) => ({ type: 'function', ...tool })),
    toolChoice:
      toolChoice === undefined
        ? undefined
        : typeof toolChoice === 'object'
          ? { type: 'tool', toolName: toolChoice.tool }
          : { type: toolChoice },
    providerOptions: options.providerOptions,
  };
}

async function askOurs({ ours, request, loopback: { world }, isStream = false }: Pair): Promise<Read> {
  return readOurs(await ours.call(request, { world, ...(isStream ? { onDelta: () => undefined } : {}) }));
}

/** An answer of ours as both sides can tell it. */
export function readOurs({ parts, finish, usage, model }: ModelAnswer): Read {
  return {
    parts: parts.flatMap((part): ReadPart[] =>
      part.type === 'tool_call'
        ? [{ type: 'tool_call', id: part.id, name: part.name, input: part.input }]
        : part.type === 'text' || part.type === 'reasoning'
          ? [{ type: part.type, text: part.text }]
          : [],
    ),
    finish,
    usage: {
      input: usage.inputTokens,
      output: usage.outputTokens,
      cachedInput: usage.cachedInputTokens ?? null,
      cacheWrite: usage.cacheWriteTokens ?? null,
      reasoning: usage.reasoningTokens ?? null,
    },
    model,
    sources: parts.flatMap((part) =>
      part.type === 'text' ? (part.citations ?? []).map(({ url, title }) => ({ url: url ?? null, title: title ?? null })) : [],
    ),
  };
}

interface Loose {
  readonly [name: string]: unknown;
}

async function askTheirs({ theirs, request, sdk, isStream = false }: Pair): Promise<Read> {
  const options = sdkCall(request, sdk) as never;
  if (!isStream) {
    const result = (await theirs.doGenerate(options)) as Loose;
    return readTheirs(result['content'] as readonly Loose[], result, (result['response'] ?? {}) as Loose);
  }
  const { stream } = (await theirs.doStream(options)) as { readonly stream: AsyncIterable<Loose> };
  const content: Record<string, unknown>[] = [];
  const byId = new Map<unknown, Record<string, unknown>>();
  let finish: Loose = {};
  let response: Loose = {};
  for await (const part of stream) {
    const [, kind, step] = /^(text|reasoning)-(start|delta)$/.exec(String(part['type'])) ?? [];
    if (step === 'start') content.push(begun(byId, { id: `${String(kind)} ${String(part['id'])}`, type: kind, text: '' }));
    else if (step === 'delta') {
      const grown = byId.get(`${String(kind)} ${String(part['id'])}`);
      if (grown !== undefined) grown['text'] = `${String(grown['text'])}${String(part['delta'])}`;
    } else if (part['type'] === 'tool-call' || part['type'] === 'source') content.push({ ...part });
    else if (part['type'] === 'finish') finish = part;
    else if (part['type'] === 'response-metadata') response = { ...response, ...part };
    else if (part['type'] === 'error') throw part['error'];
  }
  return readTheirs(content, finish, response);
}

function begun(byId: Map<unknown, Record<string, unknown>>, part: Record<string, unknown>): Record<string, unknown> {
  byId.set(part['id'], part);
  return part;
}

function readTheirs(content: readonly Loose[], { finishReason, usage }: Loose, { modelId }: Loose): Read {
  const { inputTokens: input, outputTokens: output } = (usage ?? {}) as { readonly inputTokens?: Loose; readonly outputTokens?: Loose };
  const count = (value: unknown): number | null => (typeof value === 'number' ? value : null);
  return {
    parts: content.flatMap(({ type, text, toolCallId, toolName, input: given }): ReadPart[] =>
      type === 'tool-call'
        ? [{ type: 'tool_call', id: String(toolCallId), name: String(toolName), input: readJson(String(given)) }]
        : type === 'text' || type === 'reasoning'
          ? [{ type, text: String(text) }]
          : [],
    ),
    finish: String((finishReason as Loose | undefined)?.['unified']).replace('-', '_'),
    usage: {
      input: count(input?.['total']),
      output: count(output?.['total']),
      cachedInput: count(input?.['cacheRead']),
      cacheWrite: count(input?.['cacheWrite']),
      reasoning: count(output?.['reasoning']),
    },
    model: typeof modelId === 'string' ? modelId : null,
    sources: content.flatMap(({ type, url, title }) =>
      type === 'source' ? [{ url: typeof url === 'string' ? url : null, title: typeof title === 'string' ? title : null }] : [],
    ),
  };
}

function ourFailure(error: unknown): Failed {
  if (!NervaError.is(error)) throw error;
  const { status } = error.details;
  return { failed: { status: typeof status === 'number' ? status : null, isWorthRetry: error.retry } };
}

/** An `APICallError`, or whatever a stream reports as an error. What is neither is a bug of this harness or of the SDK, and is thrown. */
function theirFailure(error: unknown): Failed {
  const { statusCode, isRetryable, name } = (typeof error === 'object' && error !== null ? error : {}) as Loose;
  if (error instanceof TypeError || error instanceof RangeError || name === 'AI_InvalidPromptError') throw error as Error;
  return { failed: { status: typeof statusCode === 'number' ? statusCode : null, isWorthRetry: isRetryable === true } };
}

function sdkPart(part: Part): Loose {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return { type: part.type, text: part.text };
    case 'file': {
      const { data } = part;
      const content = typeof data === 'string' ? { type: 'data', data } : { type: 'url', url: new URL('url' in data ? data.url : '') };
      return { type: 'file', mediaType: part.mediaType, data: content, ...(part.name === undefined ? {} : { filename: part.name }) };
    }
    case 'tool_call':
      return { type: 'tool-call', toolCallId: part.id, toolName: part.name, input: part.input };
    default: {
      const kind = typeof part.output === 'string' ? 'text' : 'json';
      const output = { type: part.isError === true ? `error-${kind}` : kind, value: part.output };
      return { type: 'tool-result', toolCallId: part.id, toolName: part.name, output };
    }
  }
}

function isKnown({ at, ours, theirs }: Difference, known: Known): boolean {
  const isBelow = known.at.endsWith('.**');
  const pattern = (isBelow ? known.at.slice(0, -3) : known.at).split('.');
  const path = at.split('.');
  const fits = isBelow ? path.length >= pattern.length : path.length === pattern.length;
  return (
    fits &&
    pattern.every((name, index) => name === '*' || name === path[index]) &&
    (!('ours' in known) || differences(known.ours, ours).length === 0) &&
    (!('theirs' in known) || differences(known.theirs, theirs).length === 0)
  );
}

/** The members of a list or an object; null for anything else. */
function branches(value: unknown): Map<string, unknown> | null {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : null;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
