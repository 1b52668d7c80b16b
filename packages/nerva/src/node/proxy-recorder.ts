import { evolve, foldAt, initial, type AgentState, type Draft, type EventData } from '../agent/index.ts';
import { canonicalJson, excerpt, NervaError, type Json, type JsonObject, type World } from '../core/index.ts';
import { placed, type BlobRef, type EventDraft, type Seq, type Store, type Then } from '../log/index.ts';
import { answerKey, requestDigest, type ChatMessage, type ChatRequest, type ModelAnswer, type Part, type Usage } from '../model/index.ts';
import { outputOf, received } from './proxy-content.ts';
import { conversationAt, keyAfter, keysOf, loadTips, PROXY_AGENT, type Conversation, type Tips } from './proxy-tips.ts';

/** How a recorded call ended. */
export type CallEnd =
  | { readonly type: 'answered'; readonly answer: ModelAnswer }
  | { readonly type: 'failed'; readonly error: NervaError; readonly isPartial: boolean }
  | { readonly type: 'interrupted'; readonly parts: readonly Part[]; readonly why: string };

/** A recorded call, told once its end is in the log. */
export interface ProxyCall {
  readonly sid: string;
  /** Of `model.called`. */
  readonly seq: Seq;
  readonly model: string;
  readonly end: CallEnd['type'];
  readonly usage: Usage | null;
  /** Of a failure. */
  readonly code: string | null;
}

/** Why a recorded conversation takes no more, while another session may. */
const ANEW: ReadonlySet<string> = new Set([
  'SESSION_BUSY',
  'SESSION_CLOSED',
  'SESSION_FULL',
  'SESSION_DELETED',
  'SESSION_UNKNOWN',
  'LOG_PRUNED',
]);
const DIGEST_DIGITS = 24;
const EXCERPT_BYTES = 2048;
/** Of the events of one frame; a longer beginning is several frames. */
const FRAME_BYTES = 4 * 1024 * 1024;

/**
 * Turns requests of a client and what came of them into sessions. A call is in the log before it is made, and its end before the client can
 * go on from it.
 */
export class Recorder {
  readonly store: Store;
  readonly world: World;
  readonly tips: Tips;

  private constructor(store: Store, world: World, tips: Tips) {
    this.store = store;
    this.world = world;
    this.tips = tips;
  }

  /** @param conversationsMax how many conversations are remembered that may go on. */
  static async open(store: Store, world: World, conversationsMax: number): Promise<Recorder> {
    return new Recorder(store, world, await loadTips(store, world, conversationsMax));
  }

  /** Records that a request is about to be sent. Acknowledged once it resolves. @throws STORE_*, LOG_UNKNOWN_RESULT, SESSION_FULL */
  async begin(request: ChatRequest, upstream: string): Promise<RecordedCall> {
    const keys = keysOf(request.messages, this.world.digest);
    const about = this.world.digest(request.instructions);
    const found = this.tips.take(keys, about);
    const conversation = found?.tip ?? conversationAt(this.world.ids.random(), 0);
    const isNew = found === null;
    conversation.about = about;
    const before = conversation.ready;
    const settled = Promise.withResolvers<void>();
    conversation.ready = settled.promise;
    try {
      await before;
      if (conversation.isBroken) throw new NervaError('SESSION_BUSY', `The record of session ${conversation.sid} broke off.`);
      const fresh = request.messages.slice(found?.count ?? 0);
      const definition = await this.#definition(request, upstream, conversation);
      // O(its events), like the request that goes on from it. Somebody else's events since are refused with the append.
      const { sid } = conversation;
      const state = conversation.head === 0 ? initial(sid) : (await foldAt(this.store, sid)).state;
      const drafts = await this.#opening(state, { request, fresh, definition });
      await this.append(conversation, drafts, { status: 'ready', ...(isNew ? { agent: PROXY_AGENT } : {}) });
    } catch (error) {
      conversation.isBroken = true;
      settled.resolve();
      // It is found no more: what goes on from it begins a session of its own.
      if (!isNew && NervaError.is(error) && ANEW.has(error.code)) return this.begin(request, upstream);
      throw error;
    }
    const call = conversation.head - 1;
    return new RecordedCall(this, { conversation, call, model: request.model, key: keys.at(-1) ?? '', settled: settled.resolve });
  }

