import { createServer as createPlain, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Json } from '../core/index.ts';
import type { Usage } from '../model/index.ts';
import { faultOf } from './openai-rules.ts';

/** What the mock answers. Without `fault`, a well-formed completion of `text` and `calls`, streamed when asked. */
export interface MockAnswer {
  readonly reasoning?: string;
  readonly text?: string;
  readonly refusal?: string;
  /** `input` is text as a model writes it, or a value that is made into text. */
  readonly calls?: readonly { readonly id?: string; readonly name: string; readonly input: Json }[];
  readonly finish?: string;
  /** Default 10 in, 5 out; null leaves usage out. */
  readonly usage?: Usage | null;
  readonly fault?: MockFault;
  /** Sent as it is in place of all the above. */
  readonly raw?: { readonly status?: number; readonly headers?: Readonly<Record<string, string>>; readonly body: string };
}

/**
 * `silent`: no byte ever · `stalled`: half of the answer, then nothing · `truncated`: half of the answer, then a clean end ·
 * `reset-early`: the connection breaks before an answer · `reset`: it breaks in the middle.
 */
export type MockFault = 'silent' | 'stalled' | 'truncated' | 'reset-early' | 'reset';

/** A request as the mock got it. */
export interface MockRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The parsed body. */
  readonly body: Record<string, unknown>;
}

/** A running mock server and what it saw. */
export interface OpenAiMock {
  /** For `openaiChat({baseUrl})`. */
  readonly baseUrl: string;
  /** Every request that was let through, oldest first. */
  readonly requests: readonly MockRequest[];
  /** Why requests were refused as malformed; a test asserts that it is empty, or `close` throws. */
  readonly refusals: readonly string[];
  /** Connections accepted so far. */
  readonly connectionCount: number;
  /** Stops at once. Rejects when a request was refused and `isRefusalExpected` is not set. */
  close(): Promise<void>;
}

/**
 * A strict loopback server of OpenAI's chat completions: what OpenAI would refuse (an unknown field, a tool message without its call, a call without its result,
 * a wrong role or type, bad JSON), it refuses with status 400 and remembers.
 */
export async function openaiMock(options: {
  readonly answer: (request: MockRequest, n: number) => MockAnswer | string | Promise<MockAnswer | string>;
  /** Serves TLS with this key pair, in PEM. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** The only key that is let in; any when absent. */
  readonly apiKey?: string;
  readonly isRefusalExpected?: boolean;
}): Promise<OpenAiMock> {
  const requests: MockRequest[] = [];
  const refusals: string[] = [];
  let connectionCount = 0;
  const listener: RequestListener = (incoming, outgoing) => {
    void serve(incoming, outgoing).catch((error: unknown) => {
      refusals.push(`the mock failed: ${String(error)}`);
      outgoing.destroy();
    });
  };
  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const text = await textOf(incoming);
    if (options.apiKey !== undefined && incoming.headers.authorization !== `Bearer ${options.apiKey}`) {
      return send(outgoing, 401, {
        error: {
          message: `Incorrect API key provided: ${String(incoming.headers.authorization)}.`,
          type: 'invalid_request_error',
          param: null,
          code: 'invalid_api_key',
        },
      });
    }
    const fault = faultOf({
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      contentType: incoming.headers['content-type'] ?? '',
      text,
    });
    if (fault !== null) {
      refusals.push(fault);
      return send(outgoing, 400, { error: { message: fault, type: 'invalid_request_error', param: null, code: null } });
    }
    const request: MockRequest = { path: incoming.url ?? '', headers: incoming.headers, body: JSON.parse(text) as Record<string, unknown> };
    const n = requests.push(request) - 1;
    const given = await options.answer(request, n);
    respond(outgoing, request, typeof given === 'string' ? { text: given } : given);
  };
  const server: Server = options.tls === undefined ? createPlain(listener) : createSecure(options.tls, listener);
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', () => connectionCount++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/v1`,
    requests,
    refusals,
    get connectionCount() {
      return connectionCount;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      if (refusals.length > 0 && options.isRefusalExpected !== true)
        throw new Error(`The mock refused ${refusals.length} requests: ${refusals.join(' · ')}`);
    },
  };
}

