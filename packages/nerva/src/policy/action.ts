import { checkJson, NervaError, type JsonObject } from '../core/index.ts';
import type { Action } from './types.ts';

const FIELDS: Readonly<Record<Action['type'], readonly string[]>> = {
  answer: ['type', 'text', 'output'],
  call: ['type', 'calls'],
  model: ['type'],
};

/**
 * Returns the value if it is an action of plain JSON with no unknown field.
 * @param where names the policy or row for the message.
 * @throws POLICY_INVALID
 */
export function checkAction(value: unknown, where: string): Action {
  const trouble = troubleOf(value);
  if (trouble !== null) throw new NervaError('POLICY_INVALID', `${where}: ${trouble}. Nothing was done.`);
  return value as Action;
}

/** @throws POLICY_INVALID for a name other than 1–64 of `A-Za-z0-9_.:-`. */
export function checkPolicyName(name: unknown): asserts name is string {
  if (typeof name === 'string' && /^[A-Za-z0-9_.:-]{1,64}$/.test(name)) return;
  throw new NervaError(
    'POLICY_INVALID',
    `A policy's name must be 1–64 of A-Z a-z 0-9 _ . : -; ${JSON.stringify(name) ?? 'nothing'} came. No policy was made.`,
  );
}

/** True for a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function troubleOf(value: unknown): string | null {
  if (!isObject(value)) return 'an action is an object with a type';
  const type = value['type'];
  if (type !== 'answer' && type !== 'call' && type !== 'model')
    return `the action type ${JSON.stringify(type) ?? 'undefined'} is none of answer, call, model`;
  const extra = Object.keys(value).find((key) => !FIELDS[type].includes(key));
  if (extra !== undefined) return `an action of type ${type} has no field "${extra}"; known: ${FIELDS[type].join(', ')}`;
  const shape = type === 'answer' ? troubleOfAnswer(value) : type === 'call' ? troubleOfCalls(value['calls']) : null;
  if (shape !== null) return shape;
  try {
    checkJson(value);
    return null;
  } catch (error) {
    return `the action is not plain JSON: ${(error as Error).message}`;
  }
}

function troubleOfAnswer({ text, output }: JsonObject): string | null {
  if (text === undefined && output === undefined) return 'an answer needs text or output';
  return text === undefined || typeof text === 'string' ? null : `an answer's text is text; a ${typeof text} came`;
}

function troubleOfCalls(calls: unknown): string | null {
  if (!Array.isArray(calls) || calls.length === 0) return 'calls must be a list with at least one call';
  for (const [i, call] of calls.entries()) {
    if (!isObject(call) || typeof call['tool'] !== 'string' || call['tool'] === '') return `calls[${i}] needs the name of a tool`;
    if (call['input'] === undefined) return `calls[${i}] needs an input`;
    const extra = Object.keys(call).find((key) => key !== 'tool' && key !== 'input');
    if (extra !== undefined) return `calls[${i}] has no field "${extra}"; known: tool, input`;
  }
  return null;
}
