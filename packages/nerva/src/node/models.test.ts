import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { anthropicMock, openaiMock } from '../testing/index.ts';
import type { Model } from '../model/index.ts';
import { tool } from '../tool/index.ts';
import { modelNamed, PROVIDER_ENTRIES } from './models.ts';
import { createAgent, createRuntime } from './runtime.ts';
import { nodeWorld } from './world.ts';

const REQUEST = {
  instructions: '',
  messages: [{ role: 'user', origin: 'person', parts: [{ type: 'text', text: 'hi' }] }],
  tools: [],
  params: { maxOutputTokens: 10 },
} as const;

test('at least twenty providers are known by name, each once, with a dialect and what its environment needs', () => {
  assert.ok(PROVIDER_ENTRIES.length >= 20, String(PROVIDER_ENTRIES.length));
  assert.equal(new Set(PROVIDER_ENTRIES.map(({ id }) => id)).size, PROVIDER_ENTRIES.length);
  for (const { id, keyVariables, urlVariables, isLocal, isConfigured } of PROVIDER_ENTRIES) {
    assert.ok(isLocal || keyVariables.length > 0, id);
    assert.equal(isConfigured({}), false, `${id} is not configured by an empty environment`);
    for (const variable of urlVariables.length > 1 ? urlVariables : []) {
      const full = Object.fromEntries([...keyVariables, 'AWS_SECRET_ACCESS_KEY', ...urlVariables].map((name) => [name, 'x']));
      const others = urlVariables.filter((name) => name !== variable).map((name) => [name, '']);
      assert.equal(isConfigured({ ...full, ...Object.fromEntries(others) }), true, `${id} by ${variable}, the others empty`);
    }
  }
});

test('a name is a model that reads its key and address when it is called, not before', async () => {
  const mock = await openaiMock({ answer: () => 'from groq', apiKey: 'gsk-secret-key' });
  const world = nodeWorld();
  const env: Record<string, string> = {};
  const model = modelNamed('groq/llama-3.3-70b-versatile', { env });
  assert.equal(model.name, 'groq/llama-3.3-70b-versatile');
  await assert.rejects(model.call(REQUEST, { world }), (error) => {
    assert.ok(NervaError.is(error, 'MODEL_AUTH'));
    assert.match(error.message, /set GROQ_API_KEY in the environment. Nothing was sent/);
    return true;
  });
  env['GROQ_API_KEY'] = 'gsk-secret-key';
  env['GROQ_BASE_URL'] = mock.baseUrl;
  const answer = await model.call(REQUEST, { world });
  assert.deepEqual(answer.parts, [{ type: 'text', text: 'from groq' }]);
  assert.equal(mock.requests[0]?.body['model'], 'llama-3.3-70b-versatile');
  await world.transport.close();
  await mock.close();
});

test('a name may hold slashes after the provider, and openai at another address speaks chat completions without a key', async () => {
  const mock = await openaiMock({ answer: () => 'local' });
  const world = nodeWorld();
  const model = modelNamed('openai/org/model:tag', { env: { OPENAI_BASE_URL: mock.baseUrl } });
  await model.call(REQUEST, { world });
  assert.equal(mock.requests[0]?.body['model'], 'org/model:tag');
  await world.transport.close();
  await mock.close();
});

test('anthropic is asked at its own address with its own key', async () => {
  const mock = await anthropicMock({ answer: () => 'hello', apiKey: 'sk-ant-1234' });
  const world = nodeWorld();
  const model = modelNamed('anthropic/claude-x', { env: { ANTHROPIC_API_KEY: 'sk-ant-1234', ANTHROPIC_BASE_URL: mock.baseUrl } });
  assert.deepEqual((await model.call(REQUEST, { world })).parts, [{ type: 'text', text: 'hello' }]);
  await world.transport.close();
  await mock.close();
});

test('a name of nothing is refused with the nearest provider', () => {
  const refused = (name: string): string => {
    try {
      modelNamed(name);
      return '';
    } catch (error) {
      assert.ok(NervaError.is(error, 'OPTION_INVALID'));
      return error.message;
    }
  };
  assert.match(refused('antropic/claude'), /Did you mean "anthropic\/claude"\?/);
  assert.match(refused('claude-haiku-4.5'), /Did you mean "anthropic\/claude-haiku-4-5"\?/);
  assert.doesNotMatch(refused('a-model-of-my-own'), /Did you mean/);
  assert.match(refused('gpt-5'), /expected "provider\/model"/);
  assert.match(refused('openai/'), /expected "provider\/model"/);
  assert.match(refused('/x'), /expected "provider\/model"/);
});

