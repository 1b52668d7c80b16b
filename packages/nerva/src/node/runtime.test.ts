import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scriptedModel } from '../model/index.ts';
import { createAgent } from './runtime.ts';

const agent = () => createAgent({ name: 'loose', model: scriptedModel(({ messages }) => `heard ${textOf(messages.at(-1)?.parts[0])}`) });
const textOf = (part: unknown): string => (part as { readonly text: string }).text;

async function collected(pieces: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const piece of pieces) text += piece;
  return text;
}

test('an agent is asked without a runtime, as often as one likes', async () => {
  const loose = agent();
  for (let index = 0; index < 600; index++) assert.equal((await loose.generate(`${index}`)).text, `heard ${index}`);
});

test('many questions to a loose agent at once are answered each with its own answer', async () => {
  const loose = agent();
  const results = await Promise.all(Array.from({ length: 600 }, (_, index) => loose.generate(`${index}`)));
  assert.deepEqual(results.map(({ text }) => text), results.map((_, index) => `heard ${index}`));
});

test('what a loose agent streams can be read while it comes, after its result, and twice', async () => {
  const run = agent().stream('ann');
  assert.equal(await collected(run.textStream), 'heard ann');
  assert.equal((await run.result).text, 'heard ann');
  assert.equal(await collected(run.textStream), 'heard ann');
});

test('a signal cancels a question to a loose agent', async () => {
  const loose = agent();
  assert.equal((await loose.generate('ann', { signal: AbortSignal.timeout(60_000) })).status, 'answered');
  const stopped = new AbortController();
  const asked = createAgent({ name: 'slow', model: scriptedModel(() => (stopped.abort(), new Promise<never>(() => undefined))) }).generate('ann', { signal: stopped.signal });
  assert.equal((await asked).status, 'cancelled');
});
