import type { FinishReason } from '../model/index.ts';
import { eventMessage } from './bedrock-mock.ts';
import type { HttpFeatures, ModelFeatures } from './model-harness.ts';

/** All features of a model behind HTTP. */
export type Features = ModelFeatures & HttpFeatures;
type TooLong = HttpFeatures['tooLong'][number];

/** As OpenAI has it ("Error codes", developers.openai.com, read 2026-11), and as its servers elsewhere say it. */
export const openaiTooLong = (message: string, code: string | number | null = 'context_length_exceeded'): TooLong => ({
  status: 400,
  body: { error: { message, type: 'invalid_request_error', param: 'messages', code } },
});

/** OpenAI chat completions. */
export const CHAT: Features = {
  reasoning: true,
  overloaded: (message) => `data: ${JSON.stringify({ error: { message, type: 'server_error', code: null } })}\n\n`,
  returnsReasoning: false,
  malformed: 'both',
  usage: ['cachedInputTokens', 'reasoningTokens'],
  finishes: { stop: 'stop', length: 'length', content_filter: 'content_filter', surprise: 'other' },
  files: ['image', 'document', 'audio'],
  tooLong: [
    openaiTooLong(
      "This model's maximum context length is 128000 tokens. However, your messages resulted in 130512 tokens. Please reduce the length of the messages.",
    ),
    // vLLM and llama.cpp.
    openaiTooLong(
      "This model's maximum context length is 16384 tokens. However, you requested 19591 tokens (9591 in the messages, 10000 in the completion).",
      400,
    ),
    {
      status: 400,
      body: {
        error: {
          code: 400,
          message: 'the request exceeds the available context size, try increasing it',
          type: 'exceed_context_size_error',
        },
      },
    },
  ],
};

/** OpenAI Responses. */
export const RESPONSES: Features = {
  ...CHAT,
  overloaded: (message) =>
    `event: response.failed\ndata: ${JSON.stringify({ type: 'response.failed', response: { status: 'failed', error: { code: 'server_error', message } } })}\n\n`,
  returnsReasoning: true,
  usage: ['cachedInputTokens', 'cacheWriteTokens', 'reasoningTokens'],
  finishes: { max_output_tokens: 'length', content_filter: 'content_filter', surprise: 'other' },
  files: ['image', 'document'],
  tooLong: [openaiTooLong('Your input exceeds the context window of this model. Please adjust your input and try again.')],
};

const CLAUDE_FINISHES: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  surprise: 'other',
};
/** "Errors" and "Context windows" of Anthropic's documentation, read 2026-11. */
const CLAUDE_LONG =
  'input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again';
const claudeTooLong = (message: string): TooLong => ({
  status: 400,
  body: { type: 'error', error: { type: 'invalid_request_error', message } },
});

/** Anthropic Messages. */
export const CLAUDE: Features = {
  ...CHAT,
  overloaded: (message) => `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: 'overloaded_error', message } })}\n\n`,
  returnsReasoning: true,
  // Whole, arguments are an object.
  malformed: 'stream',
  usage: ['cachedInputTokens', 'cacheWriteTokens'],
  finishes: { ...CLAUDE_FINISHES, refusal: 'content_filter', model_context_window_exceeded: 'length' },
  files: ['image', 'document'],
  tooLong: [claudeTooLong('prompt is too long: 210345 tokens > 200000 maximum'), claudeTooLong(CLAUDE_LONG)],
};

/** Bedrock's Converse, with Claude behind it. */
export const BEDROCK: Features = {
  ...CLAUDE,
  overloaded: (message) => eventMessage('serviceUnavailableException', { message }, 'exception'),
  finishes: { ...CLAUDE_FINISHES, guardrail_intervened: 'content_filter', content_filtered: 'content_filter' },
  // The wire has a block for audio ("AudioBlock", Bedrock API reference, read 2026-11), whatever this model makes of one.
  files: ['image', 'document', 'audio'],
  tooLong: [
    { status: 400, body: { message: 'Input is too long for requested model.' } },
    { status: 400, body: { message: `The model returned the following errors: ${CLAUDE_LONG}` } },
  ],
};

/** Google's generateContent. */
export const GOOGLE: Features = {
  ...CHAT,
  overloaded: (message) => `data: ${JSON.stringify({ error: { code: 503, message, status: 'UNAVAILABLE' } })}\r\n\r\n`,
  returnsReasoning: true,
  malformed: 'none',
  finishes: { STOP: 'stop', MAX_TOKENS: 'length', SAFETY: 'content_filter', RECITATION: 'content_filter', SURPRISE: 'other' },
  tooLong: [
    {
      status: 400,
      body: {
        error: {
          code: 400,
          message: 'The input token count (1358921) exceeds the maximum number of tokens allowed (1048576).',
          status: 'INVALID_ARGUMENT',
        },
      },
    },
  ],
};

const OLLAMA_LONG = {
  error:
    'the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the context length in settings, or use a model with a longer context length',
};

/** Ollama's chat. */
export const OLLAMA: Features = {
  ...CHAT,
  overloaded: (message) => `${JSON.stringify({ error: message })}\n`,
  returnsReasoning: true,
  malformed: 'none',
  usage: [],
  finishes: { stop: 'stop', length: 'length', surprise: 'other' },
  files: ['image'],
  tooLong: [
    { status: 400, body: OLLAMA_LONG },
    { status: 500, body: OLLAMA_LONG },
  ],
};
