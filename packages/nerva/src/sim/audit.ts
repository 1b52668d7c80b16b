import type { Agent } from '../agent/index.ts';
import type { Json } from '../core/index.ts';
import {
  eventsOf,
  isBlobRef,
  placed,
  type AppendResult,
  type EventId,
  type Frame,
  type FrameId,
  type LogEvent,
  type Seq,
  type Sid,
  type Store,
} from '../log/index.ts';
import { requestDigest, type Message, type ModelRequest } from '../model/index.ts';
import type { Tool, ToolContext } from '../tool/index.ts';
import { Book } from './book.ts';
import { Folds } from './folds.ts';
import type { Hub } from './hub.ts';
import { Ledger, placeOf, type Execution } from './ledger.ts';
import type { SimProcess } from './process.ts';
import type { Written } from './store.ts';
import { requestProblem } from './request.ts';

/** What a session's record must be, as far as it was acknowledged. */
interface Kept {
  readonly book: Book;
  readonly tenant: string | null;
  agent: string;
  /** Acknowledged frames: what each id was first answered. */
  readonly frames: Map<FrameId, { readonly seq: Seq; readonly count: number }>;
  /** Who wrote each event; null when a restart found it. */
  readonly writers: (SimProcess | null)[];
  /** The data of each event as JSON. */
  readonly texts: string[];
  epoch: number;
}

/** Watches a run from outside and checks the laws at every acknowledged frame, every effect and every request. */
export class Audit {
  readonly ledger: Ledger;
  readonly kept = new Map<Sid, Kept>();
  /** Ids that callers gave their messages. */
  readonly sent = new Set<FrameId>();
  /** Messages that were accepted: `sid:seq` by the id that the caller gave. */
  readonly accepted = new Map<string, { readonly sid: Sid; readonly seq: Seq }>();
  /** Answers of people that were accepted: where they stand in the log, and what they answer. */
  readonly settled: { readonly sid: Sid; readonly id: EventId; readonly seq: Seq }[] = [];
  events = 0;
  /** Called with each new event, for whoever must react: people who are asked something. */
  onEvent: (event: LogEvent, tenant: string | null) => void = () => undefined;
  readonly folds: Folds;
  readonly #hub: Hub;
  readonly #isJudged: boolean;
  #agents: readonly Agent[] = [];
  readonly #markers = new WeakMap<Message, readonly string[]>();
  /** Those that were acknowledged. */
  readonly #blobs = new Set<string>();
  readonly #running = new Set<{ readonly process: SimProcess; readonly callId: string; readonly signal: AbortSignal }>();
  /** What each call gave, as JSON: its tool's values, and what a reconciliation found. */
  readonly #given = new Map<string, Set<string>>();
  /** What tools answered to processes that lived: who, which call, when, and how long the record was then. */
  readonly #answers: { readonly process: SimProcess; readonly call: string; readonly atMs: number; readonly head: Seq }[] = [];

  /** @param isJudged whether the laws are looked at that cost most: a second run of one seed can do without. */
  constructor(hub: Hub, isJudged: boolean) {
    this.#hub = hub;
    this.#isJudged = isJudged;
    this.ledger = new Ledger(hub);
    this.folds = new Folds(hub);
  }

  /** The agents of the run. */
  know(agents: readonly Agent[]): void {
    this.#agents = agents;
  }

  /** The agent that sessions belong to unless it is said. */
  get firstAgent(): string {
    return this.#agents[0]?.name ?? '';
  }

