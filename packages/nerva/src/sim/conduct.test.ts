import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent } from '../agent/index.ts';
import type { JsonObject } from '../core/index.ts';
import { placed } from '../log/index.ts';
import { judgeConduct } from './conduct.ts';
import { simModel } from './model.ts';

type Line = readonly [type: string, data?: JsonObject, atMs?: number];

const RETRIED = 'a failed call is made again as often as it may';
const REJECTED = 'a bad output is sent back as often as it may';
const ON_TIME = 'a timer does not fire before its time';
const READ = 'memories are read before the model is asked';
const TOLD_ONCE = 'what a memory said is not said twice';

const { retry, outputRetriesMax } = createAgent({ name: 'a', model: simModel(), retry: { retriesMax: 1 }, outputRetriesMax: 1 });
const PLAIN = { retry, outputRetriesMax, memory: [], isOnTime: true };
const KEEPING = { ...PLAIN, memory: [{ of: () => assert.fail(), recall: 1 }] };

function broken(lines: readonly Line[], manners: Parameters<typeof judgeConduct>[1] = PLAIN): readonly string[] {
  const laws = new Set<string>();
  const events = lines.map(([type, data = {}, atMs], seq) => placed({ type, data }, 's1', seq, atMs ?? 1_000 + seq, 1));
  judgeConduct(events, manners, (law) => laws.add(law));
  return [...laws];
}

/** 0 turn.started · 1 model.called · 2 model.failed. */
const failed = (more: JsonObject = {}): readonly Line[] => [
  ['turn.started'],
  ['model.called'],
  ['model.failed', { call: 1, why: 'error', retry: true, ...more }],
];
const waits = (atMs = 3_000): Line => ['timer.set', { atMs }];
const FIRED: Line = ['timer.fired', { timer: 3 }, 3_000];
const GIVES_UP: Line = ['turn.ended', { reason: 'error', why: 'MODEL_UNAVAILABLE: no' }];

test('a failure is waited for, and made again once', () => {
  const again: readonly Line[] = [...failed(), waits(), FIRED, ['model.called']];
  assert.deepEqual(broken(again), []);
  assert.deepEqual(broken([...failed(), ['model.called']]), [RETRIED]);
  const twice: readonly Line[] = [...again, ['model.failed', { call: 5, why: 'error', retry: true }]];
  assert.deepEqual(broken([...twice, GIVES_UP]), []);
  assert.deepEqual(broken([...twice, waits(5_000)]), [RETRIED]);
});

test('a timer fires when its time has come, as far as clocks can be believed', () => {
  const early: readonly Line[] = [...failed(), waits(), ['timer.fired', { timer: 3 }], ['model.called']];
  assert.deepEqual(broken(early), [ON_TIME]);
  assert.deepEqual(broken(early, { ...PLAIN, isOnTime: false }), []);
});

test('what may be made again is not given up, unless somebody cancelled', () => {
  assert.deepEqual(broken([...failed(), GIVES_UP]), [RETRIED]);
  assert.deepEqual(broken([...failed({ retry: false }), GIVES_UP]), []);
  assert.deepEqual(broken([...failed(), ['cancel.requested'], ['turn.ended', { reason: 'cancelled' }]]), []);
});

test('an answer forgives the failures before it', () => {
  const answered: readonly Line[] = [...failed(), waits(), FIRED, ['model.called'], ['model.answered', { call: 5 }], ['model.called']];
  const again: readonly Line[] = [...answered, ['model.failed', { call: 7, why: 'error', retry: true }]];
  assert.deepEqual(broken([...again, waits(5_000)]), []);
  assert.deepEqual(broken([...again, GIVES_UP]), [RETRIED]);
});

test('nobody waits for what may not be made again, nor too short', () => {
  assert.deepEqual(broken([...failed({ partial: true }), waits()]), [RETRIED]);
  assert.deepEqual(broken([...failed({ retry: false }), waits()]), [RETRIED]);
  assert.deepEqual(broken([...failed(), waits(1_100)]), [RETRIED]);
  assert.deepEqual(broken([...failed({ retryAfterMs: 5_000 }), waits()]), [RETRIED]);
  assert.deepEqual(broken([...failed({ retryAfterMs: 5_000 }), waits(6_002)]), []);
  assert.deepEqual(broken([...failed({ retryAfterMs: 5_000_000 }), GIVES_UP]), []);
});

test('a call that was too long is made again once the conversation is shorter', () => {
  const long = failed({ retry: false, code: 'CONTEXT_TOO_LONG' });
  assert.deepEqual(broken([...long, ['context.compacted'], ['model.called']]), []);
  assert.deepEqual(broken([...long, ['context.compacted', { call: 99 }], ['model.called']]), [RETRIED]);
});

test('an output is sent back once', () => {
  const sent: readonly Line[] = [['turn.started'], ['output.rejected']];
  const ended: Line = ['turn.ended', { reason: 'error', why: 'SCHEMA_MISMATCH: no' }];
  assert.deepEqual(broken([...sent, ended]), []);
  assert.deepEqual(broken([...sent, ['output.rejected'], ended]), [REJECTED]);
  assert.deepEqual(broken([['turn.started'], ended]), [REJECTED]);
});

test('memories are read in each turn, a lost reading again', () => {
  const called: readonly Line[] = [['turn.started'], ['memory.called']];
  const read: readonly Line[] = [...called, ['memory.recalled', { call: 1 }], ['model.called']];
  assert.deepEqual(broken(read, KEEPING), []);
  assert.deepEqual(broken([...called, ['model.called']], KEEPING), [READ]);
  assert.deepEqual(broken([...called, ['memory.failed', { call: 1, why: 'lost' }], ['model.called']], KEEPING), [READ]);
  assert.deepEqual(broken([...called, ['memory.failed', { call: 1, why: 'error' }], ['model.called']], KEEPING), []);
  assert.deepEqual(broken([...read, ['model.answered', { call: 3 }], ['turn.ended'], ['turn.started'], ['model.called']], KEEPING), [READ]);
  assert.deepEqual(
    broken([...called, ['session.forked'], ['memory.called'], ['memory.recalled', { call: 3 }], ['model.called']], KEEPING),
    [],
  );
});

test('what a memory said is said again only when it is gone from the prompt', () => {
  const told = (seq: number): readonly Line[] => [
    ['turn.started'],
    ['memory.called'],
    ['memory.recalled', { call: seq + 1 }],
    ['memory.told', { entries: [{ id: 'one' }] }],
  ];
  assert.deepEqual(broken(told(0)), []);
  assert.deepEqual(broken([...told(0), ...told(4)]), [TOLD_ONCE]);
  assert.deepEqual(broken([...told(0), ['context.compacted'], ...told(5)]), []);
  assert.deepEqual(broken([...told(0), ['context.compacted', { call: 99 }], ...told(5)]), [TOLD_ONCE]);
});
