import { readFileSync } from 'node:fs';
import { InputProblem, type Cell, type Report } from './data.ts';

/**
 * The rules as plain data. `rows` is a decision table, first match wins: Nerva's `table()` takes it as it is. The loop and the count of what is due
 * read the same rows through `decide` below, which is written without Nerva: what checks the runtime must not be the runtime.
 */
export interface Rules {
  /** Short names that the rows use, and the column each stands for. */
  readonly facts: Readonly<Record<string, { readonly column: string; readonly number?: boolean }>>;
  /** A payment above it needs a person's approval. */
  readonly approvalAboveUsd: number;
  readonly rows: readonly Row[];
}

/** `name`, what must hold, and what then happens. `'abstain'` leaves it to a person or a model. */
export interface Row {
  readonly name: string;
  readonly when: Readonly<Record<string, Condition>>;
  readonly then:
    | 'abstain'
    | { readonly type: 'call'; readonly calls: readonly { readonly tool: string; readonly input: Readonly<Record<string, Value>> }[] };
  readonly why?: string;
}

type Value = Cell | { readonly $: string };
type Condition =
  | Cell
  | { readonly in?: readonly Cell[]; readonly gt?: number; readonly gte?: number; readonly lt?: number; readonly lte?: number };
type Facts = Readonly<Record<string, string | number>>;

/** What the rules say about one report. `approve` is a payment that waits for a person; `unclear` waits for a person or goes to the model. */
export type Decision =
  | { readonly type: 'close'; readonly row: string }
  | { readonly type: 'pay' | 'approve'; readonly row: string; readonly to: string; readonly amountUsd: number }
  | { readonly type: 'unclear'; readonly row: string };

/** Names of the columns that hold numbers. */
export function numberColumns(rules: Rules): readonly string[] {
  return Object.values(rules.facts).flatMap((fact) => (fact.number ? [fact.column] : []));
}

/** The facts of a report under their short names, with its id as `report`: what a session is sent. A blank cell, or text where a number belongs, is a missing fact. */
export function factsOf(rules: Rules, report: Report): Facts {
  const facts: Record<string, string | number> = { report: report.id };
  for (const [name, { column, number = false }] of Object.entries(rules.facts)) {
    const cell = report.fields[column] ?? null;
    if (cell !== null && (typeof cell === 'number') === number) facts[name] = cell;
  }
  return facts;
}

/** What the rules say: the first row whose conditions hold and whose facts are all there. No such row, or an amount that is not above zero, is unclear. */
export function decide(rules: Rules, report: Report): Decision {
  const facts = factsOf(rules, report);
  const row = rules.rows.find((candidate) => {
    return (
      Object.entries(candidate.when).every(([name, condition]) => holds(facts[name], condition)) &&
      copied(candidate).every((name) => name in facts)
    );
  });
  if (row === undefined) return { type: 'unclear', row: 'no rule' };
  const call = row.then === 'abstain' ? undefined : row.then.calls[0];
  if (call?.tool === 'close') return { type: 'close', row: row.name };
  const to = fill(call?.input['to'], facts);
  const amountUsd = fill(call?.input['amountUsd'], facts);
  if (call?.tool !== 'pay' || typeof to !== 'string' || typeof amountUsd !== 'number' || amountUsd <= 0)
    return { type: 'unclear', row: row.name };
  return { type: amountUsd > rules.approvalAboveUsd ? 'approve' : 'pay', row: row.name, to, amountUsd };
}

/** Names of the facts that a row copies into its call. */
function copied(row: Row): readonly string[] {
  const values = row.then === 'abstain' ? [] : row.then.calls.flatMap((call) => Object.values(call.input));
  return values.flatMap((value) => (typeof value === 'object' && value !== null ? [value.$] : []));
}

function fill(value: Value | undefined, facts: Facts): Cell {
  return typeof value === 'object' && value !== null ? (facts[value.$] ?? null) : (value ?? null);
}

function holds(fact: string | number | undefined, condition: Condition): boolean {
  if (typeof condition !== 'object' || condition === null) return fact === condition;
  if (condition.in !== undefined && (fact === undefined || !condition.in.includes(fact))) return false;
  const number = typeof fact === 'number' ? fact : Number.NaN;
  return COMPARISONS.every(([name, compare]) => condition[name] === undefined || compare(number, condition[name]));
}

const COMPARISONS = [
  ['gt', (left: number, right: number) => left > right],
  ['gte', (left: number, right: number) => left >= right],
  ['lt', (left: number, right: number) => left < right],
  ['lte', (left: number, right: number) => left <= right],
] as const;

/**
 * Reads and checks a rules file.
 * @throws InputProblem naming the row and what is wrong with it.
 */
