import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { checkProvider, checkProviders } from './check-providers.ts';
import { PROVIDER_ENTRIES } from './models.ts';
import { nodeWorld } from './world.ts';

test('a provider that the environment lacks the key of, or that does not exist, is refused before anything is sent', async () => {
  const world = nodeWorld();
  await assert.rejects(checkProvider('groq', { world, env: {} }), { code: 'MODEL_AUTH', message: /groq: .*GROQ_API_KEY/ });
  await assert.rejects(checkProvider('azure', { world, env: { AZURE_API_KEY: 'k' } }), {
    code: 'MODEL_AUTH',
    message: /AZURE_RESOURCE_NAME/,
  });
  await assert.rejects(checkProvider('gorq', { world, env: {} }), { code: 'OPTION_INVALID', message: /did you mean "groq"/ });
  await world.transport.close();
});

test('all that are configured are asked, so many at a time and each once; OpenAI by both its names is one', async (t) => {
  let open = 0;
  let most = 0;
  let requests = 0;
  const server = createServer((incoming, outgoing) => {
    requests++;
    most = Math.max(most, ++open);
    setTimeout(() => {
      open--;
      outgoing.writeHead(incoming.headers.authorization === 'Bearer the-key' ? 200 : 401).end('{"data":[{"id":"gpt-x"}]}');
    }, 30);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ids = ['openai', 'groq', 'deepseek', 'xai', 'mistral', 'together', 'fireworks', 'cerebras', 'nebius'];
  const env: Record<string, string> = { NERVA_MODEL: 'openai.chat/gpt-x', OLLAMA_HOST: '127.0.0.1:1' };
  for (const { id, keyVariables, urlVariables } of PROVIDER_ENTRIES)
    if (ids.includes(id)) Object.assign(env, { [String(keyVariables[0])]: 'the-key', [String(urlVariables[0])]: host });
  const world = nodeWorld();
  const checks = await checkProviders({ world, env, parallelMax: 3 });
  assert.deepEqual(
    checks.map(({ provider, outcome }) => [provider, outcome]),
    [['openai', 'ok'], ['ollama', 'unreachable'], ...ids.slice(1).map((id) => [id, 'ok'])],
  );
  assert.deepEqual(checks[0]?.model, { name: 'gpt-x', isListed: true, nearest: null });
  assert.deepEqual([requests, most], [ids.length * 2, 3]);
  const { OLLAMA_HOST: _, ...without } = env;
  const others = await checkProviders({ world, env: { ...without, OLLAMA_BASE_URL: '' } });
  assert.ok(
    others.every(({ provider, outcome }) => provider !== 'ollama' || outcome === 'ok'),
    'an Ollama that nobody named and that is not there is no trouble',
  );
  await world.transport.close();
});
