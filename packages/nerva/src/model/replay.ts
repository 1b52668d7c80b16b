import { NervaError } from '../core/index.ts';
import { requestDigest } from './digest.ts';
import type { Model, ModelAnswer } from './model.ts';
import { streamParts } from './scripted.ts';

/** An answer that was given once. With a `digest` (of `requestDigest`) it answers only that request, without one whatever is asked in its turn. */
export interface RecordedAnswer {
  readonly digest?: string;
  readonly answer: ModelAnswer;
}

/**
 * A model that gives recorded answers again and makes no live call. Each record is used once; equal requests get theirs in recorded order.
 * @throws (on call) REPLAY_DIVERGED for a request that was never recorded, MODEL_SCRIPT_ENDED when what was recorded for it is used up.
 */
export function replayModel(records: readonly RecordedAnswer[], options: { readonly name?: string } = {}): Model {
  const { name = 'replay/model' } = options;
  const byDigest = new Map<string, ModelAnswer[]>();
  const inOrder: ModelAnswer[] = [];
  for (const { digest, answer } of records) {
    if (digest === undefined) inOrder.push(answer);
    else byDigest.set(digest, [...(byDigest.get(digest) ?? []), answer]);
  }
  return {
    name,
    call: (request, { world, signal, onDelta }) => {
      if (signal?.aborted === true) return Promise.reject(new NervaError('CANCELLED', `The call of ${name} was aborted.`));
      const digest = requestDigest(request, world.digest);
      const recorded = byDigest.get(digest);
      const answer = recorded?.shift() ?? inOrder.shift();
      if (answer === undefined) {
        const isEnded = recorded !== undefined || byDigest.size === 0;
        const message = `${name} has no ${isEnded ? 'answer left' : 'recorded answer'} for the request ${digest} (${request.messages.length} messages). No live call was made.`;
        return Promise.reject(new NervaError(isEnded ? 'MODEL_SCRIPT_ENDED' : 'REPLAY_DIVERGED', message, { details: { digest } }));
      }
      if (onDelta !== undefined) streamParts(answer.parts, onDelta);
      return Promise.resolve(answer);
    },
  };
}
