import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ProjectionRows } from '../log/index.ts';

/** Registers the laws of `ProjectionRows` as tests of `node:test` under `name`. `make` gives empty rows. */
export function projectionRowsContract(
  name: string,
  make: () => Promise<{ readonly rows: ProjectionRows; readonly cleanup?: () => Promise<void> }>,
): void {
  const law = (title: string, body: (rows: ProjectionRows) => Promise<void>): void =>
    void test(title, async () => {
      const { rows, cleanup } = await make();
      try {
        await body(rows);
      } finally {
        await cleanup?.();
      }
    });
  void describe(name, () => {
    law('rows are put, replaced, deleted and found under their key in their space only', async (rows) => {
      await rows.transaction((space) => {
        space('a').put('k', '1');
        space('a').put('k', '2');
        space('b').put('k', '3');
        assert.equal(space('a').get('k'), '2', 'a transaction sees its own writes');
      });
      assert.deepEqual(
        await rows.transaction((space) => [space('a').get('k'), space('b').get('k'), space('c').get('k'), space('a').get('x')]),
        ['2', '3', null, null],
      );
      await rows.transaction((space) => {
        space('a').delete('k');
        space('a').delete('never');
      });
      assert.deepEqual(await rows.transaction((space) => [space('a').get('k'), space('b').get('k')]), [null, '3']);
    });

    law('scan goes through the keys in order, by prefix, after a key, up to a limit', async (rows) => {
      await rows.transaction((space) => {
        for (const key of ['b:2', 'a:1', 'b:10', 'b:1', 'c', 'b_%', 'b']) space('s').put(key, `v${key}`);
        space('other').put('b:3', 'x');
      });
      const keys = (
        options?: Parameters<ReturnType<Parameters<Parameters<ProjectionRows['transaction']>[0]>[0]>['scan']>[0],
      ): Promise<string> =>
        rows.transaction((space) =>
          space('s')
            .scan(options)
            .map(({ key, value }) => (value === `v${key}` ? key : `wrong ${key}`))
            .join(' '),
        );
      assert.equal(await keys(), 'a:1 b b:1 b:10 b:2 b_% c');
      assert.equal(await keys({ prefix: 'b:' }), 'b:1 b:10 b:2');
      assert.equal(await keys({ prefix: 'b_' }), 'b_%');
      assert.equal(await keys({ prefix: 'b:', after: 'b:1', limit: 1 }), 'b:10');
      assert.equal(await keys({ after: 'b:2' }), 'b_% c');
      assert.equal(await keys({ prefix: 'z' }), '');
    });

    law('a transaction that throws leaves nothing of itself, and its error is passed on', async (rows) => {
      await rows.transaction((space) => {
        space('a').put('kept', '1');
        space('a').put('replaced', '1');
        space('b').put('cleared', '1');
      });
      const failing = rows.transaction((space) => {
        space('a').put('new', '2');
        space('a').put('replaced', '2');
        space('a').put('replaced', '3');
        space('a').delete('kept');
        space('b').clear();
        throw new Error('on purpose');
      });
      await assert.rejects(failing, /on purpose/);
      const all = (name: string) => rows.transaction((space) => space(name).scan());
      assert.deepEqual(await all('a'), [
        { key: 'kept', value: '1' },
        { key: 'replaced', value: '1' },
      ]);
      assert.deepEqual(await all('b'), [{ key: 'cleared', value: '1' }]);
      await rows.transaction((space) => space('a').clear());
      assert.deepEqual([await all('a'), (await all('b')).length], [[], 1]);
    });
  });
}
