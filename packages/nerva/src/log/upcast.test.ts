import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { upcasters, type LogEvent } from './index.ts';

const event = (more: Partial<LogEvent>): LogEvent => ({
  type: 'tool.called',
  v: 1,
  sid: 's',
  seq: 0,
  atMs: 1,
  epoch: 0,
  origin: 'system',
  data: {},
  ...more,
});

const STEPS = {
  'tool.called': {
    1: (data: LogEvent['data']) => ({ ...data, effect: 'irreversible' }),
    2: ({ tool, ...data }: LogEvent['data']) => ({ ...data, name: tool ?? null }),
  },
};

test('an old event is lifted step by step, the golden way, and keeps its place', () => {
  const { lift } = upcasters(STEPS, { 'tool.called': 3, 'note.taken': 1 });
  const golden: readonly (readonly [v: number, data: LogEvent['data'], lifted: LogEvent['data']])[] = [
    [1, { tool: 'search', key: 'k' }, { key: 'k', effect: 'irreversible', name: 'search' }],
    [2, { tool: 'search', effect: 'read' }, { effect: 'read', name: 'search' }],
    [3, { name: 'search', effect: 'read' }, { name: 'search', effect: 'read' }],
  ];
  for (const [v, data, lifted] of golden) {
    const before = JSON.stringify(data);
    assert.deepEqual(lift(event({ v, data, seq: 7 })), event({ v: 3, data: lifted, seq: 7 }));
    assert.equal(JSON.stringify(data), before, 'an event is never edited');
  }
});

test('an unknown type or version is skipped, unless it is critical: then the session is read-only here', () => {
  const { lift } = upcasters(STEPS, { 'tool.called': 3 });
  for (const unknown of [{ type: 'star.born' }, { v: 4 }]) {
    assert.equal(lift(event(unknown)), null);
    assert.throws(
      () => lift(event({ ...unknown, critical: true })),
      (error) => NervaError.is(error, 'SESSION_READONLY'),
    );
  }
  assert.deepEqual(upcasters(STEPS).lift(event({ type: 'star.born', v: 9 })), event({ type: 'star.born', v: 9 }));
  assert.equal(upcasters(STEPS).lift(event({ v: 4 })), null);
});

test('an erased event is lifted without looking at what is gone', () => {
  const { lift } = upcasters({ 'tool.called': { 1: () => assert.fail('looked') } });
  assert.deepEqual(lift(event({ erased: true })), event({ erased: true, v: 2 }));
});

test('steps with a gap are refused, and the version changes with every step', () => {
  for (const steps of [{ 2: () => ({}) }, { 1: () => ({}), 3: () => ({}) }]) {
    assert.throws(
      () => upcasters({ 'a.b': steps }),
      (error) => NervaError.is(error, 'OPTION_INVALID'),
    );
  }
  assert.throws(
    () => upcasters({ 'a.b': { 1: () => ({}) } }, { 'a.b': 3 }),
    (error) => NervaError.is(error, 'OPTION_INVALID'),
  );
  const versions = [
    upcasters({}),
    upcasters(STEPS),
    upcasters({ 'tool.called': { 1: STEPS['tool.called'][1] } }),
    upcasters({ 'tool.called': { 1: () => ({ x: 1 }) } }),
    upcasters({}, { 'a.b': 1 }),
  ];
  assert.equal(new Set(versions.map(({ version }) => version)).size, versions.length);
  assert.equal(upcasters(STEPS).version, upcasters({ ...STEPS }).version);
});

test('a session that is read-only here says which event it is that nobody knows', () => {
  const critical = event({ v: 4, seq: 7, critical: true });
  assert.throws(
    () => upcasters(STEPS).lift(critical),
    (error) => {
      assert.deepEqual((error as NervaError).details, { sid: 's', seq: 7, type: 'tool.called', v: 4 });
      return true;
    },
  );
});
