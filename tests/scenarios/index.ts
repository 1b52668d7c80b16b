import type { Scenario } from 'nerva/sim';
import * as branches from './branches.ts';
import * as crowds from './crowds.ts';
import * as data from './data.ts';
import * as days from './days.ts';
import * as limits from './limits.ts';
import * as models from './models.ts';
import * as pay from './pay.ts';
import * as policies from './policies.ts';
import * as small from './small.ts';

export { smallest } from './pay.ts';

/** Small scenarios, each about one thing: every single fault and every pair of faults is tried on them. */
export const REFERENCE: readonly Scenario[] = [...Object.values(pay), ...Object.values(small)];

/** Larger scenarios: the seed chooses what people do, and which faults strike. */
export const PACKS: readonly Scenario[] = [crowds, models, limits, branches, policies, data, days].flatMap((pack) =>
  Object.values<Scenario>(pack as Readonly<Record<string, Scenario>>),
);
