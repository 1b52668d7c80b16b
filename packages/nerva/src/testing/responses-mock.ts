import type { Json } from '../core/index.ts';
import { responsesFault, type StoredAnswer } from './responses-rules.ts';
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

/** OpenAI's side of the Responses API, with what it keeps between requests. */
export interface ResponsesMockDialect extends MockDialect {
  /** Forgets every stored answer: the next request that goes on from one is refused. */
  readonly forget: () => void;
}

/** A running mock of the Responses API. */
export interface ResponsesMock extends WireMock {
  readonly forget: () => void;
}

/**
 * A new provider, as strict as OpenAI: an unknown field, an output without its call, a call without its output, content that does not fit
 * its role, reasoning without what follows it or sealed for another model, and a stored answer that is not there are refused.
 */
export function responsesMockDialect(
  place: Pick<MockDialect, 'basePath' | 'keyOf'> & { readonly isPath: (path: string) => boolean } = OPENAI,
): ResponsesMockDialect {
  const stored = new Map<string, StoredAnswer>();
  let count = 0;
  const made = (request: MockRequest, answer: MockAnswer): Made => {
    const id = `resp_${count++}`;
    const output = itemsOf(request, answer, id);
    if (request.body['store'] !== false)
      stored.set(id, { openCalls: output.flatMap((item) => (item['type'] === 'function_call' ? [String(item['call_id'])] : [])) });
    return { id, output };
  };
  return {
    basePath: place.basePath,
    keyOf: place.keyOf,
    fault: ({ method, path, headers, body }) =>
      responsesFault(
        { method, path, contentType: String(headers['content-type'] ?? ''), body },
        { stored, isPath: place.isPath, isSealedFor: (model, sealed) => sealed.startsWith(sealFor(model)) },
      ),
    failure: (status, message) => ({
      error: {
        message,
        type: 'invalid_request_error',
        param: null,
        code: status === 401 ? 'invalid_api_key' : message.startsWith('Previous response') ? 'previous_response_not_found' : null,
      },
    }),
    isStream: ({ body }) => body['stream'] === true,
    whole: (request, answer) => responseOf(request, answer, made(request, answer)) as Json,
    stream: (request, answer) => ({ mediaType: 'text/event-stream', body: streamOf(request, answer, made(request, answer)) }),
    forget: () => stored.clear(),
  };
}

/** A strict loopback server of OpenAI's Responses API. */
export async function responsesMock(options: WireMockOptions): Promise<ResponsesMock> {
  const dialect = responsesMockDialect();
  const mock = await wireMock(dialect, options);
  return Object.defineProperty(mock, 'forget', { value: dialect.forget }) as ResponsesMock;
}

const OPENAI = {
  basePath: '/v1',
  isPath: (path: string) => path === '/v1/responses',
  keyOf: ({ authorization }: MockRequest['headers']) => /^Bearer (.+)$/.exec(String(authorization))?.[1],
};

type Item = Readonly<Record<string, unknown>>;

interface Made {
  readonly id: string;
  readonly output: readonly Item[];
}

const sealFor = (model: string): string => `gAAAA-${model}-`;

/** Reasoning is sealed when it was asked for; a model that reasons does so before each answer that `reasoning` is given for. */
function itemsOf({ body }: MockRequest, answer: MockAnswer, id: string): Item[] {
  const { reasoning, text, refusal, calls = [] } = answer;
  const include = Array.isArray(body['include']) ? (body['include'] as readonly unknown[]) : [];
  const sealed = include.includes('reasoning.encrypted_content') ? { encrypted_content: `${sealFor(String(body['model']))}${id}` } : {};
  const items: Item[] = [];
  if (reasoning !== undefined)
    items.push({
      id: `rs_${id}`,
      type: 'reasoning',
      summary: reasoning === '' ? [] : [{ type: 'summary_text', text: reasoning }],
      ...sealed,
    });
  const content = [
    ...(text === undefined ? [] : [{ type: 'output_text', text, annotations: [], logprobs: [] }]),
    ...(refusal === undefined ? [] : [{ type: 'refusal', refusal }]),
  ];
  if (content.length > 0) items.push({ id: `msg_${id}`, type: 'message', role: 'assistant', status: 'completed', content });
  calls.forEach(({ id: callId, name, input }, index) =>
    items.push({
      id: `fc_${id}_${index}`,
      type: 'function_call',
      status: 'completed',
      call_id: callId ?? `call_${id}_${index}`,
      name,
      arguments: inputText(input),
    }),
  );
  return items;
}

