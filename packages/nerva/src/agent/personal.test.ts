import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPersonal, withoutContent } from './personal.ts';

test('what is recorded without its words keeps positions and counts, and a reason only where it is a kind', () => {
  const kinds = [
    'threw',
    'timeout',
    'cancelled',
    'not done',
    'bad input',
    'bad output',
    'unknown tool',
    'denied',
    'forked',
    'crash',
    'lost',
    'error',
  ];
  for (const why of kinds) assert.deepEqual(withoutContent({ call: 5, why, message: 'secret' }), { call: 5, why, message: '[erased]' });
  assert.deepEqual(withoutContent({ approval: 6, why: 'secret' }), { approval: 6, why: 'erased' });
  assert.deepEqual(withoutContent({ approval: 6, why: 7 }), { approval: 6, why: 'erased' });
  assert.deepEqual(
    withoutContent({ call: 3, parts: [{ text: 'secret' }], meta: { secret: 1 }, via: ['secret'], usage: { inputTokens: 1 } }),
    {
      call: 3,
      parts: [],
      usage: { inputTokens: 1 },
    },
  );
  assert.deepEqual(withoutContent({ answer: 4, part: 0, output: 'secret' }), { answer: 4, part: 0, output: '[erased]' });
  assert.deepEqual(withoutContent({ approval: 6, digest: 'h', answer: 'secret' }), { approval: 6, digest: 'h' });
});

test('an event belongs to a subject by its type, or where it says something', () => {
  for (const type of ['message.received', 'model.answered', 'tool.returned', 'approval.denied'])
    assert.equal(isPersonal({ type, data: {} }), true);
  assert.equal(isPersonal({ type: 'turn.started', data: { output: 1, message: 'x' } }), false);
  for (const [type, member] of [
    ['turn.ended', 'output'],
    ['tool.in_doubt', 'message'],
    ['model.failed', 'message'],
  ] as const)
    assert.deepEqual([isPersonal({ type, data: { why: 'x' } }), isPersonal({ type, data: { [member]: 'x' } })], [false, true]);
});
