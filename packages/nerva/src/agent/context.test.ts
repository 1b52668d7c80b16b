import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scriptedModel } from '../model/index.ts';
import { tool } from '../tool/index.ts';
import type { AgentOptions } from './index.ts';
import { ANY, scene } from './session-scene.test.ts';

const about = (contextTokensMax: number) => scriptedModel(['ok'], { contextTokensMax });

/** How many tokens the first request is counted for, as the refusal says it. */
async function counted(options: Partial<Omit<AgentOptions, 'model' | 'name'>>, text = 'go'): Promise<number> {
  const { session, of } = scene({ model: about(1), ...options });
  assert.equal((await session.send(text).result).status, 'failed');
  const [ended] = await of('turn.ended');
  return Number(/CONTEXT_TOO_LONG: about (\d+) tokens/.exec(ended?.data.why ?? '')?.[1]);
}

test('a conversation that just fits into the context of the model is sent, and one token more is refused before any call', async () => {
  const tokens = await counted({});
  const fits = scene({ model: about(tokens) });
  assert.equal((await fits.session.send('go').result).text, 'ok');
  const over = scene({ model: about(tokens - 1) });
  assert.equal((await over.session.send('go').result).status, 'failed');
  assert.deepEqual(await over.of('model.called'), []);
});

test('what counts is the answer to come, the instructions, the tools and the messages, four bytes a token', async () => {
  const plain = await counted({});
  assert.equal(await counted({ params: { maxOutputTokens: 100 } }), plain + 100 + Math.ceil(`"maxOutputTokens":100`.length / 4));
  assert.equal(await counted({ instructions: 'x'.repeat(400) }), plain + 100);
  assert.equal(await counted({}, 'go' + 'x'.repeat(400)), plain + 100);
  const look = tool({ name: 'look', description: 'x'.repeat(400), effect: 'read', inputSchema: ANY, execute: () => null });
  assert.ok((await counted({ tools: [look] })) > plain + 100);
});

test('a call is recorded with the first 96 bits of the digest of its request', async () => {
  const { session, of } = scene({ script: ['ok'] });
  await session.send('go').result;
  assert.match((await of('model.called'))[0]?.data.digest ?? '', /^[0-9a-f]{24}$/);
});
