import { CHAT_COMPLETION, ChatDecoder } from './dialects/openai-chat-answer.ts';
import type { ChatQuirks } from './dialects/openai-chat-quirks.ts';
import { ChatEncoder } from './dialects/openai-chat-request.ts';
import { endpointOf, type EndpointOptions } from './endpoint.ts';
import type { Endpoint } from './exchange.ts';
import { SSE } from './framing.ts';
import type { Model } from './model.ts';
import { httpModel } from './wire.ts';

/** An endpoint that speaks OpenAI's chat completions. */
export interface OpenAiOptions extends EndpointOptions {
  /** How the endpoint names the output limit. Default `max_completion_tokens` at api.openai.com, elsewhere `max_tokens`, which all others know. */
  readonly maxTokensField?: 'max_completion_tokens' | 'max_tokens';
  /** What else this endpoint does differently from OpenAI. */
  readonly quirks?: ChatQuirks;
}

/** OpenAI's address. */
export const OPENAI_URL = 'https://api.openai.com/v1';

/**
 * A model behind OpenAI's chat completions protocol: OpenAI itself, vLLM, Ollama, llama.cpp, gateways.
 * It streams exactly when `onDelta` is given. One HTTP request a call; what fails is for the caller to repeat.
 * @throws OPTION_INVALID for an empty model name or a malformed URL.
 */
export function openaiChat(options: OpenAiOptions): Model {
  const endpoint = endpointOf(options, { provider: 'openai', baseUrl: OPENAI_URL });
  const isOpenAi = endpoint.host === 'api.openai.com';
  const quirks: ChatQuirks = {
    maxTokensField: options.maxTokensField ?? (isOpenAi ? 'max_completion_tokens' : 'max_tokens'),
    ...options.quirks,
  };
  return chatModel(endpoint, options.model, quirks);
}

/** The same behind an endpoint that is made already. */
export function chatModel(endpoint: Endpoint, model: string, quirks: ChatQuirks): Model {
  const encoder = new ChatEncoder(endpoint.name, model, quirks);
  return httpModel(
    {
      what: CHAT_COMPLETION,
      framing: SSE,
      encode: (request, { isStream }) => encoder.encode(request, isStream),
      decoder: (onDelta) => new ChatDecoder(endpoint.name, onDelta, quirks),
    },
    endpoint,
  );
}
