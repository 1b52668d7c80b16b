import { checkJson, excerpt, NervaError, toBase64, type Json, type JsonObject, type World } from '../core/index.ts';
import { isBlobRef, type Seq, type Sid, type Store } from '../log/index.ts';
import {
  answerUsd,
  thatCan,
  type Delta,
  type Message,
  type Model,
  type ModelAnswer,
  type ModelRequest,
  type Part,
  type Usage,
} from '../model/index.ts';
import type { Bound } from './definition.ts';
import { buildRequest } from './context.ts';
import type { Draft, EventData, EventType } from './events.ts';
import { toolCalls } from './messages.ts';
import type { Meter } from './meter.ts';
import type { AgentState } from './state.ts';

/** What an effect is given beside its intent. */
export interface Scene {
  readonly sid: Sid;
  /** Of the intent. */
  readonly seq: Seq;
  /** The fold up to and including the intent's frame. */
  readonly state: AgentState;
  readonly bound: Bound;
  readonly store: Store;
  readonly world: World;
  readonly signal: AbortSignal;
  /** Aborts when a runtime that closes gives up what still runs. */
  readonly leaving: AbortSignal;
  /** Aborts this effect alone. */
  readonly abort: (reason: NervaError) => void;
  readonly graceMs: number;
  readonly onDelta: ((call: Seq, delta: Delta | 'reset') => void) | undefined;
  /** For an outcome that comes after this effect was given up. */
  readonly later: (outcome: Draft) => void;
}

/** Turns an acknowledged intent into outcomes. Contract: touches the world; never rejects for what the world did, only for bugs. */
export type Performer = (intent: Draft, scene: Scene) => readonly Draft[] | Promise<readonly Draft[]>;

/** Performers by the type of their intent. Facets that are added bring theirs. */
export type Performers = { readonly [type in EventType]?: Performer };

/** Bytes of an error's text that the log keeps. */
export const EXCERPT_BYTES = 2048;

/** Asks the model. Exactly one outcome: answered, failed, or interrupted with what had come. */
export const performModel: Performer = async (_intent, scene) => {
  const { seq: call, signal, world, bound } = scene;
  const { model } = bound.agent;
  if (model === undefined) throw new Error('Invariant broken: A4 a model is called only where there is one');
  const { onDelta } = scene;
  const partial = onDelta === undefined ? null : new Pieces();
  let isPartial = false;
  const listen =
    onDelta === undefined ? {} : { onDelta: (delta: Delta) => ((isPartial = true), partial?.add(delta), onDelta(call, delta)) };
  try {
    const built = buildRequest(scene.state, bound, []);
    refuseFiles(built.messages, model);
    const request = built.messages.some(hasBlob) ? await resolved(built, scene) : built;
    const answer = await within(deadlineMs(scene), scene, () => model.call(request, { world, signal, ...listen }));
    return [{ type: 'model.answered', origin: 'model', data: answeredData(call, answer, bound) }];
  } catch (error) {
    if (signal.aborted && !NervaError.is(signal.reason, 'HTTP_TIMEOUT'))
      return [{ type: 'model.interrupted', origin: 'model', data: { call, parts: partial?.parts() ?? [] } }];
    if (onDelta !== undefined) onDelta(call, 'reset');
    const data = failure(call, signal.aborted ? signal.reason : error);
    return [{ type: 'model.failed', data: isPartial ? { ...data, partial: true } : data }];
  }
};

function answeredData(call: Seq, given: ModelAnswer, bound: Bound): EventData['model.answered'] {
  const { parts, finish, usage, model, meta, via } = checkedAnswer(given);
  const price = bound.agent.model?.price;
  const usd = answerUsd({ usage, ...(via === undefined ? {} : { via }) }, price);
  return {
    call,
    parts,
    ...(finish === (toolCalls(parts).length > 0 ? 'tool_calls' : 'stop') ? {} : { finish }),
    usage,
    model,
    ...(usd === null ? {} : { usd }),
    ...(meta === undefined || Object.keys(meta).length === 0 ? {} : { meta: meta as JsonObject }),
    ...(via === undefined || via.length === 0 ? {} : { via }),
  };
}