function responseOf({ body }: MockRequest, answer: MockAnswer, { id, output }: Made): Item {
  return {
    id,
    object: 'response',
    created_at: 1_700_000_000,
    status: answer.finish === undefined ? 'completed' : 'incomplete',
    error: null,
    incomplete_details: answer.finish === undefined ? null : { reason: answer.finish },
    model: `${String(body['model'])}-2025-01-01`,
    output,
    previous_response_id: body['previous_response_id'] ?? null,
    service_tier: 'default',
    store: body['store'] ?? true,
    usage: usageOf(answer),
  };
}

/** The same answer as a stream: texts in pieces of `pieceLength`, arguments in pieces of 5. */
function streamOf(request: MockRequest, answer: MockAnswer, made: Made): string {
  const response = responseOf(request, answer, made);
  let number = 0;
  let body = '';
  const emit = (type: string, rest: Item): void => {
    body += `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: number++, ...rest })}\n\n`;
  };
  const started = { ...response, status: 'in_progress', output: [], usage: null };
  emit('response.created', { response: started });
  emit('response.in_progress', { response: started });
  const length = answer.pieceLength ?? 3;
  made.output.forEach((item, index) => {
    const at = { item_id: item['id'], output_index: index };
    emit('response.output_item.added', { output_index: index, item: begun(item) });
    for (const [type, rest] of eventsOf(item, length)) emit(`response.${type}`, { ...at, ...rest });
    emit('response.output_item.done', { output_index: index, item });
  });
  emit(response['status'] === 'completed' ? 'response.completed' : 'response.incomplete', { response });
  return body;
}

/** An item as it begins: nothing of what comes in pieces, and its seal not whole. */
function begun(item: Item): Item {
  if (item['type'] === 'function_call') return { ...item, status: 'in_progress', arguments: '' };
  if (item['type'] === 'message') return { ...item, status: 'in_progress', content: [] };
  return { ...item, summary: [], ...('encrypted_content' in item ? { encrypted_content: 'gAAAA' } : {}) };
}

type Event = readonly [type: string, rest: Item];

/** What comes of an item between its beginning and its end. */
function eventsOf(item: Item, textLength: number): Event[] {
  const cut = (type: string, text: unknown, rest: Item, length = textLength): Event[] =>
    pieces(String(text), length).map((delta) => [`${type}.delta`, { ...rest, delta }]);
  if (item['type'] === 'function_call') return cut('function_call_arguments', item['arguments'], {}, 5);
  const list = (item[item['type'] === 'message' ? 'content' : 'summary'] ?? []) as readonly Item[];
  return list.flatMap((part, index): Event[] => {
    if (part['type'] === 'summary_text') return cut('reasoning_summary_text', part['text'], { summary_index: index });
    const isRefusal = part['type'] === 'refusal';
    const [empty, text] = isRefusal ? [{ refusal: '' }, part['refusal']] : [{ text: '' }, part['text']];
    return [
      ['content_part.added', { content_index: index, part: { ...part, ...empty } }],
      ...cut(isRefusal ? 'refusal' : 'output_text', text, { content_index: index, ...(isRefusal ? {} : { logprobs: [] }) }),
    ];
  });
}

function usageOf({ usage = { inputTokens: 10, outputTokens: 5 } }: MockAnswer): Item | null {
  if (usage === null) return null;
  const { inputTokens, outputTokens, cachedInputTokens, cacheWriteTokens, reasoningTokens } = usage;
  return {
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    total_tokens: (inputTokens ?? 0) + (outputTokens ?? 0),
    input_tokens_details: {
      ...(cachedInputTokens === undefined ? {} : { cached_tokens: cachedInputTokens }),
      ...(cacheWriteTokens === undefined ? {} : { cache_write_tokens: cacheWriteTokens }),
    },
    output_tokens_details: reasoningTokens === undefined ? {} : { reasoning_tokens: reasoningTokens },
  };
}
