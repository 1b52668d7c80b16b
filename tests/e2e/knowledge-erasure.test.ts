/** An erased subject's files leave no byte of text or path in the store's files. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ingest, openKnowledge } from '@nerva/knowledge';
import { fileKeys, nodeWorld, openSqlite } from 'nerva/node';
import { Place } from './cli-process.ts';

test('of what was ingested under a subject no byte is in the files of the store, before the erasure or after it, and none can be read', async (t) => {
  const place = new Place(t);
  mkdirSync(path.join(place.path, 'walrus-papers'));
  writeFileSync(path.join(place.path, 'walrus-papers/one.md'), '# Ostriches\n\nThe giraffe is repaired.\n');
  writeFileSync(path.join(place.path, 'open.md'), 'The zebra is well.\n');
  mkdirSync(path.join(place.path, 'store'));
  mkdirSync(path.join(place.path, 'keys'));
  const world = nodeWorld();
  const keys = fileKeys(path.join(place.path, 'keys/keys.db'));
  const open = () => openSqlite(path.join(place.path, 'store/s.db'), { world, keys });
  const holds = (word: string): boolean =>
    readdirSync(path.join(place.path, 'store')).some((name) => readFileSync(path.join(place.path, 'store', name)).includes(word));
  let store = await open();
  let base = await openKnowledge({ store, world, name: 'default' });
  await ingest(base, [path.join(place.path, 'walrus-papers')], { subject: 'ada' });
  await ingest(base, [path.join(place.path, 'open.md')]);
  assert.equal(base.query('giraffe').found.length, 1);
  assert.deepEqual([holds('giraffe'), holds('zebra')], [false, true]);
  assert.deepEqual((await store.eraseSubject('ada')).sids, [base.sid]);
  await base.refresh();
  assert.deepEqual([base.query('giraffe').found.length, base.query('zebra').found.length], [0, 1]);
  await store.close();
  store = await open();
  base = await openKnowledge({ store, world, name: 'default' });
  assert.deepEqual(
    base.documents().map((one) => path.basename(one.path)),
    ['open.md'],
  );
  for (const word of ['giraffe', 'Ostriches', 'walrus-papers']) assert.equal(holds(word), false, word);
  await store.close();
  keys.close();
  await world.transport.close();
});