  /** What is fixed for a turn: who is asked, with which instructions, tools and parameters. */
  #definition({ model, instructions, tools, params }: ChatRequest, upstream: string, { sid }: Conversation): Promise<BlobRef> {
    const definition = { name: PROXY_AGENT, model: `${upstream}/${model}`, policy: null, instructions, tools, params };
    const content = new TextEncoder().encode(canonicalJson(definition as unknown as Json));
    return this.store.blobs.put(content, { mediaType: 'application/json', sid });
  }

  async #opening(
    state: AgentState,
    { request, fresh, definition }: { readonly request: ChatRequest; readonly fresh: readonly ChatMessage[]; readonly definition: BlobRef },
  ): Promise<readonly Draft[]> {
    const { sid, head, session, turn } = state;
    const place = { store: this.store, sid };
    const drafts: Draft[] = head === 0 ? [{ type: 'session.created', data: { agent: PROXY_AGENT } }] : [];
    const open = state.tool.slots.flatMap(({ id, call, status }) => (status === 'open' && call !== null ? [{ id, call }] : []));
    const rest: ChatMessage[] = [];
    for (const message of fresh) {
      const at = message.role === 'tool' ? open.findIndex(({ id }) => id === message.callId) : -1;
      const [answered] = at < 0 ? [] : open.splice(at, 1);
      if (answered === undefined) rest.push(message);
      else drafts.push({ type: 'tool.returned', origin: 'tool', data: { call: answered.call, output: await outputOf(message, place) } });
    }
    if (open.length > 0)
      drafts.push(
        ...open.map(({ call }) => unknownOutcome(call)),
        ended('cancelled', 'the client went on without the results of its calls'),
      );
    const isGoingOn = turn.open !== null && open.length === 0;
    if (isGoingOn && session.definition !== definition.ref)
      drafts.push({ type: 'session.configured', data: { from: session.definition, to: definition.ref } });
    const takes: Seq[] = [];
    for (const message of rest) {
      takes.push(head + drafts.length);
      drafts.push(await received(message, place, isGoingOn));
    }
    // What got no answer is asked again.
    const before = turn.open === null && turn.last !== null && turn.last.reason !== 'answer' ? turn.last.takes : [];
    if (!isGoingOn) drafts.push({ type: 'turn.started', data: { takes: [...before, ...takes], definition } });
    const joining = isGoingOn && takes.length > 0 ? { takes } : {};
    const digest = this.#digestOf(request, [...drafts, { type: 'model.called', data: { digest: '', ...joining } }], state);
    return [...drafts, { type: 'model.called', data: { digest, ...joining } }];
  }

  /** As the kernel would make it of this log for an agent of this definition: so a replay against one compares what was asked. */
  #digestOf({ instructions, tools, params }: ChatRequest, drafts: readonly Draft[], before: AgentState): string {
    const { sid, head, nowMs } = before;
    const events = (drafts as unknown as readonly EventDraft[]).map((draft, index) => placed(draft, sid, head + index, nowMs, 0));
    const { messages } = events.reduce((state, event) => evolve(state, event), before).turn;
    const request = { instructions, messages: messages.shared.slice(0, messages.count), tools, params };
    return requestDigest(request, this.world.digest).slice(0, DIGEST_DIGITS);
  }

  /** Appends at the head that this process knows; nobody else writes these sessions. Only the last frame sets the row. */
  async append(conversation: Conversation, drafts: readonly Draft[], then: Then): Promise<void> {
    const { sid } = conversation;
    const frames = inFrames(drafts);
    for (const [index, events] of frames.entries()) {
      const isLast = index === frames.length - 1;
      const row: Then = isLast ? then : { ...then, status: 'idle' };
      const result = await this.store.append({
        id: this.world.ids.next(),
        sid,
        expected: conversation.head,
        events,
        by: PROXY_AGENT,
        then: row,
      });
      if (!result.ok) {
        const code = result.why === 'limit' ? 'SESSION_FULL' : result.why === 'closed' ? 'SESSION_CLOSED' : 'SESSION_BUSY';
        throw new NervaError(code, `Session ${sid} takes no more of this conversation (${result.why}). What was recorded stays.`, {
          details: { sid },
        });
      }
      conversation.head = result.head;
    }
  }
}

/** What a recorded call holds on to. */
interface Opened {
  readonly conversation: Conversation;
  readonly call: Seq;
  readonly model: string;
  /** Of the conversation as it was sent. */
  readonly key: string;
  readonly settled: () => void;
}

/** A call that is in the log and has no end yet. */
export class RecordedCall {
  readonly #recorder: Recorder;
  readonly #opened: Opened;
  #tip: string | null = null;

  constructor(recorder: Recorder, opened: Opened) {
    this.#recorder = recorder;
    this.#opened = opened;
  }

