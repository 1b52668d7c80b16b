import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { blobsNamed, checkAppend, decodeEvents, encodeEvents, jsonProblem, type EventDraft } from './index.ts';

const drafts = fc.array(
  fc.record(
    {
      type: fc.constantFrom('note.taken', 'memory.block.set', 'tool.in_doubt'),
      v: fc.integer({ min: 2, max: 9 }),
      critical: fc.constant(true as const),
      subject: fc.string({ minLength: 1, maxLength: 20 }),
      origin: fc.constantFrom('person' as const, 'model' as const, 'tool' as const),
      data: fc.dictionary(fc.string(), fc.jsonValue()),
    },
    { requiredKeys: ['type', 'data'] },
  ),
  { minLength: 1, maxLength: 4 },
) as unknown as fc.Arbitrary<EventDraft[]>;

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('any events are decoded as they were encoded, sealed or not', () => {
  const keys = memoryKeys();
  fc.assert(
    fc.property(drafts, (events) => {
      assert.deepEqual(decodeEvents(encodeEvents(events, 'salt')), plain(events));
      assert.deepEqual(decodeEvents(encodeEvents(events, 'salt', keys), keys), plain(events));
    }),
    { seed: 1 },
  );
});

test('the stored text is readable, leaves out defaults and ends with its salt', () => {
  const events: EventDraft[] = [
    { type: 'a.b', v: 1, origin: 'system', critical: false, data: { n: 1 } },
    { type: 'a.b', v: 2, origin: 'person', critical: true, subject: 'ada', data: {} },
  ];
  assert.equal(encodeEvents(events, 'abc'), '[{"a.b":{"n":1}},{"a.b":{},"v":2,"critical":true,"origin":"person","subject":"ada"},"abc"]');
});

test('a message of the system is told from one of a person, though a person is who sends them by default', () => {
  const said: EventDraft = { type: 'message.received', data: { text: 'hi' } };
  const text = encodeEvents([said, { ...said, origin: 'system' }, { ...said, origin: 'person' }], 'abc');
  assert.deepEqual(decodeEvents(text), [said, said, { ...said, origin: 'person' }]);
});

test('sealed data is not in the stored text, and without its key the event is an erased shell', () => {
  const keys = memoryKeys();
  const text = encodeEvents([{ type: 'a.b', subject: 'ada', data: { secret: 'xyzzy' } }], 'salt', keys);
  assert.ok(!text.includes('xyzzy') && text.includes('"sealed"'));
  const shell = [{ type: 'a.b', subject: 'ada', data: {}, erased: true }];
  assert.deepEqual(decodeEvents(text), shell);
  keys.destroy('ada');
  assert.deepEqual(decodeEvents(text, keys), shell);
});

test('every frame has its own salt, and blobs are named before sealing hides them', () => {
  const world = testWorld();
  const ref = 'a'.repeat(64);
  const frame = {
    id: 'f',
    sid: 's',
    events: [{ type: 'a.b', subject: 'ada', data: { file: { ref, bytes: 1, mediaType: 'text/plain' } } }],
  };
  const context = { world, limits: { frameBytesMax: 1000 } };
  assert.notEqual(checkAppend(frame, context).text, checkAppend(frame, context).text);
  assert.deepEqual(checkAppend(frame, context).blobs, [ref]);
  assert.deepEqual(checkAppend(frame, { ...context, keys: memoryKeys() }).blobs, [ref]);
  assert.deepEqual(blobsNamed('{"ref":"short"}'), []);
});

test('a value that is not plain JSON is named by its path', () => {
  assert.equal(jsonProblem({ a: [1, { b: undefined }] }, 0)?.path, '.a[1].b');
  assert.equal(jsonProblem(JSON.parse('{"__proto__":{"a":[1]}}'), 0), null);
  let deep: unknown = 1;
  for (let level = 0; level < 99; level++) deep = [deep];
  assert.equal(jsonProblem(deep, 0), null);
  assert.notEqual(jsonProblem([[[deep]]], 0), null);
});
