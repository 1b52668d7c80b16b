import { complain, into, isFull, mismatch, show, spend, trialOf, type Check, type Run } from './issues.ts';
import { canonicalJson, type Json, type JsonObject } from './json.ts';
import { nearestOf } from './options.ts';

/** Where a keyword stands: its schema, and how to compile the schemas inside it. */
export interface Site {
  readonly schema: JsonObject;
  /** Compiles a schema for members of the value (`child`) or for the value itself (`same`); `keys` lead to it. */
  child(schema: unknown, ...keys: (string | number)[]): Check;
  same(schema: unknown, ...keys: (string | number)[]): Check;
  reference(pointer: string): Check;
  /** @throws SCHEMA_UNSUPPORTED naming the path, the keyword and `why`. */
  refuse(why: string): never;
}

/** Makes the check of one keyword, or null for an annotation. */
export type Builder = (operand: unknown, site: Site) => Check | null;

/** Longer texts do not fit a `pattern`: a backtracking expression may cost exponentially many steps in their length. */
const PATTERN_CHARS_MAX = 65_536;
const TYPES = ['null', 'boolean', 'object', 'array', 'number', 'integer', 'string'];
const FORMATS = new Set(
  'date-time date time duration email idn-email hostname idn-hostname ipv4 ipv6 uri uri-reference iri iri-reference uuid uri-template json-pointer relative-json-pointer regex'.split(
    ' ',
  ),
);

const annotation: Builder = () => null;

/**
 * The keywords of JSON Schema 2020-12 that Nerva checks, and those it keeps as annotations; any other is refused.
 * The first three are gates: when one fails the rest of the schema is not looked at, as its complaints would mislead.
 */
export const KEYWORDS: ReadonlyMap<string, Builder> = new Map<string, Builder>([
  ['const', (operand) => oneOfValues([operand as Json])],
  [
    'enum',
    (operand, site) =>
      Array.isArray(operand) && operand.length > 0
        ? oneOfValues(operand as Json[])
        : site.refuse('must be an array with at least one value'),
  ],
  ['type', typeOf],
  ['$ref', (operand, site) => (typeof operand === 'string' ? site.reference(operand) : site.refuse('must be a string'))],
  ['minimum', limit((value, bound) => value >= bound, 'at least')],
  ['maximum', limit((value, bound) => value <= bound, 'at most')],
  ['exclusiveMinimum', limit((value, bound) => value > bound, 'more than')],
  ['exclusiveMaximum', limit((value, bound) => value < bound, 'less than')],
  ['multipleOf', multipleOf],
  ['minLength', size(codePoints, (count, bound) => count >= bound, 'text of at least', 'characters')],
  ['maxLength', size(codePoints, (count, bound) => count <= bound, 'text of at most', 'characters')],
  ['pattern', pattern],
  [
    'format',
    (operand, site) =>
      typeof operand === 'string' && FORMATS.has(operand) ? null : site.refuse(`is no format of JSON Schema: ${show(operand)}`),
  ],
  ['minItems', size(itemCount, (count, bound) => count >= bound, 'at least', 'items')],
  ['maxItems', size(itemCount, (count, bound) => count <= bound, 'at most', 'items')],
  ['uniqueItems', uniqueItems],
  ['prefixItems', prefixItems],
  ['items', items],
  ['minProperties', size(propertyCount, (count, bound) => count >= bound, 'at least', 'properties')],
  ['maxProperties', size(propertyCount, (count, bound) => count <= bound, 'at most', 'properties')],
  ['required', required],
  ['properties', properties],
  ['additionalProperties', additionalProperties],
  ['propertyNames', propertyNames],
  ['allOf', (operand, site) => all(forms(operand, site))],
  ['anyOf', (operand, site) => some(forms(operand, site), false)],
  ['oneOf', (operand, site) => some(forms(operand, site), true)],
  ['not', not],
  ...[
    '$schema',
    '$id',
    '$comment',
    '$defs',
    'definitions',
    'title',
    'description',
    'default',
    'examples',
    'deprecated',
    'readOnly',
    'writeOnly',
  ].map((name): [string, Builder] => [name, annotation]),
]);

/** All checks, each one run so that every complaint is heard. */
export function all(checks: readonly Check[]): Check {
  return (value, run) => {
    let fits = true;
    for (const check of checks) fits = check(value, run) && fits;
    return fits;
  };
}

function oneOfValues(values: readonly Json[]): Check {
  const scalars = new Set<unknown>(values.filter((value) => typeof value !== 'object' || value === null));
  const others = new Set(values.filter((value) => typeof value === 'object' && value !== null).map(canonicalJson));
  const names = values
    .slice(0, 20)
    .map((value) => (typeof value === 'object' && value !== null ? canonicalJson(value).slice(0, 80) : JSON.stringify(value)));
  const expected = values.length === 1 ? (names[0] ?? '') : `one of ${names.join(', ')}${values.length > 20 ? ', …' : ''}`;
  return (value, run) => {
    if (scalars.has(value)) return true;
    if (others.size > 0 && typeof value === 'object' && value !== null && others.has(canonicalJson(value as Json))) return true;
    return mismatch(run, value, expected, true);
  };
}

