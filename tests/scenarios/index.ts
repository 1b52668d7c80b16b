import type { Scenario } from 'nerva/sim';
import { denied, granted, smallest, unreconciled } from './pay.ts';
import * as small from './small.ts';

export { smallest } from './pay.ts';

/** Small scenarios, each about one thing: every single fault and every pair of faults is tried on them. */
export const REFERENCE: readonly Scenario[] = [smallest, unreconciled, granted, denied, ...Object.values(small)];

/** Larger scenarios, chosen by the seed. */
export const PACKS: readonly Scenario[] = [];
