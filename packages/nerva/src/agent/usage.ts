import type { LogEvent, Projection, Rows } from '../log/index.ts';
import type { Usage } from '../model/index.ts';
import { known, type AgentEvent } from './events.ts';

/** What an agent's sessions did and took, all together. */
export interface AgentUsage {
  readonly sessions: number;
  /** Turns that ended, by reason. */
  readonly turns: Readonly<Record<string, number>>;
  /** Intents: also calls that failed, were cut off or are open. */
  readonly modelCalls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Outcomes whose tokens nobody knows (not reported, cut off, lost, erased): they are in none of the counts of tokens. */
  readonly unknownCalls: number;
  readonly usd: number;
  /** Outcomes whose price or tokens nobody knows: `usd` is a lower bound while there is one. */
  readonly unpricedCalls: number;
  /** Outcomes of tool calls: `returned`, `failed`, and how often one was `in_doubt`; a call in doubt counts again once it is settled. */
  readonly tools: Readonly<Record<string, number>>;
  /** `granted` and `denied`. */
  readonly approvals: Readonly<Record<string, number>>;
}

const NONE: AgentUsage = {
  sessions: 0,
  turns: {},
  modelCalls: 0,
  inputTokens: 0,
  outputTokens: 0,
  unknownCalls: 0,
  usd: 0,
  unpricedCalls: 0,
  tools: {},
  approvals: {},
};

/**
 * Counts by agent over all sessions of a store. Rows: `usage/<agent>` holds an `AgentUsage` as JSON, `agent/<sid>` whose session it is: a row
 * an agent and one a session. Inherited events count in the session that holds them, not again in its forks. What was pruned or deleted
 * stays counted until the rows are built again. An event that cannot be read, its key being gone or not given, counts by its type alone.
 */
export const usageProjection: Projection = {
  name: 'usage',
  version: 2,
  types: [
    'session.created',
    'session.forked',
    'turn.ended',
    'model.called',
    'model.answered',
    'model.failed',
    'model.interrupted',
    'context.called',
    'context.compacted',
    'context.failed',
    'tool.returned',
    'tool.failed',
    'tool.in_doubt',
    'approval.granted',
    'approval.denied',
  ],
  apply(rows, event) {
    const agent = agentOf(rows, event);
    if (agent === null) return;
    const key = `usage/${agent}`;
    const before = JSON.parse(rows.get(key) ?? JSON.stringify(NONE)) as AgentUsage;
    rows.put(key, JSON.stringify(counted(before, event)));
  },
};

/** The counts of every agent, by name. */
export function usageOf(rows: Rows): Readonly<Record<string, AgentUsage>> {
  return Object.fromEntries(
    rows.scan({ prefix: 'usage/' }).map(({ key, value }) => [key.slice('usage/'.length), JSON.parse(value) as AgentUsage]),
  );
}

function agentOf(rows: Rows, event: LogEvent): string | null {
  const { type, data, sid } = event;
  if (type !== 'session.created' && type !== 'session.forked') return rows.get(`agent/${sid}`);
  const agent = type === 'session.created' ? data['agent'] : rows.get(`agent/${String(data['parent'])}`);
  if (typeof agent !== 'string') return null;
  rows.put(`agent/${sid}`, agent);
  return agent;
}

function counted(usage: AgentUsage, raw: LogEvent): AgentUsage {
  const event = known(raw);
  switch (event?.type) {
    case 'session.created':
    case 'session.forked':
      return { ...usage, sessions: usage.sessions + 1 };
    case 'turn.ended':
      return { ...usage, turns: plusOne(usage.turns, raw.erased === true ? 'erased' : event.data.reason) };
    case 'model.called':
    case 'context.called':
      return { ...usage, modelCalls: usage.modelCalls + 1 };
    case 'model.answered':
      return plusAnswer(usage, event);
    case 'context.compacted':
      return plusSummary(usage, event);
    case 'model.interrupted':
      return plusUnknown(usage);
    case 'model.failed':
    case 'context.failed':
      // One that the provider refused took nothing; one whose process is gone may have been answered and paid for.
      return event.data.why === 'error' ? usage : plusUnknown(usage);
    case 'tool.returned':
    case 'tool.failed':
    case 'tool.in_doubt':
      return { ...usage, tools: plusOne(usage.tools, event.type.slice('tool.'.length)) };
    case 'approval.granted':
    case 'approval.denied':
      return { ...usage, approvals: plusOne(usage.approvals, event.type.slice('approval.'.length)) };
    default:
      return usage;
  }
}

const UNKNOWN: Usage = { inputTokens: null, outputTokens: null };

/** Where nobody was asked nothing was taken. */
function plusSummary(usage: AgentUsage, event: AgentEvent & { readonly type: 'context.compacted' }): AgentUsage {
  return event.erased !== true && event.data.call === undefined ? usage : plusAnswer(usage, event);
}

function plusAnswer(usage: AgentUsage, event: AgentEvent & { readonly type: 'model.answered' | 'context.compacted' }): AgentUsage {
  if (event.erased === true) return plusUnknown(usage);
  const { usage: took, usd } = event.data;
  const { inputTokens, outputTokens } = event.type === 'model.answered' ? event.data.usage : (took ?? UNKNOWN);
  const isKnown = inputTokens !== null && outputTokens !== null;
  return {
    ...usage,
    inputTokens: usage.inputTokens + (isKnown ? inputTokens : 0),
    outputTokens: usage.outputTokens + (isKnown ? outputTokens : 0),
    unknownCalls: usage.unknownCalls + (isKnown ? 0 : 1),
    usd: usage.usd + (usd ?? 0),
    unpricedCalls: usage.unpricedCalls + (usd === undefined ? 1 : 0),
  };
}

const plusUnknown = (usage: AgentUsage): AgentUsage => ({
  ...usage,
  unknownCalls: usage.unknownCalls + 1,
  unpricedCalls: usage.unpricedCalls + 1,
});

const plusOne = (counts: Readonly<Record<string, number>>, name: string): Readonly<Record<string, number>> => ({
  ...counts,
  [name]: (counts[name] ?? 0) + 1,
});
