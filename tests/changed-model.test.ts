/** docs/models.md, "When the model changes": what each dialect sends of another model's turn, and what it says that it left out. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { nodeWorld } from 'nerva';
import {
  anthropic,
  bedrock,
  compatible,
  fromAiSdk,
  google,
  ollama,
  openaiChat,
  openaiResponses,
  type Message,
  type Model,
} from 'nerva/model';
import {
  anthropicMock,
  bedrockMock,
  compatibleChatMock,
  googleMock,
  ollamaMock,
  openaiMock,
  responsesMock,
  wireMock,
  type WireMock,
} from 'nerva/testing';

const world = nodeWorld();
const [, page = ''] = readFileSync(new URL('../docs/models.md', import.meta.url), 'utf8').split('## When the model changes');
const echo = { by: 'other/model', data: { signature: 'c2VhbA==' } };

/** A turn of another model: it thought, said something with a source, called a tool, and got an answer. */
const messages: readonly Message[] = [
  { role: 'user', origin: 'person', parts: [{ type: 'text', text: 'QUESTION' }] },
  {
    role: 'assistant',
    origin: 'model',
    parts: [
      { type: 'reasoning', text: 'THOUGHT', echo },
      { type: 'text', text: 'SAID', citations: [{ url: 'https://example.org' }], echo },
      { type: 'tool_call', id: 'functions.look:0', name: 'look', input: { at: 'CALLED' }, echo },
    ],
  },
  { role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id: 'functions.look:0', name: 'look', output: 'RETURNED' }] },
  { role: 'user', origin: 'person', parts: [{ type: 'text', text: 'FOLLOW-UP' }] },
];
const tools = [{ name: 'look', description: 'Looks.', inputSchema: { type: 'object', properties: { at: { type: 'string' } } } }];
const answer = (): string => 'ok';

interface Dialect {
  readonly mock: () => Promise<WireMock>;
  readonly model: (baseUrl: string) => Model;
}

const DIALECTS: Readonly<Record<string, Dialect>> = {
  'OpenAI chat completions': {
    mock: () => openaiMock({ answer }),
    model: (baseUrl) => openaiChat({ model: 'm', baseUrl }),
  },
  'chat completions with reasoning (DeepSeek)': {
    mock: () => wireMock(compatibleChatMock('deepseek'), { answer }),
    model: (baseUrl) => compatible('deepseek', { model: 'm', baseUrl }),
  },
  'OpenAI Responses': {
    mock: () => responsesMock({ answer }),
    model: (baseUrl) => openaiResponses({ model: 'm', baseUrl }),
  },
  'Anthropic Messages': {
    mock: () => anthropicMock({ answer }),
    model: (baseUrl) => anthropic({ model: 'claude-haiku-4-5', baseUrl }),
  },
  'Google generateContent': {
    mock: () => googleMock({ answer }),
    model: (baseUrl) => google({ model: 'gemini-3.5-flash', baseUrl }),
  },
  Ollama: { mock: () => ollamaMock({ answer }), model: (baseUrl) => ollama({ model: 'm', baseUrl }) },
  'Bedrock Converse': {
    mock: () => bedrockMock({ answer }),
    model: (baseUrl) => bedrock({ model: 'anthropic.claude-haiku-4-5', region: 'us-east-1', apiKey: 'k', baseUrl }),
  },
  'models of the AI SDK': {
    mock: () => openaiMock({ answer }),
    model: (baseUrl) => fromAiSdk(createOpenAI({ apiKey: 'k', baseURL: baseUrl }).chat('m')),
  },
};

for (const [name, { mock: open, model }] of Object.entries(DIALECTS)) {
  test(`of another model's turn, ${name} sends what was said, called and returned, and names the rest as the page has it`, async () => {
    const mock = await open();
    try {
      const { meta } = await model(mock.baseUrl).call({ instructions: '', messages, tools, params: {} }, { world });
      const body = JSON.stringify(mock.requests[0]?.body);
      for (const word of ['QUESTION', 'SAID', 'CALLED', 'RETURNED', 'FOLLOW-UP'])
        assert.ok(body.includes(word), `${word} is missing: ${body}`);
      for (const secret of ['THOUGHT', 'c2VhbA==', 'example.org']) assert.ok(!body.includes(secret), `${secret} was sent: ${body}`);
      const row = page.split('\n').find((line) => line.startsWith(`| ${name} |`)) ?? '';
      const shown = [...row.matchAll(/`([^`]*\bearlier\b[^`]*)`/g)].map(([, words]) => words);
      assert.deepEqual(meta?.['notSent'], shown);
    } finally {
      await mock.close();
    }
  });
}
test.after(() => world.transport.close());
