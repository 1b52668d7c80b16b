import { checkOptions } from '../core/index.ts';
import { normalAnswer, normalDeltas, normalError, normalRequest, type CassetteEntry } from './cassette.ts';
import { requestDigest } from './digest.ts';
import type { Delta, Model } from './model.ts';
import { like } from './wrap.ts';

/** Takes an entry. Contract: kept once it returns or resolves; what it throws is thrown to whoever called the model. */
export type CassetteSink = (entry: CassetteEntry) => void | Promise<void>;

/** How a recording is made. */
export interface RecordOptions {
  /** Taken out wherever they stand, beside what looks like a key. */
  readonly secrets?: readonly string[];
  /** What is on the tape already: the calls are counted on from there. */
  readonly after?: readonly CassetteEntry[];
}

/**
 * The same model, each of whose calls is kept: request, answer or failure, and the pieces when it streams. Also calls that the caller aborted.
 * Header values never enter, keys are taken out by pattern; what the caller gets is untouched. A sink that fails fails the call: a tape with
 * a gap would replay something else. O(conversation) a call.
 */
export function recordModel(model: Model, sink: CassetteSink, options: RecordOptions = {}): Model {
  checkOptions(options, ['secrets', 'after'], 'recordModel');
  const { secrets = [], after = [] } = options;
  const counts = new Map<string, number>();
  for (const { digest } of after) counts.set(digest, (counts.get(digest) ?? 0) + 1);
  return like(model, async (request, call) => {
    const normal = normalRequest(request, secrets);
    const digest = requestDigest(normal, call.world.digest);
    const occurrence = counts.get(digest) ?? 0;
    counts.set(digest, occurrence + 1);
    const { onDelta } = call;
    const heard: Delta[] = [];
    const listen = onDelta === undefined ? {} : { onDelta: (delta: Delta) => (heard.push(delta), onDelta(delta)) };
    const kept = async (outcome: Pick<CassetteEntry, 'answer' | 'error'>): Promise<void> => {
      const deltas = heard.length === 0 ? undefined : normalDeltas(heard, secrets, outcome.answer !== undefined);
      await sink({ request: normal, digest, occurrence, ...outcome, ...(deltas === undefined ? {} : { deltas }) });
    };
    let answer;
    try {
      answer = await model.call(request, { ...call, ...listen });
    } catch (error) {
      await kept({ error: normalError(error, secrets) });
      throw error;
    }
    await kept({ answer: normalAnswer(answer, secrets) });
    return answer;
  });
}
