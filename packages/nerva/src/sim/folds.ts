import { EVENTS, type AgentState, type Facet } from '../agent/index.ts';
import type { LogEvent, Sid } from '../log/index.ts';
import type { Hub } from './hub.ts';

/** The parts of a state that are compared: all but what only repeats the position. */
type Slices = readonly [
  AgentState['session'],
  AgentState['approval'],
  AgentState['model'],
  AgentState['tool'],
  AgentState['turn'],
  AgentState['budget'],
  AgentState['timer'],
  AgentState['context'],
  AgentState['memory'],
];

/** A state that a driver had, and the event that led to it. */
interface Live {
  readonly event: LogEvent;
  readonly slices: Slices;
}

/**
 * The law `fold = live state`. While a run lives each state that a driver has is kept; when it is judged, each fold of the record must
 * be one of those at its position. States are immutable, so what is kept is compared as it was, and one that was changed in place is found.
 */
export class Folds {
  readonly #hub: Hub;
  readonly #live = new Map<Sid, Live[][]>();
  /** Sessions of whose record something was erased: no driver had their fold as it is now. */
  readonly #erased = new Set<Sid>();
  /** By session, the last fold of the record and the live state that it equals. */
  readonly #matched = new Map<Sid, { readonly live: Slices; readonly record: Slices }>();
  #isJudging = false;

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** A part of the agent's state that is told of each event that is folded, by whomever. `isKept`: whether anybody will judge. */
  facet(isKept: boolean): Facet<null> {
    return {
      name: 'probe',
      version: 1,
      types: TYPES,
      initial: null,
      evolve: (_before, event, state) => {
        if (event.erased === true) this.#erased.add(state.sid);
        if (this.#isJudging) this.#compare(event, state);
        else if (isKept) this.#keep(event, state);
        return null;
      },
    };
  }

  /** From now on folds are those of the record. */
  judging(): void {
    this.#isJudging = true;
  }

  #keep(event: LogEvent, state: AgentState): void {
    let positions = this.#live.get(state.sid);
    if (positions === undefined) this.#live.set(state.sid, (positions = []));
    const live = { event, slices: slicesOf(state) };
    const here = positions[state.head];
    if (here === undefined) positions[state.head] = [live];
    else here.push(live);
  }

  /** A driver also folds what it would like to append: that is no fold of what another one appended there. */
  #compare(event: LogEvent, state: AgentState): void {
    const { sid, head } = state;
    if (this.#erased.has(sid)) return;
    const record = slicesOf(state);
    const before = this.#matched.get(sid);
    // What stayed on both sides since it was found equal is equal.
    const isEqual = (slice: unknown, at: number, live: Slices): boolean =>
      (before !== undefined && slice === before.record[at] && live[at] === before.live[at]) || isSame(slice, live[at]);
    let isKnown = false;
    for (const live of this.#live.get(sid)?.[head] ?? []) {
      if (live.event.type !== event.type || !isSame(live.event.data, event.data)) continue;
      if (record.every((slice, at) => isEqual(slice, at, live.slices))) return void this.#matched.set(sid, { live: live.slices, record });
      isKnown = true;
    }
    if (isKnown) this.#hub.violated('fold = live state', `The fold at ${sid}:${head} is none that a driver had.`);
  }
}

const TYPES = Object.keys(EVENTS);

function slicesOf({ session, approval, model, tool, turn, budget, timer, context, memory }: AgentState): Slices {
  return [session, approval, model, tool, turn, budget, timer, context, memory];
}

/** Of plain values, sets, maps and lists that grow; of these the last item and the length. Functions are all the same. */
function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) {
    return typeof one === 'function' && typeof other === 'function';
  }
  if (Array.isArray(one)) return Array.isArray(other) && one.length === other.length && one.every((item, at) => isSame(item, other[at]));
  if (one instanceof Set) return other instanceof Set && isSame([...(one as ReadonlySet<unknown>)], [...(other as ReadonlySet<unknown>)]);
  if (one instanceof Map) return other instanceof Map && isSame([...(one as Entries)], [...(other as Entries)]);
  if ('shared' in one && 'shared' in other) {
    const [list, same] = [one, other] as [AgentState['turn']['messages'], AgentState['turn']['messages']];
    return list.count === same.count && isSame(list.shared[list.count - 1], same.shared[same.count - 1]);
  }
  return hasSame(one as Values, other as Values);
}

type Entries = ReadonlyMap<unknown, unknown>;
type Values = Readonly<Record<string, unknown>>;

function hasSame(one: Values, other: Values): boolean {
  let left = 0;
  for (const key in one) {
    if (!Object.hasOwn(other, key) || !isSame(one[key], other[key])) return false;
    left++;
  }
  for (const key in other) if (Object.hasOwn(other, key)) left--;
  return left === 0;
}