  /** A frame was acknowledged, or refused. */
  appended({ process, tenant, frame, result }: Written): void {
    if (!result.ok) return;
    const hub = this.#hub;
    const known = this.kept.get(frame.sid);
    if (this.#isRepeated(frame, result, known?.frames.get(frame.id)?.seq)) return;
    const kept = known ?? this.#open(frame.sid, tenant, frame.then?.agent ?? '');
    if (frame.fence !== undefined && frame.fence.epoch < kept.epoch)
      hub.violated(
        'a fenced driver writes nothing',
        `Session ${frame.sid}: epoch ${frame.fence.epoch} wrote a decision after ${kept.epoch}.`,
      );
    if (frame.expected !== 'fact' && frame.expected !== kept.book.events.length)
      hub.violated(
        'a decision is taken only at its head',
        `Session ${frame.sid}: expected ${frame.expected}, stands at ${kept.book.events.length}.`,
      );
    if (result.seq !== kept.book.events.length || result.head !== result.seq + frame.events.length)
      hub.violated(
        'the sequence is dense',
        `Session ${frame.sid}: a frame of ${frame.events.length} at ${result.seq}…${result.head}, after ${kept.book.events.length}.`,
      );
    if (frame.then?.progress === true && frame.events.every(({ type }) => INTENTS.has(type)))
      hub.violated('only what came of something is progress', `Session ${frame.sid}: the frame at ${result.seq} holds intents alone.`);
    const texts = frame.events.map(({ data }) => JSON.stringify(data));
    for (const text of texts)
      for (const ref of refsIn(text))
        if (!this.#blobs.has(ref))
          hub.violated(
            'a blob is stored before it is named',
            `Session ${frame.sid}: the frame at ${result.seq} names a blob that is not there.`,
          );
    kept.epoch = Math.max(kept.epoch, result.epoch);
    kept.frames.set(frame.id, { seq: result.seq, count: frame.events.length });
    this.#add(
      kept,
      frame.events.map((draft, index) => placed(draft, frame.sid, result.seq + index, result.atMs, result.epoch)),
      process,
      texts,
    );
  }

  /** The same frame counts once, and messages come under the ids that callers gave. @returns whether it was there already. */
  #isRepeated(
    frame: Written['frame'],
    { seq, repeated }: { readonly seq: Seq; readonly repeated: boolean },
    first: Seq | undefined,
  ): boolean {
    const law = 'a frame counts once';
    const hub = this.#hub;
    if (first === undefined && repeated) hub.violated(law, `Frame ${frame.id} of ${frame.sid} is called repeated, and was never there.`);
    else if (first !== undefined && (!repeated || first !== seq))
      hub.violated(law, `Frame ${frame.id} of ${frame.sid} was written at ${first} and again at ${seq}.`);
    else if (!repeated && !this.sent.has(frame.id) && frame.events.some(({ type }) => type === 'message.received'))
      hub.violated(law, `A message came in frame ${frame.id} of ${frame.sid}, an id that nobody gave: repeated, it would be there twice.`);
    return repeated || first !== undefined;
  }

  /** A blob is on the disk. */
  stored(ref: string): void {
    this.#blobs.add(ref);
  }

