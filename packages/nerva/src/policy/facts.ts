import { NervaError, type Json, type JsonObject } from '../core/index.ts';
import { isObject } from './action.ts';
import type { PolicyView } from './types.ts';

/** Reads one fact; undefined when it is missing. */
export type Fact = (view: PolicyView, data: Json) => Json | undefined;

/** What a path may begin with beside the names in the data. */
const ROOTS: Readonly<Record<string, (view: PolicyView) => Json | undefined>> = {
  $text: (view) => view.input.text,
  $step: (view) => view.step,
  $nowMs: (view) => view.nowMs,
  $calls: (view) => view.calls,
  $last: (view) => view.calls.at(-1),
  $outputs: (view) => Object.fromEntries(view.calls.filter((call) => !call.isError).map((call) => [call.name, call.output])),
};

/**
 * Compiles a path such as `cost.total`, `items.0.id`, `items.length`, `$step`, `$last.isError` or `$outputs.find_order.id`
 * (the last result of that tool in this turn that was no error). Only own properties are seen.
 * @throws POLICY_INVALID for an empty path or an unknown `$` root.
 */
export function factAt(path: string, where: string): Fact {
  const keys = path.split('.');
  const [root = '', ...rest] = keys;
  if (keys.includes('')) throw new NervaError('POLICY_INVALID', `${where}: the path "${path}" has an empty part. No policy was made.`);
  if (!root.startsWith('$')) return (_view, data) => walk(data, keys);
  const read = ROOTS[root];
  if (read === undefined)
    throw new NervaError('POLICY_INVALID', `${where}: "${root}" is none of ${Object.keys(ROOTS).join(', ')}. No policy was made.`);
  return (view) => walk(read(view), rest);
}

/** Builds a value from a template: `{"$": "path"}` anywhere in it stands for that fact. */
export type Build = (view: PolicyView, data: Json) => { readonly value: Json } | { readonly missing: string };

/** @throws POLICY_INVALID for a bad path in the template. */
export function template(source: Json, where: string): Build {
  if (Array.isArray(source)) {
    const items = (source as readonly Json[]).map((item) => template(item, where));
    return (view, data) => {
      const values: Json[] = [];
      for (const build of items) {
        const built = build(view, data);
        if ('missing' in built) return built;
        values.push(built.value);
      }
      return { value: values };
    };
  }
  if (!isObject(source)) return () => ({ value: source });
  return '$' in source ? reference(source, where) : objectTemplate(source, where);
}

function objectTemplate(source: JsonObject, where: string): Build {
  const members = Object.entries(source).map(([key, member]): [string, Build] => [key, template(member, where)]);
  return (view, data) => {
    const value: Record<string, Json> = {};
    for (const [key, build] of members) {
      const built = build(view, data);
      if ('missing' in built) return built;
      value[key] = built.value;
    }
    return { value };
  };
}

function reference(source: JsonObject, where: string): Build {
  const path = source['$'];
  if (typeof path !== 'string' || Object.keys(source).length > 1) {
    throw new NervaError('POLICY_INVALID', `${where}: a reference is {"$": "path"} and nothing else. No policy was made.`);
  }
  const fact = factAt(path, where);
  return (view, data) => {
    const value = fact(view, data);
    return value === undefined ? { missing: path } : { value };
  };
}

function walk(value: Json | undefined, keys: readonly string[]): Json | undefined {
  let here: Json | undefined = value;
  for (const key of keys) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as JsonObject)[key];
  }
  return here;
}
