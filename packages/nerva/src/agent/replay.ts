import { canonicalJson, type Json, type World } from '../core/index.ts';
import {
  placed,
  type EventDraft,
  type EventId,
  type Frame,
  type LogEvent,
  type Reducer,
  type Seq,
  type Sid,
  type Store,
} from '../log/index.ts';
import { evaluate } from './compose.ts';
import { decide } from './decide.ts';
import { bind, type Agent, type Bound } from './definition.ts';
import { EVENTS, type Draft, type EventType } from './events.ts';
import { reducerOf } from './reducer.ts';
import type { AgentState, Facet } from './state.ts';

/** The first event that would be another today: the record and what is decided now. Null: nothing of the kind on that side. */
export interface Divergence {
  readonly at: EventId;
  readonly recorded: { readonly type: string; readonly data: Json } | null;
  readonly decided: { readonly type: string; readonly data: Json } | null;
}

/** What a replay found. */
export interface ReplayReport {
  readonly sid: Sid;
  readonly events: number;
  /** Decisions that were made again and compared, requests and policies included. */
  readonly decisions: number;
  readonly divergence: Divergence | null;
  /** The definition is not the recorded one, though nothing diverged. */
  readonly isChanged: boolean;
}

/** What a replay reads. */
export interface ReplayScene {
  readonly store: Store;
  readonly sid: Sid;
  readonly world: World;
  /** Who decides again: the session's agent, or another definition to see what it would do. */
  readonly agent: Agent;
  readonly facets?: readonly Facet<unknown>[];
}

const NONE: readonly Facet<unknown>[] = [];

/** These hold the definition's digest, which another definition changes by itself: what it does is compared, not what it is called. */
const IDENTITY = new Set(['turn.started']);

/**
 * Decides again, from event 0 and an empty state, with the recorded results in place of the world, and compares each decision,
 * request digest and policy opinion with the record. Makes no call. The inherited part of a fork is replayed with it.
 * @throws SESSION_UNKNOWN, LOG_PRUNED
 */
export async function replaySession(scene: ReplayScene): Promise<ReplayReport> {
  const { store, sid } = scene;
  const bound = bind(scene.agent, scene.world.digest);
  const replay = new Replay(sid, bound, scene.facets ?? NONE);
  for (let after = -1; ;) {
    const page = await store.read(sid, { after });
    const last = page.at(-1);
    if (last === undefined) break;
    for (const frame of page) {
      const divergence = await replay.frame(frame);
      if (divergence !== null) return replay.report(divergence);
    }
    after = last.seq + last.events.length - 1;
  }
  const { definition } = replay.state.session;
  return { ...replay.report(null), isChanged: definition !== '' && definition !== bound.digest };
}

class Replay {
  state: AgentState;
  #decisions = 0;
  /** What one decision wanted beyond the events compared so far: it was made before any of them was folded. */
  #rest: readonly Draft[] = [];
  readonly #bound: Bound;
  readonly #facets: readonly Facet<unknown>[];
  readonly #reducer: Reducer<AgentState>;

  constructor(sid: Sid, bound: Bound, facets: readonly Facet<unknown>[]) {
    this.#reducer = reducerOf(facets);
    this.state = this.#reducer.initial(sid);
    this.#bound = bound;
    this.#facets = facets;
  }

  report(divergence: Divergence | null): ReplayReport {
    return { sid: this.state.sid, events: this.state.head, decisions: this.#decisions, divergence, isChanged: divergence !== null };
  }

  /** Facts are taken from the record; each decision is made again. */
  async frame(frame: Frame): Promise<Divergence | null> {
    this.#rest = [];
    for (let index = 0; index < frame.events.length; index++) {
      const draft = frame.events[index] as EventDraft;
      const seq: Seq = frame.seq + index;
      if (seq < this.state.head) continue;
      const event = placed(draft, frame.sid, seq, frame.atMs, frame.writer.epoch);
      const divergence = await this.#compare(event);
      if (divergence !== null) return divergence;
      this.state = this.#reducer.evolve(this.state, event);
    }
    return null;
  }

  async #compare(event: LogEvent): Promise<Divergence | null> {
    if (!isDecided(event)) return null;
    this.#decisions++;
    const [bound, facets] = [this.#bound, this.#facets];
    // The definition in force is not what is compared: what follows from it is.
    const state = { ...this.state, session: { ...this.state.session, definition: bound.digest } };
    const wish = this.#rest.length > 0 ? this.#rest : decide(state, bound, event.epoch, facets);
    if (event.type === 'session.configured') return null;
    const [decided, ...rest] = wish === 'policy' ? [await evaluate(state, bound)] : Array.isArray(wish) ? (wish as readonly Draft[]) : [];
    this.#rest = rest;
    if (decided !== undefined && isSame(event, decided)) return null;
    return {
      at: `${event.sid}:${event.seq}`,
      recorded: { type: event.type, data: event.data },
      decided: decided === undefined ? null : { type: decided.type, data: decided.data as unknown as Json },
    };
  }
}

/** Failures that the world tells of, but for the loss with a process. */
const MAY_BE_LOST: ReadonlySet<string> = new Set<EventType>(['model.failed', 'context.failed', 'memory.failed']);

/** Whether the kernel decided this event: a decision by its type, or an outcome that no tool, model or person told (a refusal, a loss). */
function isDecided(event: LogEvent): boolean {
  const { type, data } = event;
  if (event.erased === true || type === 'session.created' || type === 'session.forked' || type === 'session.closed') return false;
  if (!Object.hasOwn(EVENTS, type)) return false;
  if (EVENTS[type as EventType].kind === 'decision' || type === 'policy.decided') return true;
  if (MAY_BE_LOST.has(type)) return data['why'] === 'lost';
  if (type === 'context.compacted') return data['call'] === undefined;
  if (type === 'tool.returned') return data['by'] === 'dedupe' || data['by'] === 'simulated';
  if (type === 'tool.failed') return data['call'] === undefined || (event.origin === 'system' && data['by'] === undefined);
  if (type === 'tool.in_doubt') return data['why'] === 'crash' || (data['why'] === 'cancelled' && data['message'] === undefined);
  return type === 'approval.denied' && event.origin === 'system';
}

function isSame(event: LogEvent, decided: Draft): boolean {
  if (event.type !== decided.type) return false;
  if (IDENTITY.has(event.type))
    return canonicalJson(identityless(event.data)) === canonicalJson(identityless(decided.data as unknown as Json));
  return canonicalJson(event.data) === canonicalJson(decided.data as unknown as Json);
}

function identityless(data: Json): Json {
  const { definition: _definition, ...rest } = data as Readonly<Record<string, Json>>;
  return rest;
}
