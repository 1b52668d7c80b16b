import { NervaError } from '../core/index.ts';

/** What can be compared. */
export type FilterValue = string | number | boolean | null;

/**
 * What a field must be. Several in one object must all hold. A list holds `$eq`, `$in`, `$contains` and a range when one of its elements
 * does, and `$ne` and `$nin` when none does. Order is between two numbers, or between two strings by their code units; else it does not hold.
 */
export interface FieldFilter {
  readonly $eq?: FilterValue;
  readonly $ne?: FilterValue;
  readonly $in?: readonly FilterValue[];
  readonly $nin?: readonly FilterValue[];
  readonly $gt?: string | number;
  readonly $gte?: string | number;
  readonly $lt?: string | number;
  readonly $lte?: string | number;
  /** A part of a string as it is written, or an element of a list. */
  readonly $contains?: string;
}

/** Fields with what they must be, a value alone being `$eq`; and `$and`, `$or`, `$not` over filters. All members must hold; `{}` always does. */
export interface Filter {
  readonly $and?: readonly Filter[];
  readonly $or?: readonly Filter[];
  readonly $not?: Filter;
  readonly [field: string]: FilterValue | FieldFilter | Filter | readonly Filter[] | undefined;
}

/** What is filtered. A field that is not there is null. */
export type Fields = Readonly<Record<string, FilterValue | readonly string[]>>;

/** Whether fields pass. Contract: pure, throws nothing. */
export type Test = (fields: Fields) => boolean;

/** Of filters in each other, and of all conditions together. */
const DEPTH_MAX = 16;
const CONDITIONS_MAX = 1_000;

/** Reads a filter over these fields. O(conditions). @throws OPTION_INVALID for what is none, OPTION_UNKNOWN for a field or an operator that is not known. */
export function filterOf(filter: Filter, fields: readonly string[]): Test {
  const left = { conditions: CONDITIONS_MAX };
  return read(filter, { fields, left, depth: 0 });
}

interface Reading {
  readonly fields: readonly string[];
  readonly left: { conditions: number };
  readonly depth: number;
}

function read(filter: unknown, reading: Reading): Test {
  if (!isRecord(filter)) throw invalid(`A filter is an object; ${kindOf(filter)} came.`);
  if (reading.depth > DEPTH_MAX) throw invalid(`Filters stand in each other more than ${DEPTH_MAX} deep.`);
  const tests = Object.entries(filter).flatMap(([name, value]) => (value === undefined ? [] : [member(name, value, reading)]));
  return all(tests);
}

function member(name: string, value: unknown, reading: Reading): Test {
  const inner = { ...reading, depth: reading.depth + 1 };
  if (name === '$and') return all(list(name, value).map((one) => read(one, inner)));
  if (name === '$or') {
    const tests = list(name, value).map((one) => read(one, inner));
    return (fields) => tests.some((test) => test(fields));
  }
  if (name === '$not') {
    const test = read(value, inner);
    return (fields) => !test(fields);
  }
  if (!reading.fields.includes(name)) throw unknown('field', name, [...reading.fields, '$and', '$or', '$not']);
  const conditions = isRecord(value) ? Object.entries(value) : [['$eq', value] as const];
  const tests = conditions.flatMap(([operator, operand]) => {
    if (operand === undefined) return [];
    reading.left.conditions--;
    if (reading.left.conditions < 0) throw invalid(`A filter has at most ${CONDITIONS_MAX} conditions.`);
    return [condition(operator, operand, name)];
  });
  return (fields) => {
    const held = fields[name] ?? null;
    const values = Array.isArray(held) ? (held as readonly string[]) : [held as FilterValue];
    return tests.every((test) => test(values, held));
  };
}

type Holds = (values: readonly FilterValue[], held: Fields[string]) => boolean;

function condition(operator: string, operand: unknown, field: string): Holds {
  const known = OPERATORS.get(operator);
  if (known === undefined) throw unknown(`operator for ${field}`, operator, Array.from(OPERATORS.keys()));
  const { takes, holds } = known;
  if (!TAKES[takes](operand)) throw invalid(`${operator} of ${field} takes ${takes}; ${kindOf(operand)} came.`);
  return holds(operand as never);
}

const TAKES = {
  'a string, a finite number, a boolean or null': isValue,
  'a list of them': (operand: unknown) => Array.isArray(operand) && operand.length <= CONDITIONS_MAX && operand.every(isValue),
  'a string or a finite number': (operand: unknown) => typeof operand !== 'boolean' && operand !== null && isValue(operand),
  'a string': (operand: unknown) => typeof operand === 'string',
} as const;

interface Operator {
  readonly takes: keyof typeof TAKES;
  readonly holds: (operand: never) => Holds;
}

const some =
  (test: (value: FilterValue) => boolean): Holds =>
  (values) =>
    values.some(test);
const none =
  (test: (value: FilterValue) => boolean): Holds =>
  (values) =>
    !values.some(test);
const range = (holds: (order: number) => boolean): Operator => ({
  takes: 'a string or a finite number',
  holds: (operand: FilterValue) => some((value) => typeof value === typeof operand && holds(order(value, operand))),
});

const ONE = 'a string, a finite number, a boolean or null';
const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ['$eq', { takes: ONE, holds: (operand: FilterValue) => some((value) => value === operand) }],
  ['$ne', { takes: ONE, holds: (operand: FilterValue) => none((value) => value === operand) }],
  ['$in', { takes: 'a list of them', holds: (operand: readonly FilterValue[]) => some((value) => operand.includes(value)) }],
  ['$nin', { takes: 'a list of them', holds: (operand: readonly FilterValue[]) => none((value) => operand.includes(value)) }],
  ['$gt', range((order) => order > 0)],
  ['$gte', range((order) => order >= 0)],
  ['$lt', range((order) => order < 0)],
  ['$lte', range((order) => order <= 0)],
  [
    '$contains',
    {
      takes: 'a string',
      holds: (operand: string) => (values, held) =>
        Array.isArray(held) ? values.includes(operand) : typeof held === 'string' && held.includes(operand),
    },
  ],
]);

/** Of two of one type, which are strings or numbers. */
function order(one: FilterValue, other: FilterValue): number {
  if (one === other) return 0;
  return (one as string) < (other as string) ? -1 : 1;
}

function isValue(value: unknown): value is FilterValue {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function all(tests: readonly Test[]): Test {
  return (fields) => tests.every((test) => test(fields));
}

function list(name: string, value: unknown): readonly unknown[] {
  if (Array.isArray(value) && value.length <= CONDITIONS_MAX) return value;
  throw invalid(`${name} takes a list of at most ${CONDITIONS_MAX} filters; ${kindOf(value)} came.`);
}

const kindOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? `a list of ${value.length}` : `a ${typeof value}`;

function invalid(message: string): NervaError {
  return new NervaError('OPTION_INVALID', `${message} Nothing was looked for.`);
}

function unknown(what: string, name: string, known: readonly string[]): NervaError {
  return new NervaError(
    'OPTION_UNKNOWN',
    `There is no ${what} ${JSON.stringify(name)} in a filter. Known: ${known.join(', ')}. Nothing was looked for.`,
    {
      details: { name },
    },
  );
}
