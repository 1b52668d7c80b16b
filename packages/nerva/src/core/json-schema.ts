import { NervaError } from './errors.ts';
import { describeIssues, Exhausted, mismatch, spend, startRun, type Check } from './issues.ts';
import { checkJson, type JsonObject } from './json.ts';
import { all, KEYWORDS, type Site } from './keywords.ts';
import { formatPath } from './text.ts';

type Path = readonly (string | number)[];

interface Book {
  readonly root: JsonObject;
  /** Checks by pointer; null while one is being compiled. */
  readonly checks: Map<string, Check | null>;
  /** Which definitions look at the very same value as which others. A circle among them would never end. */
  readonly same: Map<string, Set<string>>;
}

/**
 * Compiles a JSON Schema (2020-12, the keywords of `KEYWORDS`) to a tree of closures; nothing is evaluated as code.
 * The result says null when a value fits, else the issues as text for a model: at most 8 lines, each with path, what came and what was expected.
 * Checking is bounded: 256 levels, a million checks; a value beyond that does not fit.
 * Invariants: K1 a keyword that is not checked is refused, never skipped. K2 every reference ends.
 * @throws SCHEMA_UNSUPPORTED naming the path and the keyword; JSON_INVALID when the schema is not JSON.
 */
export function compileJsonSchema(schema: JsonObject | boolean): (value: unknown) => string | null {
  checkJson(schema);
  const book: Book = { root: typeof schema === 'boolean' ? {} : schema, checks: new Map([['#', null]]), same: new Map() };
  const check = compileNode(schema, [], '#', book);
  book.checks.set('#', check);
  refuseCircles(book);
  return (value) => {
    const run = startRun();
    try {
      return check(value, run) ? null : describeIssues(run.issues.map((issue) => issue.text));
    } catch (error) {
      // A value with NaN, a function or a bigint in it has no canonical text to compare.
      if (error instanceof Exhausted || NervaError.is(error, 'JSON_INVALID')) return `$: ${error.message}`;
      throw error;
    }
  };
}

/** @param owner the definition whose own value this node looks at, or null below it. */
function compileNode(schema: unknown, path: Path, owner: string | null, book: Book): Check {
  if (schema === true) return () => true;
  if (schema === false) return (value, run) => mismatch(run, value, 'nothing here');
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
    throw unsupported(path, 'A schema must be an object, true or false');
  }
  const node = schema as JsonObject;
  for (const name of Object.keys(node)) {
    if (!KEYWORDS.has(name)) throw unsupported(path, `The keyword "${name}" is not checked by Nerva`, name);
  }
  const gates: Check[] = [];
  const rest: Check[] = [];
  for (const [name, build] of KEYWORDS) {
    const operand = node[name];
    if (operand === undefined) continue;
    const check = build(operand, siteOf(node, name, [...path, name], { owner, book }));
    if (check === null) continue;
    (name === 'const' || name === 'enum' || name === 'type' ? gates : rest).push(check);
  }
  const others = all(rest);
  return (value, run) => {
    spend(run);
    for (const gate of gates) if (!gate(value, run)) return false;
    return others(value, run);
  };
}

function siteOf(schema: JsonObject, keyword: string, path: Path, place: { readonly owner: string | null; readonly book: Book }): Site {
  const { owner, book } = place;
  return {
    schema,
    child: (inner, ...keys) => compileNode(inner, [...path, ...keys], null, book),
    same: (inner, ...keys) => compileNode(inner, [...path, ...keys], owner, book),
    reference: (pointer) => reference(pointer, path, owner, book),
    refuse: (why) => {
      throw unsupported(path, `The keyword "${keyword}" ${why}`, keyword);
    },
  };
}

function reference(pointer: string, path: Path, owner: string | null, book: Book): Check {
  if (owner !== null) book.same.set(owner, (book.same.get(owner) ?? new Set()).add(pointer));
  if (!book.checks.has(pointer)) {
    const target = targetOf(pointer, book.root);
    if (target === undefined)
      throw unsupported(path, `The reference "${pointer}" must be "#", or "#/$defs/name" of a definition that exists`, '$ref');
    book.checks.set(pointer, null);
    book.checks.set(pointer, compileNode(target, pointer.slice(2).split('/'), pointer, book));
  }
  let check: Check | null = null;
  // Looked up at the first use: a definition may refer to itself while it is being compiled.
  return (value, run) => (check ??= book.checks.get(pointer) ?? null)?.(value, run) ?? true;
}

function targetOf(pointer: string, root: JsonObject): unknown {
  const [hash, group, name, ...more] = pointer.split('/');
  if (hash !== '#' || (group !== '$defs' && group !== 'definitions') || name === undefined || more.length > 0) return undefined;
  const definitions = root[group];
  const key = decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~');
  return typeof definitions === 'object' && definitions !== null && Object.hasOwn(definitions, key)
    ? (definitions as JsonObject)[key]
    : undefined;
}

function refuseCircles(book: Book): void {
  const done = new Set<string>();
  const walk = (pointer: string, above: readonly string[]): void => {
    if (above.includes(pointer))
      throw unsupported([], `The reference "${pointer}" leads back to itself without entering the value`, '$ref');
    if (done.has(pointer)) return;
    for (const next of book.same.get(pointer) ?? []) walk(next, [...above, pointer]);
    done.add(pointer);
  };
  for (const pointer of book.same.keys()) walk(pointer, []);
}

function unsupported(path: Path, what: string, keyword?: string): NervaError {
  const at = formatPath(path);
  return new NervaError(
    'SCHEMA_UNSUPPORTED',
    `${what} (at ${at} of the schema). Remove or correct it, or give a Standard Schema. Nothing was made.`,
    {
      details: { path: at, ...(keyword !== undefined && { keyword }) },
    },
  );
}