  /** The answer's content is whole: the client may go on from it, though its end is not in the log yet. */
  expect(parts: readonly Part[]): void {
    if (this.#tip === null) this.#offer(keyAfter(this.#opened.key, answerKey(parts), this.#recorder.world.digest));
  }

  /** Records how the call ended. @throws STORE_*, LOG_UNKNOWN_RESULT; the call is then ended by the next proxy on this store. */
  async settle(end: CallEnd): Promise<ProxyCall> {
    const { conversation, call, model, settled } = this.#opened;
    try {
      const written = await this.#write(end);
      const code = written.type === 'failed' ? written.error.code : null;
      return {
        sid: conversation.sid,
        seq: call,
        model,
        end: written.type,
        usage: written.type === 'answered' ? written.answer.usage : null,
        code,
      };
    } catch (error) {
      conversation.isBroken = true;
      this.#offer(null);
      throw error;
    } finally {
      settled();
    }
  }

  /** An answer that a frame cannot hold is told as a failure: the client has it, the log does not. */
  async #write(end: CallEnd): Promise<CallEnd> {
    try {
      await this.#append(end);
      return end;
    } catch (error) {
      if (!NervaError.is(error, 'FRAME_INVALID') || end.type === 'failed') throw error;
      const failed: CallEnd = {
        type: 'failed',
        error: new NervaError(error.code, `The client has an answer that the log cannot hold: ${error.message}`),
        isPartial: true,
      };
      await this.#append(failed);
      return failed;
    }
  }

  async #append(end: CallEnd): Promise<void> {
    const { conversation, call, key } = this.#opened;
    if (end.type === 'answered') return this.#answered(end.answer);
    const drafts: readonly Draft[] =
      end.type === 'failed'
        ? [
            { type: 'model.failed', data: failedData(call, end.error, end.isPartial) },
            ended('error', `${end.error.code}: ${excerpt(end.error.message, EXCERPT_BYTES)}`),
          ]
        : [{ type: 'model.interrupted', origin: 'model', data: { call, parts: end.parts } }, ended('cancelled', end.why)];
    // What was said in part is in the recorded conversation and not in the client's: no request goes on from there.
    const isSaid = end.type === 'interrupted' && end.parts.some(({ type }) => type === 'text');
    conversation.isBroken = isSaid || this.#tip !== null;
    this.#offer(null);
    await this.#recorder.append(conversation, drafts, { status: 'idle' });
    if (!conversation.isBroken) this.#offer(key);
  }

  async #answered(answer: ModelAnswer): Promise<void> {
    const { conversation, call, key } = this.#opened;
    const tip = keyAfter(key, answerKey(answer.parts), this.#recorder.world.digest);
    const seq = conversation.head;
    const asked = answer.parts.filter((part) => part.type === 'tool_call');
    const drafts: Draft[] = [
      { type: 'model.answered', origin: 'model', data: answeredData(call, answer, tip) },
      ...asked.map((_part, part): Draft => ({ type: 'tool.called', data: { answer: seq, part, effect: 'irreversible' } })),
    ];
    if (asked.length === 0) drafts.push(ended('answer', ''));
    this.#offer(tip);
    await this.#recorder.append(conversation, drafts, { status: asked.length === 0 ? 'idle' : 'waiting', progress: true });
  }

  /** Under which key the conversation is found from now on; null: under none. */
  #offer(key: string | null): void {
    const { conversation } = this.#opened;
    if (this.#tip === key) return;
    if (this.#tip !== null) this.#recorder.tips.drop(this.#tip, conversation);
    this.#tip = key;
    if (key !== null) this.#recorder.tips.put(key, conversation);
  }
}

const ended = (reason: 'answer' | 'cancelled' | 'error', why: string): Draft => ({
  type: 'turn.ended',
  data: { reason, ...(why === '' ? {} : { why }) },
});

const unknownOutcome = (call: Seq): Draft => ({
  type: 'tool.in_doubt',
  data: { call, why: 'cancelled', message: 'The client made this call, or did not; it sent no result.' },
});

function answeredData(call: Seq, { parts, finish, usage, model, meta }: ModelAnswer, conversation: string): EventData['model.answered'] {
  const isUsual = finish === (parts.some(({ type }) => type === 'tool_call') ? 'tool_calls' : 'stop');
  return { call, parts, ...(isUsual ? {} : { finish }), usage, model, meta: { ...(meta as JsonObject | undefined), conversation } };
}

function failedData(call: Seq, { code, message, retry, details }: NervaError, isPartial: boolean): EventData['model.failed'] {
  const { retryAfterMs } = details;
  return {
    call,
    why: 'error',
    code,
    message: excerpt(message, EXCERPT_BYTES),
    retry,
    ...(typeof retryAfterMs === 'number' ? { retryAfterMs } : {}),
    ...(isPartial ? { partial: true as const } : {}),
  };
}

/** Drafts in frames that a store takes. */
function inFrames(drafts: readonly Draft[]): readonly (readonly EventDraft[])[] {
  const frames: EventDraft[][] = [[]];
  let bytes = 0;
  for (const draft of drafts as unknown as readonly EventDraft[]) {
    const size = JSON.stringify(draft).length;
    if (bytes > 0 && bytes + size > FRAME_BYTES) {
      frames.push([]);
      bytes = 0;
    }
    bytes += size;
    frames.at(-1)?.push(draft);
  }
  return frames;
}
