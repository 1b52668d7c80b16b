import assert from 'node:assert/strict';
import test from 'node:test';
import { NervaError, type HttpRequest, type Transport } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { modelFromEnv } from './model-from-env.ts';
import { ollamaUrl } from './ollama-url.ts';

/** A network in which only `/api/tags` answers, with `body`; or nothing, without one. */
function network(body?: string, seen: HttpRequest[] = []): Transport {
  return {
    close: () => Promise.resolve(),
    request: (request) => {
      seen.push(request);
      if (body === undefined) return Promise.reject(new NervaError('HTTP_UNREACHABLE', 'nobody is there'));
      return Promise.resolve({
        status: 200,
        headers: {},
        text: () => Promise.resolve(body),
        bytes: () => assert.fail('not read as bytes'),
        discard: () => undefined,
      });
    },
  };
}

test('a key alone takes OpenAI, a base URL takes that endpoint, and neither touches the network', async () => {
  const seen: HttpRequest[] = [];
  const transport = network(undefined, seen);
  const key = await modelFromEnv({ env: { OPENAI_API_KEY: 'sk-secret' }, transport });
  assert.equal(key.took, 'openai/gpt-5-mini (OPENAI_API_KEY)');
  const named = await modelFromEnv({ env: { OPENAI_API_KEY: 'sk-secret', OPENAI_MODEL: 'gpt-5' }, transport });
  assert.equal(named.model.name, 'openai/gpt-5');
  const own = await modelFromEnv({
    env: { OPENAI_BASE_URL: 'http://me:pass@127.0.0.1:8000/v1?key=x', OPENAI_MODEL: 'llama', OPENAI_API_KEY: 'sk-secret' },
    transport,
  });
  assert.equal(own.took, 'openai/llama at http://127.0.0.1:8000/v1 (OPENAI_BASE_URL)');
  await assert.rejects(modelFromEnv({ env: { OPENAI_BASE_URL: 'http://127.0.0.1:8000/v1' }, transport }), { code: 'OPTION_INVALID' });
  assert.equal(seen.length, 0);
});

test('NERVA_MODEL names any model, and the key of another provider takes its cheapest known one', async () => {
  const transport = network();
  const named = await modelFromEnv({ env: { NERVA_MODEL: 'groq/x', OPENAI_API_KEY: 'sk' }, transport });
  assert.deepEqual([named.model.name, named.took], ['groq/x', 'groq/x (NERVA_MODEL)']);
  const keyed = await modelFromEnv({ env: { ANTHROPIC_API_KEY: 'sk-ant' }, transport });
  assert.match(keyed.took, /^anthropic\/claude-\S+ \(ANTHROPIC_API_KEY\)$/);
  assert.equal(keyed.model.price === undefined, false, 'one whose price is known comes first');
  await assert.rejects(modelFromEnv({ env: { NERVA_MODEL: 'nobody/x' }, transport }), { code: 'OPTION_INVALID' });
});

test('without a key a running Ollama is taken, asked for no longer than 300 ms', async () => {
  const seen: HttpRequest[] = [];
  const found = await modelFromEnv({ env: {}, transport: network('{"models":[{"name":"qwen3:4b"},{"name":"llama"}]}', seen) });
  assert.equal(found.took, 'ollama/qwen3:4b (Ollama at http://127.0.0.1:11434)');
  assert.deepEqual([seen[0]?.url, seen[0]?.limits?.totalMs], ['http://127.0.0.1:11434/api/tags', 300]);
  assert.equal(
    (await modelFromEnv({ env: { OPENAI_MODEL: 'llama' }, transport: network('{"models":[{"name":"qwen3:4b"}]}') })).model.name,
    'ollama/llama',
  );
});

test('when there is no model the error says what to set', async () => {
  for (const body of [undefined, '{"models":[]}', '<html>', '{}', '[1]']) {
    await assert.rejects(
      modelFromEnv({ env: { OPENAI_API_KEY: '' }, transport: network(body) }),
      (error: Error) => NervaError.is(error, 'OPTION_INVALID') && error.message.includes('OPENAI_API_KEY'),
    );
  }
});

test('an Ollama is looked for where OLLAMA_HOST says, by the rule of its makers, and called there', async () => {
  for (const [host, url] of [
    ['', 'http://127.0.0.1:11434'],
    ['0.0.0.0', 'http://127.0.0.1:11434'],
    ['0.0.0.0:8080', 'http://127.0.0.1:8080'],
    ['[::]', 'http://[::1]:11434'],
    [' "gpu" ', 'http://gpu:11434'],
    ['gpu:80', 'http://gpu:80'],
    ['http://gpu', 'http://gpu'],
    ['https://gpu.example/', 'https://gpu.example'],
    ['http://0.0.0.0:11434', 'http://127.0.0.1:11434'],
  ] as const)
    assert.equal(ollamaUrl({ OLLAMA_HOST: host }), url, host);
  assert.equal(ollamaUrl({ OLLAMA_BASE_URL: 'http://a:1/b', OLLAMA_HOST: 'c' }), 'http://a:1/b');
  const seen: HttpRequest[] = [];
  const transport = network('{"models":[{"name":"qwen3:4b"}]}', seen);
  const { took, model } = await modelFromEnv({ env: { OLLAMA_HOST: 'me:secret@gpu' }, transport });
  assert.equal(took, 'ollama/qwen3:4b (Ollama at http://gpu:11434)');
  await assert.rejects(model.call({ instructions: '', messages: [], tools: [], params: {} }, { world: { ...testWorld(), transport } }));
  assert.deepEqual(
    seen.map(({ url }) => url),
    ['http://me:secret@gpu:11434/api/tags', 'http://me:secret@gpu:11434/api/chat'],
  );
});
