import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { birdstrikesPath, InputProblem, loadReports, toNumber } from '../../examples/01-settle/data.ts';
import { sample } from '../../examples/01-settle/job.ts';
import { parseOptions } from '../../examples/01-settle/options.ts';
import { planKills } from '../../examples/01-settle/plan.ts';
import { decide, factsOf, loadRules, numberColumns } from '../../examples/01-settle/rules.ts';

const folder = mkdtempSync(join(tmpdir(), 'nerva-settle-data-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const rulesPath = fileURLToPath(new URL('../../examples/01-settle/rules.json', import.meta.url));

function load(content: string | Uint8Array, numbers: readonly string[] = []): ReturnType<typeof loadReports> {
  const path = join(folder, 'table.csv');
  writeFileSync(path, content);
  return loadReports(path, numbers);
}

function problem(pattern: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof InputProblem && pattern.test(error.message);
}

test('the rules split the 10,000 reports as the source page counts them', () => {
  const rules = loadRules(rulesPath);
  const reports = loadReports(birdstrikesPath(), numberColumns(rules));
  const split: Record<string, number> = {};
  for (const report of reports) {
    const { type } = decide(rules, report);
    split[type] = (split[type] ?? 0) + 1;
  }
  assert.deepEqual(split, { close: 8884, pay: 74, approve: 65, unclear: 977 });
  assert.equal(new Set(reports.map((report) => report.id)).size, 10_000);
});

test('a row keeps its id when other rows come before it, and equal rows have ids of their own', () => {
  const [first, second, third] = load('a,b\n1,x\n2,y\n1,x\n');
  const moved = load('a,b\n2,y\n1,x\n')[1];
  assert.equal(moved?.id, first?.id);
  assert.notEqual(first?.id, second?.id);
  assert.notEqual(first?.id, third?.id);
  assert.match(first?.id ?? '', /^[0-9a-f]{32}$/);
});

test('a byte order mark, CRLF, quotes, newlines in quotes and semicolons are read', () => {
  const [report] = load('\u{feff}name;cost\r\n"a ""b""\r\nc";"$1,234.50"\r\n', ['cost']);
  assert.deepEqual(report?.fields, { name: 'a "b"\r\nc', cost: 1234.5 });
});

test('only text that is plainly a number becomes one, and only in a column of numbers', () => {
  const numbers = {
    '1,234.50': 1234.5,
    '$12,000': 12_000,
    '-3': -3,
    '-$5': -5,
    '0': 0,
    '1,23': null,
    '007': null,
    '12 km': null,
    '1.234,5': null,
    '': null,
  };
  for (const [text, value] of Object.entries(numbers)) assert.equal(toNumber(text), value, text);
  assert.deepEqual(load('a,b\n12,n/a\n', ['b'])[0]?.fields, { a: '12', b: 'n/a' });
  assert.deepEqual(load('a,b\n12, \n', ['b'])[0]?.fields, { a: '12', b: null });
});

test('a broken table is refused with its line and nothing is returned', () => {
  assert.throws(() => load('a,b\n1,2\n3\n'), problem(/line 3.*expect 2, got 1/));
  assert.throws(() => load('a,b\n1,2\n"x,3\n'), problem(/line \d.*Quote Not Closed/));
  assert.throws(() => load('a,b\nx"y,1\n'), problem(/line 2, column 1.*Quote/));
  assert.throws(() => load('a,a\n1,2\n'), problem(/line 1, column 2.*"a"/));
  assert.throws(() => load('a,\n1,2\n'), problem(/line 1, column 2.*no name/));
  assert.throws(() => load(''), problem(/is empty/));
  assert.throws(() => load('a,b\n'), problem(/no records/));
  assert.throws(() => load(Uint8Array.of(0x61, 0x0a, 0xff, 0xfe)), problem(/not UTF-8/));
  assert.throws(() => load('a,b\n1,2\n', ['cost']), problem(/no column "cost".*a, b/));
  assert.throws(() => loadReports(join(folder, 'absent.csv'), []), problem(/Cannot read/));
});

test('any table of texts reads back cell by cell', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', 'é', '😀', '"', ',', ';', '\n', '\r', ' '), maxLength: 6 });
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 }), fc.constantFrom('\n', '\r\n'), (rows, newline) => {
      const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;
      const reports = load([['one', 'two'], ...rows].map((cells) => cells.map(quote).join(',')).join(newline));
      const expected = rows.map(([one, two]) => ({ one: one.trim() || null, two: two.trim() || null }));
      assert.deepEqual(
        reports.map((report) => report.fields),
        expected,
      );
    }),
    { numRuns: 300 },
  );
});

