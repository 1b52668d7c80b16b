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
  readonly then: 'abstain' | { readonly type: 'call'; readonly calls: readonly { readonly tool: string; readonly input: Readonly<Record<string, Value>> }[] };
  readonly why?: string;
}

type Value = Cell | { readonly $: string };
type Condition = Cell | { readonly in?: readonly Cell[]; readonly gt?: number; readonly gte?: number; readonly lt?: number; readonly lte?: number };
type Facts = Readonly<Record<string, Cell>>;

/** What the rules say about one report. `approve` is a payment that waits for a person; `unclear` waits for a person or goes to the model. */
export type Decision =
  | { readonly type: 'close'; readonly row: string }
  | { readonly type: 'pay' | 'approve'; readonly row: string; readonly to: string; readonly amountUsd: number }
  | { readonly type: 'unclear'; readonly row: string };

/** Names of the columns that hold numbers. */
export function numberColumns(rules: Rules): readonly string[] {
  return Object.values(rules.facts).flatMap((fact) => (fact.number ? [fact.column] : []));
}

/** The facts of a report under their short names, with its id as `report`: what a session is sent. */
export function factsOf(rules: Rules, report: Report): Facts {
  const named = Object.entries(rules.facts).map(([name, fact]) => [name, report.fields[fact.column] ?? null] as const);
  return { ...Object.fromEntries(named), report: report.id };
}

/** What the rules say. No row, or a payment without a payee or a positive amount, is unclear. */
export function decide(rules: Rules, report: Report): Decision {
  const facts = factsOf(rules, report);
  const row = rules.rows.find((candidate) => Object.entries(candidate.when).every(([name, condition]) => holds(facts[name] ?? null, condition)));
  if (row === undefined) return { type: 'unclear', row: 'no rule' };
  const call = row.then === 'abstain' ? undefined : row.then.calls[0];
  if (call?.tool === 'close') return { type: 'close', row: row.name };
  const to = fill(call?.input['to'], facts);
  const amountUsd = fill(call?.input['amountUsd'], facts);
  if (call?.tool !== 'pay' || typeof to !== 'string' || typeof amountUsd !== 'number' || amountUsd <= 0) return { type: 'unclear', row: row.name };
  return { type: amountUsd > rules.approvalAboveUsd ? 'approve' : 'pay', row: row.name, to, amountUsd };
}

function fill(value: Value | undefined, facts: Facts): Cell {
  return typeof value === 'object' && value !== null ? (facts[value.$] ?? null) : (value ?? null);
}

function holds(fact: Cell, condition: Condition): boolean {
  if (typeof condition !== 'object' || condition === null) return fact === condition;
  if (condition.in !== undefined && !condition.in.includes(fact)) return false;
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
    if (!isRecord(fact) || typeof fact['column'] !== 'string') refuse(`the fact ${name} must be {"column": "a column's name", "number": true or absent}`);
    if (name === 'report' || name.includes('.')) refuse(`a fact may not be named ${name} (report is the report's id, dots are paths)`);
  }
  if (typeof approvalAboveUsd !== 'number' || !(approvalAboveUsd >= 0)) return refuse('approvalAboveUsd must be a number from 0');
  if (!Array.isArray(rows) || rows.length === 0) return refuse('rows must be a list of at least one row');
  rows.forEach((row: unknown, index) => {
    const trouble = rowTrouble(row, [...Object.keys(facts), 'report']);
    if (trouble !== null) refuse(`row ${index + 1}${isRecord(row) ? ` (${String(row['name'])})` : ''}: ${trouble}`);
  });
  return value as unknown as Rules;
}

const OPERATORS = ['in', 'gt', 'gte', 'lt', 'lte'];
const INPUTS: Readonly<Record<string, readonly string[]>> = { close: ['report', 'reason'], pay: ['report', 'to', 'amountUsd'] };

function rowTrouble(row: unknown, facts: readonly string[]): string | null {
  if (!isRecord(row) || typeof row['name'] !== 'string' || !isRecord(row['when'])) return 'expected {name, when, then}';
  for (const [name, condition] of Object.entries(row['when'])) {
    if (!facts.includes(name)) return `when names ${name}, which is none of the facts ${facts.join(', ')}`;
    const unknown = isRecord(condition) ? Object.keys(condition).find((operator) => !OPERATORS.includes(operator)) : undefined;
    if (unknown !== undefined) return `${name} is compared with ${unknown}; known are ${OPERATORS.join(', ')} and a plain value`;
  }
  return row['then'] === 'abstain' ? null : thenTrouble(row['then'], facts);
}

function thenTrouble(then: unknown, facts: readonly string[]): string | null {
  const calls = isRecord(then) && then['type'] === 'call' ? then['calls'] : undefined;
  const call: unknown = Array.isArray(calls) && calls.length === 1 ? calls[0] : undefined;
  if (!isRecord(call) || !isRecord(call['input'])) return 'then must be "abstain" or {"type": "call", "calls": [one call {tool, input}]}';
  const { input } = call;
  const inputs = INPUTS[String(call['tool'])];
  if (inputs === undefined) return `the tool ${String(call['tool'])} is neither close nor pay`;
  const missing = inputs.find((name) => !(name in input));
  if (missing !== undefined) return `the call of ${String(call['tool'])} lacks ${missing}`;
  const strange = Object.values(input).find((value) => isRecord(value) && !facts.includes(String(value['$'])));
  return isRecord(strange) ? `the call copies ${JSON.stringify(strange['$'])}, which is none of the facts ${facts.join(', ')}` : null;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