  /** A fork was acknowledged. */
  forked(process: SimProcess, fork: Parameters<Store['fork']>[0], result: AppendResult): void {
    if (!result.ok || this.kept.has(fork.sid)) return;
    const parent = this.kept.get(fork.parent);
    if (parent === undefined)
      return this.#hub.violated('a fork has a parent', `Fork ${fork.sid} was made of ${fork.parent}, which is not there.`);
    const kept = this.#open(fork.sid, parent.tenant, parent.agent);
    kept.frames.set(fork.id, { seq: result.seq, count: fork.events.length });
    inherit(kept, parent, fork.at);
    this.#add(
      kept,
      fork.events.map((draft, index) => placed(draft, fork.sid, result.seq + index, result.atMs, result.epoch)),
      process,
    );
  }

  /** After the store was opened again: all that was acknowledged is there, and what is more is known from now on. */
  async recovered(store: Store): Promise<void> {
    for (const info of await store.list()) {
      const known = this.kept.get(info.sid);
      const { sid } = info;
      const frames = await framesOf(store, sid, (known?.book.events.length ?? 0) - 1);
      if (known !== undefined && info.head < known.book.events.length)
        this.#hub.violated(
          'nothing acknowledged is lost',
          `Session ${sid} has ${info.head} events after a restart; ${known.book.events.length} were acknowledged.`,
        );
      if (frames.length === 0) continue;
      const kept = known ?? this.#open(sid, info.tenant === 'default' ? null : info.tenant, info.agent ?? '');
      const parent = known !== undefined || info.parent === null ? undefined : this.kept.get(info.parent.sid);
      if (parent !== undefined) inherit(kept, parent, info.parent?.at ?? -1);
      for (const frame of frames) {
        kept.frames.set(frame.id, { seq: frame.seq, count: frame.count });
        if (frame.sid === sid) kept.epoch = Math.max(kept.epoch, frame.writer.epoch); // a fork begins with its parent's, of another count
        const fresh = eventsOf(frame).filter(({ seq }) => seq >= kept.book.events.length);
        this.#add(kept, fresh, null);
      }
    }
    const there = new Set((await store.list()).map(({ sid }) => sid));
    for (const sid of this.kept.keys())
      if (!there.has(sid)) this.#hub.violated('nothing acknowledged is lost', `Session ${sid} is gone after a restart.`);
  }

  /** A call begins, and goes on until `ended` is called. */
  runs(process: SimProcess, { callId, signal }: ToolContext): { readonly ended: () => void } {
    const running = { process, callId, signal };
    this.#running.add(running);
    return { ended: () => void this.#running.delete(running) };
  }

  /** What runs in a turn that was cancelled by its own process is told so at once, unless that process had trouble. */
  #cancelled(sid: Sid, writer: SimProcess): void {
    const hub = this.#hub;
    const running = [...this.#running].filter(({ process, callId }) => process === writer && placeOf(callId).sid === sid);
    if (running.length === 0) return;
    hub.scheduler.in(TOLD_MS, () => {
      if (writer.isDead || [...hub.fired.keys()].some((kind) => !/^(model|tool|people|clock)\./.test(kind))) return;
      for (const one of running)
        if (this.#running.has(one) && !one.signal.aborted)
          hub.violated('what runs is told of a cancel', `Call ${one.callId} runs on ${TOLD_MS} ms after its turn was cancelled.`);
    });
  }

  /** A call, or whoever looked it up, gave a value. */
  gave(callId: string, value: unknown): void {
    if (!this.#isJudged) return; // only a verdict asks
    const given = this.#given.get(callId) ?? new Set();
    this.#given.set(callId, given.add(jsonOf(value)));
  }

  /** Whether a call gave this. `digest`: of a value that is kept as a blob. */
  hasGiven(callId: string, is: (text: string) => boolean): boolean {
    return [...(this.#given.get(callId) ?? [])].some(is);
  }

  /** A tool is about to touch the world. */
  executes(process: SimProcess, tool: Tool, input: unknown, context: ToolContext): void {
    const { callId, idempotencyKey, attempt, session } = context;
    const { sid, seq } = placeOf(callId);
    const hub = this.#hub;
    const kept = this.kept.get(sid);
    const call = kept?.book.calls.get(seq);
    const execution: Execution = {
      tool: tool.name,
      effect: call?.effect ?? tool.effect,
      call: callId,
      key: idempotencyKey,
      attempt,
      atMs: hub.scheduler.nowMs,
    };
    this.ledger.record(execution);
    if (kept === undefined || call === undefined || session.sid !== sid)
      return hub.violated('intent before effect', `${tool.name} ran as ${callId}, and no durable intent says so.`);
    if (seq < kept.book.base)
      hub.violated('a fork performs no inherited obligation', `${tool.name} ran as ${callId}, a call of the parent.`);
    if (call.name !== tool.name) hub.violated('intent before effect', `${tool.name} ran as ${callId}, which is a call of ${call.name}.`);
    this.#asAsked(kept, tool, input, context);
    const writer = kept.writers[call.intents[attempt - 1] ?? -1];
    if (writer !== process)
      hub.violated(
        'only who wrote an intent performs it',
        `${tool.name} ${callId} ran in process ${process.n}, its intent is of ${writer?.n ?? 'an earlier one'}.`,
      );
    if (attempt === 1 && this.#mustAsk(tool, input, context)) this.#granted(kept, tool, callId);
    if (!idempotencyKey.endsWith(`:${callId}`)) hub.violated('a key belongs to one call', `The key of ${callId} is ${idempotencyKey}.`);
  }

  /** A tool gave a value, and the process that called it has it. */
  answered(process: SimProcess, callId: string): void {
    const head = this.kept.get(placeOf(callId).sid)?.book.events.length ?? 0;
    this.#answers.push({ process, call: callId, atMs: this.#hub.scheduler.nowMs, head });
  }

  /**
   * A process that lives on, or that was closed in peace, has recorded what its tools answered until then, also where somebody else has the
   * session by then. Not where a store was lost.
   */
  recordedAll(process: SimProcess, untilMs: number): void {
    const hub = this.#hub;
    if (process.isDead || process.pausedUntilMs > 0 || RECKLESS.some((kind) => hub.fired.has(kind))) return;
    for (const answer of this.#answers) {
      const { sid, seq } = placeOf(answer.call);
      const kept = this.kept.get(sid);
      if (answer.process !== process || answer.atMs > untilMs || kept === undefined || kept.book.isClosed) continue;
      // What a reconciliation or a person says of it later is not what was answered.
      const isRecorded = kept.book.events.some(
        ({ seq: at, type, data }) =>
          at >= answer.head &&
          (type === 'tool.returned' || (type === 'tool.failed' && data['why'] === 'bad output')) &&
          data['call'] === seq &&
          (data['by'] === undefined || data['by'] === 'late'),
      );
      if (!isRecorded)
        hub.violated(
          'what was answered is recorded',
          `Call ${answer.call} was answered to process ${process.n}, and the record does not say so.`,
        );
    }
  }

  /** A tool gets what was asked for, as its schema reads it, and what a person answered. */
  // oxlint-disable-next-line max-params -- a call and its surroundings
  #asAsked({ book }: Kept, tool: Tool, input: unknown, { callId, approval }: ToolContext): void {
    const law = 'a call runs with what was asked for';
    const { data } = book.events[placeOf(callId).seq] as LogEvent;
    const proposal = book.proposal(data['answer'], data['part']);
    const answer = proposal?.approval?.status === 'granted' ? proposal.approval.answer : undefined;
    if (answer !== undefined && jsonOf(answer) !== jsonOf(approval?.answer))
      this.#hub.violated(law, `${tool.name} ${callId} ran without the answer that a person gave.`);
    const parsed = tool.parseInput(proposal?.input ?? null);
    if (parsed instanceof Promise || !parsed.ok || jsonOf(parsed.value) === jsonOf(input)) return;
    this.#hub.violated(law, `${tool.name} ${callId} ran with ${jsonOf(input)}; ${jsonOf(parsed.value)} was asked for.`);
  }

  /** By the rule of the tool, or by that of its agent. One that throws asks. */
  #mustAsk({ name, effect, needsApproval }: Tool, input: unknown, { session, taint }: ToolContext): boolean {
    const rule = this.#agents.find((agent) => agent.name === session.agent)?.approval;
    try {
      return needsApproval(input) || rule?.({ tool: name, effect, input: input as Json, taint }) === true;
    } catch {
      return true;
    }
  }

  #granted({ book }: Kept, { name }: Tool, callId: string): void {
    const { data } = book.events[placeOf(callId).seq] as LogEvent;
    const approval = book.proposal(data['answer'], data['part'])?.approval ?? null;
    if (approval?.status !== 'granted')
      this.#hub.violated('approvals are never bypassed', `${name} ${callId} needs an approval and ran with ${approval?.status ?? 'none'}.`);
  }

  /** A model is about to be asked. */
  asks(process: SimProcess, request: ModelRequest): void {
    if (!this.#isJudged) return;
    const hub = this.#hub;
    const problem = requestProblem(request);
    if (problem !== null) hub.violated('a call is never split from its result', `No provider takes this request: ${problem}.`);
    const isReference = request.messages.some(({ parts }) => parts.some((part) => part.type === 'tool_result' && isBlobRef(part.output)));
    if (isReference) hub.violated('a model reads results', 'A request holds a reference in place of a result.');
    const markers = new Set<string>();
    for (const message of request.messages) for (const marker of this.#markersOf(message)) markers.add(marker);
    if (markers.size > 1) hub.violated('sessions are isolated', `One request holds what ${[...markers].join(' and ')} said.`);
    const [marker] = markers;
    if (marker === undefined) return;
    let isMeant = false;
    for (const [sid, { book, writers }] of this.kept) {
      const isOther =
        sid !== marker && !(book.base > 0 && book.events.some(({ data }) => String(data['text'] ?? '').includes(`«${marker}»`)));
      if (isOther) continue;
      const open = book.model?.seq ?? -1;
      const isOpen = open >= 0 && writers[open] === process;
      if (isOpen && isRecorded(book, open, request, process)) return;
      // Who slept past its lease asks for what was given up as lost meanwhile: nothing comes of it, and its intent was durable.
      if (
        book.events.some(
          ({ type, seq }) =>
            (type === 'model.called' || type === 'context.called') && writers[seq] === process && isRecorded(book, seq, request, process),
        )
      )
        return;
      isMeant ||= isOpen;
    }
    if (isMeant)
      return hub.violated(
        'what is asked is what was recorded',
        `Process ${process.n} asks the model for ${marker} something else than the record says.`,
      );
    hub.violated('intent before effect', `Process ${process.n} asks the model for ${marker}, and no durable intent of it says so.`);
  }

  /** Messages are immutable, and each is asked with again and again. */
  #markersOf(message: Message): readonly string[] {
    let markers = this.#markers.get(message);
    if (markers === undefined) {
      const found: string[] = [];
      gatherMarkers(message.parts, found);
      this.#markers.set(message, (markers = found));
    }
    return markers;
  }

  #open(sid: Sid, tenant: string | null, agent: string): Kept {
    const limits = this.#agents.find(({ name }) => name === agent) ?? {};
    const book = new Book(sid, limits, (invariant, message) => this.#hub.violated(invariant, message));
    const kept: Kept = { book, tenant, agent, frames: new Map(), writers: [], texts: [], epoch: -1 };
    this.kept.set(sid, kept);
    return kept;
  }

  // oxlint-disable-next-line max-params -- events, and their data as JSON where it is at hand
  #add(kept: Kept, events: readonly LogEvent[], writer: SimProcess | null, texts?: readonly string[]): void {
    const { trace, scheduler } = this.#hub;
    for (const [index, event] of events.entries()) {
      kept.writers.push(writer);
      kept.book.add(event);
      if (writer !== null && (event.type === 'cancel.requested' || event.data['deliver'] === 'interrupt'))
        this.#cancelled(event.sid, writer);
      this.events++;
      const text = texts?.[index] ?? JSON.stringify(event.data);
      kept.texts.push(text);
      trace.note(`${event.sid}:${event.seq} ${event.type} ${text}`, scheduler.nowMs);
      trace.reached(kept.book.abstract());
    }
    for (const event of events) this.onEvent(event, kept.tenant);
  }
}

/** The blobs that the data of an event, as JSON, names. */
export function refsIn(text: string): readonly string[] {
  // Most name none, and this is by far the faster way to know.
  return text.includes('"ref":"') ? Array.from(text.matchAll(BLOB_REF), ([, ref = '']) => ref) : NO_REFS;
}

const BLOB_REF = /"ref":"([0-9a-f]{64})"/g;
const NO_REFS: readonly string[] = [];

/** With what a driver begins something, and nothing came of anything. */
const INTENTS: ReadonlySet<string> = new Set([
  'turn.started',
  'model.called',
  'context.called',
  'memory.called',
  'tool.called',
  'timer.set',
]);

const TOLD_MS = 1_000;
const jsonOf = (value: unknown): string => JSON.stringify(value) ?? 'null';

/** Whether this request is the one whose digest was recorded. Not told where a result is kept beside the log: its reference was digested. */
function isRecorded(book: Book, call: Seq, request: ModelRequest, { world }: SimProcess): boolean {
  const recorded = book.events[call]?.data['digest'];
  const hasBlob = book.events.some(({ type, data }) => type === 'tool.returned' && isBlobRef(data['output']));
  return hasBlob || (typeof recorded === 'string' && requestDigest(request, world.digest).startsWith(recorded));
}

/** Faults after which a process cannot be blamed for what it did not write. */
const RECKLESS = ['store.fsync', 'store.torn', 'store.unsynced', 'store.corrupt', 'store.read'] as const;

const MARKERS = /«([^»]+)»/g;

/** The markers in whatever a value says. */
function gatherMarkers(value: unknown, found: string[]): void {
  if (typeof value === 'string') {
    // Most texts have none, and this is by far the faster way to know.
    if (value.includes('«')) for (const [, marker = ''] of value.matchAll(MARKERS)) found.push(marker);
  } else if (Array.isArray(value)) for (const item of value) gatherMarkers(item, found);
  else if (typeof value === 'object' && value !== null)
    for (const [key, item] of Object.entries(value)) {
      gatherMarkers(key, found);
      gatherMarkers(item, found);
    }
}

/** Of a session, behind an event. */
async function framesOf(store: Store, sid: Sid, behind: Seq): Promise<readonly Frame[]> {
  const frames: Frame[] = [];
  for (let after = behind; ;) {
    const page = await store.read(sid, { after });
    const last = page.at(-1);
    if (last === undefined) return frames;
    frames.push(...page);
    after = last.seq + last.events.length - 1;
  }
}

/** What a fork has of its parent: as the parent wrote it, which may be erased in the store by now. */
function inherit(kept: Kept, parent: Kept, at: Seq): void {
  const inherited = parent.book.events.slice(0, at + 1);
  const endedSeq = inherited.findLast(({ type }) => type === 'turn.ended')?.seq ?? -1;
  for (const event of inherited) {
    kept.book.add(parent.book.isOver && event.seq > endedSeq ? undelivered(event) : event);
    kept.writers.push(null);
    kept.texts.push(parent.texts[event.seq] as string);
  }
}

/** A message whose words were erased before the fork: of how it was to be delivered in a turn that is open the fork knows nothing. */
function undelivered(event: LogEvent): LogEvent {
  if (event.type !== 'message.received') return event;
  const { deliver: _deliver, ...data } = event.data;
  return { ...event, data };
}
