import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { filterOf, type Fields, type FieldFilter, type Filter, type FilterValue } from './filter.ts';
import { codeOf } from './scene.test.ts';

const NAMES = ['kind', 'at', 'tags', 'flag'];
const passes = (filter: unknown, fields: Fields): boolean => filterOf(filter as Filter, NAMES)(fields);

test('conditions of one field and members of one filter must all hold', () => {
  const fields = { kind: 'note', at: 5, tags: ['home', 'work'], flag: true };
  assert.ok(passes({}, fields));
  assert.ok(passes({ kind: 'note', at: { $gte: 5, $lt: 6 }, tags: { $contains: 'home' } }, fields));
  assert.ok(!passes({ kind: 'note', at: { $gte: 5, $lt: 5 } }, fields));
  assert.ok(passes({ kind: { $contains: 'ot' }, tags: { $nin: ['x'] }, flag: { $ne: false } }, fields));
  assert.ok(!passes({ tags: { $contains: 'hom' } }, fields), 'an element of a list is whole');
  assert.ok(!passes({ tags: { $ne: 'home' } }, fields), 'none of the elements may be it');
  assert.ok(passes({ $or: [{ kind: 'task' }, { $not: { at: { $gt: 5 } } }], $and: [{ flag: true }] }, fields));
  assert.ok(!passes({ $or: [] }, fields) && passes({ $and: [] }, fields));
  assert.ok(passes({ at: null }, {}) && !passes({ at: { $lt: 9 } }, {}), 'what is not there is null, and in no range');
  assert.ok(!passes({ at: { $lt: '9' } }, fields), 'a number is not compared with a string');
});

test('what is no filter is refused and says what it takes', () => {
  const invalid = [
    null,
    [],
    'x',
    { $and: {} },
    { $or: [1] },
    { $not: null },
    { at: { $gt: true } },
    { at: { $gt: NaN } },
    { at: { $in: 5 } },
    { kind: { $contains: 5 } },
    { at: [5] },
  ];
  for (const filter of invalid)
    assert.equal(
      codeOf(() => passes(filter, {})),
      'OPTION_INVALID',
      JSON.stringify(filter),
    );
  for (const filter of [{ age: 5 }, { at: { $regex: 'x' } }, { $xor: [] }, { at: { gt: 5 } }])
    assert.equal(
      codeOf(() => passes(filter, {})),
      'OPTION_UNKNOWN',
      JSON.stringify(filter),
    );
  let deep: Filter = { at: 1 };
  for (let depth = 0; depth < 17; depth++) deep = { $not: deep };
  assert.equal(
    codeOf(() => passes(deep, {})),
    'OPTION_INVALID',
  );
  const many = { $and: Array.from({ length: 501 }, () => ({ at: { $gt: 1, $lt: 5 } })) };
  assert.equal(
    codeOf(() => passes(many, {})),
    'OPTION_INVALID',
  );
});

const VALUE = fc.oneof(fc.constantFrom('a', 'b', 'ab'), fc.integer({ min: 0, max: 3 }), fc.boolean(), fc.constant(null));
const ORDERED = fc.oneof(fc.constantFrom('a', 'b', 'ab'), fc.integer({ min: 0, max: 3 }));
const CONDITION = fc.record(
  {
    $eq: VALUE,
    $ne: VALUE,
    $in: fc.array(VALUE, { maxLength: 3 }),
    $nin: fc.array(VALUE, { maxLength: 3 }),
    $gt: ORDERED,
    $gte: ORDERED,
    $lt: ORDERED,
    $lte: ORDERED,
    $contains: fc.constantFrom('a', 'b'),
  },
  { requiredKeys: [] },
);
const FILTER = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3 },
    fc.dictionary(fc.constantFrom(...NAMES), fc.oneof(VALUE, CONDITION), { maxKeys: 2 }) as fc.Arbitrary<Filter>,
    fc.record({ $and: fc.array(tie('filter'), { maxLength: 3 }) }),
    fc.record({ $or: fc.array(tie('filter'), { maxLength: 3 }) }),
    fc.record({ $not: tie('filter') }),
  ),
})).filter;
const FIELDS = fc.record(
  { kind: VALUE, at: VALUE, flag: VALUE, tags: fc.array(fc.constantFrom('a', 'b', 'ab'), { maxLength: 2 }) },
  { requiredKeys: [] },
);

/** The same, said as plainly as it can be: each condition looked at by itself, for each row anew. */
function byHand(filter: Filter, row: Fields): boolean {
  return Object.entries(filter).every(([name, value]) => {
    if (name === '$and') return (value as readonly Filter[]).every((one) => byHand(one, row));
    if (name === '$or') return (value as readonly Filter[]).some((one) => byHand(one, row));
    if (name === '$not') return !byHand(value as Filter, row);
    const held = row[name] ?? null;
    const elements: readonly FilterValue[] = Array.isArray(held) ? held : [held as FilterValue];
    const conditions: FieldFilter = typeof value === 'object' && value !== null ? (value as FieldFilter) : { $eq: value as FilterValue };
    return Object.entries(conditions).every(([operator, operand]) => {
      const than = (test: (one: string | number, other: string | number) => boolean): boolean =>
        elements.some((one) => (typeof one === 'string' || typeof one === 'number') && typeof one === typeof operand && test(one, operand));
      switch (operator) {
        case '$eq':
          return elements.includes(operand);
        case '$ne':
          return !elements.includes(operand);
        case '$in':
          return operand.some((one: FilterValue) => elements.includes(one));
        case '$nin':
          return !operand.some((one: FilterValue) => elements.includes(one));
        case '$gt':
          return than((one, other) => one > other);
        case '$gte':
          return than((one, other) => one >= other);
        case '$lt':
          return than((one, other) => one < other);
        case '$lte':
          return than((one, other) => one <= other);
        default:
          return Array.isArray(held) ? held.includes(operand) : typeof held === 'string' && held.includes(operand);
      }
    });
  });
}

test('any filter passes what it says, row by row', () => {
  fc.assert(
    fc.property(FILTER, fc.array(FIELDS, { maxLength: 8 }), (filter, rows) => {
      const test = filterOf(filter, NAMES);
      for (const row of rows) assert.equal(test(row), byHand(filter, row), JSON.stringify({ filter, row }));
    }),
    { numRuns: 1_000 },
  );
});
