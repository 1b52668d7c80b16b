import { canonicalJson, NervaError, type Json, type JsonObject } from '../core/index.ts';
import { isObject } from './action.ts';

/** A plain value must be equal; an object holds operators, all of which must hold. Compare objects and arrays with `eq`. */
export type Condition = null | boolean | number | string | Operators;

/** `gt` and the like compare numbers with numbers and texts with texts (by UTF-16 unit); anything else does not hold, nor does a missing fact. */
export interface Operators {
  readonly eq?: Json;
  readonly in?: readonly Json[];
  readonly gt?: number | string;
  readonly gte?: number | string;
  readonly lt?: number | string;
  readonly lte?: number | string;
  /** Holds for a missing fact too, when the condition inside does not. */
  readonly not?: Condition;
  /** Whether the fact is there; null is. */
  readonly exists?: boolean;
  /** A regular expression (ECMAScript, flag u), not anchored. A fact of more than 65,536 characters never matches. */
  readonly matches?: string;
}

/** Whether a fact fits; undefined is a missing one. */
export type Test = (fact: Json | undefined) => boolean;

const MATCH_CHARS_MAX = 65_536;

const OPERATORS: Readonly<Record<string, (operand: Json, refuse: (why: string) => never) => Test>> = {
  eq: equal,
  in: (operand, refuse) => {
    if (!Array.isArray(operand)) return refuse('"in" takes a list');
    const tests = (operand as readonly Json[]).map(equal);
    return (fact) => tests.some((test) => test(fact));
  },
  gt: ordered((order) => order > 0),
  gte: ordered((order) => order >= 0),
  lt: ordered((order) => order < 0),
  lte: ordered((order) => order <= 0),
  not: (operand, refuse) => {
    const test = compile(operand, refuse);
    return (fact) => !test(fact);
  },
  exists: (operand, refuse) =>
    typeof operand === 'boolean' ? (fact) => (fact !== undefined) === operand : refuse('"exists" takes true or false'),
  matches: (operand, refuse) => {
    const expression = typeof operand === 'string' ? regular(operand) : null;
    if (expression === null) return refuse(`"matches" takes a regular expression; ${JSON.stringify(operand)} came`);
    return (fact) => typeof fact === 'string' && fact.length <= MATCH_CHARS_MAX && expression.test(fact);
  },
};

/**
 * Compiles a condition, once.
 * @param where names the row and the field for the message.
 * @throws POLICY_INVALID for an unknown operator or a malformed operand.
 */
export function compileCondition(condition: Json, where: string): Test {
  return compile(condition, (why) => {
    throw new NervaError('POLICY_INVALID', `${where}: ${why}. No policy was made.`);
  });
}

function compile(condition: Json, refuse: (why: string) => never): Test {
  if (Array.isArray(condition))
    return refuse('a list is no condition; write {"in": […]} for one of them or {"eq": […]} for the list itself');
  if (!isObject(condition)) return equal(condition);
  const names = Object.keys(condition);
  if (names.length === 0) return refuse('a condition needs an operator');
  const tests = names.map((name) => {
    const build = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined;
    if (build === undefined) return refuse(`the operator "${name}" is none of ${Object.keys(OPERATORS).join(', ')}`);
    return build(condition[name] as Json, refuse);
  });
  return (fact) => tests.every((test) => test(fact));
}

function equal(expected: Json): Test {
  if (typeof expected !== 'object' || expected === null) return (fact) => fact === expected;
  const text = canonicalJson(expected as JsonObject | readonly Json[]);
  return (fact) => typeof fact === 'object' && fact !== null && canonicalJson(fact) === text;
}

function ordered(holds: (order: number) => boolean): (operand: Json, refuse: (why: string) => never) => Test {
  return (operand, refuse) => {
    if (typeof operand !== 'number' && typeof operand !== 'string') return refuse('comparing takes a number or a text');
    return (fact) => typeof fact === typeof operand && holds(fact === operand ? 0 : (fact as number | string) < operand ? -1 : 1);
  };
}

function regular(source: string): RegExp | null {
  try {
    return new RegExp(source, 'u');
  } catch {
    return null;
  }
}
