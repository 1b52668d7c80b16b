import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { refusal, rowAfter, type Append, type JudgedRow, type Status } from './index.ts';

const row = (changed: Partial<JudgedRow> = {}): JudgedRow => ({
  status: 'idle',
  head: 4,
  epoch: 2,
  attempts: 3,
  wakeAtMs: 70,
  bytes: 90,
  ...changed,
});
const frame = (changed: Partial<Append> = {}): Append => ({
  id: 'f',
  sid: 's',
  expected: 4,
  events: [{ type: 'note.taken', data: {} }],
  ...changed,
});
const limits = { eventsMax: 5, bytesMax: 100 };

test('a frame that just fits is taken, and one event or byte more is the limit', () => {
  const two = [...frame().events, ...frame().events];
  assert.equal(refusal(row(), frame(), 10, limits), null);
  assert.equal(refusal(row(), frame(), 11, limits), 'limit');
  assert.equal(refusal(row(), frame({ events: two }), 1, limits), 'limit');
  assert.equal(refusal(row({ head: 3 }), frame({ expected: 3, events: two }), 1, limits), null);
});

test('of several reasons a frame is given the first: closed, fenced, conflict, limit', () => {
  const worst = frame({ expected: 1, fence: { epoch: 1 } });
  assert.equal(refusal(row({ status: 'closed' }), worst, 99, limits), 'closed');
  assert.equal(refusal(row(), worst, 99, limits), 'fenced');
  assert.equal(refusal(row(), { ...worst, fence: { epoch: 2 } }, 99, limits), 'conflict');
  assert.equal(refusal(row(), frame({ expected: 'fact', fence: { epoch: 3 } }), 99, limits), 'limit');
  assert.equal(refusal(row(), frame({ expected: 'fact', fence: { epoch: 3 } }), 9, limits), null);
});

test('a decision leaves the row as it is where it does not say otherwise', () => {
  for (const status of ['ready', 'waiting', 'idle', 'quarantined'] as const)
    assert.deepEqual(rowAfter(row({ status }), frame()), { status, wakeAtMs: 70, attempts: 3 });
  assert.deepEqual(rowAfter(null, frame({ expected: 0 })), { status: 'idle', wakeAtMs: null, attempts: 0 });
});

test('a fact makes a session ready, unless it says otherwise or the session is closed or quarantined', () => {
  const fact = (then?: Append['then']): Append => frame({ expected: 'fact', ...(then === undefined ? {} : { then }) });
  const after = (status: Status, then?: Append['then']): Status => rowAfter(row({ status }), fact(then)).status;
  assert.deepEqual(
    (['ready', 'waiting', 'idle', 'closed', 'quarantined'] as const).map((status) => after(status)),
    ['ready', 'ready', 'ready', 'closed', 'quarantined'],
  );
  assert.equal(after('waiting', { status: 'idle' }), 'idle');
  assert.throws(
    () => after('closed', { status: 'ready' }),
    (error: unknown) => NervaError.is(error, 'STATUS_ILLEGAL'),
  );
});

test('a wake-up time stays, is set, or is cleared by null; progress alone resets the attempts', () => {
  const after = (then: Append['then'] & object) => rowAfter(row(), frame({ then }));
  assert.deepEqual(after({ wakeAtMs: 8 }), { status: 'idle', wakeAtMs: 8, attempts: 3 });
  assert.deepEqual(after({ wakeAtMs: null, progress: false }), { status: 'idle', wakeAtMs: null, attempts: 3 });
  assert.deepEqual(after({ progress: true }), { status: 'idle', wakeAtMs: 70, attempts: 0 });
});
