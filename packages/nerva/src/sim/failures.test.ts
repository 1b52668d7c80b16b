import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModelAnswer } from '../model/index.ts';
import { failureOf, MODEL_FAILURES, MODEL_ODDITIES, oddAnswer } from './failures.ts';
import { FAULT_KINDS, FAULTS } from './faults.ts';
import { HTTP_SHAPES } from './http-shapes.ts';

test('each fault of a model is a recorded failure, an odd answer, or a matter of time', () => {
  const kinds = FAULT_KINDS.filter((kind) => FAULTS[kind].area === 'model');
  assert.deepEqual([...MODEL_FAILURES, ...MODEL_ODDITIES, 'model.silent', 'model.slow'].sort(), kinds.toSorted());
});

test('a failure is one that was recorded, to the letter, and made anew each time', () => {
  const rows = Object.values(HTTP_SHAPES);
  for (const kind of MODEL_FAILURES) {
    const { code, message, details } = failureOf(kind);
    assert.ok(
      rows.some((row) => row.code === code && row.message === message && JSON.stringify(row.details) === JSON.stringify(details)),
      `${kind}: ${message}`,
    );
    assert.notEqual(failureOf(kind), failureOf(kind));
  }
});

const CALL = { type: 'tool_call', id: 'c1', name: 'pay', input: { amount: 5 } } as const;
const ANSWER: ModelAnswer = { parts: [CALL], finish: 'tool_calls', usage: { inputTokens: 1, outputTokens: 1 }, model: 'm' };

test('odd answers are odd as they say', () => {
  assert.deepEqual(oddAnswer('model.empty', ANSWER).parts, []);
  assert.equal(oddAnswer('model.empty', ANSWER).finish, 'stop');
  assert.deepEqual(
    oddAnswer('model.malformed', ANSWER).parts.map((part) => part.type === 'tool_call' && [part.name, part.malformed]),
    [['pay', true]],
  );
  assert.deepEqual(
    oddAnswer('model.unknown-tool', ANSWER).parts.map((part) => part.type === 'tool_call' && part.name),
    ['launch_missiles'],
  );
  assert.deepEqual(oddAnswer('model.duplicate', ANSWER).parts, [CALL, CALL]);
  assert.equal(oddAnswer('model.garbage', ANSWER).parts, undefined);
});
