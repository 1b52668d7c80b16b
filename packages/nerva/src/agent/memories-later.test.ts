import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eraseSubject } from '../log/index.ts';
import type { Memory } from '../memory/index.ts';
import { scriptedModel, type ModelRequest } from '../model/index.ts';
import { memoryKeys } from '../testing/index.ts';
import { createAgent, createRuntime, foldAt, type MemoryUse } from './index.ts';
import { items } from './list.ts';
import { logOf, notesIn, two, typed } from './memories-scene.test.ts';
import { until } from './session-scene.test.ts';

test('whose words are erased in one memory is in no later prompt, live as folded anew, and the words of the other stand', async () => {
  for (const gone of ['ada', 'bob'] as const)
    for (const isCompacted of [false, true]) {
      const keys = memoryKeys();
      const { memories, requests, session, store, world } = await two(keys, { ada: 'ada', desk: 'bob' });
      for (const [at, memory] of memories.entries()) {
        const name = at === 0 ? 'ada' : 'bob';
        await memory.setBlock({ label: 'me', type: 'persona', text: `Rule by ${name}.`, isReadOnly: true });
        await memory.setBlock({ label: 'notes', text: `Notes by ${name}.` });
        await memory.remember(`A walrus by ${name}.`);
      }
      const run = session(undefined, {
        memory: memories.map((of) => ({ of })),
        ...(isCompacted ? { context: { turnsMax: 1, strategy: 'drop' } } : {}),
      });
      for (let n = 0; n < 4; n++) await run.send('What of the walrus?').result;
      assert.match(JSON.stringify(requests.at(-1)), /by ada.*by bob/);
      await eraseSubject({ store, keys, world, subject: gone });
      await until(async () => (await typed(run, 'subject.erased')).length > 0);
      await until(async () => !JSON.stringify((await run.at()).state.memory.parts).includes(`by ${gone}`));
      assert.equal((await run.send('What of the walrus now?').result).status, 'answered');
      const last = JSON.stringify(requests.at(-1));
      assert.doesNotMatch(last, new RegExp(`by ${gone}`));
      assert.match(last, new RegExp(`Rule by ${gone === 'ada' ? 'bob' : 'ada'}.*Notes by ${gone === 'ada' ? 'bob' : 'ada'}`));
      assert.equal(last.match(/Notes by/g)?.length, 1, 'the words of the other are not told again');
      const [live, again] = [(await run.at()).state, (await foldAt(store, 's')).state];
      assert.deepEqual(items(again.turn.messages), items(live.turn.messages));
      assert.deepEqual([again.memory.parts, again.context], [live.memory.parts, live.context]);
    }
});

test('an outcome whose words are erased keeps its place among the outcomes', async () => {
  const keys = memoryKeys();
  const { memories, store, world } = await two(keys);
  await memories[1].setBlock({ label: 'notes', text: 'Of the desk.' });
  const agent = createAgent({
    name: 'a',
    model: scriptedModel(['Yes.']),
    memory: [{ of: () => Promise.reject(new Error('secret')) }, { of: memories[1] }],
  });
  const run = createRuntime({ store, world, agents: [agent] }).session('s', { agent: 'a', subject: 'ada' });
  await run.send('go').result;
  const before = (await foldAt(store, 's')).state.memory;
  assert.match(before.parts[1]?.core ?? '', /Of the desk/);
  await eraseSubject({ store, keys, world, subject: 'ada' });
  const after = (await foldAt(store, 's')).state.memory;
  assert.deepEqual([after.parts.length, after.parts[1]?.scope, after.at, after.open], [2, 'team:desk', 1, null]);
});

test('an agent that has other memories than before says what they say, and those it has no more say nothing', async () => {
  const keys = memoryKeys();
  const { memories, requests, session, store, world, model } = await two(keys, { ada: 'ada' });
  const [own, team] = memories;
  for (const memory of memories) {
    await memory.setBlock({ label: 'me', type: 'persona', text: `Rule of ${memory.sid}.`, isReadOnly: true });
    await memory.setBlock({ label: 'notes', text: `Notes of ${memory.sid}.` });
  }
  const fixedIn = (at: number): readonly string[] =>
    Array.from((requests[at]?.instructions ?? '').matchAll(/Rule of scope:(\S+)\./g), ([, scope = '']) => scope);
  const lists = [{ of: own }, [{ of: team }, { of: own }], [{ of: own }, { of: team }], { of: team }, { of: own }];
  for (const memory of lists) assert.equal((await session(memory).send('go').result).status, 'answered');
  assert.deepEqual(
    lists.map((_, at) => fixedIn(at)),
    [['user:ada'], ['team:desk', 'user:ada'], ['user:ada', 'team:desk'], ['team:desk'], ['user:ada']],
  );
  assert.deepEqual(
    notesIn(requests[4] as ModelRequest).map((note) => /^<memory[^>]*>/.exec(note)?.[0]),
    ['', ' scope="team:desk"', ' scope="user:ada"', ' scope="user:ada"', ' scope="team:desk"', '', ''].map((scope) => `<memory${scope}>`),
  );
  const bare = createAgent({ name: 'a', instructions: 'Be kind.', model });
  await createRuntime({ store, world, agents: [bare] })
    .session('s')
    .send('go').result;
  assert.equal(requests.at(-1)?.instructions, 'Be kind.', 'also where it has no memory any more');
  const run = session({ of: team });
  await run.send('go').result;
  await eraseSubject({ store, keys, world, subject: 'ada' });
  await until(async () => (await typed(run, 'subject.erased')).length > 0);
  await run.send('And now?').result;
  const last = requests.at(-1) as ModelRequest;
  assert.doesNotMatch(
    JSON.stringify([last.instructions, notesIn(last)]),
    /of scope:user:ada\./,
    'also what was told while it was the only one',
  );
});

test('memories that change between a crash while they are read and the resumption are read as they are then', async () => {
  const { memories, store, session, requests } = await two();
  for (const memory of memories) await memory.setBlock({ label: 'notes', text: `Notes of ${memory.sid}.` });
  const hang: MemoryUse = { of: () => new Promise<Memory>(() => undefined) };
  session([{ of: memories[0] }, hang])
    .send('go')
    .result.catch(() => undefined);
  await until(async () => (await store.head('s')) === 4);
  const next = session([{ of: memories[1] }]);
  assert.equal((await next.resume().result).status, 'answered');
  assert.match(notesIn(requests[0] as ModelRequest).join(), /Notes of scope:team:desk/);
  assert.doesNotMatch(notesIn(requests[0] as ModelRequest).join(), /user:ada/);
  assert.deepEqual(
    (await logOf(next))
      .filter(({ type }) => type.startsWith('memory.'))
      .map(({ type, data }) => [type, data['memories'] ?? data['why'] ?? data['log']]),
    [
      ['memory.called', 2],
      ['memory.failed', 'lost'],
      ['memory.called', undefined],
      ['memory.recalled', 'scope:team:desk'],
      ['memory.told', undefined],
    ],
  );
});
