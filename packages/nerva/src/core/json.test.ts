import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { canonicalJson, checkJson, freeze, NervaError, toWellFormed, type Json } from './index.ts';

const json = fc
  .jsonValue({ maxDepth: 5 })
  .map((value) => JSON.parse(JSON.stringify(value)) as Json)
  .filter((value) => !JSON.stringify(value).includes('"__proto__"'));
const refusal = (path: string, came: string | RegExp) => (error: unknown) => {
  assert.ok(NervaError.is(error, 'JSON_INVALID'));
  assert.equal(error.details['path'], path);
  assert.match(String(error.details['came']), typeof came === 'string' ? new RegExp(came) : came);
  return true;
};

test('any JSON value is taken as it is', () => {
  fc.assert(fc.property(json, (value) => assert.equal(checkJson(value), value)));
});

test('any value is measured as its JSON text in UTF-8', () => {
  const text = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(
      fc.oneof(
        json,
        text,
        fc.dictionary(
          text.filter((key) => key !== '__proto__'),
          fc.array(text),
        ),
      ),
      (value) => {
        const bytes = Buffer.byteLength(JSON.stringify(value));
        // An upper bound: each member counts a comma, which the last one does not have; an array's commas are not counted.
        checkJson(value, { bytesMax: bytes + JSON.stringify(value).length });
        if (typeof value === 'string') {
          checkJson(value, { bytesMax: bytes });
          assert.throws(() => checkJson(value, { bytesMax: bytes - 1 }), /bytes in all/);
        }
      },
    ),
  );
});

test('characters at the borders of UTF-8 and of escaping are measured exactly', () => {
  for (const text of [
    '\u007f',
    '\u0080',
    '\u07ff',
    '\u0800',
    '\u08ff',
    '\ud7ff',
    '\ue000',
    '\uffff',
    '😀',
    '\u0000',
    '\u001f',
    '\b\t\n\v\f\r',
    '"\\/',
  ]) {
    const bytes = Buffer.byteLength(JSON.stringify(text));
    checkJson(text, { bytesMax: bytes });
    assert.throws(() => checkJson(text, { bytesMax: bytes - 1 }), /bytes in all/, JSON.stringify(text));
  }
});

test('what is not JSON is refused with its path', () => {
  const cycle: unknown[] = [];
  cycle.push({ again: cycle });
  const cases: [unknown, string, string][] = [
    [undefined, '$', 'undefined'],
    [{ a: [1, undefined] }, '$.a[1]', 'undefined'],
    [{ a: { 'b c': NaN } }, '$.a["b c"]', 'NaN'],
    [[-Infinity], '$[0]', '-Infinity'],
    [{ f: () => 1 }, '$.f', 'function'],
    [[Symbol('s')], '$[0]', 'symbol'],
    [[1n], '$[0]', 'bigint'],
    [{ at: new Date(0) }, '$.at', 'Date'],
    [new Map(), '$', 'Map'],
    [[new (class Point {})()], '$[0]', 'Point'],
    [[1, , 2], '$[1]', 'undefined'], // oxlint-disable-line no-sparse-arrays
    [JSON.parse('{"a": {"__proto__": 1}}'), '$.a', '__proto__'],
    [{ a: '\ud83d' }, '$.a', 'surrogate'],
    [{ '\udc00': 1 }, '$["\\udc00"]', 'surrogate'],
  ];
  for (const [value, path, came] of cases) assert.throws(() => checkJson(value), refusal(path, came));
  assert.throws(() => checkJson(cycle), /contains itself/);
});

test('depth is bounded, and deep is not taken for cyclic', () => {
  const nested = (depth: number): Json => (depth === 0 ? 1 : [nested(depth - 1)]);
  checkJson(nested(128));
  assert.throws(() => checkJson(nested(129)), /more than 128 levels/);
  checkJson(nested(3), { depthMax: 3 });
  assert.throws(() => checkJson(nested(4), { depthMax: 3 }), /more than 3 levels/);
});

test('a value that is small in memory and huge as text is refused', () => {
  let bomb: Json = 'x';
  for (let i = 0; i < 100; i++) bomb = [bomb, bomb];
  assert.throws(() => checkJson(bomb, { bytesMax: 10_000 }), /more than 10000 bytes/);
});

test('the same object twice is no cycle, and an object of another realm or without prototype is plain', () => {
  const shared = { a: 1 };
  checkJson([shared, shared]);
  checkJson(Object.create(null));
  checkJson(runInNewContext('({a: [1]})'));
});

test('any value has the same canonical text whatever the order of its keys', () => {
  const reversed = (value: Json): Json => {
    if (Array.isArray(value)) return (value as Json[]).map(reversed);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, member]) => [key, reversed(member)]),
    );
  };
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalJson(value);
      assert.equal(canonicalJson(reversed(value)), text);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('canonical text is exact', () => {
  assert.equal(
    canonicalJson({ b: [1, -0, 1e21, 0.1], a: { z: null, é: '\u0001"' }, B: true }),
    '{"B":true,"a":{"z":null,"é":"\\u0001\\""},"b":[1,0,1e+21,0.1]}',
  );
  assert.throws(() => canonicalJson(NaN), /NaN/);
  assert.throws(
    () => canonicalJson({ a: undefined } as unknown as Json),
    (error) => NervaError.is(error, 'JSON_INVALID'),
  );
});

test('freezing goes all the way down, survives cycles and stops at what is frozen', () => {
  const value = freeze({ a: [{ b: 1 }] });
  assert.ok(Object.isFrozen(value) && Object.isFrozen(value.a) && Object.isFrozen(value.a[0]));
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  assert.equal(freeze(cycle), cycle);
  assert.equal(freeze(null), null);
});

test('lone surrogates are mended, and a value without them stays the same object', () => {
  const fine = { a: ['😀', { b: 'x' }] };
  assert.equal(toWellFormed(fine), fine);
  const mended = toWellFormed({ a: ['\ud83d', 1, null], '\udc00': true });
  assert.deepEqual(mended, { a: ['\ufffd', 1, null], '\ufffd': true });
  checkJson(mended);
  assert.deepEqual(toWellFormed({ '\udc00': 1 }), { '\ufffd': 1 });
});
