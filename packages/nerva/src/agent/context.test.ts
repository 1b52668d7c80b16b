import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scriptedModel } from '../model/index.ts';
import { tool } from '../tool/index.ts';
import { tokenEstimator } from './tokens.ts';
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

test('what counts is the answer to come, the instructions, the tools and the messages, by the scripts that they are written in', async () => {
  const count = tokenEstimator('other');
  const plain = await counted({});
  assert.equal(plain, count('go') + 5);
  assert.equal(await counted({ params: { maxOutputTokens: 100 } }), plain + 100);
  for (const text of ['Be brief, and kind. '.repeat(20), '请简短而友好地回答。'.repeat(20)]) {
    assert.equal(await counted({ instructions: text }), plain + count(text));
    assert.equal(await counted({}, text), count(text) + 5);
  }
  const look = tool({ name: 'look', description: 'x'.repeat(400), effect: 'read', inputSchema: ANY, execute: () => null });
  assert.ok((await counted({ tools: [look] })) > plain + 100);
});

test('a session that began before tokens were counted by family counts four bytes each to its end, and decides again as it did', async () => {
  // 60 letters of Chinese are 180 bytes, and with what stands around them 58 times four; as tokens they are counted for 82.
  const text = '请'.repeat(60);
  const old = scene({ model: about(58) });
  const events = [{ type: 'session.created', data: { agent: 'a' } }] as const;
  await old.store.append({ id: 'f', sid: 's', expected: 0, events, then: { status: 'idle', agent: 'a' } });
  assert.equal((await old.session.send(text).result).status, 'answered');
  assert.equal((await old.session.send(text).result).status, 'failed');
  assert.match((await old.of('turn.ended'))[1]?.data.why ?? '', /about 125 tokens/);
  assert.equal((await old.session.replay()).divergence, null);
  const fresh = scene({ model: about(81) });
  assert.equal((await fresh.session.send(text).result).status, 'failed');
  assert.match((await fresh.of('turn.ended'))[0]?.data.why ?? '', /about 82 tokens/);
});

test('a result that stands beside the log counts as it will be sent, in the estimate and in what is set aside', async () => {
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => 'word '.repeat(8_000) });
  const made = scene({
    tools: [look],
    params: { maxOutputTokens: 10 },
    budget: { sessionTokensMax: 1_000_000 },
    model: scriptedModel([{ calls: [{ name: 'look', input: {} }] }, 'ok']),
  });
  await made.session.send('go').result;
  const [first, second] = (await made.of('model.called')).map(({ data }) => data.reserve?.tokens ?? 0);
  assert.ok((second ?? 0) - (first ?? 0) > 40_000, `${second} after ${first}`);
  const small = scene({
    tools: [look],
    model: scriptedModel([{ calls: [{ name: 'look', input: {} }] }, 'ok'], { contextTokensMax: 20_000 }),
  });
  assert.equal((await small.session.send('go').result).status, 'failed');
  assert.match((await small.of('turn.ended'))[0]?.data.why ?? '', /CONTEXT_TOO_LONG: about 20\d{3} tokens/);
});

test('a call is recorded with the first 96 bits of the digest of its request', async () => {
  const { session, of } = scene({ script: ['ok'] });
  await session.send('go').result;
  assert.match((await of('model.called'))[0]?.data.digest ?? '', /^[0-9a-f]{24}$/);
});
