import type { Json } from '../core/index.ts';
import { isSigned, signatureFor } from './google-rules-fields.ts';
import { googleFaultOf, targetOf } from './google-rules.ts';
import { pieces, wireMock, type MockAnswer, type MockDialect, type MockRequest, type WireMock, type WireMockOptions } from './wire-mock.ts';

const STATUSES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
};

/**
 * Google's side of generateContent. Refused: unknown fields, empty parts, roles other than user and model, answers that are not those of
 * the calls before them, calls of the current turn without their signature, signatures of others.
 */
export const googleContentMock: MockDialect = {
  basePath: '/v1beta',
  fault: ({ method, path, headers, body }) => googleFaultOf({ method, path, contentType: String(headers['content-type'] ?? ''), body }),
  keyOf: (headers) => (typeof headers['x-goog-api-key'] === 'string' ? headers['x-goog-api-key'] : undefined),
  failure: (status, message) => ({ error: { code: status, message, status: STATUSES[status] ?? 'UNKNOWN' } }),
  isStream: ({ path }) => targetOf(path)?.isStream === true,
  whole: (request, answer) => {
    const parts = partsOf(request, answer);
    return { ...frame(request), candidates: [candidate(parts, answer)], ...usageOf(answer) } as Json;
  },
  stream: (request, answer) => ({ mediaType: 'text/event-stream', body: streamOf(request, answer) }),
};

/** A strict loopback server of Google's generateContent. */
export function googleMock(options: WireMockOptions): Promise<WireMock> {
  return wireMock(googleContentMock, options);
}

interface Part {
  readonly text?: string;
  readonly thought?: true;
  readonly functionCall?: { readonly id?: string; readonly name: string; readonly args: Json };
  readonly thoughtSignature?: string;
}

/** Calls have the ids that the test gives them, or none; the first of a step is signed, or the text where there is no call. */
function partsOf(request: MockRequest, answer: MockAnswer): readonly Part[] {
  const model = modelOf(request);
  const calls = answer.calls ?? [];
  const parts: Part[] = [];
  if (answer.reasoning !== undefined) parts.push({ text: answer.reasoning, thought: true });
  if (answer.text !== undefined)
    parts.push({ text: answer.text, ...(calls.length === 0 && isSigned(model) ? { thoughtSignature: signatureFor(model, 'text') } : {}) });
  calls.forEach(({ id, name, input }, index) =>
    parts.push({
      functionCall: { ...(id === undefined ? {} : { id }), name, args: typeof input === 'string' ? (JSON.parse(input) as Json) : input },
      ...(index === 0 && isSigned(model) ? { thoughtSignature: signatureFor(model, name) } : {}),
    }),
  );
  return parts;
}

/** The same answer as a stream: texts in pieces of `pieceLength`, the signature of a text on an empty one behind it, calls whole. */
function streamOf(request: MockRequest, answer: MockAnswer): string {
  const chunk = (rest: Record<string, unknown>): string => `data: ${JSON.stringify({ ...rest, ...frame(request) })}\r\n\r\n`;
  const body = partsOf(request, answer)
    .flatMap(({ text, thoughtSignature, ...part }): Part[] => {
      if (text === undefined) return [{ ...part, ...(thoughtSignature === undefined ? {} : { thoughtSignature }) }];
      const last: Part[] = thoughtSignature === undefined ? [] : [{ text: '', thoughtSignature, ...part }];
      return [...pieces(text, answer.pieceLength ?? 3).map((piece) => ({ text: piece, ...part })), ...last];
    })
    .map((part) => chunk({ candidates: [{ content: { parts: [part], role: 'model' }, index: 0 }], ...usageOf(answer) }))
    .join('');
  return `${body}${chunk({ candidates: [candidate([], answer)], ...usageOf(answer) })}`;
}

function candidate(parts: readonly Part[], answer: MockAnswer): Record<string, unknown> {
  return {
    ...(parts.length === 0 ? {} : { content: { parts, role: 'model' } }),
    finishReason: answer.finish ?? (answer.refusal === undefined ? 'STOP' : 'SAFETY'),
    ...(answer.refusal === undefined ? {} : { finishMessage: answer.refusal }),
    index: 0,
  };
}

const modelOf = ({ path }: MockRequest): string => targetOf(path)?.model ?? '';

function frame(request: MockRequest): Record<string, unknown> {
  return { modelVersion: modelOf(request), responseId: 'response-1' };
}

function usageOf({ usage = { inputTokens: 10, outputTokens: 5 } }: MockAnswer): Record<string, unknown> {
  if (usage === null) return {};
  const { inputTokens, outputTokens, cachedInputTokens, reasoningTokens } = usage;
  return {
    usageMetadata: {
      promptTokenCount: inputTokens,
      candidatesTokenCount: (outputTokens ?? 0) - (reasoningTokens ?? 0),
      totalTokenCount: (inputTokens ?? 0) + (outputTokens ?? 0),
      ...(cachedInputTokens === undefined ? {} : { cachedContentTokenCount: cachedInputTokens }),
      ...(reasoningTokens === undefined ? {} : { thoughtsTokenCount: reasoningTokens }),
    },
  };
}
