import {
  checkJson,
  checkOptions,
  compileSchema,
  excerpt,
  freeze,
  NervaError,
  type Json,
  type JsonObject,
  type Schema,
} from '../core/index.ts';
import { checkAction, checkPolicyName, isObject } from './action.ts';
import { compileCondition, type Condition, type Test } from './condition.ts';
import { factAt, template, type Build, type Fact } from './facts.ts';
import type { Decided, Explanation, Policy, PolicyView } from './types.ts';

/** One rule, plain JSON. It matches when every field of `when` does; no `when` matches always. */
export interface TableRow {
  /** Unique in its table; it stands in the record as `table#row`. */
  readonly name: string;
  /** Conditions by path: see `TableOptions.facts` for what a path reads. */
  readonly when?: Readonly<Record<string, Condition>>;
  /** `{"$": "path"}` in a text, output or input stands for a fact; a row that needs a missing fact does not match. */
  readonly then: 'abstain' | ActionTemplate;
  /** For people: why this rule exists. */
  readonly why?: string;
}

/** An action in which facts may stand. */
export type ActionTemplate =
  | { readonly type: 'answer'; readonly text?: string | { readonly $: string }; readonly output?: Json }
  | { readonly type: 'call'; readonly calls: readonly { readonly tool: string; readonly input: Json }[] }
  | { readonly type: 'model' };

/** What `table` takes. */
export interface TableOptions {
  readonly name: string;
  readonly rows: readonly TableRow[];
  /** Data that does not fit makes the table abstain. Must validate synchronously. */
  readonly input?: Schema;
  /**
   * What paths read, when not the input's data. Contract: pure. Beside it paths may begin with `$text`, `$step`, `$nowMs`,
   * `$calls`, `$last` (the last call) and `$outputs` (of this turn's calls by tool).
   */
  readonly facts?: (view: PolicyView) => Json;
}

/** A decision table: always synchronous, and able to explain itself. */
export interface Table extends Policy {
  evaluate(view: PolicyView): Decided | null;
  explain(view: PolicyView): Explanation;
}

/**
 * An ordered decision table: the first row that matches decides; no match abstains, and so does a row whose `then` is `abstain`.
 * @throws POLICY_INVALID naming the row; OPTION_UNKNOWN; SCHEMA_UNSUPPORTED.
 */
export function table(options: TableOptions): Table {
  checkOptions(options, ['name', 'rows', 'input', 'facts'], 'table');
  const { name, input, facts } = options;
  checkPolicyName(name);
  const given: unknown = options.rows;
  if (!Array.isArray(given) || given.length === 0)
    throw new NervaError('POLICY_INVALID', `Table "${name}" needs a list of at least one row. No policy was made.`);
  const source = sourceOf(name, given);
  const rows = source.map((row, i) => compileRow(row, name, i));
  const twice = rows.find((row, i) => rows.findIndex((other) => other.name === row.name) !== i);
  if (twice !== undefined)
    throw new NervaError('POLICY_INVALID', `Table "${name}" has two rows named "${twice.name}". No policy was made.`);
  const schema = input === undefined ? null : compileSchema(input);
  const explain = (view: PolicyView): Explanation => {
    const data = facts === undefined ? view.input.data : checkJson(facts(view));
    const parsed = schema?.parse(data) ?? { ok: true as const, value: data };
    if (parsed instanceof Promise)
      throw new NervaError('POLICY_INVALID', `The input schema of table "${name}" validates asynchronously, which a table cannot.`);
    if (!parsed.ok)
      return {
        decided: null,
        rows: [{ row: '(input)', matched: false, why: `The data does not fit the table's input: ${parsed.issues}` }],
      };
    return firstMatch(name, rows, view, data);
  };
  return Object.freeze({
    name,
    definition: freeze({
      type: 'table',
      name,
      rows: source,
      ...(schema !== null && { input: shownSchema(schema) }),
      ...(facts !== undefined && { facts: facts.toString() }),
    }),
    evaluate: (view: PolicyView) => explain(view).decided,
    explain,
  });
}

/**
 * Loads a table from JSON, text or parsed: `{"name": …, "rows": […]}` and perhaps `"input"`, a JSON Schema.
 * @throws POLICY_INVALID, OPTION_UNKNOWN, JSON_INVALID, SCHEMA_UNSUPPORTED.
 */
export function parseTable(json: string | JsonObject): Table {
  const value = typeof json === 'string' ? parsedText(json) : checkJson(json);
  checkOptions(value, ['name', 'rows', 'input'], 'parseTable');
  return table(value as unknown as TableOptions);
}

