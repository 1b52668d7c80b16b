import type { LogEvent, Sid } from '../log/index.ts';
import { approvalFacet } from './facets/approval.ts';
import { budgetFacet } from './facets/budget.ts';
import { contextFacet } from './facets/context.ts';
import { memoryFacet } from './facets/memory.ts';
import { modelFacet } from './facets/model.ts';
import { sessionFacet } from './facets/session.ts';
import { timerFacet } from './facets/timer.ts';
import { toolFacet } from './facets/tool.ts';
import { turnFacet } from './facets/turn.ts';
import type { AgentState, Facet } from './state.ts';

/** Of the fold: a state under another version is not reused. */
export const REDUCER_VERSION = 7;

/**
 * The facets in folding order: a later one sees the slices that the earlier ones made of the same event.
 * The order of deciding is the same; the first facet that wants something is heard.
 */
export const FACETS = [
  sessionFacet,
  approvalFacet,
  modelFacet,
  memoryFacet,
  contextFacet,
  toolFacet,
  timerFacet,
  turnFacet,
  budgetFacet,
] as const;

/** The state before the first event. */
export function initial(sid: Sid, added: readonly Facet<unknown>[] = []): AgentState {
  const more = Object.fromEntries(added.map((facet) => [facet.name, facet.initial]));
  return {
    sid,
    head: 0,
    nowMs: 0,
    session: sessionFacet.initial,
    approval: approvalFacet.initial,
    model: modelFacet.initial,
    context: contextFacet.initial,
    memory: memoryFacet.initial,
    tool: toolFacet.initial,
    timer: timerFacet.initial,
    turn: turnFacet.initial,
    budget: budgetFacet.initial,
    more,
  };
}

type Own = (typeof FACETS)[number];
const NONE: readonly Own[] = [];
const byType = new Map<string, Own[]>();
for (const facet of FACETS) {
  for (const type of facet.types) byType.set(type, [...(byType.get(type) ?? []), facet]);
}

/**
 * Folds one event. Pure and total: an unknown type leaves every slice as it is.
 * Invariant A1: events come in order, `event.seq` is `state.head`.
 */
export function evolve(state: AgentState, event: LogEvent, added: readonly Facet<unknown>[] = []): AgentState {
  // Written out, and changed only before anybody else has it: this runs for every event there ever was.
  const next: { -readonly [K in keyof AgentState]: AgentState[K] } = {
    sid: state.sid,
    head: event.seq + 1,
    nowMs: event.atMs,
    session: state.session,
    approval: state.approval,
    model: state.model,
    context: state.context,
    memory: state.memory,
    tool: state.tool,
    timer: state.timer,
    turn: state.turn,
    budget: state.budget,
    more: state.more,
  };
  for (const facet of byType.get(event.type) ?? NONE) {
    (next as Record<Own['name'], unknown>)[facet.name] = (facet as Facet<unknown>).evolve(next[facet.name], event, next);
  }
  for (const facet of added) {
    if (facet.types.includes(event.type)) next.more = { ...next.more, [facet.name]: facet.evolve(next.more[facet.name], event, next) };
  }
  return next;
}
