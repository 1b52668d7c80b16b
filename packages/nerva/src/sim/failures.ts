import { NervaError } from '../core/index.ts';
import type { FaultKind } from './faults.ts';

export const MODEL_FAILURES = [
  'model.limited',
  'model.limited-until',
  'model.unavailable',
  'model.refused',
  'model.dns',
  'model.connect',
  'model.stalled',
  'model.truncated',
  'model.reset',
  'model.overflow',
] as const satisfies readonly FaultKind[];
export function failureOf(kind: (typeof MODEL_FAILURES)[number]): NervaError {
  return new NervaError(kind === 'model.overflow' ? 'CONTEXT_TOO_LONG' : 'MODEL_UNAVAILABLE', kind);
}
