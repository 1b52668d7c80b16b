import type { Json } from '../core/index.ts';
import { ollamaFaultOf } from './ollama-rules.ts';
import { pieces, wireMock, type MockAnswer, type MockDialect, type MockRequest, type WireMock, type WireMockOptions } from './wire-mock.ts';

/**
 * Ollama's side of /api/chat, stricter than Ollama: names that it would ignore are refused, and so are results that do not stand behind
 * their calls in their order.
 */
export const ollamaChatMock: MockDialect = {
  basePath: '',
  fault: ({ method, path, headers, body }) => ollamaFaultOf({ method, path, contentType: String(headers['content-type'] ?? ''), body }),
  keyOf: ({ authorization }) => /^Bearer (.+)$/.exec(String(authorization))?.[1],
  failure: (_, message) => ({ error: message }),
  isStream: ({ body }) => body['stream'] !== false,
  whole: (request, answer) => {
    const calls = callsOf(answer);
    const message = {
      ...(answer.reasoning === undefined ? {} : { thinking: answer.reasoning }),
      content: answer.text ?? answer.refusal ?? '',
    };
    return { ...frame(request, { ...message, ...(calls.length === 0 ? {} : { tool_calls: calls }) }), ...endOf(answer) } as Json;
  },
  stream: (request, answer) => ({ mediaType: 'application/x-ndjson', body: streamOf(request, answer) }),
};

/** A strict loopback server of Ollama's /api/chat. */
export function ollamaMock(options: WireMockOptions): Promise<WireMock> {
  return wireMock(ollamaChatMock, options);
}

/** The same answer as a stream: texts in pieces of `pieceLength`, each call on a line of its own. */
function streamOf(request: MockRequest, answer: MockAnswer): string {
  const messages: Record<string, unknown>[] = [
    ...pieces(answer.reasoning ?? '', answer.pieceLength ?? 3).map((thinking) => ({ content: '', thinking })),
    ...pieces(answer.text ?? answer.refusal ?? '', answer.pieceLength ?? 3).map((content) => ({ content })),
    ...callsOf(answer).map((call) => ({ content: '', tool_calls: [call] })),
  ];
  const line = (value: unknown): string => `${JSON.stringify(value)}\n`;
  const body = messages.map((message) => line({ ...frame(request, message), done: false })).join('');
  return `${body}${line({ ...frame(request, { content: '' }), ...endOf(answer) })}`;
}

function frame(request: MockRequest, message: Record<string, unknown>): Record<string, unknown> {
  return { model: request.body['model'], created_at: '2026-01-01T00:00:00Z', message: { role: 'assistant', ...message } };
}

/** Calls have the ids that the test gives them, or none, as from older servers. */
function callsOf(answer: MockAnswer): readonly Record<string, unknown>[] {
  return (answer.calls ?? []).map(({ id, name, input }) => ({
    ...(id === undefined ? {} : { id }),
    function: { name, arguments: typeof input === 'string' ? (JSON.parse(input) as Json) : input },
  }));
}

function endOf({ finish = 'stop', usage = { inputTokens: 10, outputTokens: 5 } }: MockAnswer): Record<string, unknown> {
  return {
    done: true,
    done_reason: finish,
    ...(usage === null ? {} : { prompt_eval_count: usage.inputTokens, eval_count: usage.outputTokens }),
  };
}