test('a rules file is refused with the row that is wrong', () => {
  const path = join(folder, 'rules.json');
  const facts = { cost: { column: 'c', number: true } };
  const refuse = (rules: unknown, pattern: RegExp): void => {
    writeFileSync(path, typeof rules === 'string' ? rules : JSON.stringify(rules));
    assert.throws(() => loadRules(path), problem(pattern));
  };
  const row = (when: object, then: unknown = 'abstain'): object => ({ facts, approvalAboveUsd: 1, rows: [{ name: 'first', when, then }] });
  refuse('{', /Cannot read the rules/);
  refuse({ facts, approvalAboveUsd: 1, rows: [] }, /at least one row/);
  refuse({ ...row({}), approvalAboveUsd: 'x' }, /approvalAboveUsd/);
  refuse(row({ price: 1 }), /row 1 \(first\).*price.*cost/);
  refuse(row({ cost: { above: 1 } }), /row 1 \(first\).*above/);
  refuse(row({}, { type: 'call', calls: [{ tool: 'burn', input: {} }] }), /burn is neither/);
  refuse(row({}, { type: 'call', calls: [{ tool: 'pay', input: { report: 'x', to: 'y' } }] }), /lacks amountUsd/);
  refuse(
    row({}, { type: 'call', calls: [{ tool: 'pay', input: { report: 'x', to: 'y', amountUsd: { $: 'price' } } }] }),
    /copies.*price.*none of the facts/,
  );
  refuse(
    row({}, { type: 'call', calls: [{ tool: 'pay', input: { report: { $: 'report' }, to: { $: 'cost' }, amountUsd: { $: 'cost' } } }] }),
    /to must be a text/,
  );
  refuse(row({ cost: { gt: '1' } }), /gt must be a number/);
  refuse(
    {
      ...row({}),
      rows: [
        { name: 'a', when: {}, then: 'abstain' },
        { name: 'a', when: {}, then: 'abstain' },
      ],
    },
    /row 2 \(a\).*another row/,
  );
});

test('a payment without a payee or an amount above zero is unclear, and one above the limit needs approval', () => {
  const rules = loadRules(rulesPath);
  const report = (operator: string | null, costUsd: number | string | null) => ({
    id: 'r',
    line: 2,
    fields: { 'Effect Amount of damage': 'Minor', 'Cost Total $': costUsd, 'Aircraft Airline Operator': operator },
  });
  assert.equal(decide(rules, report('DELTA', 50_000)).type, 'pay');
  assert.equal(decide(rules, report('DELTA', 50_000.01)).type, 'approve');
  assert.equal(decide(rules, report(null, 10)).type, 'unclear');
  assert.equal(decide(rules, report('DELTA', -10)).type, 'unclear');
  assert.equal(decide(rules, report('DELTA', 'about 10')).type, 'unclear');
  assert.equal(decide(rules, report('DELTA', null)).type, 'unclear');
  assert.deepEqual(factsOf(rules, report(null, 'about 10')), { damage: 'Minor', report: 'r' });
  assert.deepEqual(factsOf(rules, report('DELTA', 1)), { damage: 'Minor', costUsd: 1, operator: 'DELTA', report: 'r' });
});

test('a sample is spread evenly and keeps the order', () => {
  const reports = load(`a\n${Array.from({ length: 10 }, (_, index) => index).join('\n')}\n`);
  assert.deepEqual(
    sample(reports, 4).map((report) => report.line),
    [2, 4, 7, 9],
  );
  assert.equal(sample(reports, 99).length, 10);
});

test('any kill plan is the same for the same seed, has the asked number and one kill between a payment and its result', () => {
  const options = fc.record({
    seed: fc.nat(),
    kills: fc.integer({ min: 0, max: 50 }),
    due: fc.integer({ min: 0, max: 90 }),
    total: fc.integer({ min: 90, max: 10_000 }),
  });
  fc.assert(
    fc.property(options, (given) => {
      const plan = planKills(given);
      const payments = plan.flatMap((kill) => (kill.at === 'payment' ? [kill.payment] : []));
      assert.deepEqual(planKills(given), plan);
      assert.equal(plan.length, given.kills);
      assert.ok(payments.every((payment) => payment >= 1 && payment <= given.due));
      assert.equal(new Set(payments).size, payments.length);
      assert.equal(payments.length > 0, given.kills > 0 && given.due > 0);
    }),
  );
});

test('a wrong option is refused by name', () => {
  assert.throws(() => parseOptions(['--sed', '1']), problem(/--sed/));
  assert.throws(() => parseOptions(['extra']), problem(/extra/));
  assert.throws(() => parseOptions(['--kills', '-1']), problem(/--kills|ambiguous/));
  assert.throws(() => parseOptions(['--kills', '51']), problem(/--kills takes a whole number from 0 to 50/));
  assert.throws(() => parseOptions(['--count', '1.5']), problem(/--count/));
  assert.throws(() => parseOptions(['--data', 'x.csv']), problem(/--rules/));
  assert.equal(parseOptions(['--count', '300']).count, 300);
});
