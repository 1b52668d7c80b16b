import type { Json } from '../core/index.ts';
import { faultOf } from './openai-rules.ts';
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

/** OpenAI's side of chat completions: an unknown field, a tool message without its call, a call without its result, a wrong role or type are refused. */
export const openaiChatMock: MockDialect = {
  basePath: '/v1',
  fault: ({ method, path, headers, text }) => faultOf({ method, path, contentType: String(headers['content-type'] ?? ''), text }),
  keyOf: ({ authorization }) => /^Bearer (.+)$/.exec(String(authorization))?.[1],
  failure: (status, message) => ({
    error: { message, type: 'invalid_request_error', param: null, code: status === 401 ? 'invalid_api_key' : null },
  }),
  isStream: ({ body }) => body['stream'] === true,
  whole: completionOf,
  stream: (request, answer) => ({ mediaType: 'text/event-stream', body: streamOf(request, answer) }),
};

/** A strict loopback server of OpenAI's chat completions. */
export function openaiMock(options: WireMockOptions): Promise<WireMock> {
  return wireMock(openaiChatMock, options);
}

/** The answer in one piece. */
function completionOf(request: MockRequest, answer: MockAnswer): Json {
  const message: Record<string, unknown> = { role: 'assistant', content: answer.text ?? null, refusal: answer.refusal ?? null };
  if (answer.reasoning !== undefined) message['reasoning_content'] = answer.reasoning;
  const calls = callsOf(answer);
  if (calls.length > 0) message['tool_calls'] = calls;
  return {
    ...frame(request, 'chat.completion'),
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishOf(answer) }],
    ...usageOf(answer),
  } as Json;
}

/** The same answer as a stream: text in pieces of `pieceLength`, arguments in pieces of 5, the parallel calls interleaved. */
function streamOf(request: MockRequest, answer: MockAnswer): string {
  const deltas: Record<string, unknown>[] = [{ role: 'assistant', content: '', refusal: null }];
  for (const piece of pieces(answer.reasoning ?? '', answer.pieceLength ?? 3)) deltas.push({ reasoning_content: piece });
  for (const piece of pieces(answer.text ?? '', answer.pieceLength ?? 3)) deltas.push({ content: piece });
  for (const piece of pieces(answer.refusal ?? '', answer.pieceLength ?? 3)) deltas.push({ refusal: piece });
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
    function: { name, arguments: inputText(input) },
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
