/** `nerva memory end`, as it is typed. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { nodeWorld, openStore } from 'nerva';
import { openMemory, type Entry, type Memory } from 'nerva/memory';
import { Place } from './cli-process.ts';

const DAY_MS = 86_400_000;

/** A place with a store in which `user:ada` keeps what `work` keeps. */
async function kept(t: TestContext, work: (memory: Memory) => Promise<unknown>) {
  const place = new Place(t);
  await place.store(async (store) => {
    const world = nodeWorld();
    await work(await openMemory({ store, world, scope: 'user:ada' }));
    await world.transport.close();
  });
  const run = async (...args: readonly string[]) => {
    const { code, out, err } = await place.run('memory', ...args);
    return [code, out, err.split('\n')[0] ?? ''] as const;
  };
  return { place, run };
}

const CAR = 'scope:user:ada:1';

test('an entry is ended at a day or now, is found as of before, and says since when it does not hold', async (t) => {
  const { place, run } = await kept(t, async (memory) => {
    await memory.remember('Ada has a car.', { validMs: 0 });
    await memory.remember('Ada has a dog.', { validMs: 0 });
  });
  const [ended] = (await place.json('memory', 'end', 'user:ada', CAR, '--until', '2026-01-31')).lines;
  const { type, id, endings } = ended as unknown as Entry & { readonly type: string };
  assert.deepEqual([type, id, endings.map(({ atMs }) => atMs)], ['entry', CAR, [Date.UTC(2026, 0, 31)]]);
  assert.match((await run('why', 'user:ada', CAR))[1], /\nuntil +2026-01-31 00:00:00\n/);
  assert.match((await run('search', 'user:ada', 'car', '--as-of', '2026-01-30'))[1], /Ada has a car\.\n$/);
  assert.equal((await run('search', 'user:ada', 'car', '--as-of', '2026-01-31'))[1], 'Nothing fits.\n');
  const fromMs = Math.floor(Date.now() / 1_000) * 1_000;
  const [code, out, err] = await run('end', 'user:ada', 'scope:user:ada:2');
  const [, day = '', hour = ''] = /^scope:user:ada:2 holds until (\S+) (\S+) only; the record of it stays\n$/.exec(out) ?? [];
  const atMs = Date.parse(`${day}T${hour}Z`);
  assert.deepEqual([code, err, atMs >= fromMs && atMs <= Date.now()], [0, '', true], out);
  assert.equal((await run('count', 'user:ada'))[1], '0\n');
  assert.equal((await run('count', 'user:ada', '--as-of', '2026-01-30'))[1], '2\n');
});

test('what is recorded by a clock that is ahead is ended when it was recorded, and not before it began', async (t) => {
  const { place } = await kept(t, async (memory) => {
    await memory.remember('Ada has a car.', { validMs: 0 });
  });
  const laterMs = Date.now() + DAY_MS;
  const node = nodeWorld();
  const world = { ...node, clock: { ...node.clock, nowMs: () => laterMs } };
  const store = await openStore(`file:${join(place.path, '.nerva/nerva.db')}`, { world });
  await (await openMemory({ store, world, scope: 'user:ada' })).remember('Ada has a dog.');
  await store.close();
  await node.transport.close();
  const [ended] = (await place.json('memory', 'end', 'user:ada', 'scope:user:ada:2')).lines;
  const { validMs, endings } = ended as unknown as Entry;
  assert.ok(validMs >= laterMs && (endings[0]?.atMs ?? 0) >= validMs, JSON.stringify(ended));
});

test('an end is moved to sooner only: the same changes nothing, a later one is refused, and so is what something took the place of', async (t) => {
  const { run } = await kept(t, async (memory) => {
    const { id } = await memory.remember('Ada has a car.', { validMs: 0 });
    await memory.remember('Ada has a bike.', { validMs: 5 * DAY_MS, supersedes: id });
  });
  const refused = /MEMORY_CHANGED.*ended before that already, at \d+: an end is only moved to sooner\. Nothing was changed\./;
  const [late, , why] = await run('end', 'user:ada', CAR);
  assert.deepEqual([late, refused.test(why)], [1, true], why);
  const stays = [0, `${CAR} holds until 1970-01-06 00:00:00 only; the record of it stays\n`, ''] as const;
  assert.deepEqual(await run('end', 'user:ada', CAR, '--until', '1970-01-06'), stays);
  assert.match((await run('stats', 'user:ada'))[1], /^events +3\n/, 'nothing was written');
  assert.equal((await run('end', 'user:ada', CAR, '--until', '1970-01-03'))[0], 0);
  assert.equal((await run('end', 'user:ada', CAR, '--until', '1970-01-06'))[0], 1);
  assert.match((await run('stats', 'user:ada'))[1], /^events +4\n/);
});

test('what cannot be ended is said, and nothing is written', async (t) => {
  const { run } = await kept(t, (memory) => memory.remember('Ada has a car.'));
  const fails: readonly (readonly [number, RegExp, ...string[]])[] = [
    [1, /MEMORY_UNKNOWN.*There is no entry "scope:user:ada:9"/, 'user:ada', 'scope:user:ada:9'],
    [1, /MEMORY_UNKNOWN.*There is no entry "scope:user:ada:9"/, 'user:ada', 'scope:user:ada:9', '--until', '2026-01-31'],
    [1, /Nothing is kept under the scope "user:bob"/, 'user:bob', CAR],
    [2, /memory end takes a scope and the id of an entry\./, 'user:ada'],
    [2, /--until takes a day or a time, .*; "soon" came\./, 'user:ada', CAR, '--until', 'soon'],
    [2, /memory end changes what is now: it takes no --at\./, 'user:ada', CAR, '--at', '1'],
  ];
  for (const [code, says, ...args] of fails) {
    const [ended, out, err] = await run('end', ...args);
    assert.deepEqual([ended, out, says.test(err)], [code, '', true], err);
  }
  assert.match((await run('stats', 'user:ada'))[1], /^events +2\n/);
});
