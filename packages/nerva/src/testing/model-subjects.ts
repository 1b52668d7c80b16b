import { anthropic, azureOpenai, bedrock, compatible, google, ollama, openaiChat, openaiResponses } from '../model/index.ts';
import { anthropicMessagesMock } from './anthropic-mock.ts';
import { bedrockConverseMock } from './bedrock-mock.ts';
import { MOCK_ACCOUNT } from './bedrock-signature.ts';
import { compatibleChatMock } from './compatible-mock.ts';
import { googleContentMock } from './google-mock.ts';
import { BEDROCK, CHAT, CLAUDE, GOOGLE, OLLAMA, openaiTooLong, RESPONSES, type Features } from './model-features.ts';
import type { HttpSubject } from './model-harness.ts';
import { ollamaChatMock } from './ollama-mock.ts';
import { openaiChatMock } from './openai-mock.ts';
import { responsesMockDialect } from './responses-mock.ts';
import type { MockDialect } from './wire-mock.ts';

/** The dialects of this package, each with the strict mock of its provider. They run the contract; histories of each are handed to every other. */
export function modelSubjects(): readonly HttpSubject[] {
  return SUBJECTS;
}

const SUBJECTS: readonly HttpSubject[] = [
  {
    name: 'OpenAI chat completions',
    make: (baseUrl, options) => openaiChat({ model: 'gpt-5-mini', baseUrl, ...options }),
    mock: () => openaiChatMock,
    features: CHAT,
  },
  {
    name: 'OpenAI Responses',
    make: (baseUrl, options) => openaiResponses({ model: 'gpt-5-mini', baseUrl, ...options }),
    mock: () => responsesMockDialect(),
    features: RESPONSES,
  },
  {
    name: 'Anthropic Messages',
    make: (baseUrl, options) => anthropic({ model: 'claude-sonnet-4-5', baseUrl, ...options }),
    mock: () => anthropicMessagesMock,
    features: CLAUDE,
  },
  {
    name: 'Google generateContent',
    make: (baseUrl, options) => google({ model: 'gemini-3-pro-preview', baseUrl, ...options }),
    mock: () => googleContentMock,
    features: GOOGLE,
  },
  {
    name: 'Ollama',
    make: (baseUrl, options) => ollama({ model: 'qwen3:8b', baseUrl, ...options }),
    mock: () => ollamaChatMock,
    features: OLLAMA,
  },
  {
    name: 'Bedrock Converse with a bearer token',
    make: (baseUrl, options) => bedrock({ model: CLAUDE_ID, region: 'us-east-1', baseUrl, ...options }),
    mock: () => bedrockConverseMock,
    features: BEDROCK,
  },
  {
    name: 'Bedrock Converse, signed',
    // The secret of the account stands for the key.
    make: (baseUrl, { apiKey: secretAccessKey, ...options }) =>
      bedrock({
        model: CLAUDE_ID,
        region: 'us-east-1',
        baseUrl,
        credentials: { accessKeyId: accountOf(secretAccessKey), secretAccessKey },
        ...options,
      }),
    mock: () => ({ ...bedrockConverseMock, keyOf: (headers) => secretOf(bedrockConverseMock.keyOf(headers)) }),
    apiKey: MOCK_ACCOUNT.secretAccessKey,
    features: BEDROCK,
  },
  {
    name: 'Azure OpenAI chat completions',
    make: (baseUrl, options) => azureOpenai({ deployment: 'gpt', baseUrl, ...options }),
    mock: () => azureMock(openaiChatMock, '/chat/completions'),
    features: CHAT,
  },
  {
    name: 'Azure OpenAI Responses',
    make: (baseUrl, options) => azureOpenai({ deployment: 'gpt', api: 'responses', baseUrl, ...options }),
    mock: () => azureMock(responsesMockDialect(), '/responses'),
    features: RESPONSES,
  },
  row('mistral', 'mistral-medium-latest', {
    returnsReasoning: true,
    files: ['image'],
    tooLong: [
      {
        status: 400,
        body: {
          object: 'error',
          message: 'Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
          type: 'invalid_request_error',
          code: '3051',
        },
      },
    ],
  }),
  row('deepseek', 'deepseek-chat', {
    returnsReasoning: true,
    files: [],
    tooLong: [
      openaiTooLong("This model's maximum context length is 65536 tokens. However, you requested 70000 tokens.", 'invalid_request_error'),
    ],
  }),
  row('moonshot', 'kimi-k2.5', {
    returnsReasoning: true,
    files: ['image'],
    // github.com/MoonshotAI/kimi-cli/issues/2011, 2026-04-22.
    tooLong: [
      {
        status: 400,
        body: {
          error: {
            message: 'Invalid request: Your request exceeded model token limit: 262144 (requested: 269030)',
            type: 'invalid_request_error',
          },
        },
      },
    ],
  }),
  row('groq', 'openai/gpt-oss-120b', {
    returnsReasoning: true,
    files: ['image'],
    // github.com/OpenHands/OpenHands/issues/1902, 2024-05-19, and cline/cline/issues/5140 (Cerebras), 2025-07-24.
    tooLong: [
      openaiTooLong('Please reduce the length of the messages or completion.'),
      openaiTooLong('Please reduce the length of the messages or completion. Current length is 42328 while limit is 40000', null),
    ],
  }),
  row('openrouter', 'deepseek/deepseek-chat', {
    returnsReasoning: true,
    // The second is xAI's (github.com/chenyme/grok2api/issues/693, 2026-07-18).
    tooLong: [
      openaiTooLong("This endpoint's maximum context length is 32768 tokens. However, you requested about 40000 tokens.", 400),
      openaiTooLong("This model's maximum prompt length is 500000 but the request contains 907154 tokens.", null),
    ],
  }),
];

const CLAUDE_ID = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';

/** A row of the table of providers that speak OpenAI's chat completions. */
function row(id: string, model: string, features: Partial<Features>): HttpSubject {
  return {
    name: `${id} (compatible)`,
    make: (baseUrl, options) => compatible(id, { model, baseUrl, ...options }),
    mock: () => compatibleChatMock(id),
    features: { ...CHAT, ...features },
  };
}

/** Azure's addresses and header before the rules of OpenAI. */
function azureMock(dialect: MockDialect, path: string): MockDialect {
  return {
    ...dialect,
    basePath: '',
    keyOf: (headers) => (typeof headers['api-key'] === 'string' ? headers['api-key'] : undefined),
    fault: (request) =>
      request.path === `/openai/v1${path}` ? dialect.fault({ ...request, path: `/v1${path}` }) : `Resource not found (${request.path})`,
  };
}

const accountOf = (secret: string): string => (secret === MOCK_ACCOUNT.secretAccessKey ? MOCK_ACCOUNT.accessKeyId : 'AKIDUNKNOWN');
const secretOf = (account: string | undefined): string | undefined =>
  account === MOCK_ACCOUNT.accessKeyId ? MOCK_ACCOUNT.secretAccessKey : account;
