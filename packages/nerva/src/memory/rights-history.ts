import { checkRange } from '../core/index.ts';
import { eventsOf, type LogEvent, type Seq, type Sid, type Store } from '../log/index.ts';
import { MEMORY_RIGHTS, rightsOf, withRights, type MemoryRight, type Rights } from './rights.ts';

/** Who changed a right, and when. */
export interface RightChange {
  /** Of the event that says it. */
  readonly seq: Seq;
  /** ms since 1970. */
  readonly atMs: number;
  /** Whoever was named; null where nobody was. */
  readonly by: string | null;
}

/** That an agent had a right for a time. */
export interface RightHeld {
  readonly agent: string;
  readonly right: MemoryRight;
  readonly granted: RightChange;
  /** null: it has it. */
  readonly revoked: RightChange | null;
}

const PAGE = 2_000;

/**
 * Each right that an agent had in a memory, in the order in which they were granted: as the log says up to `upto`, and by the same rules by which
 * rights stand. O(events). @throws OPTION_INVALID, LOG_PRUNED, SESSION_DELETED
 */
export async function rightsHistory(store: Store, sid: Sid, upto?: Seq): Promise<readonly RightHeld[]> {
  const range = upto === undefined ? {} : { upto: checkRange('upto', upto, 0, Number.MAX_SAFE_INTEGER) };
  const history = new History();
  if ((await store.head(sid)) === 0) return history.held;
  for (let after: Seq = -1; ;) {
    const events = (await store.read(sid, { after, limit: PAGE, ...range })).flatMap(eventsOf);
    for (const event of events) history.take(event);
    const last = events.at(-1);
    if (last === undefined) return history.held;
    after = last.seq;
  }
}

class History {
  readonly held: RightHeld[] = [];
  #rights: Rights = {};
  /** Where each right that stands is in `held`. */
  readonly #open = new Map<string, number>();

  take({ type, data, seq, atMs }: LogEvent): void {
    const before = this.#rights;
    this.#rights = withRights(before, type, data);
    if (this.#rights === before) return;
    const agent = data['agent'] as string;
    const change = { seq, atMs, by: typeof data['by'] === 'string' ? data['by'] : null };
    const [had, has] = [rightsOf(before, agent), rightsOf(this.#rights, agent)];
    for (const right of MEMORY_RIGHTS) {
      if (had.includes(right) === has.includes(right)) continue;
      const key = `${right} ${agent}`;
      const at = this.#open.get(key);
      const open = at === undefined ? undefined : this.held[at];
      if (at === undefined || open === undefined) {
        this.#open.set(key, this.held.length);
        this.held.push({ agent, right, granted: change, revoked: null });
      } else {
        this.#open.delete(key);
        this.held[at] = { ...open, revoked: change };
      }
    }
  }
}