/** A count that is none is unknown: as a number it would pass every budget. */
function counted(tokens: unknown): number | null {
  return typeof tokens === 'number' && tokens >= 0 && tokens < Infinity ? tokens : null;
}

/** A model of the user's own may give anything. @throws MODEL_GARBAGE, JSON_INVALID */
export function checkedAnswer(given: ModelAnswer | null | undefined): ModelAnswer {
  const isFine =
    Array.isArray(given?.parts) &&
    typeof given.usage === 'object' &&
    given.usage !== null &&
    typeof given.finish === 'string' &&
    given.parts.every(isPart);
  if (!isFine)
    throw new NervaError(
      'MODEL_GARBAGE',
      `The model gave no answer in the form {parts, finish, usage, model}: ${excerpt(show(given), 500)}`,
    );
  checkJson(given.parts);
  checkJson(given.usage);
  checkJson(given.meta ?? null);
  checkJson(given.via ?? null);
  const { usage: reported, model } = given;
  const usage: Usage = { ...reported, inputTokens: counted(reported.inputTokens), outputTokens: counted(reported.outputTokens) };
  return { ...given, parts: distinct(given.parts), usage, model: typeof model === 'string' ? model : null };
}

/** Two calls of one answer under one id would be one to the provider when their results come: the later ones get a suffix. */
function distinct(parts: readonly Part[]): readonly Part[] {
  const seen = new Set<string>();
  return parts.map((part) => {
    if (part.type !== 'tool_call') return part;
    let { id } = part;
    for (let count = 2; seen.has(id); count++) id = `${part.id}-${count}`;
    seen.add(id);
    return id === part.id ? part : { ...part, id };
  });
}

function isPart(part: unknown): boolean {
  const { type, text, id, name, input, mediaType, data } = (part ?? {}) as Readonly<Record<string, unknown>>;
  if (type === 'tool_call') return typeof id === 'string' && typeof name === 'string' && input !== undefined;
  if (type === 'file') return typeof mediaType === 'string' && data !== undefined;
  return (type === 'text' || type === 'reasoning') && typeof text === 'string';
}

function show(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

/** What to say of an effect that gave nothing: it was cut off, or what went wrong. */
export function mishap(
  { signal }: Scene,
  error: unknown,
): { readonly why: 'cancelled' } | { readonly why: 'error'; readonly code?: string; readonly message: string } {
  if (signal.aborted && !NervaError.is(signal.reason, 'HTTP_TIMEOUT')) return { why: 'cancelled' };
  const reason: unknown = signal.aborted ? signal.reason : error;
  const message = excerpt(reason instanceof Error ? reason.message : String(reason), EXCERPT_BYTES);
  return { why: 'error', ...(NervaError.is(reason) ? { code: reason.code } : {}), message };
}

function failure(call: Seq, error: unknown): EventData['model.failed'] {
  const message = excerpt(error instanceof Error ? error.message : show(error), EXCERPT_BYTES);
  if (!NervaError.is(error)) return { call, why: 'error', code: 'MODEL_UNAVAILABLE', message, retry: true };
  const { retryAfterMs } = error.details;
  return {
    call,
    why: 'error',
    code: error.code,
    message,
    retry: error.retry,
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
  };
}

/** Sleeps until its time has come by this process's clock, which may jump back meanwhile. Cut off, it leaves the timer to the next driver. */
export const performTimer: Performer = async (intent, { seq, signal, world }) => {
  const { atMs, again } = (intent as Draft & { readonly type: 'timer.set' }).data;
  try {
    for (let leftMs = atMs - world.clock.nowMs(); leftMs > 0; leftMs = atMs - world.clock.nowMs())
      await world.clock.sleep(leftMs, { signal });
  } catch {
    return []; // aborted: nothing came of it
  }
  return signal.aborted ? [] : [{ type: 'timer.fired', data: { timer: again ?? seq } }];
};

/** A model call may take ten minutes, and no longer than what the turn has left. */
export function deadlineMs({ bound, state }: Scene): number {
  const { turnMs } = bound.agent.budget ?? {};
  const { open } = state.turn;
  const left = turnMs === undefined || open === null ? Infinity : Math.max(1, open.startedMs + turnMs - state.nowMs);
  return Math.min(MODEL_MS, left);
}

const MODEL_MS = 600_000;

/** Makes a call that ends with the scene's signal or at the deadline, which aborts it; a call that does not listen is left behind. */
// oxlint-disable-next-line max-params -- what is waited for, how long, and what to say of it
export function within<T>(ms: number, { world, signal, abort }: Scene, call: () => Promise<T>, what = 'The model'): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const cancel = world.clock.timer(ms, () =>
      abort(new NervaError('HTTP_TIMEOUT', `${what} did not answer within ${ms} ms.`, { details: { phase: 'total' } })),
    );
    const end = (): void => {
      cancel();
      signal.removeEventListener('abort', stop);
    };
    const stop = (): void => {
      end();
      reject(signal.reason as Error);
    };
    const fail = (error: unknown): void => (end(), reject(error as Error));
    signal.addEventListener('abort', stop);
    try {
      Promise.resolve(call()).then((value) => (end(), resolve(value)), fail);
    } catch (error) {
      fail(error);
    }
  });
}

