import { utf8Bytes } from '../core/index.ts';
import type { Message, ModelRequest } from '../model/index.ts';
import { fixedRefusal, spendRefusal, worstOf } from './budget.ts';
import { estimateTokens, messageTokens, shortDigest } from './context.ts';
import type { Context } from './context-options.ts';
import type { Bound } from './definition.ts';
import type { Draft } from './events.ts';
import { isMemoryNote, isQuestion, noteText } from './messages.ts';
import { cutMessages, type Meter } from './meter.ts';
import { instructionsFor, outputSchemaFor, transcript } from './summary.ts';
import type { AgentState } from './state.ts';

/**
 * What is to be done about a conversation that is too long for its model, before the model is asked: null for nothing.
 * A summary is asked for once between two answers; where none comes the conversation goes on whole as long as it fits, and then without its beginning.
 * K1 a call and its result are never split · K2 the instructions and the open call stay · K3 it comes to an end: each takes at least one message away.
 */
export function compactionOf(state: AgentState, bound: Bound): readonly Draft[] | null {
  const { context } = bound.agent;
  if (context === undefined) return null;
  // Nothing that can be left out would help.
  if (fixedRefusal(state, bound) !== null) return null;
  const tokens = estimateTokens(state, bound) + (bound.agent.params.maxOutputTokens ?? 0);
  const { hasOverflowed, hasFailed, isFresh, turns } = state.context;
  const isFull = hasOverflowed || tokens > context.tokensMax;
  const isLong = isFull || tokens > context.compactAt * context.tokensMax;
  if ((!isLong && turns <= context.turnsMax) || (isFresh && !isFull)) return null;
  const room = isLong ? context.keep * Math.min(tokens, context.tokensMax) : Infinity;
  const messages = cut(state, bound, room, isLong ? Infinity : Math.ceil(context.turnsMax / 2));
  if (messages === 0) return null;
  if (context.strategy === 'drop') return drop(messages);
  if (hasFailed) return isFull ? drop(messages) : null;
  const asked = withinWindow(state, bound, context, messages);
  const request = summaryRequest(state, bound, asked);
  const reserve = worstOf(bound, context.model, () => ({ input: utf8Bytes(JSON.stringify(request)), output: context.summaryTokensMax }));
  if (spendRefusal(state, bound, reserve) !== null) return isFull ? drop(messages) : null;
  return [
    { type: 'context.called', data: { messages: asked, digest: shortDigest(request, bound), ...(reserve === null ? {} : { reserve }) } },
  ];
}

const drop = (messages: number): readonly Draft[] => [{ type: 'context.compacted', data: { messages } }];

/**
 * How many messages at the beginning go: what is left begins with a question and what was recalled for it, or within a turn with an answer, never with a
 * result (K1). 0: none can. In sessions of before version 3 what was recalled goes, to their end: their logs have how many went.
 */
function cut(state: AgentState, bound: Bound, tokensMax: number, turnsMax: number): number {
  const {
    turn: { messages },
    context: { notes },
    session,
  } = state;
  // What stands before the conversation goes only with something of it (K3).
  let tokens = 0;
  let turns = 0;
  let question = 0;
  let answer = 0;
  for (let index = messages.count - 1; index > notes; index--) {
    const message = messages.shared[index] as Message;
    tokens += messageTokens(message, state, bound);
    const isForQuestion = session.tokens >= 3 && question === index + 1 && isMemoryNote(message);
    if (answer + question > 0 && (tokens > tokensMax || (turns >= turnsMax && !isForQuestion))) break;
    if (isForQuestion) question = index;
    else if (isQuestion(message)) [question, turns] = [index, turns + 1];
    else if (message.role !== 'tool') answer = index;
  }
  return question > 0 ? question : answer;
}

/** No more than the one who summarises can read, and one message at least: the rest has its turn next. */
function withinWindow(state: AgentState, bound: Bound, options: Context, messages: number): number {
  const { turn, context } = state;
  const room = readRoom(options);
  let tokens = 0;
  let best = 0;
  for (let index = 0; index < messages; index++) {
    const message = turn.messages.shared[index] as Message;
    if (index > context.notes && message.role !== 'tool') {
      if (best > 0 && tokens > room) return best;
      best = index;
    }
    tokens += messageTokens(message, state, bound);
  }
  return best > 0 && tokens > room ? best : messages;
}

const readRoom = (context: Context): number => READ_SHARE * readerWindow(context) - context.summaryTokensMax;

const readerWindow = ({ model, tokensMax }: Context): number => model.contextTokensMax ?? tokensMax;

/** The estimate is rough, and the instructions come on top. */
const READ_SHARE = 0.7;
/** A message is told by this much of the window, also where summaries are so long that they would leave less. */
const MESSAGE_SHARE = 0.35;

/** The messages as the one who summarises is told them: one that is longer than his window alone is cut to it. Sessions that count by bytes tell it whole, to their end: their logs have the digest. */
function readable(state: AgentState, { meter }: Bound, options: Context, messages: number): Meter['shown'] {
  const {
    turn,
    session,
    context: { summary, notes },
  } = state;
  const window = readerWindow(options);
  if (session.tokens < 2 || window === Infinity) return meter.shown;
  const told = turn.messages.shared.slice(notes, messages).filter((message) => !isMemoryNote(message));
  const before = summary === null ? 0 : meter.text(noteText(summary.text));
  const cut = cutMessages(told.map(meter.shown), Math.max(MESSAGE_SHARE * window, readRoom(options) - before), meter.text);
  const byMessage = new Map(told.map((message, index) => [message, cut[index] as Message]));
  return (message) => byMessage.get(message) ?? meter.shown(message);
}

/** What the one who summarises is asked. The conversation is data in it: it stands in one message, between marks that it cannot close. */
export function summaryRequest(state: AgentState, bound: Bound, messages: number): ModelRequest {
  const { context } = bound.agent;
  if (context === undefined) throw new Error('Invariant broken: A5 a summary is asked for only where there is a context');
  const { summaryTokensMax } = context;
  const outputSchema = outputSchemaFor(context.strategy);
  const text = transcript(state, messages, { ...bound.meter, shown: readable(state, bound, context, messages) });
  return {
    instructions: instructionsFor(context.strategy, state, { tokensMax: summaryTokensMax, text: bound.meter.text }),
    messages: [{ role: 'user', parts: [{ type: 'text', text }], origin: 'tool' }],
    tools: NO_TOOLS,
    params: { maxOutputTokens: summaryTokensMax, ...(outputSchema === null ? {} : { outputSchema }) },
  };
}

const NO_TOOLS: ModelRequest['tools'] = [];
