/** Memory in the hands of an agent that is killed: what its model remembers is kept once. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createAgent } from 'nerva/agent';
import { memoryStore, type Store } from 'nerva/log';
import { memoryTools, openMemory } from 'nerva/memory';
import { conversationModel, cutAtEveryStep, testWorld } from 'nerva/testing';

const call = (name: string, input: Readonly<Record<string, string>>) => ({ name, input });

test('a model that remembers, looks and revises is cut at every step, and each thing is kept once', async () => {
  let scopes: Store | null = null;
  let world = testWorld();
  const kept: string[] = [];
  const report = await cutAtEveryStep({
    world: () => (world = testWorld()),
    store: (made) => {
      scopes = memoryStore({ world: made });
      return memoryStore({ world: made });
    },
    agents: () => [
      createAgent({
        name: 'clerk',
        model: conversationModel([
          { calls: [call('remember', { text: 'Ada lives in Graz.' }), call('remember', { text: 'Ada has a cat.' })] },
          { calls: [call('recall', { query: 'Where does Ada live?' })] },
          { calls: [call('memory_edit', { label: 'human', type: 'append', text: 'Lives in Graz.' })] },
          'Noted.',
        ]),
        tools: [
          ...memoryTools(async () => {
            const memory = await openMemory({ store: scopes as Store, world, scope: 'user:ada' });
            if (memory.head === 0) await memory.setBlock({ label: 'human', text: 'Ada.' }).catch(() => undefined);
            return memory;
          }),
        ],
      }),
    ],
    run: async (runtime) => {
      await runtime.session('s', { agent: 'clerk' }).send('Ada moved to Graz.', { id: 'm' }).result;
      await runtime.idle();
    },
    outcomeOf: ({ turn }) => turn.last?.text,
    check: async ({ at }) => {
      const memory = await openMemory({ store: scopes as Store, world, scope: 'user:ada' });
      kept.push(memory.render());
      assert.deepEqual(
        memory
          .entries()
          .map(({ text }) => text)
          .toSorted(),
        ['Ada has a cat.', 'Ada lives in Graz.'],
        at,
      );
      assert.equal(memory.core[0]?.text, 'Ada.\nLives in Graz.', at);
    },
  });
  assert.ok(report.runs > 15 && kept.length >= report.runs, `${report.runs} runs, ${kept.length} looked at`);
  assert.deepEqual(Object.values(report.outcomes), ['Noted.']);
});
