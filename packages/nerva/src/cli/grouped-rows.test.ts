import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryProjectionRows, type ProjectionRows } from '../log/index.ts';
import { projectionRowsContract } from '../testing/index.ts';
import { groupedRows } from './grouped-rows.ts';

for (const groupMax of [1, 2, 1000]) {
  projectionRowsContract(`groupedRows of ${groupMax}`, () => Promise.resolve({ rows: groupedRows(memoryProjectionRows(), groupMax) }));
}

const put = (rows: ProjectionRows, key: string): Promise<void> => rows.transaction((space) => space('a').put(key, 'x'));
const keys = (rows: ProjectionRows): Promise<readonly string[]> =>
  rows.transaction((space) =>
    space('a')
      .scan()
      .map(({ key }) => key),
  );

test('whole groups reach the store in one transaction, the rest of them with the flush', async () => {
  const stored = memoryProjectionRows();
  const rows = groupedRows(stored, 3);
  await put(rows, '1');
  await put(rows, '2');
  assert.deepEqual([await keys(stored), await keys(rows)], [[], ['1', '2']], 'the reading was the third of the group');
  assert.deepEqual(await keys(stored), ['1', '2']);
  await put(rows, '3');
  await rows.transaction((space) => {
    space('a').delete('1');
    assert.deepEqual(
      space('a')
        .scan()
        .map(({ key }) => key),
      ['2', '3'],
    );
  });
  assert.deepEqual(await keys(stored), ['1', '2']);
  await rows.flush();
  assert.deepEqual(await keys(stored), ['2', '3']);
  await stored.transaction((space) => space('a').clear());
  assert.deepEqual(await keys(rows), [], 'nothing is held back after a flush');
});

test('what was cleared in a group is cleared in the store, and what a failing transaction wrote is in neither', async () => {
  const stored = memoryProjectionRows();
  const rows = groupedRows(stored, 100);
  await put(stored, 'old');
  await rows.transaction((space) => space('a').clear());
  await put(rows, 'new');
  const failing = rows.transaction((space) => {
    space('a').put('half', 'x');
    space('a').clear();
    throw new Error('poison');
  });
  await assert.rejects(failing, /poison/);
  assert.deepEqual(await keys(rows), ['new']);
  await rows.flush();
  assert.deepEqual(await keys(stored), ['new']);
});