test('azure and bedrock say which variables are missing', async () => {
  const world = nodeWorld();
  for (const [name, env, variable] of [
    ['azure/gpt', { AZURE_API_KEY: 'k' }, /AZURE_OPENAI_ENDPOINT or AZURE_RESOURCE_NAME/],
    ['azure/gpt', { AZURE_RESOURCE_NAME: 'r' }, /AZURE_OPENAI_API_KEY or AZURE_API_KEY/],
    ['bedrock/m', {}, /AWS_REGION/],
    ['bedrock/m', { AWS_REGION: 'us-east-1' }, /AWS_BEARER_TOKEN_BEDROCK/],
  ] as const)
    await assert.rejects(
      modelNamed(name, { env }).call(REQUEST, { world }),
      (error) => NervaError.is(error, 'MODEL_AUTH') && variable.test(error.message),
    );
  await world.transport.close();
});

test('an agent takes its model by name, or one of the AI SDK as it is, and says what it is given else', async () => {
  const mock = await openaiMock({ answer: () => 'by name' });
  process.env['VLLM_BASE_URL'] = mock.baseUrl;
  try {
    const agent = createAgent({ name: 'named', model: 'vllm/qwen' });
    assert.equal(agent.model?.name, 'vllm/qwen');
    assert.equal((await agent.generate('hi')).text, 'by name');
  } finally {
    delete process.env['VLLM_BASE_URL'];
    await mock.close();
  }
  const sdk = {
    specificationVersion: 'v3',
    provider: 'acme',
    modelId: 'm',
    doGenerate: () =>
      Promise.resolve({ content: [{ type: 'text', text: 'by the SDK' }], finishReason: { unified: 'stop' }, usage: {}, warnings: [] }),
    doStream: () => Promise.reject(new Error('not asked')),
  };
  assert.equal((await createAgent({ name: 'sdk', model: sdk }).generate('hi')).text, 'by the SDK');
  assert.throws(() => createAgent({ name: 'x', model: { name: 'no call' } as never }), /give a Model or a LanguageModel/);
});

test('what a model is known not to do is refused before a call, with models that can', async () => {
  const blind: Model = {
    name: 'blind/model',
    capabilities: { tool_use: 0, vision: 0 },
    call: () => Promise.reject(new Error('it was called')),
  };
  const look = tool({ name: 'look', inputSchema: { type: 'object' }, execute: () => 'x' });
  assert.throws(
    () => createAgent({ name: 'x', model: blind, tools: [look] }),
    (error) => NervaError.is(error, 'AGENT_INVALID') && /cannot call any. Models that can \(tool_use\): \S+\/\S+/.test(error.message),
  );
  const runtime = await createRuntime({ store: 'memory:', agents: [createAgent({ name: 'x', model: blind })] });
  const files = [{ mediaType: 'image/png', data: new Uint8Array([1]) }];
  const { status, why } = await runtime.session('s', { agent: 'x' }).send('look', { files }).result;
  assert.equal(status, 'failed');
  assert.match(why, /^MODEL_REFUSED: blind\/model does not take image\/png. Nothing was sent. Models that can \(vision\): /);
  await runtime.close();
});

test('a price belongs to the address of the provider: elsewhere it is unknown, unless one is given', () => {
  for (const [name, variable, own, other] of [
    ['openai/gpt-5-mini', 'OPENAI_BASE_URL', 'https://api.openai.com/v1/', 'http://127.0.0.1:8000/v1'],
    ['anthropic/claude-haiku-4-5', 'ANTHROPIC_BASE_URL', 'https://api.anthropic.com/v1', 'https://gateway.example/v1'],
    ['google/gemini-3.8-flash', 'GOOGLE_BASE_URL', 'https://generativelanguage.googleapis.com/v1beta', '10.0.0.7:9000'],
  ] as const) {
    assert.notEqual(modelNamed(name, { env: {} }).price, undefined, name);
    assert.deepEqual(modelNamed(name, { env: { [variable]: own } }).price, modelNamed(name, { env: {} }).price, name);
    assert.equal(modelNamed(name, { env: { [variable]: other } }).price, undefined, name);
    assert.notEqual(modelNamed(name, { env: { [variable]: other } }).contextTokensMax, undefined, name);
  }
});