interface Row {
  readonly name: string;
  readonly why: string;
  readonly tests: readonly { readonly path: string; readonly fact: Fact; readonly fits: Test; readonly expected: string }[];
  readonly build: Build | null;
}

function firstMatch(table: string, rows: readonly Row[], view: PolicyView, data: Json): Explanation {
  const tried: { row: string; matched: boolean; why: string }[] = [];
  for (const row of rows) {
    const met: string[] = [];
    const failed = firstFailure(row, view, data, met);
    const built = failed === null && row.build !== null ? row.build(view, data) : null;
    const why = failed ?? (built !== null && 'missing' in built ? `It needs the fact ${built.missing}, which is missing.` : null);
    tried.push({ row: row.name, matched: why === null, why: why ?? reason(row, met) });
    if (why !== null) continue;
    if (built === null || 'missing' in built) return { decided: null, rows: tried };
    const policy = `${table}#${row.name}`;
    return { decided: { action: checkAction(withText(built.value), `Row "${policy}"`), policy, why: reason(row, met) }, rows: tried };
  }
  return { decided: null, rows: tried };
}

/** @param met takes what was found true, for the reason. */
function firstFailure(row: Row, view: PolicyView, data: Json, met: string[]): string | null {
  for (const { path, fact, fits, expected } of row.tests) {
    const value = fact(view, data);
    const came = value === undefined ? 'missing' : excerpt(JSON.stringify(value), 120);
    if (!fits(value)) return `${path} is ${came}, expected ${expected}.`;
    met.push(`${path} = ${came}`);
  }
  return null;
}

function reason(row: Row, met: readonly string[]): string {
  const facts = met.length === 0 ? 'It matches always.' : `Matched: ${met.join(', ')}.`;
  return row.why === '' ? facts : `${row.why} ${facts}`;
}

/** A fact that stands for an answer's text need not be text. */
function withText(action: Json): Json {
  if (!isObject(action) || action['type'] !== 'answer' || action['text'] === undefined || typeof action['text'] === 'string') return action;
  return { ...action, text: JSON.stringify(action['text']) };
}

/** A copy: changing the caller's rows afterwards changes nothing. */
function sourceOf(name: string, rows: readonly unknown[]): readonly Json[] {
  try {
    return JSON.parse(JSON.stringify(checkJson(rows))) as readonly Json[];
  } catch (cause) {
    throw new NervaError(
      'POLICY_INVALID',
      `Table "${name}": its rows are not plain JSON: ${(cause as Error).message} No policy was made.`,
      { cause },
    );
  }
}

function compileRow(row: Json, table: string, index: number): Row {
  const name = isObject(row) ? row['name'] : undefined;
  const where = `Table "${table}", row ${typeof name === 'string' ? `"${name}"` : index}`;
  const refuse = (why: string): never => {
    throw new NervaError('POLICY_INVALID', `${where}: ${why}. No policy was made.`, {
      details: { table, row: typeof name === 'string' ? name : index },
    });
  };
  if (!isObject(row)) return refuse('a row is an object');
  checkOptions(row, ['name', 'when', 'then', 'why'], where);
  if (typeof name !== 'string' || !/^[^#/]{1,128}$/.test(name)) return refuse('a row needs a name of 1–128 characters without # and /');
  const { when = {}, then, why = '' } = row;
  if (!isObject(when)) return refuse('"when" is an object of conditions by path');
  if (typeof why !== 'string') return refuse('"why" is text');
  if (then !== 'abstain') checkTemplate(then, where);
  const tests = Object.entries(when).map(([path, condition]) => ({
    path,
    fact: factAt(path, where),
    fits: compileCondition(condition, `${where}, "${path}"`),
    expected: excerpt(JSON.stringify(condition), 120),
  }));
  return { name, why, tests, build: then === 'abstain' ? null : template(then as Json, where) };
}

/** The shape must be that of an action before any fact is known. */
function checkTemplate(then: Json | undefined, where: string): void {
  const isTemplated = isObject(then) && then['type'] === 'answer' && isObject(then['text']) && '$' in then['text'];
  checkAction(isTemplated ? { ...then, text: '' } : then, `${where}, "then"`);
}

function parsedText(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    throw new NervaError('POLICY_INVALID', `The table is not JSON: ${(cause as Error).message}. No policy was made.`, { cause });
  }
}

function shownSchema(schema: { readonly jsonSchema: JsonObject }): JsonObject | string {
  try {
    return schema.jsonSchema;
  } catch {
    // A Standard Schema whose library cannot write it still checks; only a change of it goes unseen.
    return 'unwritten';
  }
}