function typeOf(operand: unknown, site: Site): Check {
  const names: readonly unknown[] = Array.isArray(operand) ? operand : [operand];
  if (names.length === 0 || !names.every((name) => typeof name === 'string' && TYPES.includes(name)))
    site.refuse(`must be of ${TYPES.join(', ')}`);
  const set = new Set(names as string[]);
  const expected = [...set].join(' or ');
  return (value, run) => set.has(kindOf(value)) || (typeof value === 'number' && isNumber(value, set)) || mismatch(run, value, expected);
}

function isNumber(value: number, set: ReadonlySet<string>): boolean {
  return Number.isFinite(value) && (set.has('number') || (set.has('integer') && Number.isInteger(value)));
}

/** The JSON type; numbers are told apart by the caller. */
function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'number' ? '' : typeof value;
}

function limit(fits: (value: number, bound: number) => boolean, words: string): Builder {
  return (operand, site) => {
    if (typeof operand !== 'number') return site.refuse('must be a number');
    return (value, run) => typeof value !== 'number' || fits(value, operand) || mismatch(run, value, `${words} ${operand}`);
  };
}

function multipleOf(operand: unknown, site: Site): Check {
  if (typeof operand !== 'number' || !(operand > 0)) return site.refuse('must be a number above 0');
  return (value, run) => {
    if (typeof value !== 'number') return true;
    const ratio = value / operand;
    // Decimal fractions are not exact in binary: 0.0075 / 0.0001 is 75.00000000000001 and yet a multiple.
    const fits = Number.isFinite(ratio) && Math.abs(ratio - Math.round(ratio)) <= 1e-12 * Math.max(1, Math.abs(ratio));
    return fits || mismatch(run, value, `a multiple of ${operand}`);
  };
}

function size(
  measure: (value: unknown) => number | null,
  fits: (count: number, bound: number) => boolean,
  words: string,
  unit: string,
): Builder {
  return (operand, site) => {
    if (!Number.isInteger(operand) || (operand as number) < 0) return site.refuse('must be a whole number from 0');
    const bound = operand as number;
    return (value, run) => {
      const count = measure(value);
      if (count === null || fits(count, bound)) return true;
      return mismatch(run, value, `${words} ${bound} ${unit} (it has ${count})`);
    };
  };
}

function codePoints(value: unknown): number | null {
  if (typeof value !== 'string') return null;
  let count = value.length;
  for (let i = 1; i < value.length; i++) {
    if ((value.charCodeAt(i) & 0xfc00) === 0xdc00 && (value.charCodeAt(i - 1) & 0xfc00) === 0xd800) count--;
  }
  return count;
}

function itemCount(value: unknown): number | null {
  return Array.isArray(value) ? value.length : null;
}

function propertyCount(value: unknown): number | null {
  return isObject(value) ? Object.keys(value).length : null;
}

function pattern(operand: unknown, site: Site): Check {
  const expression = typeof operand === 'string' ? compiled(operand) : null;
  if (expression === null) return site.refuse('must be a regular expression (ECMAScript, flag u)');
  return (value, run) => {
    if (typeof value !== 'string') return true;
    if (value.length > PATTERN_CHARS_MAX)
      return mismatch(run, value, `text of at most ${PATTERN_CHARS_MAX} characters, as it must match a pattern`);
    return expression.test(value) || mismatch(run, value, `text that matches ${expression.source}`);
  };
}

function compiled(source: string): RegExp | null {
  try {
    return new RegExp(source, 'u');
  } catch {
    return null;
  }
}

function uniqueItems(operand: unknown, site: Site): Check | null {
  if (typeof operand !== 'boolean') return site.refuse('must be true or false');
  if (!operand) return null;
  return (value, run) => {
    if (!Array.isArray(value)) return true;
    const seen = new Map<string, number>();
    for (const [index, item] of value.entries()) {
      const text = canonicalJson(item as Json);
      const first = seen.get(text);
      if (first !== undefined) return complain(run, `items ${first} and ${index} are equal, expected all different`);
      seen.set(text, index);
    }
    return true;
  };
}

function prefixItems(operand: unknown, site: Site): Check {
  const checks = forms(operand, site, 'child');
  return (value, run) => {
    if (!Array.isArray(value)) return true;
    let fits = true;
    for (const [index, check] of checks.entries()) if (index < value.length) fits = into(run, index, value[index], check) && fits;
    return fits;
  };
}

function items(operand: unknown, site: Site): Check {
  if (Array.isArray(operand)) return site.refuse('must be one schema; write "prefixItems" for a schema per position');
  const check = site.child(operand);
  const prefix = site.schema['prefixItems'];
  const from = Array.isArray(prefix) ? prefix.length : 0;
  return (value, run) => {
    if (!Array.isArray(value)) return true;
    let fits = true;
    for (let i = from; i < value.length && !isFull(run); i++) fits = into(run, i, value[i], check) && fits;
    return fits;
  };
}

