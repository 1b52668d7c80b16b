import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentState } from '../agent/index.ts';
import { placed, type LogEvent } from '../log/index.ts';
import { Folds } from './folds.ts';
import { Hub } from './hub.ts';

const event = (seq: number, text: string): LogEvent => placed({ type: 'message.received', data: { text } }, 's1', seq, 1_000 + seq, 1);

/** A state at `head` in as far as it is compared; `words` are its conversation. */
function state(head: number, words: readonly string[], more: object = {}): AgentState {
  const slices = {
    session: { agent: 'a' },
    approval: new Map([[1, { status: 'open' }]]),
    model: {},
    tool: { slots: [] },
    budget: { tokens: 7 },
  };
  return { sid: 's1', head, ...slices, turn: { messages: { count: words.length, shared: words } }, ...more } as unknown as AgentState;
}

/** Folds these while the run lives, then those of the record. @returns what was broken. */
function judged(
  live: readonly (readonly [LogEvent, AgentState])[],
  record: readonly (readonly [LogEvent, AgentState])[],
): readonly string[] {
  const hub = new Hub(1, [], false);
  const folds = new Folds(hub);
  const facet = folds.facet(true);
  for (const [one, at] of live) facet.evolve(null, one, at);
  folds.judging();
  for (const [one, at] of record) facet.evolve(null, one, at);
  return hub.violations.map(({ message }) => message);
}

const NONE = /s1:2 is none that a driver had/;

test('a fold that equals one that a driver had is fine, whichever of its drivers that was', () => {
  const one = [event(1, 'x'), state(2, ['x'])] as const;
  const other = [event(1, 'x'), state(2, ['y'])] as const;
  assert.deepEqual(judged([one], [[event(1, 'x'), state(2, ['x'])]]), []);
  assert.deepEqual(judged([other, one], [[event(1, 'x'), state(2, ['x'])]]), []);
});

test('a fold that differs anywhere is none that a driver had', () => {
  const live = [event(1, 'x'), state(2, ['x'])] as const;
  for (const other of [
    state(2, ['y']),
    state(2, ['x', 'x']),
    state(2, ['x'], { session: { agent: 'b' } }),
    state(2, ['x'], { session: { agent: 'a', subject: undefined } }),
    state(2, ['x'], { approval: new Map([[1, { status: 'granted' }]]) }),
    state(2, ['x'], { approval: new Map() }),
    state(2, ['x'], { tool: { slots: [null] } }),
    state(2, ['x'], { budget: { tokens: 8 } }),
  ])
    assert.match(judged([live], [[event(1, 'x'), other]])[0] ?? '', NONE);
});

test('a state that was changed in place after a driver had it is found', () => {
  const budget = { tokens: 7 };
  const hub = new Hub(1, [], false);
  const folds = new Folds(hub);
  const facet = folds.facet(true);
  facet.evolve(null, event(1, 'x'), state(2, ['x'], { budget }));
  budget.tokens = 9;
  folds.judging();
  facet.evolve(null, event(1, 'x'), state(2, ['x']));
  assert.match(hub.violations[0]?.message ?? '', NONE);
});

test('a part that stayed where it was found equal, and one that did not, are both looked at', () => {
  const [first, tool, odd] = [event(1, 'x'), { slots: [1] }, { slots: [2] }];
  const [second, same, other] = [event(2, 'y'), { slots: [1] }, { slots: [2] }];
  const live = [[first, state(2, ['x'], { tool })] as const, [second, state(3, ['x', 'y'], { tool })] as const];
  assert.deepEqual(
    judged(live, [
      [first, state(2, ['x'], { tool: same })],
      [second, state(3, ['x', 'y'], { tool: same })],
    ]),
    [],
  );
  assert.match(
    judged(live, [
      [first, state(2, ['x'], { tool: same })],
      [second, state(3, ['x', 'y'], { tool: other })],
    ])[0] ?? '',
    /s1:3 is none/,
  );
  const moved = [live[0] as never, [second, state(3, ['x', 'y'], { tool: odd })] as const];
  assert.match(
    judged(moved, [
      [first, state(2, ['x'], { tool: same })],
      [second, state(3, ['x', 'y'], { tool: same })],
    ])[0] ?? '',
    /s1:3 is none/,
  );
});

test('what a driver folded and did not get to append is no fold of what another one appended there', () => {
  assert.deepEqual(judged([[event(1, 'mine'), state(2, ['mine'])]], [[event(1, 'yours'), state(2, ['yours'])]]), []);
});

test('a session of which something was erased is folded as nobody had it', () => {
  const live = [event(1, 'x'), state(2, ['x'])] as const;
  assert.deepEqual(judged([live], [[{ ...event(1, 'x'), data: {}, erased: true }, state(2, ['[erased]'])]]), []);
});
