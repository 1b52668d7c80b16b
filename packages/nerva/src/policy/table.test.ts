import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import { canonicalJson, NervaError, type ErrorCode, type Json, type JsonObject } from '../core/index.ts';
import { parseTable, table, type Condition, type PolicyView, type TableRow } from './index.ts';

const view = (data: Json = null, more: Partial<PolicyView> = {}): PolicyView => ({
  input: { text: '', data },
  calls: [],
  messages: [],
  step: 0,
  nowMs: 0,
  ...more,
});
const isCode = (code: ErrorCode, text: string) => (error: unknown) => {
  assert.ok(NervaError.is(error, code), String(error));
  assert.ok(error.message.includes(text), error.message);
  return true;
};
const isInvalid = (text: string) => isCode('POLICY_INVALID', text);
const model = { type: 'model' } as const;
const holds = (condition: Condition, fact: Json | undefined): boolean =>
  table({ name: 't', rows: [{ name: 'r', when: { f: condition }, then: model }] }).evaluate(view(fact === undefined ? {} : { f: fact })) !==
  null;

const REFUNDS = {
  name: 'refunds',
  rows: [
    { name: 'done', when: { '$outputs.refund.id': { exists: true } }, then: { type: 'answer', text: { $: '$outputs.refund.id' } } },
    {
      name: 'small',
      when: { 'cost.total': { lte: 100 }, reason: { in: ['late', 'broken'] } },
      then: { type: 'call', calls: [{ tool: 'refund', input: { order: { $: 'order' }, parts: [{ $: 'cost.total' }, 'EUR'] } }] },
      why: 'Small refunds need no person.',
    },
    { name: 'vip', when: { tier: 'vip' }, then: 'abstain', why: 'Handled with care.' },
    { name: 'rest', then: { type: 'answer', text: 'A colleague will look at it.' } },
  ],
} as const;

test('the first row that matches decides, with facts copied into its call, and says why', () => {
  const decided = table(REFUNDS).evaluate(view({ order: 'o1', cost: { total: 80 }, reason: 'late', tier: 'vip' }));
  assert.deepEqual(decided, {
    action: { type: 'call', calls: [{ tool: 'refund', input: { order: 'o1', parts: [80, 'EUR'] } }] },
    policy: 'refunds#small',
    why: 'Small refunds need no person. Matched: cost.total = 80, reason = "late".',
  });
});

test('a row sees the calls made so far, so that a turn goes on and ends', () => {
  const calls = [{ name: 'refund', input: {}, output: { id: 7 }, isError: false }];
  assert.deepEqual(table(REFUNDS).evaluate(view({ cost: { total: 80 }, reason: 'late' }, { calls }))?.action, {
    type: 'answer',
    text: '7',
  });
  const failing = [{ name: 'refund', input: {}, output: { id: 7 }, isError: true }];
  assert.equal(table(REFUNDS).evaluate(view({}, { calls: failing }))?.policy, 'refunds#rest');
});

test('a row that abstains makes the table abstain, and so does no match', () => {
  assert.equal(table(REFUNDS).evaluate(view({ tier: 'vip' })), null);
  assert.equal(table({ name: 't', rows: [{ name: 'a', when: { x: 1 }, then: model }] }).evaluate(view({})), null);
});

test('an explanation lists each row tried with the condition that failed', () => {
  const { decided, rows } = table(REFUNDS).explain(view({ cost: { total: 500 }, tier: 'vip' }));
  assert.equal(decided, null);
  assert.deepEqual(rows, [
    { row: 'done', matched: false, why: '$outputs.refund.id is missing, expected {"exists":true}.' },
    { row: 'small', matched: false, why: 'cost.total is 500, expected {"lte":100}.' },
    { row: 'vip', matched: true, why: 'Handled with care. Matched: tier = "vip".' },
  ]);
});

test('a row that needs a missing fact does not match', () => {
  const { decided, rows } = table(REFUNDS).explain(view({ cost: { total: 80 }, reason: 'late' }));
  assert.equal(rows[1]?.why, 'It needs the fact order, which is missing.');
  assert.equal(decided?.policy, 'refunds#rest');
});

