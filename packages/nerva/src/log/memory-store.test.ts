import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storeContract, testWorld } from '../testing/index.ts';
import { memoryStore } from './index.ts';

storeContract('memoryStore', (options) => {
  const world = testWorld();
  return Promise.resolve({ store: memoryStore({ world, ...options }), world });
});

test('a listener that joins during a hint hears the next one only', async () => {
  const store = memoryStore({ world: testWorld() });
  const heard: string[] = [];
  const leave = store.onWork((sid) => {
    leave();
    store.onWork((next) => heard.push(`joined ${next}`));
    heard.push(sid);
  });
  for (const sid of ['a', 'b']) {
    await store.append({ id: 'f', sid, expected: 0, events: [{ type: 'note.taken', data: {} }], then: { status: 'ready' } });
  }
  assert.deepEqual(heard, ['a', 'joined b']);
});
