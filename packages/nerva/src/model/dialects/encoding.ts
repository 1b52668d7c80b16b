import { assert } from '../../core/index.ts';
import type { Message, Part } from '../message.ts';

/** Invariants M2 and M3: where parts may stand. What breaks them is a bug of the caller, and no wire could carry it. */
export function checkPlace(role: Message['role'], { type }: Part): void {
  assert((type === 'tool_result') === (role === 'tool'), `M2 a message of role ${role} holds no ${type}`);
  assert(role !== 'user' || type === 'text' || type === 'file', `M3 a user message holds text and files only, not ${type}`);
  assert(role !== 'assistant' || type !== 'file', 'M3 an assistant message holds no file');
}

/** Makes V8 copy a concatenation into one piece now. Left as a chain, a body of 50 steps is walked piece by piece at every call. */
export function flat(text: string): string {
  text.codePointAt(0);
  return text;
}

/** Two lists of JSON values as one, without their brackets. */
export function joined(one: string, two: string): string {
  return one === '' || two === '' ? one + two : `${one},${two}`;
}
