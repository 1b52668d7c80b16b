import type { Json } from '../core/index.ts';
import { anthropicFault } from './anthropic-rules.ts';
import { signatureOf } from './anthropic-rules-messages.ts';
import {
  inputText,
  pieces,
  wireMock,
  type MockAnswer,
  type MockDialect,
  type MockRequest,
  type WireMock,
  type WireMockOptions,
} from './wire-mock.ts';

/**
 * Anthropic's side of the Messages API. Refused are, beside what is malformed: a result without its call and a call without its result, results
 * that do not come first, thinking that was altered or is missing, a budget that leaves no room, and more than 4 marks for the cache.
 */
export const anthropicMessagesMock: MockDialect = {
  basePath: '/v1',
  fault: ({ method, path, headers, body }) => anthropicFault({ method, path, headers, body }),
  keyOf: ({ 'x-api-key': key }) => (typeof key === 'string' ? key : undefined),
  failure: (status, message) => ({
    type: 'error',
    error: { type: status === 401 ? 'authentication_error' : 'invalid_request_error', message },
    request_id: 'req_1',
  }),
  isStream: ({ body }) => body['stream'] === true,
  whole: messageOf,
  stream: (request, answer) => ({ mediaType: 'text/event-stream; charset=utf-8', body: streamOf(request, answer) }),
};

/** A strict loopback server of Anthropic's Messages API. */
export function anthropicMock(options: WireMockOptions): Promise<WireMock> {
  return wireMock(anthropicMessagesMock, options);
}

/** The answer in one piece. Arguments that are no JSON object cannot be told whole: then they are empty. */
function messageOf(request: MockRequest, answer: MockAnswer): Json {
  const content: unknown[] = [];
  const { reasoning } = answer;
  if (reasoning !== undefined) content.push({ type: 'thinking', thinking: reasoning, signature: signatureOf(reasoning) });
  const text = (answer.text ?? '') + (answer.refusal ?? '');
  if (text !== '') content.push({ type: 'text', text });
  for (const { id, name, input } of callsOf(answer)) content.push({ type: 'tool_use', id, name, input: objectOf(input) });
  return { ...frame(request), content, ...endOf(answer), usage: usageOf(answer) } as Json;
}

/** The same answer as a stream: a block after the other, text in pieces of `pieceLength`, arguments in pieces of 5. */
function streamOf(request: MockRequest, answer: MockAnswer): string {
  const events: [type: string, rest: Record<string, unknown>][] = [];
  const { output_tokens: output, ...input } = usageOf(answer);
  const message = { ...frame(request), content: [], stop_reason: null, stop_sequence: null, usage: { ...input, output_tokens: 1 } };
  events.push(['message_start', { message }], ['ping', {}]);
  let index = 0;
  const block = (start: Record<string, unknown>, deltas: readonly Record<string, unknown>[]): void => {
    events.push(['content_block_start', { index, content_block: start }]);
    for (const delta of deltas) events.push(['content_block_delta', { index, delta }]);
    events.push(['content_block_stop', { index: index++ }]);
  };
  const { reasoning } = answer;
  if (reasoning !== undefined) {
    const thoughts = pieces(reasoning, answer.pieceLength ?? 3).map((thinking) => ({ type: 'thinking_delta', thinking }));
    block({ type: 'thinking', thinking: '', signature: '' }, [...thoughts, { type: 'signature_delta', signature: signatureOf(reasoning) }]);
  }
  const text = (answer.text ?? '') + (answer.refusal ?? '');
  if (text !== '')
    block(
      { type: 'text', text: '' },
      pieces(text, answer.pieceLength ?? 3).map((piece) => ({ type: 'text_delta', text: piece })),
    );
  for (const { id, name, input: given } of callsOf(answer)) {
    const deltas = pieces(given, 5).map((piece) => ({ type: 'input_json_delta', partial_json: piece }));
    block({ type: 'tool_use', id, name, input: {} }, deltas);
  }
  events.push(['message_delta', { delta: endOf(answer), usage: { output_tokens: output } }], ['message_stop', {}]);
  return events.map(([type, rest]) => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`).join('');
}

function frame({ body }: MockRequest): Record<string, unknown> {
  return { id: 'msg_1', type: 'message', role: 'assistant', model: String(body['model']) };
}

function callsOf({ calls = [] }: MockAnswer): { readonly id: string; readonly name: string; readonly input: string }[] {
  return calls.map(({ id, name, input }, index) => ({ id: id ?? `toolu_${index}`, name, input: inputText(input) }));
}

function objectOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function endOf({ finish, calls, refusal }: MockAnswer): Record<string, unknown> {
  const reason = finish ?? (refusal !== undefined ? 'refusal' : calls === undefined ? 'end_turn' : 'tool_use');
  return { stop_reason: reason, stop_sequence: null };
}

function usageOf({ usage = { inputTokens: 10, outputTokens: 5 } }: MockAnswer): Record<string, unknown> {
  const { inputTokens = 0, outputTokens = 0, cachedInputTokens, cacheWriteTokens } = usage ?? {};
  return {
    input_tokens: (inputTokens ?? 0) - (cachedInputTokens ?? 0) - (cacheWriteTokens ?? 0),
    output_tokens: outputTokens ?? 0,
    ...(cachedInputTokens === undefined ? {} : { cache_read_input_tokens: cachedInputTokens }),
    ...(cacheWriteTokens === undefined ? {} : { cache_creation_input_tokens: cacheWriteTokens }),
  };
}