function required(operand: unknown, site: Site): Check {
  if (!Array.isArray(operand) || !operand.every((name) => typeof name === 'string'))
    return site.refuse('must be an array of property names');
  const names = operand as readonly string[];
  const declared = site.schema['properties'];
  return (value, run) => {
    if (!isObject(value)) return true;
    let fits = true;
    for (const name of names) {
      if (Object.hasOwn(value, name)) continue;
      const schema: unknown = isObject(declared) && Object.hasOwn(declared, name) ? declared[name] : undefined;
      fits = complain(run, `lacks ${JSON.stringify(name)}${expectation(schema)}`);
    }
    return fits;
  };
}

function expectation(schema: unknown): string {
  if (!isObject(schema)) return '';
  const type = schema['type'];
  return typeof type === 'string' ? ` (${type})` : Array.isArray(type) ? ` (${type.join(' or ')})` : '';
}

function properties(operand: unknown, site: Site): Check {
  if (!isObject(operand)) return site.refuse('must be an object of schemas');
  const checks = Object.keys(operand).map((name): [string, Check] => [name, site.child(operand[name], name)]);
  return (value, run) => {
    if (!isObject(value)) return true;
    let fits = true;
    for (const [name, check] of checks) if (Object.hasOwn(value, name)) fits = into(run, name, value[name], check) && fits;
    return fits;
  };
}

function additionalProperties(operand: unknown, site: Site): Check | null {
  if (operand === true) return null;
  const declared = site.schema['properties'];
  const known = new Set(isObject(declared) ? Object.keys(declared) : []);
  const check = operand === false ? null : site.child(operand);
  return (value, run) => {
    if (!isObject(value)) return true;
    let fits = true;
    for (const name of Object.keys(value)) {
      if (known.has(name)) continue;
      if (isFull(run)) break;
      fits = (check === null ? unknownProperty(run, name, known) : into(run, name, value[name], check)) && fits;
    }
    return fits;
  };
}

function unknownProperty(run: Run, name: string, known: ReadonlySet<string>): false {
  const nearest = nearestOf(name, [...known]);
  const hint =
    nearest !== null ? `did you mean "${nearest}"?` : known.size === 0 ? 'none is allowed' : `known: ${[...known].slice(0, 20).join(', ')}`;
  return complain(run, `has an unknown property ${show(name)}; ${hint}`);
}

function propertyNames(operand: unknown, site: Site): Check {
  const check = site.child(operand);
  return (value, run) => !isObject(value) || Object.keys(value).every((name) => into(run, name, name, check));
}

function forms(operand: unknown, site: Site, where: 'child' | 'same' = 'same'): Check[] {
  if (!Array.isArray(operand) || operand.length === 0) return site.refuse('must be an array with at least one schema');
  return operand.map((schema, index) => site[where](schema, index));
}

function some(checks: readonly Check[], exactlyOne: boolean): Check {
  return (value, run) => {
    const failed: Run[] = [];
    const fitting: number[] = [];
    for (const [index, check] of checks.entries()) {
      const trial = trialOf(run);
      if (!check(value, trial)) {
        // A form that failed has also written down why, which costs about as much as this many checks.
        spend(run, 4);
        failed.push(trial);
      } else if (!exactlyOne) return true;
      else fitting.push(index + 1);
    }
    if (fitting.length === 1) return true;
    if (fitting.length > 1) return complain(run, `fits forms ${fitting.join(' and ')} of ${checks.length}, expected exactly one`);
    return reportForms(value, failed, run);
  };
}

/** Says what would have fitted: plain alternatives in one line, else the complaints of the form that was nearly met. */
function reportForms(value: unknown, failed: readonly Run[], run: Run): false {
  const firsts = failed.map((trial) => (trial.issues.length === 1 ? trial.issues[0] : undefined));
  const at = firsts[0]?.at;
  if (firsts.every((issue) => issue?.expected !== undefined && issue.at === at) && at !== undefined) {
    // Every form fails at the same place for the same kind of reason.
    const expected = [...new Set(firsts.map((issue) => issue?.expected))].join(' or ');
    const text = firsts[0]?.text ?? '';
    run.issues.push({ at, text: text.slice(0, text.lastIndexOf(', expected ')) + `, expected ${expected}`, expected });
    return false;
  }
  const score = (trial: Run): number => trial.issues.filter((issue) => issue.isChoice).length * 1000 + trial.issues.length;
  const nearest = failed.reduce((best, trial) => (score(trial) < score(best) ? trial : best));
  complain(run, `${show(value)} fits none of ${failed.length} forms; form ${failed.indexOf(nearest) + 1} is nearest:`);
  run.issues.push(...nearest.issues);
  return false;
}

function not(operand: unknown, site: Site): Check {
  const check = site.same(operand);
  return (value, run) =>
    !check(value, trialOf(run)) || mismatch(run, value, `a value that does not fit ${canonicalJson(operand as Json).slice(0, 200)}`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
