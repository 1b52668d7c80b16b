import type { Json } from '../core/index.ts';
import type { Bound } from './definition.ts';
import type { Draft, EndReason } from './events.ts';
import { refusal, reserveFor, timeRefusal } from './budget.ts';
import { compactionOf } from './compaction.ts';
import { requestDigest } from './context.ts';
import { retryAtMs } from './retry.ts';
import type { AgentState, Turn, Turns, Wish } from './state.ts';

/** Opens, continues and ends turns. Reached only when no call is open (the model and tool facets are heard before). Pure. */
export function decideTurn(state: AgentState, bound: Bound): Wish {
  const { open, inbox } = state.turn;
  if (state.session.isClosed) return null;
  if (open === null) {
    if (state.session.isErased) return null;
    const next = inbox.find((waiting) => waiting.deliver === 'interrupt') ?? inbox[0];
    if (next === undefined) return null;
    return [{ type: 'turn.started', data: { takes: [next.seq], definition: bound.body } }];
  }
  if (open.cancel !== null) return end('cancelled', open.cancel.why);
  if (open.phase === 'final') return final(state, open, bound);
  if (open.failure !== null) {
    const compaction = state.context.hasOverflowed ? compactionOf(state, bound) : null;
    if (compaction !== null) return compaction;
    const atMs = retryAtMs(state, open, bound);
    if (atMs !== null) return [{ type: 'timer.set', data: { atMs, why: 'retry' } }];
    return end('error', open.failure.code === '' ? open.failure.message : `${open.failure.code}: ${open.failure.message}`);
  }
  if (open.phase !== 'next' && open.phase !== 'ask') return 'wait';
  return step(state, open, bound);
}

const end = (reason: EndReason, why: string, output?: Json): readonly Draft[] => [
  { type: 'turn.ended', data: { reason, ...(why === '' ? {} : { why }), ...(output === undefined ? {} : { output }) } },
];

/** An answer is there: steering input goes on, a bad output is sent back, else the turn ends. */
function final(state: AgentState, open: Turn, bound: Bound): Wish {
  const { answer } = open;
  if (answer === null) return end('error', 'no answer');
  if (steering(state.turn, bound).length > 0) return step(state, open, bound);
  const { output, outputRetriesMax } = bound.agent;
  if (output === undefined || answer.output !== undefined) return end('answer', '', answer.output);
  const checked = bound.parseOutput(answer.text);
  if (checked.ok) return end('answer', '', checked.value);
  if (open.rejections >= outputRetriesMax) return end('error', `SCHEMA_MISMATCH: ${checked.issues}`);
  return [
    {
      type: 'output.rejected',
      data: { answer: answer.seq, message: `Your answer does not fit the required format. ${checked.issues} Answer again with JSON only.` },
    },
  ];
}

/** The next step: bounds first, then a policy or the model. */
function step(state: AgentState, open: Turn, bound: Bound): Wish {
  const { agent } = bound;
  if (open.phase === 'next' && open.steps > 0 && shouldStop(open, bound)) return end('steps', 'stopWhen');
  if (open.steps >= agent.stepsMax) return end('steps', `stepsMax ${agent.stepsMax}`);
  const takes = steering(state.turn, bound);
  const isForPolicy = agent.policy !== undefined && open.phase !== 'ask' && takes.length === 0;
  const before = isForPolicy ? null : (readingOf(state, open, bound) ?? compactionOf(state, bound));
  const refused = before === null ? refusal(state, bound) : timeRefusal(state, bound);
  if (refused !== null) return end(refused.reason, refused.why);
  if (before !== null) return before;
  if (isForPolicy) return 'policy';
  if (agent.model === undefined) return end('error', 'AGENT_INVALID: the policy abstained and the agent has no model');
  const reserve = reserveFor(state, bound);
  const data = {
    digest: requestDigest(state, bound, takes),
    ...(takes.length === 0 ? {} : { takes }),
    ...(reserve === null ? {} : { reserve }),
  };
  return [{ type: 'model.called', data }];
}

/** Before the model is asked first, the memories are read: what they say may make the conversation too long. */
function readingOf({ memory }: AgentState, open: Turn, { agent }: Bound): readonly Draft[] | null {
  const memories = agent.memory.length;
  if (memories === 0 || agent.model === undefined || memory.turn === open.seq) return null;
  return [{ type: 'memory.called', data: memories === 1 ? {} : { memories } }];
}

function shouldStop(open: Turn, bound: Bound): boolean {
  const { stopWhen } = bound.agent;
  return stopWhen.some((isDone) => isDone({ steps: open.steps, calls: open.calls }));
}

/** Seqs of the input that joins at the next model call. Where there is no model, it waits for the next turn. */
export function steering(turns: Turns, bound: Bound): readonly number[] {
  if (bound.agent.model === undefined) return [];
  return turns.inbox.filter((waiting) => waiting.deliver === 'steer').map((waiting) => waiting.seq);
}
