import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hub } from './hub.ts';
import { Ledger, placeOf, type Execution } from './ledger.ts';

const FIRST: Execution = { tool: 'pay', effect: 'irreversible', call: 's1:5', key: 'i:s1:5', attempt: 1, atMs: 0 };

function lawsBroken(...executions: readonly Execution[]): readonly string[] {
  const hub = new Hub(1, [], false);
  const ledger = new Ledger(hub);
  for (const execution of executions) ledger.record(execution);
  return hub.violations.map(({ invariant }) => invariant);
}

const cases: readonly (readonly [law: string, name: string, breaks: readonly Execution[], holds: readonly Execution[]])[] = [
  [
    'an irreversible call happens at most once',
    'an irreversible call that ran twice',
    [FIRST, { ...FIRST, attempt: 2 }],
    [
      { ...FIRST, effect: 'idempotent' },
      { ...FIRST, effect: 'idempotent', attempt: 2 },
    ],
  ],
  [
    'a key is stable over attempts',
    'a second attempt under another key',
    [
      { ...FIRST, effect: 'read' },
      { ...FIRST, effect: 'read', attempt: 2, key: 'i:s1:9' },
    ],
    [
      { ...FIRST, effect: 'read' },
      { ...FIRST, effect: 'read', attempt: 2 },
    ],
  ],
  [
    'a key belongs to one call',
    'two calls under one key',
    [FIRST, { ...FIRST, call: 's1:7' }],
    [FIRST, { ...FIRST, call: 's1:7', key: 'i:s1:7' }],
  ],
];

for (const [law, name, breaks, holds] of cases) {
  test(`${name} breaks «${law}»`, () => {
    assert.deepEqual(lawsBroken(...breaks), [law]);
    assert.deepEqual(lawsBroken(...holds), []);
  });
}

test('a call of which somebody was told that it did not happen is turned back when it arrives late', () => {
  const hub = new Hub(1, [], false);
  const ledger = new Ledger(hub);
  const sentMs = hub.scheduler.nowMs;
  assert.equal(ledger.arrives('s1:5', sentMs), true);
  assert.equal(ledger.happened('s1:5'), false);
  assert.equal(ledger.arrives('s1:5', sentMs), false);
  assert.equal(ledger.arrives('s1:5', sentMs + 1), true, 'a later attempt is another matter');
  assert.equal(ledger.arrives('s1:6', sentMs), true, 'so is another call');
  ledger.record(FIRST);
  assert.equal(ledger.happened('s1:5'), true);
  assert.deepEqual(ledger.of('s1:5'), [FIRST]);
});

test('the place of a call is read from its id, also where a session has a colon in its own', () => {
  assert.deepEqual(placeOf('s1:5'), { sid: 's1', seq: 5 });
  assert.deepEqual(placeOf('a:b:12'), { sid: 'a:b', seq: 12 });
});
