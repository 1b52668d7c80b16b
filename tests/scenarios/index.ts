import type { Scenario } from 'nerva/sim';
import * as branches from './branches.ts';
import * as crowds from './crowds.ts';
import * as data from './data.ts';
import * as days from './days.ts';
import * as finer from './finer.ts';
import * as limits from './limits.ts';
import * as models from './models.ts';
import * as pay from './pay.ts';
import * as policies from './policies.ts';
import * as processes from './processes.ts';
import * as remembering from './remembering.ts';
import * as small from './small.ts';
import * as wired from './wired.ts';
import * as wrapped from './wrapped.ts';

/** Small scenarios, each about one thing: every single fault is tried on them, and every pair of faults by night. */
export const REFERENCE: readonly Scenario[] = [...Object.values(pay), ...Object.values(small)];

/** Of these the ones whose pairs are tried in every run of the tests. */
export const PAIRED: readonly Scenario[] = [pay.smallest, small.ruled];

/** Each about two processes, one that comes and goes, or a finer point: planted bugs need every single fault on them. */
export const NARROW: readonly Scenario[] = [...Object.values(processes), ...Object.values(finer)];

/** Larger scenarios: the seed chooses what people do, and which faults strike. */
export const PACKS: readonly Scenario[] = [
  ...NARROW,
  ...[crowds, models, limits, branches, policies, data, days, remembering, wired, wrapped].flatMap((pack) =>
    Object.values<Scenario>(pack as Readonly<Record<string, Scenario>>),
  ),
];
