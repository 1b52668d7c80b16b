import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeEvents, encodeEvents, type Origin } from './index.ts';

/** Part of the stored format, and never to change: whose words an event of a type carries when the text does not say. */
const FIXED: Readonly<Record<string, Origin>> = {
  'message.received': 'person',
  'cancel.requested': 'person',
  'approval.granted': 'person',
  'approval.denied': 'person',
  'model.answered': 'model',
  'model.interrupted': 'model',
  'tool.returned': 'tool',
  'tool.failed': 'tool',
  'reconcile.returned': 'tool',
};

test('the origin that a type has by itself is not stored, and is there again when it is read', () => {
  for (const [type, origin] of Object.entries(FIXED)) {
    const text = encodeEvents([{ type, origin, data: {} }], 'salt');
    assert.equal(text, `[{"${type}":{}},"salt"]`);
    assert.deepEqual(decodeEvents(text), [{ type, origin, data: {} }]);
  }
});

test('an origin that is not the one of its type is stored, system too', () => {
  for (const type of [...Object.keys(FIXED), 'note.taken']) {
    for (const origin of ['person', 'model', 'tool', 'system'] as const) {
      const text = encodeEvents([{ type, origin, data: {} }], 'salt');
      assert.equal(text.includes(`"origin":"${origin}"`), origin !== (FIXED[type] ?? 'system'), `${type} by ${origin}`);
      assert.equal(decodeEvents(text)[0]?.origin ?? 'system', origin);
    }
  }
});