export function loadRules(path: string): Rules {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new InputProblem(`Cannot read the rules ${path}: ${(error as Error).message}`);
  }
  const refuse = (what: string): never => {
    throw new InputProblem(`The rules ${path}: ${what}. rules.json beside this example is one to copy.`);
  };
  if (!isRecord(value)) return refuse('expected a JSON object {facts, approvalAboveUsd, rows}');
  const { facts, approvalAboveUsd, rows } = value;
  if (!isRecord(facts) || Object.keys(facts).length === 0) return refuse('facts must be {name: {column, number?}}');
  for (const [name, fact] of Object.entries(facts)) {
    if (!isRecord(fact) || typeof fact['column'] !== 'string')
      refuse(`the fact ${name} must be {"column": "a column's name", "number": true or absent}`);
    if (name === 'report' || name.includes('.')) refuse(`a fact may not be named ${name} (report is the report's id, dots are paths)`);
  }
  if (typeof approvalAboveUsd !== 'number' || !(approvalAboveUsd >= 0)) return refuse('approvalAboveUsd must be a number from 0');
  if (!Array.isArray(rows) || rows.length === 0) return refuse('rows must be a list of at least one row');
  const kinds: Kinds = new Map([
    ['report', 'text'],
    ...Object.entries(facts).map(([name, fact]) => [name, isRecord(fact) && fact['number'] === true ? 'number' : 'text'] as const),
  ]);
  const names = rows.map((row: unknown) => (isRecord(row) ? row['name'] : null));
  rows.forEach((row: unknown, index) => {
    const trouble = names.indexOf(names[index]) === index ? rowTrouble(row, kinds) : 'another row has this name';
    if (trouble !== null) refuse(`row ${index + 1}${isRecord(row) ? ` (${String(row['name'])})` : ''}: ${trouble}`);
  });
  return value as unknown as Rules;
}

const OPERATORS = ['in', 'gt', 'gte', 'lt', 'lte'];
const INPUTS: Readonly<Record<string, readonly string[]>> = { close: ['report', 'reason'], pay: ['report', 'to', 'amountUsd'] };

type Kinds = ReadonlyMap<string, 'text' | 'number'>;

function rowTrouble(row: unknown, kinds: Kinds): string | null {
  if (!isRecord(row) || typeof row['name'] !== 'string' || !isRecord(row['when'])) return 'expected {name, when, then}';
  if (!/^[^#/]{1,128}$/.test(row['name'])) return 'a name has 1 to 128 characters without # and /';
  for (const [name, condition] of Object.entries(row['when'])) {
    const trouble = kinds.has(name) ? conditionTrouble(condition) : `which is none of the facts ${[...kinds.keys()].join(', ')}`;
    if (trouble !== null) return `when names ${name}, ${trouble}`;
  }
  return row['then'] === 'abstain' ? null : thenTrouble(row['then'], kinds);
}

function conditionTrouble(condition: unknown): string | null {
  if (!isRecord(condition))
    return typeof condition === 'string' || typeof condition === 'number'
      ? null
      : 'which must be compared with a text, a number or operators';
  for (const [operator, operand] of Object.entries(condition)) {
    if (!OPERATORS.includes(operator)) return `compared with ${operator}; known are ${OPERATORS.join(', ')} and a plain value`;
    if (operator === 'in' ? !Array.isArray(operand) : typeof operand !== 'number')
      return `whose ${operator} must be a ${operator === 'in' ? 'list' : 'number'}`;
  }
  return Object.keys(condition).length === 0 ? 'whose condition is empty' : null;
}

function thenTrouble(then: unknown, kinds: Kinds): string | null {
  const calls = isRecord(then) && then['type'] === 'call' ? then['calls'] : undefined;
  const call: unknown = Array.isArray(calls) && calls.length === 1 ? calls[0] : undefined;
  if (!isRecord(call) || !isRecord(call['input'])) return 'then must be "abstain" or {"type": "call", "calls": [one call {tool, input}]}';
  const { input } = call;
  const inputs = INPUTS[String(call['tool'])];
  if (inputs === undefined) return `the tool ${String(call['tool'])} is neither close nor pay`;
  for (const name of inputs) {
    const value = input[name];
    if (value === undefined) return `the call of ${String(call['tool'])} lacks ${name}`;
    const wanted = name === 'amountUsd' ? 'number' : 'text';
    const kind = isRecord(value) ? kinds.get(String(value['$'])) : typeof value === 'number' ? 'number' : 'text';
    if (kind === undefined) return `the call copies ${JSON.stringify(value)}, which is none of the facts ${[...kinds.keys()].join(', ')}`;
    if (kind !== wanted) return `${name} must be a ${wanted}; give the fact that it copies "number": ${wanted === 'number'}`;
  }
  return null;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
