import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent } from '../agent/index.ts';
import { NervaError } from '../core/index.ts';
import { simModel, simulate } from '../sim/index.ts';
import { testWorld } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { ask, settle } from './call-scene.test.ts';
import { withBreaker, withCache, withLimits, withTimeouts, modelGroup, scriptedModel, type Model } from './index.ts';

/** Every wrapper, each around the next, with bounds that calls run into. */
function wrapped(models: readonly Model[]): Model {
  const members = models.map((model) =>
    withBreaker(withTimeouts(model, { firstPartMs: 400, idleMs: 300, totalMs: 2_000 }), { failuresMax: 2, openMs: 3_000 }),
  );
  const group = modelGroup({ name: 'group/sim', models: members, strategy: 'random', restMs: 1_000 });
  return withCache(withLimits(group, { concurrencyMax: 1, requestsPerMinuteMax: 30, queueMax: 5 }), { bytesMax: 100_000 });
}

/** Answers after a while, now and then too late, and fails now and then: as the world’s dice say. */
function unsteady(name: string): Model {
  const inner = simModel({ name });
  return {
    name,
    async call(request, options) {
      const { clock, dice } = options.world;
      const luck = dice.roll();
      await clock.sleep(luck * 2_500, options.signal === undefined ? {} : { signal: options.signal });
      if (luck < 0.3) throw new NervaError('MODEL_UNAVAILABLE', 'It is down.');
      return inner.call(request, options);
    },
  };
}

test('an agent on all wrappers at once holds every law under random faults, each seed twice with the same bytes', async () => {
  const look = tool({ name: 'look', inputSchema: { type: 'object' }, effect: 'read', execute: () => ({ seen: true }) });
  const agent = createAgent({ name: 'wrapped', model: wrapped([unsteady('sim/a'), unsteady('sim/b')]), tools: [look] });
  const { runs, fired } = await simulate({ agent, input: 'Go on.', seeds: 40 });
  assert.equal(runs, 40);
  assert.ok(Object.keys(fired).length > 10, 'faults took place');
});

test('what each wrapper did stands in via, outermost first', async () => {
  const world = testWorld();
  const down = { error: { code: 'MODEL_UNAVAILABLE', message: 'down' } } as const;
  const first = scriptedModel((_request, n) => (n < 2 ? down : 'a'), { name: 'p/a' });
  const model = wrapped([first]);
  for (let n = 0; n < 2; n++) await assert.rejects(model.call(ask(`${n}`), { world }), { code: 'MODEL_UNAVAILABLE' });
  await assert.rejects(model.call(ask('2'), { world }), { code: 'MODEL_BREAKER_OPEN' });
  await world.advance(3_000);
  const tested = model.call(ask('3'), { world });
  const calls = [tested, model.call(ask('3'), { world }), model.call(ask('4'), { world })];
  await settle();
  const viaOf = async (call: Promise<{ readonly via?: readonly object[] }>) => (await call).via;
  const group = { group: 'group/sim', member: 'p/a' };
  assert.deepEqual(await Promise.all(calls.map(viaOf)), [
    [group, { breaker: 'closed' }],
    [{ cache: 'shared', usd: 0 }, group, { breaker: 'closed' }],
    [{ limit: 'queue', waitedMs: 0 }, group],
  ]);
  assert.deepEqual(await viaOf(model.call(ask('4'), { world })), [
    { cache: 'hit', ageMs: 0, usd: 0 },
    { limit: 'queue', waitedMs: 0 },
    group,
  ]);
  assert.equal(first.callCount, 4);
});
