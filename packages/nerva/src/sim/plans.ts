import { diceOf, type SimDice } from './dice.ts';
import { FAULT_KINDS, isDistinct, kindsAt, type Fault, type FaultKind, type Plan, type Point } from './faults.ts';
import type { SimReport } from './run.ts';

/** Every single fault that can strike a run like this one. */
export function singles({ visits }: Pick<SimReport, 'visits'>): readonly Fault[] {
  return Object.entries(visits).flatMap(([point, count]) =>
    kindsAt(point).flatMap((kind) => Array.from({ length: count }, (_, index) => ({ point, kind, occurrence: index + 1 }))),
  );
}

/** Every second fault that can strike at or after the visit at which the last of the plan did; of kinds that lead through the same code, one. */
export function seconds({ plan, order }: Pick<SimReport, 'plan' | 'order'>): readonly Plan[] {
  const first = plan.at(-1);
  if (first === undefined) return [];
  const counts = new Map<Point, number>();
  const plans: Plan[] = [];
  let isAfter = false;
  for (const point of order) {
    const occurrence = (counts.get(point) ?? 0) + 1;
    counts.set(point, occurrence);
    const isSame = point === first.point && occurrence === first.occurrence;
    isAfter ||= isSame;
    if (!isAfter) continue;
    for (const kind of kindsAt(point))
      if (isDistinct(kind) && (!isSame || kind > first.kind)) plans.push([...plan, { point, kind, occurrence }]);
  }
  return plans;
}

const FAULTS_MAX = 6;

/**
 * The plan of a seed, for a scenario whose undisturbed run visited these points. Swarm testing (Groce et al., ISSTA 2012): each plan
 * draws from a random subset of the kinds, so that one kind cannot hide another in every run.
 */
export function randomPlan(seed: number, visits: Readonly<Record<Point, number>>): Plan {
  const dice = diceOf(seed, 'plan');
  const places = placesOf(visits);
  const share = dice.pick([0.1, 0.3, 0.6, 1]);
  const kinds = FAULT_KINDS.filter(() => dice.chance(share));
  const usable = kinds.filter((kind) => places.has(kind));
  const count = usable.length === 0 ? 0 : 1 + dice.below(FAULTS_MAX);
  return Array.from({ length: count }, () => randomFault(dice, usable, visits));
}

// oxlint-disable-next-line max-params -- what is drawn from
function randomFault(dice: SimDice, kinds: readonly FaultKind[], visits: Readonly<Record<Point, number>>): Fault {
  const kind = dice.pick(kinds);
  const point = dice.pick(placesOf(visits).get(kind) ?? []);
  // A little beyond: faults make runs longer.
  return { point, kind, occurrence: 1 + dice.below(Math.ceil((visits[point] ?? 1) * 1.5) + 1) };
}

/** A neighbour of a plan: one fault more, less, elsewhere or of another kind. */
export function mutated(plan: Plan, dice: SimDice, visits: Readonly<Record<Point, number>>): Plan {
  const index = dice.below(plan.length + 1);
  const places = placesOf(visits);
  const kinds = FAULT_KINDS.filter((kind) => places.has(kind));
  const fresh = randomFault(dice, kinds, visits);
  const one = plan[index];
  if (one === undefined) return [...plan, fresh];
  const without = plan.filter((_, at) => at !== index);
  switch (dice.below(4)) {
    case 0:
      return without;
    case 1:
      return [...without, { ...one, occurrence: Math.max(1, one.occurrence + dice.pick([-2, -1, 1, 2])) }];
    case 2:
      return [...without, { ...one, kind: dice.pick(kindsAt(one.point)) }];
    default:
      return [...without, fresh];
  }
}

/** Where each kind can strike. All plans of a search share the visits, so it is found out once. */
function placesOf(visits: Readonly<Record<Point, number>>): ReadonlyMap<FaultKind, readonly Point[]> {
  let known = KNOWN.get(visits);
  if (known === undefined) {
    const places = new Map<FaultKind, Point[]>();
    for (const point of Object.keys(visits))
      for (const kind of kindsAt(point)) {
        const points = places.get(kind);
        if (points === undefined) places.set(kind, [point]);
        else points.push(point);
      }
    KNOWN.set(visits, (known = places));
  }
  return known;
}

const KNOWN = new WeakMap<Readonly<Record<Point, number>>, ReadonlyMap<FaultKind, readonly Point[]>>();
