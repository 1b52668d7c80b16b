import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventsOf, memoryStore, type LogEvent, type Seq } from '../log/index.ts';
import { testWorld } from '../testing/index.ts';
import { MEMORY_EVENTS } from './events.ts';
import { openMemory } from './index.ts';

const DAY_MS = 86_400_000;

/** The log of a memory that was changed in every way that there is. */
async function written(): Promise<readonly LogEvent[]> {
  const world = testWorld();
  const store = memoryStore({ world });
  const memory = await openMemory({ store, world, scope: 'user:ada', extract: true });
  await memory.setBlock({ label: 'b', type: 'human', text: 'Ada', description: 'who', bytesMax: 9, isReadOnly: false, importance: 1 });
  await memory.removeBlock('b');
  await memory.setItem({ key: 'k', value: 1 });
  await memory.deleteItem('k');
  const linz = await memory.remember('Ada lives in Linz.', { tags: ['home'], source: 's1:4', validMs: -DAY_MS });
  await memory.remember('Ada moved to Graz.', { supersedes: linz.id });
  const gone = await memory.remember('Ada has tea.');
  await memory.forget(gone.id);
  const nut = await memory.remember('Ada is allergic to nuts.', { kind: 'person', importance: 1 });
  await memory.consolidate();
  await memory.noteAccess(Array.from({ length: 500 }, () => nut.id));
  await store.append({ id: 'x', sid: 's1', expected: 0, events: [{ type: 'memory.told', data: { entries: [{ id: nut.id }] } }] });
  assert.deepEqual((await memory.tend({ sessions: ['s1'] })).promoted, [nut.id]);
  await memory.end(nut.id, world.clock.nowMs());
  assert.equal((await memory.tend()).evicted.length, 1);
  await memory.grant('clerk', ['recall'], { by: 'ada' });
  await memory.revoke('clerk', ['recall'], { by: 'ada' });
  await memory.reset();
  const events: LogEvent[] = [];
  for (let after: Seq = -1; ; after = events.at(-1)?.seq ?? -1) {
    const more = (await store.read(memory.sid, { after })).flatMap(eventsOf);
    if (more.length === 0) return events;
    events.push(...more);
  }
}

test('what a memory writes into its log is what the vocabulary says: every type, and every field', async () => {
  const fields = new Map<string, Set<string>>();
  for (const { type, data, v, origin } of await written()) {
    assert.deepEqual([v, origin], [1, 'system'], type);
    fields.set(type, new Set([...(fields.get(type) ?? []), ...Object.keys(data)]));
  }
  const sorted = (all: Iterable<readonly [string, Iterable<string>]>) =>
    Array.from(all, ([type, names]) => [type, [...names].toSorted()] as const).toSorted(([one], [other]) => (one < other ? -1 : 1));
  assert.deepEqual(sorted(fields), sorted(Object.entries(MEMORY_EVENTS).map(([type, { data }]) => [type, Object.keys(data)] as const)));
});