/** What a model is known not to take is refused before anything is sent. @throws MODEL_REFUSED naming models that take it. */
function refuseFiles(messages: readonly Message[], { name, capabilities }: Model): void {
  if (capabilities === undefined) return;
  for (const { parts } of messages)
    for (const part of parts) {
      if (part.type !== 'file') continue;
      const needed = part.mediaType.startsWith('image/') ? 'vision' : part.mediaType.startsWith('audio/') ? 'audio' : 'documents';
      if (capabilities[needed] === 0)
        throw new NervaError('MODEL_REFUSED', `${name} does not take ${part.mediaType}. Nothing was sent. ${thatCan(needed)}`, {
          details: { mediaType: part.mediaType },
        });
    }
}

/** The request with blob references replaced by their content. Messages without any keep their identity. */
async function resolved(request: ModelRequest, { store, bound: { meter } }: Scene): Promise<ModelRequest> {
  const whole = (message: Message): Promise<Message> => (hasBlob(message) ? inlined(message, store, meter) : Promise.resolve(message));
  return { ...request, messages: await Promise.all(request.messages.map(whole)) };
}

const hasBlob = ({ role, parts }: Message): boolean =>
  role !== 'assistant' &&
  parts.some((part) => isBlobRef(part.type === 'tool_result' ? part.output : part.type === 'file' ? part.data : null));
const contents = new WeakMap<Message, Promise<Message>>();

/** The same object each time, so that what adapters remember of a message holds. */
function inlined(message: Message, store: Store, { shownBlob }: Meter): Promise<Message> {
  let known = contents.get(message);
  if (known === undefined) {
    known = Promise.all(
      message.parts.map(async (part) => {
        if (part.type === 'file' && isBlobRef(part.data)) return { ...part, data: toBase64(await store.blobs.get(part.data.ref)) };
        if (part.type !== 'tool_result' || !isBlobRef(part.output)) return part;
        const text = new TextDecoder().decode(await store.blobs.get(part.output.ref));
        return { ...part, output: shownBlob(message, JSON.parse(text) as Json) };
      }),
    ).then((parts) => ({ ...message, parts }));
    contents.set(message, known);
    known.catch(() => contents.delete(message));
  }
  return known;
}

/** What had come of a streamed answer when it was cut: text and reasoning only. */
class Pieces {
  readonly #texts = new Map<number, { readonly type: 'text' | 'reasoning'; text: string }>();

  add(delta: Delta): void {
    if (delta.type !== 'text' && delta.type !== 'reasoning') return;
    const known = this.#texts.get(delta.index);
    if (known === undefined) this.#texts.set(delta.index, { type: delta.type, text: delta.text });
    else known.text += delta.text;
  }

  parts(): { readonly type: 'text' | 'reasoning'; readonly text: string }[] {
    return [...this.#texts.values()];
  }
}
