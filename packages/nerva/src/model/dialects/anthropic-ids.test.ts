import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { CallIds } from './anthropic-ids.ts';

test('ids of other makers become ids that the wire takes, each once, and results find their calls', () => {
  const ids = new CallIds();
  const long = 'x'.repeat(80);
  const cut = 'x'.repeat(56);
  assert.deepEqual(
    ['12.0', 'call_0', 'call_0', long, ''].map((id) => ids.call(id)),
    ['12_0', 'call_0', 'call_0-1', cut, 'call'],
  );
  assert.deepEqual(
    ['call_0', 'call_0', '12.0', long, ''].map((id) => ids.result(id)),
    ['call_0', 'call_0-1', '12_0', cut, 'call'],
  );
  assert.deepEqual(
    ['call_0', '12_0'].map((id) => ids.call(id)),
    ['call_0-2', '12_0-1'],
  );
  assert.deepEqual(
    ['12_0', 'call_0', 'stray.1'].map((id) => ids.result(id)),
    ['12_0-1', 'call_0-2', 'stray_1'],
  );
});

test('any calls have ids of the form, each once; their results have the same, and the same calls the same ids again', () => {
  const id = fc.oneof(fc.constantFrom('call_0', 'a.0', 'a_0', 'abcDEF123', 'x'.repeat(70)), fc.string({ maxLength: 70 }));
  fc.assert(
    fc.property(fc.array(fc.array(id, { minLength: 1, maxLength: 4 }), { maxLength: 8 }), fc.boolean(), (steps, isNine) => {
      const [one, two] = [0, 1].map(() => new CallIds(isNine ? 'nine' : 'plain')) as [CallIds, CallIds];
      const seen: string[] = [];
      for (const step of steps) {
        const calls = step.map((given) => one.call(given));
        assert.deepEqual(
          step.map((given) => two.call(given)),
          calls,
        );
        assert.deepEqual(
          step.map((given) => one.result(given)),
          calls,
        );
        seen.push(...calls);
      }
      assert.equal(new Set(seen).size, seen.length);
      for (const made of seen) assert.match(made, isNine ? /^[A-Za-z0-9]{9}$/ : /^[A-Za-z0-9_-]{1,64}$/);
    }),
  );
});