function respond(outgoing: ServerResponse, request: MockRequest, answer: MockAnswer): void {
  if (answer.fault === 'silent') return;
  if (answer.fault === 'reset-early') return void outgoing.socket?.resetAndDestroy();
  const isStream = request.body['stream'] === true;
  const {
    status = 200,
    headers = {},
    body = isStream ? streamOf(request, answer) : JSON.stringify(completionOf(request, answer)),
  } = answer.raw ?? {};
  outgoing.writeHead(status, { 'content-type': isStream ? 'text/event-stream' : 'application/json', ...headers });
  if (answer.fault === undefined) return void outgoing.end(body);
  // Half by count of characters: for a stream, inside a chunk.
  outgoing.write(body.slice(0, Math.floor(body.length / 2)), () => {
    if (answer.fault === 'truncated') outgoing.end();
    if (answer.fault === 'reset') outgoing.socket?.resetAndDestroy();
  });
}

/** The answer in one piece. */
function completionOf(request: MockRequest, answer: MockAnswer): Record<string, unknown> {
  const message: Record<string, unknown> = { role: 'assistant', content: answer.text ?? null, refusal: answer.refusal ?? null };
  if (answer.reasoning !== undefined) message['reasoning_content'] = answer.reasoning;
  const calls = callsOf(answer);
  if (calls.length > 0) message['tool_calls'] = calls;
  return {
    ...frame(request, 'chat.completion'),
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishOf(answer) }],
    ...usageOf(answer),
  };
}

/** The same answer as a stream: text in pieces of 3 characters, arguments in pieces of 5, the parallel calls interleaved. */
function streamOf(request: MockRequest, answer: MockAnswer): string {
  const deltas: Record<string, unknown>[] = [{ role: 'assistant', content: '', refusal: null }];
  for (const piece of pieces(answer.reasoning ?? '', 3)) deltas.push({ reasoning_content: piece });
  for (const piece of pieces(answer.text ?? '', 3)) deltas.push({ content: piece });
  for (const piece of pieces(answer.refusal ?? '', 3)) deltas.push({ refusal: piece });
  const calls = callsOf(answer);
  calls.forEach((call, index) =>
    deltas.push({ tool_calls: [{ index, id: call.id, type: 'function', function: { name: call.function.name, arguments: '' } }] }),
  );
  const inputs = calls.map((call) => pieces(call.function.arguments, 5));
  for (let at = 0; inputs.some((input) => at < input.length); at++) {
    inputs.forEach((input, index) => at < input.length && deltas.push({ tool_calls: [{ index, function: { arguments: input[at] } }] }));
  }
  const chunk = (rest: Record<string, unknown>): string =>
    `data: ${JSON.stringify({ ...frame(request, 'chat.completion.chunk'), usage: null, ...rest })}\n\n`;
  const body = deltas.map((delta) => chunk({ choices: [{ index: 0, delta, logprobs: null, finish_reason: null }] })).join('');
  const end = chunk({ choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: finishOf(answer) }] });
  const usage = answer.usage === null ? '' : chunk({ choices: [], ...usageOf(answer) });
  return `${body}${end}${usage}data: [DONE]\n\n`;
}

function frame(request: MockRequest, object: string): Record<string, unknown> {
  return {
    id: 'chatcmpl-1',
    object,
    created: 1_700_000_000,
    model: `${String(request.body['model'])}-2025-01-01`,
    service_tier: 'default',
    system_fingerprint: 'fp_1',
  };
}

function callsOf(
  answer: MockAnswer,
): { readonly id: string; readonly type: 'function'; readonly function: { readonly name: string; readonly arguments: string } }[] {
  return (answer.calls ?? []).map(({ id, name, input }, index) => ({
    id: id ?? `call_${index}`,
    type: 'function',
    function: { name, arguments: typeof input === 'string' ? input : JSON.stringify(input) },
  }));
}

function finishOf(answer: MockAnswer): string {
  return answer.finish ?? (answer.calls === undefined ? 'stop' : 'tool_calls');
}

function usageOf({ usage = { inputTokens: 10, outputTokens: 5 } }: MockAnswer): Record<string, unknown> {
  if (usage === null) return {};
  const { inputTokens, outputTokens, cachedInputTokens, reasoningTokens } = usage;
  return {
    usage: {
      prompt_tokens: inputTokens,
      completion_tokens: outputTokens,
      total_tokens: (inputTokens ?? 0) + (outputTokens ?? 0),
      ...(cachedInputTokens === undefined ? {} : { prompt_tokens_details: { cached_tokens: cachedInputTokens } }),
      ...(reasoningTokens === undefined ? {} : { completion_tokens_details: { reasoning_tokens: reasoningTokens } }),
    },
  };
}

function pieces(text: string, length: number): string[] {
  const result: string[] = [];
  for (let at = 0; at < text.length; at += length) result.push(text.slice(at, at + length));
  return result;
}

function send(outgoing: ServerResponse, status: number, body: unknown): void {
  outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
