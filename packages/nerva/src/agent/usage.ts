import type { LogEvent, Projection, Rows } from '../log/index.ts';
import { known } from './events.ts';

/** What an agent's sessions did and took, all together. */
export interface AgentUsage {
  readonly sessions: number;
  /** Turns that ended, by reason. */
  readonly turns: Readonly<Record<string, number>>;
  readonly modelCalls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Model calls whose usage nobody reported: they are in none of the counts of tokens. */
  readonly unknownCalls: number;
  readonly usd: number;
  /** Outcomes of tool calls: `returned`, `failed`, and how often one was `in_doubt`. */
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
  tools: {},
  approvals: {},
};

/**
 * Counts by agent over all sessions of a store. Rows: `usage/<agent>` holds an `AgentUsage` as JSON, `agent/<sid>` whose session it is.
 * Inherited events count in the session that holds them, not again in its forks.
 */
export const usageProjection: Projection = {
  name: 'usage',
  version: 1,
  types: [
    'session.created',
    'session.forked',
    'turn.ended',
    'model.answered',
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
  const event = raw.erased === true ? null : known(raw);
  switch (event?.type) {
    case 'session.created':
    case 'session.forked':
      return { ...usage, sessions: usage.sessions + 1 };
    case 'turn.ended':
      return { ...usage, turns: plusOne(usage.turns, event.data.reason) };
    case 'model.answered': {
      const { inputTokens, outputTokens } = event.data.usage;
      const isKnown = inputTokens !== null && outputTokens !== null;
      return {
        ...usage,
        modelCalls: usage.modelCalls + 1,
        inputTokens: usage.inputTokens + (isKnown ? inputTokens : 0),
        outputTokens: usage.outputTokens + (isKnown ? outputTokens : 0),
        unknownCalls: usage.unknownCalls + (isKnown ? 0 : 1),
        usd: usage.usd + (event.data.usd ?? 0),
      };
    }
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

const plusOne = (counts: Readonly<Record<string, number>>, name: string): Readonly<Record<string, number>> => ({
  ...counts,
  [name]: (counts[name] ?? 0) + 1,
});
