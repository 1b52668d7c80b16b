import type { NervaError } from '../core/index.ts';
import type { ModelAnswer, Part } from '../model/index.ts';
import type { FaultKind } from './faults.ts';
import { shapeError, type HttpShapeName } from './http-shapes.ts';

/** The faults in which a model call fails, each with the failure that was recorded from real sockets. */
const ROWS = {
  'model.limited': 'rate-limited',
  'model.limited-until': 'rate-limited-wait',
  'model.unavailable': 'status-503',
  'model.refused': 'refused',
  'model.dns': 'dns',
  'model.connect': 'connect-timeout',
  'model.stalled': 'stalled-stream',
  'model.truncated': 'stream-without-end',
  'model.reset': 'reset-in-body',
  'model.overflow': 'context-too-long',
} as const satisfies Partial<Readonly<Record<FaultKind, HttpShapeName>>>;

/** A fault in which a model call fails. */
export type ModelFailure = keyof typeof ROWS;

/** All of them. */
export const MODEL_FAILURES = Object.keys(ROWS) as readonly ModelFailure[];

/** What a model call fails with: exactly the recorded error. */
export function failureOf(kind: ModelFailure): NervaError {
  return shapeError(ROWS[kind]);
}

/** The faults in which an answer comes, and is odd. */
export const MODEL_ODDITIES = ['model.empty', 'model.malformed', 'model.unknown-tool', 'model.duplicate', 'model.garbage'] as const;

/** A fault in which an answer is odd. */
export type ModelOddity = (typeof MODEL_ODDITIES)[number];

/** What comes in place of `answer`. For `model.garbage` it is no answer at all, as a model of the user's own may give one. */
export function oddAnswer(odd: ModelOddity, answer: ModelAnswer): ModelAnswer {
  const call = answer.parts.find((part) => part.type === 'tool_call');
  const parts = (given: readonly Part[]): ModelAnswer => ({
    ...answer,
    parts: given,
    finish: given.some(({ type }) => type === 'tool_call') ? 'tool_calls' : 'stop',
  });
  switch (odd) {
    case 'model.empty':
      return parts([]);
    case 'model.malformed':
      return parts([{ type: 'tool_call', id: 'odd', name: call?.name ?? 'pay', input: '{"amount": 1', malformed: true }]);
    case 'model.unknown-tool':
      return parts([{ type: 'tool_call', id: 'odd', name: 'launch_missiles', input: {} }]);
    case 'model.duplicate':
      return call === undefined ? parts([...answer.parts, ...answer.parts]) : parts([...answer.parts, call]);
    default:
      return { choices: [] } as unknown as ModelAnswer;
  }
}
