import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { fromAiSdk, type AiSdkModel, type Model } from '../model/index.ts';
import { nodeWorld } from '../node/index.ts';
import { anthropicMessagesMock } from './anthropic-mock.ts';
import { googleContentMock } from './google-mock.ts';
import { CHAT, CLAUDE, GOOGLE } from './model-features.ts';
import { CONTRACT_KEY, type ModelFeatures, type PortSubject } from './model-harness.ts';
import { modelContract } from './model.contract.ts';
import { modelSubjects } from './model-subjects.ts';
import { openaiChatMock } from './openai-mock.ts';
import { wireMock, type MockDialect } from './wire-mock.ts';

for (const subject of modelSubjects()) modelContract(subject);

/** Models of the AI SDK before the same strict mocks: the port is what is tested here, the way behind it is theirs. */
const AI_SDK: readonly PortSubject[] = [
  port('AI SDK, OpenAI chat completions', {
    mock: openaiChatMock,
    make: (baseURL) => createOpenAI({ baseURL, apiKey: CONTRACT_KEY }).chat('gpt-5-mini'),
    // That package reads no reasoning of this wire.
    features: { ...CHAT, reasoning: false },
  }),
  port('AI SDK, Anthropic Messages', {
    mock: anthropicMessagesMock,
    make: (baseURL) => createAnthropic({ baseURL, apiKey: CONTRACT_KEY })('claude-sonnet-4-5'),
    features: CLAUDE,
  }),
  port('AI SDK, Google generateContent', {
    mock: googleContentMock,
    make: (baseURL) => createGoogleGenerativeAI({ baseURL, apiKey: CONTRACT_KEY })('gemini-3-pro-preview'),
    // Its thoughts carry no seal: signatures stand on texts and calls, so nothing of a thought goes back.
    features: { ...GOOGLE, returnsReasoning: false },
  }),
];

for (const subject of AI_SDK) modelContract(subject);

function port(
  name: string,
  {
    mock: dialect,
    make,
    features,
  }: { readonly mock: MockDialect; readonly make: (baseUrl: string) => unknown; readonly features: ModelFeatures },
): PortSubject {
  return {
    name,
    features,
    async open(answer) {
      const mock = await wireMock(dialect, { apiKey: CONTRACT_KEY, isRefusalExpected: true, answer: (request, n) => answer(n, request) });
      const world = nodeWorld();
      const model: Model = fromAiSdk(make(mock.baseUrl) as AiSdkModel);
      return {
        model,
        world,
        get requests() {
          return mock.requests.map(({ body }) => body);
        },
        async close() {
          await world.transport.close();
          await mock.close();
        },
      };
    },
  };
}
