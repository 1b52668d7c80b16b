import { finish, hash32, hex32 } from './dice.ts';
import type { Point } from './faults.ts';

/**
 * What a run did, as a number and as coverage. Two runs of one seed and one plan have equal hashes, or something reached past the
 * simulated world.
 */
export class Trace {
  /** (abstract state of a session × place) pairs that were seen: what the search calls new. */
  readonly states = new Set<number>();
  /** How often each place was visited. */
  readonly visits = new Map<Point, number>();
  /** The places in the order of the visits. */
  readonly order: Point[] = [];
  /** The last lines, for reports; empty unless they were asked for. */
  readonly lines: string[] = [];
  readonly #isKept: boolean;
  #low = 0x811c9dc5;
  #high = 0x9747b28c;
  #state = 0;

  constructor(isKept: boolean) {
    this.#isKept = isKept;
  }

  /** Notes that something happened. `label` says what, `atMs` when. */
  note(label: string, atMs: number): void {
    const hash = hash32(label, this.#low ^ Math.floor(atMs % 0x7fff_ffff));
    this.#low = finish(this.#low ^ hash);
    this.#high = (Math.imul(this.#high, 31) + hash) | 0;
    if (this.#isKept) this.lines.push(`${(atMs - START_MS).toFixed(1).padStart(12)}  ${label}`);
  }

  /** Notes where a session stands now. */
  reached(state: number): void {
    this.#state = state;
  }

  /** Counts a visit. @returns which one it is, from 1. */
  visit(point: Point): number {
    const visit = (this.visits.get(point) ?? 0) + 1;
    this.visits.set(point, visit);
    this.order.push(point);
    this.states.add(hash32(point, this.#state));
    return visit;
  }

  /** 16 hex digits. */
  hash(): string {
    return hex32(this.#low) + hex32(this.#high);
  }
}

/** When every simulation begins, ms since 1970: 2027-01-15. */
export const START_MS = 1_800_000_000_000;
