import { answerUsd } from '../model/index.ts';
import { summaryRequest } from './compaction.ts';
import type { Draft } from './events.ts';
import { textOf } from './messages.ts';
import { checkedAnswer, deadlineMs, mishap, within, type Performer } from './perform.ts';
import { summaryOf } from './summary.ts';

/** Asks for a summary. Exactly one outcome: compacted or failed. What it says reaches no reader of the answer as it comes. */
export const performContext: Performer = async (intent, scene) => {
  const { seq: call, signal, world, bound, state } = scene;
  const { messages } = (intent as Draft & { readonly type: 'context.called' }).data;
  const { context } = bound.agent;
  if (context === undefined) throw new Error('Invariant broken: A5 a summary is asked for only where there is a context');
  try {
    const request = summaryRequest(state, bound, messages);
    const answer = checkedAnswer(await within(deadlineMs(scene), scene, () => context.model.call(request, { world, signal })));
    const { strategy, summaryTokensMax } = context;
    const summary = summaryOf(textOf(answer.parts), { state, strategy, messages, tokensMax: summaryTokensMax, text: bound.meter.text });
    const { usage, model, via } = answer;
    const usd = answerUsd({ usage, ...(via === undefined ? {} : { via }) }, context.model.price);
    const data = { call, messages, summary, usage, model, ...(usd === null ? {} : { usd }) };
    return [{ type: 'context.compacted', origin: 'model', data }];
  } catch (error) {
    return [{ type: 'context.failed', data: { call, ...mishap(scene, error) } }];
  }
};
