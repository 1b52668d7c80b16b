import assert from 'node:assert/strict';
import test from 'node:test';
import { memoryStore } from 'nerva/log';
import { openMemory } from 'nerva/memory';
import { testWorld } from 'nerva/testing';
import { openKnowledge } from './base.ts';
import { ingest } from './ingest.ts';
import { emptyBase, Place } from './samples.ts';

test('each operation tells its events once and in order, a query with its id, and the same query again is a hit until something is written', async (t) => {
  const place = new Place(t);
  place.write('a.md', 'Apples are red.');
  place.write('b.md', 'Pears are green.');
  const { base, told } = await emptyBase();
  await ingest(base, [place.path]);
  const { query: first } = base.query('apples');
  const { query: second } = base.query('apples');
  base.query('apples', { limit: 1 });
  place.write('a.md', 'Apples are yellow.');
  await ingest(base, [place.path]);
  assert.match(base.query('apples').found[0]?.text ?? '', /yellow/);
  await base.remove([place.at('a.md'), place.at('none.md')]);
  assert.equal(await base.remove([place.at('a.md')]), 0);
  assert.deepEqual(
    told.map((event) => ('path' in event ? `${event.type} ${event.path.slice(-4)}` : event.type)),
    [
      'document.added a.md',
      'document.processed a.md',
      'document.added b.md',
      'document.processed b.md',
      'retrieval.started',
      'cache.missed',
      'retrieval.completed',
      'retrieval.started',
      'cache.hit',
      'retrieval.completed',
      'retrieval.started',
      'cache.missed',
      'retrieval.completed',
      'document.added a.md',
      'document.processed a.md',
      'retrieval.started',
      'cache.missed',
      'retrieval.completed',
      'document.removed a.md',
    ],
  );
  assert.notEqual(first, second);
  assert.deepEqual(
    told.slice(4, 10).map((event) => ('query' in event ? event.query : null)),
    [first, first, first, second, second, second],
  );
  assert.deepEqual(
    told.flatMap((event) => (event.type === 'document.added' ? [event.id] : [])),
    ['scope:knowledge:test:1', 'scope:knowledge:test:4', 'scope:knowledge:test:7'],
  );
});

test('the answer to a query that was asked before is the same answer', async (t) => {
  const place = new Place(t);
  place.write('a.md', 'Apples are red.');
  const { base } = await emptyBase();
  await ingest(base, [place.path]);
  assert.deepEqual(base.query('apples').found, base.query('apples').found);
  for (let index = 0; index < 300; index++) base.query(`apples ${index}`);
  assert.equal(base.query('apples').found.length, 1);
  assert.throws(() => base.query('x', { limit: 0 }), { code: 'OPTION_INVALID' });
  assert.throws(() => base.query('x', { limits: 1 } as never), { code: 'OPTION_UNKNOWN', message: /Did you mean "limit"/ });
});

test('the log of something else is left alone, and a memory leaves that of a base alone', async (t) => {
  const world = testWorld();
  const store = memoryStore({ world });
  const memory = await openMemory({ store, world, scope: 'knowledge:test' });
  await memory.remember('x');
  await assert.rejects(openKnowledge({ store, world, name: 'test' }), { code: 'MEMORY_DENIED' });
  const place = new Place(t);
  place.write('a.md', 'Apples are red.');
  const base = await openKnowledge({ store, world, name: 'other' });
  await ingest(base, [place.path]);
  await assert.rejects((await openMemory({ store, world, scope: 'knowledge:other' })).remember('x'), { code: 'MEMORY_DENIED' });
  await assert.rejects(openKnowledge({ store, world, name: 'a/b' }), { code: 'OPTION_INVALID', message: /1 to 100 of/ });
});

test('what anybody writes into its log that is no event of a base changes nothing', async () => {
  const { base, store } = await emptyBase();
  const odd = [
    { type: 'knowledge.opened', data: { name: 'test' } },
    { type: 'document.added', data: { path: 1 } },
    { type: 'document.processed', data: { document: 1, chunks: [] } },
    { type: 'chunk.recorded', data: { document: 0, text: 'x', context: [] } },
    { type: 'documents.removed', data: { paths: ['/none'] } },
    { type: 'document.processed', data: { document: 0, chunks: [[3, [0, 0, 0, 0, 0, null, null]]] } },
    { type: 'something.else', data: {} },
  ];
  await store.append({ id: 'odd', sid: base.sid, expected: 0, events: odd });
  await base.refresh();
  assert.deepEqual([base.head, base.documents(), base.query('x').found], [7, [], []]);
});