test('every operator means what it says', () => {
  const cases: [Condition, Json[], (Json | undefined)[]][] = [
    [5, [5], [6, '5', null, undefined]],
    [null, [null], [undefined, 0, false]],
    ['a', ['a'], ['A', ['a']]],
    [{ eq: [1, { a: 1, b: 2 }] }, [[1, { b: 2, a: 1 }]], [[1], undefined, 1]],
    [{ eq: null }, [null], [undefined]],
    [{ in: [1, 'a', [2]] }, [1, 'a', [2]], [2, [1], undefined]],
    [{ in: [] }, [], [1, undefined]],
    [{ gt: 5 }, [5.1], [5, '6', null, undefined, [6]]],
    [{ gte: 5 }, [5, 6], [4.9, undefined]],
    [{ lt: 5 }, [4], [5, '4', null, undefined]],
    [{ lte: 5 }, [5], [5.1]],
    [{ gt: '2026-01-01', lt: '2027' }, ['2026-05-01'], ['2025-12-31', '2027-01-01', 2026]],
    [{ not: 5 }, [6, null, '5'], [5]],
    [{ not: { gt: 5 } }, [5, 'x'], [6]],
    [{ exists: true }, [null, 0, ''], [undefined]],
    [{ exists: false }, [], [null, 0]],
    [{ matches: '^a.c$' }, ['abc', 'a😀c'], ['abcd', 5, undefined, 'a'.repeat(70_000)]],
    [{ matches: 'a' }, ['a'.repeat(65_536)], ['a'.repeat(65_537)]],
    [{ gte: 1, not: { in: [3] } }, [1, 4], [3, 0]],
  ];
  for (const [condition, good, bad] of cases) {
    for (const fact of good) assert.ok(holds(condition, fact), `${JSON.stringify(condition)} on ${JSON.stringify(fact)}`);
    for (const fact of bad) assert.ok(!holds(condition, fact), `${JSON.stringify(condition)} on ${JSON.stringify(fact)}`);
  }
  assert.ok(holds({ exists: false }, undefined) && holds({ not: 5 }, undefined));
});

test('paths reach into lists and the turn, and see nothing inherited', () => {
  const reads = (path: string, more: Partial<PolicyView> = {}, data: Json = {}): Json | undefined => {
    const decided = table({ name: 't', rows: [{ name: 'r', then: { type: 'answer', output: { $: path } } }] }).evaluate(view(data, more));
    return decided?.action.type === 'answer' ? decided.action.output : undefined;
  };
  assert.equal(reads('a.1.b', {}, { a: [0, { b: 'x' }] }), 'x');
  assert.equal(reads('a.length', {}, { a: [1, 2] }), 2);
  assert.equal(reads('0', {}, ['first']), 'first');
  assert.equal(reads('$step', { step: 3 }), 3);
  assert.equal(reads('$nowMs', { nowMs: 9 }), 9);
  assert.equal(reads('$text', { input: { text: 'hi', data: null } }), 'hi');
  const calls = [
    { name: 'a', input: 1, output: 'x', isError: false },
    { name: 'a', input: 2, output: 'y', isError: true },
  ];
  assert.equal(reads('$calls.length', { calls }), 2);
  assert.equal(reads('$last.isError', { calls }), true);
  assert.equal(reads('$outputs.a', { calls }), 'x');
  for (const path of ['constructor.name', 'toString', 'a.constructor', '__proto__', '$outputs.toString', '$last'])
    assert.equal(reads(path, {}, { a: {} }), undefined, path);
});

test('facts may come from a function of the view, and data that does not fit makes the table abstain', () => {
  const derived = table({
    name: 't',
    facts: ({ messages }) => ({ count: messages.length }),
    rows: [{ name: 'r', when: { count: 0 }, then: model }],
  });
  assert.equal(derived.evaluate(view())?.policy, 't#r');
  const typed = table({ name: 't', input: z.object({ n: z.number() }), rows: [{ name: 'r', then: model }] });
  assert.equal(typed.evaluate(view({ n: 1 }))?.policy, 't#r');
  const { decided, rows } = typed.explain(view({ n: 'x' }));
  assert.equal(decided, null);
  assert.match(rows[0]?.why ?? '', /does not fit.*\$\.n/s);
  const later = table({ name: 't', input: z.number().refine(async () => Promise.resolve(true)), rows: [{ name: 'r', then: model }] });
  assert.throws(() => later.evaluate(view(1)), isInvalid('asynchronously'));
});

