import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scriptedModel } from '../model/index.ts';
import { fromFunction, type Decided, type Policy } from '../policy/index.ts';
import { gate, scene, until } from './session-scene.test.ts';

const abstaining = fromFunction('rules', () => null);

test('a policy that abstains is on record as such, and the model is asked', async () => {
  const { session, of } = scene({ model: scriptedModel(['hello']), policy: abstaining });
  assert.equal((await session.send('go').result).text, 'hello');
  assert.deepEqual(
    (await of('policy.decided')).map(({ data }) => data),
    [{ policy: 'rules', action: { type: 'model' }, why: 'abstained' }],
  );
});

test('where a policy abstains and there is no model, the turn ends in an answer that says so', async () => {
  const { session, of } = scene({ policy: abstaining });
  const { status, text } = await session.send('go').result;
  assert.deepEqual([status, text], ['answered', 'No policy decided, and there is no model to ask.']);
  assert.equal((await of('policy.decided'))[0]?.data.why, 'abstained');
});

test('a decision is recorded with who made it, why, and its propensity where it was drawn', async () => {
  const decided: Decided = { policy: 'coin', action: { type: 'answer', text: 'heads' }, why: 'drawn', propensity: 0.25 };
  const policy: Policy = { name: 'coin', definition: {}, evaluate: () => decided };
  const { session, of } = scene({ policy });
  assert.equal((await session.send('go').result).text, 'heads');
  assert.deepEqual((await of('policy.decided'))[0]?.data, decided);
});

test('a session whose policy is thinking is at work, and at rest after it', async () => {
  const opinion = gate<Decided>();
  const policy: Policy = { name: 'slow', definition: {}, evaluate: () => opinion.opened };
  const { session, store } = scene({ policy });
  const { result } = session.send('go');
  await until(async () => (await store.head('s')) > 0);
  assert.equal((await store.info('s')).status, 'ready');
  opinion.open({ policy: 'slow', action: { type: 'answer', text: 'at last' }, why: 'thought' });
  assert.equal((await result).text, 'at last');
  await until(async () => (await store.info('s')).status === 'idle');
});

test('a policy sees the input, the messages and how many steps were made', async () => {
  const seen: unknown[] = [];
  const policy: Policy = {
    name: 'watcher',
    definition: {},
    evaluate: ({ input, messages, step, calls }) => {
      seen.push([input, messages.length, step, calls.length]);
      return null;
    },
  };
  const { session } = scene({ model: scriptedModel(['one', 'two']), policy });
  await session.send('first').result;
  await session.send({ n: 2 }).result;
  assert.deepEqual(seen, [
    [{ text: 'first', data: null }, 1, 0, 0],
    [{ text: '{"n":2}', data: { n: 2 } }, 3, 0, 0],
  ]);
});
