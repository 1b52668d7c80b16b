import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore, type Store } from '../log/index.ts';
import { testWorld } from '../testing/index.ts';
import { Standing, surrender } from './row.ts';

const claim = { owner: 'next', countMax: 1, leaseMs: 1 };

/** A store with a session `s` that is ready and that `here` took over, and what happens after each look at its row. */
async function taken(after: (below: Store) => Promise<unknown>) {
  const below = memoryStore({ world: testWorld() });
  const events = [{ type: 'session.created', data: { agent: 'a' } }];
  await below.append({ id: 'f', sid: 's', expected: 0, events, then: { status: 'ready', agent: 'a' } });
  const fence = await below.takeOver('s', 'here');
  const info: Store['info'] = async (sid) => {
    const found = await below.info(sid);
    await after(below);
    return found;
  };
  return { below, fence, store: { ...below, info } };
}

test('a session to which somebody writes while it is given back is given back as it stands then', async () => {
  let writes = 2;
  const { below, fence, store } = await taken(async (below) => {
    if (writes-- > 0) await below.append({ id: `n${writes}`, sid: 's', expected: 'fact', events: [{ type: 'note.taken', data: {} }] });
  });
  assert.equal(await surrender(store, 's', fence), true);
  assert.deepEqual(
    (await below.claim(claim)).map(({ info }) => [info.sid, info.head]),
    [['s', 3]],
  );
});

test('a session that somebody else took is not given back, also when it is taken at the last moment', async () => {
  const { below, fence, store } = await taken((below) => below.takeOver('s', 'other'));
  assert.equal(await surrender(store, 's', fence), false);
  assert.deepEqual(await below.claim(claim), []);
  assert.equal(await surrender(below, 's', fence), false);
  assert.deepEqual(await below.claim(claim), []);
});

test('the newest frame tells whether the row is set, in whatever order the answers come', () => {
  const row = new Standing();
  const told = (change: () => void): boolean => {
    change();
    return row.isOutdated;
  };
  assert.equal(row.isOutdated, false);
  assert.equal(
    told(() => row.unset(0)),
    true,
    'somebody wrote',
  );
  assert.equal(
    told(() => row.wrote({ status: 'idle' }, { seq: 1, repeated: false })),
    false,
  );
  assert.equal(
    told(() => row.unset(1)),
    false,
    'that frame was ours',
  );
  assert.equal(
    told(() => row.unset(7)),
    true,
  );
  assert.equal(
    told(() => row.wrote({ status: 'idle' }, { seq: 5, repeated: false })),
    true,
    'an answer to what came before',
  );
  assert.equal(
    told(() => row.wrote({ status: 'idle' }, { seq: 7, repeated: false })),
    false,
  );
});

test('a row that a frame left ready, or set for another head, or long ago, is to be looked at', () => {
  const after = (then: Parameters<Standing['wrote']>[0], repeated = false): boolean => {
    const row = new Standing();
    row.wrote(then, { seq: 4, repeated });
    return row.isOutdated;
  };
  assert.equal(after(undefined), true);
  assert.equal(after({ progress: true }), true);
  assert.equal(after({ status: 'ready' }), true);
  assert.equal(after({ status: 'idle', ifHead: 3 }), true);
  assert.equal(after({ status: 'idle', ifHead: 4 }, true), true);
  assert.equal(after({ status: 'idle', ifHead: 4 }), false);
  assert.equal(after({ status: 'waiting' }), false);
});