test('a malformed row is refused at definition, by name', () => {
  const cases: [unknown, string][] = [
    [{ name: 'a', when: { x: { above: 5 } }, then: model }, 'row "a", "x": the operator "above" is none of eq, in'],
    [{ name: 'a', when: { x: { constructor: 5 } }, then: model }, 'the operator "constructor"'],
    [{ name: 'a', when: { x: [1] }, then: model }, 'a list is no condition'],
    [{ name: 'a', when: { x: {} }, then: model }, 'needs an operator'],
    [{ name: 'a', when: { x: { in: 5 } }, then: model }, '"in" takes a list'],
    [{ name: 'a', when: { x: { gt: true } }, then: model }, 'number or a text'],
    [{ name: 'a', when: { x: { not: { nope: 1 } } }, then: model }, 'the operator "nope"'],
    [{ name: 'a', when: { x: { exists: 1 } }, then: model }, 'true or false'],
    [{ name: 'a', when: { x: { matches: '(' } }, then: model }, 'regular expression'],
    [{ name: 'a', when: { 'x..y': 1 }, then: model }, 'empty part'],
    [{ name: 'a', when: { $nope: 1 }, then: model }, '"$nope" is none of $text'],
    [{ name: 'a', when: { '$toString.x': 1 }, then: model }, '"$toString"'],
    [{ name: 'a', when: 5, then: model }, '"when" is an object'],
    [{ name: 'a' }, 'an action is an object'],
    [{ name: 'a', then: 'refuse' }, 'an action is an object'],
    [{ name: 'a', then: { type: 'call', calls: [{ tool: { $: 'x' }, input: {} }] } }, 'name of a tool'],
    [{ name: 'a', then: { type: 'answer', text: { $: 5 } } }, 'a reference is'],
    [{ name: 'a', then: { type: 'answer', output: [{ $: 'x', y: 1 }] } }, 'a reference is'],
    [{ name: 'a', then: { type: 'answer', text: { path: 'x' } } }, 'text is text'],
    [{ name: 'a', then: model, why: 5 }, '"why" is text'],
    [{ name: 'a#b', then: model }, 'without # and /'],
    [{ then: model }, 'row 0: a row needs a name'],
    [5, 'row 0: a row is an object'],
    [{ name: 'a', when: { x: NaN }, then: model }, 'NaN'],
  ];
  for (const [row, text] of cases) assert.throws(() => table({ name: 't', rows: [row as TableRow] }), isInvalid(text), JSON.stringify(row));
  assert.throws(
    () =>
      table({
        name: 't',
        rows: [
          { name: 'a', then: model },
          { name: 'a', then: model },
        ],
      }),
    isInvalid('two rows named "a"'),
  );
  assert.throws(() => table({ name: 't', rows: [] }), isInvalid('at least one row'));
  assert.throws(() => table({ name: 't', rows: [{ name: 'a', whn: {}, then: model } as never] }), isCode('OPTION_UNKNOWN', '"when"'));
  assert.throws(() => table({ name: 't', row: [] } as never), isCode('OPTION_UNKNOWN', '"rows"'));
});

test('a table is loaded from JSON and decides as the one written in code', () => {
  const loaded = parseTable(JSON.stringify(REFUNDS));
  assert.equal(canonicalJson(loaded.definition), canonicalJson(table(REFUNDS).definition));
  assert.equal(parseTable({ name: 't', rows: [{ name: 'a', then: 'abstain' }], input: { type: 'object' } }).evaluate(view({})), null);
  assert.throws(() => parseTable('{'), isInvalid('not JSON'));
  assert.throws(() => parseTable('5'), isCode('OPTION_INVALID', 'options object'));
  assert.throws(() => parseTable('{"name": "t"}'), isInvalid('list of at least one row'));
  assert.throws(() => parseTable('{"name": "t", "rows": [], "facts": "x"}'), isCode('OPTION_UNKNOWN', '"facts"'));
  assert.throws(
    () => parseTable({ name: 't', rows: [{ name: 'a', then: 'abstain' }], input: { if: {} } }),
    isCode('SCHEMA_UNSUPPORTED', '"if"'),
  );
});

test('changing the rows afterwards changes nothing', () => {
  const rows: { name: string; then: { type: 'answer'; text: string } }[] = [{ name: 'a', then: { type: 'answer', text: 'before' } }];
  const made = table({ name: 't', rows });
  rows[0]!.then.text = 'after';
  assert.deepEqual(made.evaluate(view())?.action, { type: 'answer', text: 'before' });
  assert.ok(!Object.isFrozen(rows) && Object.isFrozen(made.definition['rows']));
});

test('the definition changes with a row, with the facts and with the input', () => {
  const rows: TableRow[] = [{ name: 'a', when: { x: 1 }, then: model }];
  const texts = [
    table({ name: 't', rows }),
    table({ name: 't', rows: [{ name: 'a', when: { x: 2 }, then: model }] }),
    table({ name: 't', rows, facts: () => 1 }),
    table({ name: 't', rows, facts: () => 2 }),
    table({ name: 't', rows, input: { type: 'object' } }),
  ].map((made) => canonicalJson(made.definition));
  assert.equal(new Set(texts).size, texts.length);
});

test('any table decides what its first matching row says, always the same, and explains it', () => {
  const row = fc.record({ field: fc.constantFrom('a', 'b'), at: fc.nat(3), isMore: fc.boolean(), abstains: fc.boolean() });
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 6 }), fc.record({ a: fc.nat(4), b: fc.nat(4) }), (specs, data) => {
      const rows = specs.map(({ field, at, isMore, abstains }, i): TableRow => ({
        name: `r${i}`,
        when: { [field]: isMore ? { gt: at } : at },
        then: abstains ? 'abstain' : { type: 'answer', output: { row: i, a: { $: 'a' } } },
      }));
      const index = specs.findIndex(({ field, at, isMore }) => (isMore ? data[field as 'a'] > at : data[field as 'a'] === at));
      const made = table({ name: 't', rows });
      const decided = made.evaluate(view(data));
      const expected =
        index < 0 || specs[index]!.abstains ? null : ({ type: 'answer', output: { row: index, a: data.a } } satisfies JsonObject);
      assert.deepEqual(decided?.action ?? null, expected);
      assert.deepEqual(made.evaluate(view(data)), decided);
      const explained = made.explain(view(data)).rows;
      assert.equal(explained.length, index < 0 ? rows.length : index + 1);
      assert.equal(
        explained.findIndex(({ matched }) => matched),
        index,
      );
    }),
  );
});
