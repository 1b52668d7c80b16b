import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError, utf8Bytes } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { checkAppend, checkTenant, jsonProblem, type Append, type EventDraft } from './index.ts';

const world = testWorld();
const draft: EventDraft = { type: 'note.taken', data: {} };
const checked = (changed: object, frameBytesMax = 10_000) =>
  checkAppend({ id: 'f', sid: 's', events: [draft], ...changed } as unknown as Append, { world, limits: { frameBytesMax } });

/** The field that a refusal names, or null when the frame is taken. */
function refusedField(changed: object, frameBytesMax?: number): unknown {
  try {
    checked(changed, frameBytesMax);
    return null;
  } catch (error) {
    assert.ok(NervaError.is(error, 'FRAME_INVALID'), String(error));
    return (error as NervaError).details?.['field'];
  }
}

const event = (changed: object): object => ({ events: [draft, { ...draft, ...changed }] });

/** An array in an array, `levels` of them. */
function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

test('a frame that is refused says which of its fields is wrong', () => {
  const cases: readonly [object, string][] = [
    [{ id: 7 }, 'id'],
    [{ id: 'two\nlines' }, 'id'],
    [{ sid: 7 }, 'sid'],
    [{ expected: -1 }, 'expected'],
    [{ expected: 'any' }, 'expected'],
    [{ atMs: 1.5 }, 'atMs'],
    [{ fence: { epoch: -1 } }, 'fence.epoch'],
    [{ fence: { epoch: 'one' } }, 'fence.epoch'],
    [{ by: '' }, 'by'],
    [{ by: 7 }, 'by'],
    [{ cause: 's' }, 'cause'],
    [{ then: { wakeAtMs: Number.POSITIVE_INFINITY } }, 'then.wakeAtMs'],
    [{ then: { status: 7 } }, 'then.status'],
    [{ then: { ifHead: -1 } }, 'then.ifHead'],
    [{ then: { agent: '' } }, 'then.agent'],
    [{ then: { trace: 'a b' } }, 'then.trace'],
    [{ then: { owner: '' } }, 'then.owner'],
    [{ events: [] }, 'events'],
    [{ events: 'none' }, 'events'],
    [{ events: [null] }, 'events[0]'],
    [{ events: ['text'] }, 'events[0]'],
    [event({ type: 7 }), 'events[1].type'],
    [event({ v: 0 }), 'events[1].v'],
    [event({ critical: 'yes' }), 'events[1].critical'],
    [event({ origin: 'god' }), 'events[1].origin'],
    [event({ subject: '' }), 'events[1].subject'],
    [event({ subject: 7 }), 'events[1].subject'],
    [event({ data: 'text' }), 'events[1].data'],
    [event({ data: [] }), 'events[1].data'],
    [event({ data: { a: [1, { b: () => 1 }] } }), 'events[1].data.a[1].b'],
  ];
  for (const [changed, field] of cases) assert.equal(refusedField(changed), field, JSON.stringify(changed));
});

test('what a frame may say is taken up to its bounds, and not one further', () => {
  const bounds: readonly [(length: number) => object, number][] = [
    [(length) => ({ id: '~'.repeat(length) }), 64],
    [(length) => ({ sid: 'x'.repeat(length) }), 128],
    [(length) => event({ type: 'a.b'.padEnd(length, 'b') }), 64],
    [(length) => event({ subject: 'x'.repeat(length) }), 256],
  ];
  for (const [make, max] of bounds) {
    assert.equal(refusedField(make(max)), null, `${max} of ${JSON.stringify(make(1))}`);
    assert.notEqual(refusedField(make(max + 1)), null, `${max + 1} of ${JSON.stringify(make(1))}`);
  }
  for (const fine of [
    { expected: 0 },
    { expected: 'fact' },
    { atMs: 0 },
    { fence: { epoch: 0 } },
    { then: { wakeAtMs: null } },
    { by: 'x' },
  ])
    assert.equal(refusedField(fine), null, JSON.stringify(fine));
  for (const origin of ['person', 'model', 'tool', 'system']) assert.equal(refusedField(event({ origin })), null, origin);
  assert.equal(refusedField(event({ v: 1, critical: false })), null);
});

test('data may nest a hundred levels deep', () => {
  assert.equal(jsonProblem(nested(101), 0), null);
  assert.notEqual(jsonProblem(nested(102), 0), null);
  let object: unknown = null;
  for (let level = 0; level < 101; level++) object = { a: object };
  assert.equal(jsonProblem(object, 0), null);
  assert.notEqual(jsonProblem({ a: object, b: { c: { d: [nested(101)] } } }, 0), null);
});

test('an object without a prototype is plain JSON, and one of a class is not', () => {
  assert.equal(jsonProblem(Object.assign(Object.create(null) as object, { a: 1 }), 0), null);
  const at = new Map();
  assert.deepEqual(jsonProblem({ at }, 0), { path: '.at', value: at });
  assert.deepEqual(jsonProblem(at, 0), { path: '', value: at });
  assert.deepEqual(jsonProblem([1, Number.NaN], 0), { path: '[1]', value: Number.NaN });
  assert.deepEqual(jsonProblem(undefined, 0), { path: '', value: undefined });
});

test('the bytes of a frame are those of its stored text as UTF-8, and just so many are taken', () => {
  const wide = event({ data: { text: 'é𝄞'.repeat(50) } });
  const { text, bytes } = checked(wide);
  assert.equal(bytes, utf8Bytes(text));
  assert.ok(bytes > text.length);
  assert.equal(refusedField(wide, bytes), null);
  assert.equal(refusedField(wide, bytes - 1), 'events');
});

test('a frame ends with a salt of 64 bits', () => {
  assert.match(checked({}).text, /"[0-9a-f]{16}"\]$/);
});

test('a tenant has a name of 1 to 64 letters, or is refused as an option', () => {
  checkTenant('a'.repeat(64));
  for (const tenant of ['', 'a b', 'a'.repeat(65), 7, null])
    assert.throws(
      () => checkTenant(tenant),
      (error: unknown) => NervaError.is(error, 'OPTION_INVALID'),
    );
});

test('a type is a text, and no list of one', () => {
  assert.equal(refusedField(event({ type: ['note.taken'] })), 'events[1].type');
});

test('the data of an event may nest a hundred levels deep, itself not counted', () => {
  assert.equal(refusedField(event({ data: { a: nested(100) } })), null);
  assert.equal(refusedField(event({ data: { a: nested(101) } })), `events[1].data.a${'[0]'.repeat(100)}`);
});

test('a refusal says what came, a long text cut to its first 60 letters', () => {
  const shown: readonly [unknown, string][] = [
    ['A b', '"A b"'],
    [`A${'b'.repeat(70)}`, `"A${'b'.repeat(59)}"`],
    [7, '7'],
    [null, 'null'],
    [undefined, 'undefined'],
    [true, 'true'],
    [[1, 2], 'an array of 2'],
    [{ a: 1 }, 'an object'],
    [() => 1, 'a function'],
  ];
  for (const [type, said] of shown)
    assert.throws(
      () => checked(event({ type })),
      (error: unknown) => String(error).includes(`events[1].type is ${said}; expected noun.past`),
      said,
    );
});

test('a type that is none is refused each time it comes', () => {
  for (let time = 0; time < 3; time++) assert.equal(refusedField(event({ type: 'Never.Taken' })), 'events[1].type');
});
