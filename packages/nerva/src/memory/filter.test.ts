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

test('each operator holds where it says, at its bounds and beside them, and of what is of another type never', () => {
  const rows: readonly (readonly [
    FieldFilter,
    readonly (FilterValue | readonly string[])[],
    readonly (FilterValue | readonly string[])[],
  ])[] = [
    [{ $eq: 5 }, [5], [4, 6, '5', true, null]],
    [{ $ne: 5 }, [4, 6, '5', true, null], [5]],
    [{ $in: [5, 'a', null] }, [5, 'a', null], [4, 'b', '5', false]],
    [{ $nin: [5, 'a', null] }, [4, 'b', '5', false], [5, 'a', null]],
    [{ $gt: 5 }, [5.1, 6], [5, 4, '6', true, null]],
    [{ $gte: 5 }, [5, 6], [4.9, '5', '6', true, null]],
    [{ $lt: 5 }, [4.9, -1], [5, 6, '4', false, null]],
    [{ $lte: 5 }, [5, 4], [5.1, '5', '4', false, null]],
    [{ $gt: 'b' }, ['ba', 'c'], ['b', 'a', 5]],
    [{ $lte: 'b' }, ['b', 'a', ''], ['ba', 5]],
    [{ $contains: 'b' }, ['b', 'abc', ['b'], ['a', 'b']], ['a', ['ab'], [], 5, true, null]],
    [{ $gte: 2, $lt: 5 }, [2, 4.9], [1.9, 5]],
  ];
  for (const [condition, those, others] of rows) {
    for (const at of those) assert.ok(passes({ at: condition }, { at }), JSON.stringify([condition, at]));
    for (const at of others) assert.ok(!passes({ at: condition }, { at }), JSON.stringify([condition, at]));
  }
});

test('sixteen filters in each other and a thousand conditions pass, one more does not', () => {
  const nested = (depth: number): Filter => (depth === 0 ? { at: 1 } : { $and: [nested(depth - 1)] });
  const many = (count: number) => ({ $and: Array.from({ length: count / 2 }, () => ({ at: { $gt: 0, $lt: 5 } })) });
  for (const fits of [nested(16), many(1_000), { at: { $in: Array.from({ length: 1_000 }, (_, at) => at) } }])
    assert.ok(passes(fits, { at: 1 }));
  for (const over of [nested(17), { ...many(1_000), kind: null }, { at: { $in: Array.from({ length: 1_001 }, (_, at) => at) } }])
    assert.equal(
      codeOf(() => passes(over, { at: 1 })),
      'OPTION_INVALID',
    );
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
const VALUES = fc.array(VALUE, { maxLength: 3 });
const OPERANDS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  $eq: VALUE,
  $ne: VALUE,
  $in: VALUES,
  $nin: VALUES,
  $gt: ORDERED,
  $gte: ORDERED,
  $lt: ORDERED,
  $lte: ORDERED,
  $contains: fc.constantFrom('a', 'b'),
};
/** One operator or two: of more the first that does not hold would hide the others. */
const CONDITION = fc
  .array(fc.oneof(...Object.entries(OPERANDS).map(([operator, operand]) => fc.tuple(fc.constant(operator), operand))), {
    minLength: 1,
    maxLength: 2,
  })
  .map((pairs) => Object.fromEntries(pairs) as FieldFilter);
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
