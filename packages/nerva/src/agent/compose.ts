import { NervaError } from '../core/index.ts';
import { placed, type Seq } from '../log/index.ts';
import type { Action, Decided, PolicyView } from '../policy/index.ts';
import { decide } from './decide.ts';
import type { Bound } from './definition.ts';
import type { Draft, EventType } from './events.ts';
import { evolve } from './fold.ts';
import type { AgentState, Facet } from './state.ts';
import { steering } from './turns.ts';

/** A policy that is thinking. Its opinion counts only if the turn still stands where it was asked. */
export interface PolicyAsk {
  readonly turn: Seq;
  readonly step: number;
  readonly decided: Promise<Draft>;
}

/** Whether the turn still stands where the policy was asked: what steers goes to the model, whatever a policy thinks. */
export function isAskedAt({ turn }: AgentState, asked: PolicyAsk, bound: Bound): boolean {
  const { open } = turn;
  const stands = open !== null && open.seq === asked.turn && open.steps === asked.step && open.cancel === null;
  return stands && steering(turn, bound).length === 0;
}

/** Whether the open turn is to end. */
export const isCancelled = ({ turn }: AgentState): boolean => turn.open !== null && turn.open.cancel !== null;
/** What a policy came to, or that it threw. */
export const isOpinion = ({ type }: Draft): boolean => type === 'policy.decided' || type === 'turn.ended';

/** One frame in the making. */
export interface Composed {
  /** Facts first, then what they lead to. Empty: nothing to append. */
  readonly drafts: readonly Draft[];
  /** The state once they are appended at `atMs`. */
  readonly state: AgentState;
  readonly atMs: number;
  /** A policy that answers later. */
  readonly policy: PolicyAsk | null;
  /** An effect starts with this frame. */
  readonly isActing: boolean;
}

/** What composing needs beside the state. */
export interface ComposeScene {
  readonly bound: Bound;
  readonly facets: readonly Facet<unknown>[];
  readonly epoch: number;
  readonly nowMs: number;
  /** Decide nothing more: only the facts. */
  readonly isDraining: boolean;
  readonly asked: PolicyAsk | null;
}

const ROUNDS_MAX = 1000;
/** Intents of which the outcome is to come. */
const EFFECTS: ReadonlySet<string> = new Set<EventType>([
  'model.called',
  'context.called',
  'memory.called',
  'tool.called',
  'reconcile.called',
  'timer.set',
]);

/** Folds the facts and decides until nothing is wanted or something must be waited for. Pure but for asking the policy. */
export function compose(before: AgentState, facts: readonly Draft[], scene: ComposeScene): Composed {
  const { bound, facets, epoch } = scene;
  const atMs = Math.max(before.nowMs, scene.nowMs);
  const drafts: Draft[] = [];
  let state = before;
  let policy: PolicyAsk | null = null;
  let isActing = false;
  const add = (draft: Draft): void => {
    drafts.push(draft);
    state = evolve(state, placed(draft as never, before.sid, state.head, atMs, epoch), facets);
    isActing ||= EFFECTS.has(draft.type);
  };
  facts.forEach(add);
  for (let round = 0; !scene.isDraining; round++) {
    if (round > ROUNDS_MAX) throw new Error(`Invariant broken: A2 deciding comes to rest (session ${before.sid} at ${state.head})`);
    const wish = decide(state, bound, epoch, facets);
    if (wish === null || wish === 'wait') break;
    if (wish !== 'policy') {
      wish.forEach(add);
      continue;
    }
    if (scene.asked !== null && isAskedAt(state, scene.asked, bound)) break;
    const decided = evaluate(state, bound);
    if (decided instanceof Promise) {
      policy = { turn: state.turn.open?.seq ?? -1, step: state.turn.open?.steps ?? -1, decided };
      isActing = true;
      break;
    }
    add(decided);
  }
  return { drafts, state, atMs, policy, isActing };
}

/** Asks the agent's policy. Abstaining means: the model, if there is one. A policy that throws ends in an error the log can show. */
export function evaluate(state: AgentState, bound: Bound): Draft | Promise<Draft> {
  const { policy } = bound.agent;
  if (policy === undefined) throw new Error('Invariant broken: A3 a policy is asked only where there is one');
  const view = viewOf(state);
  try {
    const decided = policy.evaluate(view);
    return decided instanceof Promise
      ? decided.then(
          (late) => draftOf(late, bound),
          (error: unknown) => thrown(policy.name, error),
        )
      : draftOf(decided, bound);
  } catch (error) {
    return thrown(policy.name, error);
  }
}

/** What a policy sees of a state. */
export function viewOf(state: AgentState): PolicyView {
  const { open, messages } = state.turn;
  return {
    input: open?.input ?? { text: '', data: null },
    calls: open?.calls ?? [],
    messages: messages.shared.slice(0, messages.count),
    step: open?.steps ?? 0,
    nowMs: state.nowMs,
  };
}

function draftOf(decided: Decided | null, bound: Bound): Draft {
  const { agent } = bound;
  if (decided !== null) {
    const { policy, action, why, propensity } = decided;
    return { type: 'policy.decided', data: { policy, action, why, ...(propensity === undefined ? {} : { propensity }) } };
  }
  const action: Action =
    agent.model === undefined ? { type: 'answer', text: 'No policy decided, and there is no model to ask.' } : { type: 'model' };
  return { type: 'policy.decided', data: { policy: agent.policy?.name ?? '', action, why: 'abstained' } };
}

function thrown(policy: string, error: unknown): Draft {
  const message = error instanceof Error ? error.message : String(error);
  const code = NervaError.is(error) ? error.code : 'POLICY_INVALID';
  return { type: 'turn.ended', data: { reason: 'error', why: `${code}: policy ${policy} threw: ${message.slice(0, 500)}` } };
}
