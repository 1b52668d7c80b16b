import { checkOptions, NervaError } from '../core/index.ts';
import { normalRequest, type CassetteEntry } from './cassette.ts';
import { requestDigest } from './digest.ts';
import type { CallOptions, Model, ModelAnswer, ModelRequest } from './model.ts';
import { divergence } from './nearest.ts';
import { streamParts } from './scripted.ts';
import { like } from './wrap.ts';

/** An answer that was given once. With a `digest` (of `requestDigest`) it answers only that request, without one whatever is asked in its turn. */
export interface RecordedAnswer {
  readonly digest?: string;
  readonly answer: ModelAnswer;
}

/** How a replay is made. */
export interface ReplayOptions {
  /** Default `replay/model`. */
  readonly name?: string;
  /** The model that it stands for: name, price, window and capabilities are taken from it; it is never called. */
  readonly as?: Model;
  /** As they were given to the recording. */
  readonly secrets?: readonly string[];
  /** Is asked what is not on the tape. Absent: nobody is, and the call fails. */
  readonly otherwise?: Model;
}

/** A replay, and what of it is left. */
export interface ReplayModel extends Model {
  /** What was not asked for, in order of the tape. */
  readonly unused: readonly (RecordedAnswer | CassetteEntry)[];
}

/**
 * A model that gives recorded answers and failures again and makes no live call. Each record is used once; equal requests get theirs in the order
 * in which they were asked. What was streamed comes in the same pieces.
 * @throws (on call) what was recorded; REPLAY_DIVERGED for a request that was never recorded, naming the nearest one and where they first differ;
 * MODEL_SCRIPT_ENDED when what was recorded for it is used up.
 */
export function replayModel(records: readonly (RecordedAnswer | CassetteEntry)[], options: ReplayOptions = {}): ReplayModel {
  checkOptions(options, ['name', 'as', 'secrets', 'otherwise'], 'replayModel');
  const { secrets = [], otherwise, as = otherwise } = options;
  const name = options.name ?? as?.name ?? 'replay/model';
  const tape = new Tape(records);
  const call: Model['call'] = (request, given) => {
    if (given.signal?.aborted === true) return Promise.reject(new NervaError('CANCELLED', `The call of ${name} was aborted.`));
    const normal = normalRequest(request, secrets);
    const digests = [requestDigest(normal, given.world.digest), requestDigest(request, given.world.digest)];
    const record = tape.take(digests);
    if (record !== undefined) return played(record, given);
    if (otherwise !== undefined) return otherwise.call(request, given);
    return Promise.reject(tape.refusal(name, normal, digests));
  };
  const model: Model = { ...(as === undefined ? {} : like(as, call)), name, call };
  return Object.defineProperty(model, 'unused', { get: () => tape.unused, enumerable: false }) as ReplayModel;
}

function played(record: RecordedAnswer | CassetteEntry, { onDelta }: CallOptions): Promise<ModelAnswer> {
  const { answer } = record;
  const [deltas, error] = 'request' in record ? [record.deltas, record.error] : [];
  if (onDelta !== undefined) {
    if (deltas !== undefined) deltas.forEach(onDelta);
    else if (answer !== undefined) streamParts(answer.parts, onDelta);
  }
  if (answer !== undefined) return Promise.resolve(answer);
  const { code, message, details } = error ?? { code: 'MODEL_UNAVAILABLE', message: '', details: {} };
  return Promise.reject(new NervaError(code, message, { details }));
}

/** Records by the request they belong to. */
class Tape {
  readonly #records: readonly (RecordedAnswer | CassetteEntry)[];
  readonly #byDigest = new Map<string, (RecordedAnswer | CassetteEntry)[]>();
  readonly #inOrder: (RecordedAnswer | CassetteEntry)[] = [];
  readonly #used = new Set<RecordedAnswer | CassetteEntry>();

  constructor(records: readonly (RecordedAnswer | CassetteEntry)[]) {
    this.#records = records;
    // They stand in the order in which they ended; they are given in the order in which they began.
    for (const record of records.toSorted((one, other) => occurrenceOf(one) - occurrenceOf(other))) {
      const { digest } = record;
      if (digest === undefined) this.#inOrder.push(record);
      else this.#byDigest.set(digest, [...(this.#byDigest.get(digest) ?? []), record]);
    }
  }

  get unused(): readonly (RecordedAnswer | CassetteEntry)[] {
    return this.#records.filter((record) => !this.#used.has(record));
  }

  take(digests: readonly string[]): RecordedAnswer | CassetteEntry | undefined {
    const record = this.#of(digests)?.shift() ?? this.#inOrder.shift();
    if (record !== undefined) this.#used.add(record);
    return record;
  }

  refusal(name: string, request: ModelRequest, digests: readonly string[]): NervaError {
    const isEnded = this.#of(digests) !== undefined || this.#byDigest.size === 0;
    const requests = this.#records.map((record) => ('request' in record ? record.request : null));
    if (!isEnded) return divergence(name, { request, digest: digests[0] as string }, requests);
    const message = `${name} has no answer left for the request ${digests[0]} (${request.messages.length} messages). No live call was made.`;
    return new NervaError('MODEL_SCRIPT_ENDED', message, { details: { digest: digests[0] } });
  }

  #of(digests: readonly string[]): (RecordedAnswer | CassetteEntry)[] | undefined {
    const known = digests.find((digest) => this.#byDigest.has(digest));
    return known === undefined ? undefined : this.#byDigest.get(known);
  }
}

const occurrenceOf = (record: RecordedAnswer | CassetteEntry): number => ('occurrence' in record ? record.occurrence : 0);
