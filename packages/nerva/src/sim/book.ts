import type { Agent } from '../agent/index.ts';
import type { Json, JsonObject } from '../core/index.ts';
import type { LogEvent, Seq, Sid } from '../log/index.ts';
import type { ToolEffect } from '../tool/index.ts';

/** Told of a law that an event breaks. */
export type Break = (invariant: string, message: string) => void;

/** A call as the record has it. */
export interface BookedCall {
  readonly seq: Seq;
  readonly name: string;
  readonly effect: ToolEffect;
  /** Seqs of its intents, one an attempt. */
  readonly intents: Seq[];
  status: 'open' | 'doubt' | 'done' | 'detached';
  /** A reconciliation found that it did not happen. */
  mayRepeat: boolean;
  /** The first outcome. */
  outcome: LogEvent | null;
}

/** A call that was asked for. */
export interface Proposal {
  readonly name: string;
  readonly input: Json;
  approval: { readonly seq: Seq; readonly digest: Json | undefined; status: 'open' | 'granted' | 'denied'; answer?: Json } | null;
  call: Seq | null;
}

interface Turn {
  readonly seq: Seq;
  readonly startedMs: number;
  isCancelled: boolean;
  steps: number;
}

/** What was spent, in the worst case. */
interface Spent {
  tokens: number;
  usd: number;
}

/** Of an agent, what its record is held to. */
type Limits = Partial<Pick<Agent, 'stepsMax' | 'budget' | 'outputBytesMax'>>;

/**
 * The laws of one session's record, kept by a second hand: it folds events by itself, in a few lines that share nothing with the
 * reducers of the runtime, and says which law an event breaks.
 */
export class Book {
  readonly sid: Sid;
  readonly events: LogEvent[] = [];
  /** Messages by seq, and whether a turn took them. */
  readonly messages = new Map<Seq, { isTaken: boolean; isAnswered: boolean; readonly deliver: Json }>();
  readonly calls = new Map<Seq, BookedCall>();
  /** Seq of the fork's first own event; 0 in a session that is no fork. */
  base = 0;
  turn: Turn | null = null;
  isClosed = false;
  effects: 'live' | 'ask' | 'simulated' = 'live';
  readonly spent: Spent = { tokens: 0, usd: 0 };
  /** Of the open turn, or of the last one. */
  turnSpent: Spent = { tokens: 0, usd: 0 };
  /** Steps of all turns. */
  steps = 0;
  /** Timers that are set. */
  readonly timers = new Set<Seq>();
  /** The open model call. */
  model: { readonly seq: Seq; readonly reserve: Spent } | null = null;
  /** Seq of the last event that took messages out of the prompt; -1 before the first. */
  compactedBy = -1;
  /** The last call failed because the conversation was too long. */
  isTooLong = false;
  /** Whose data the session holds; null when it is nobody's. */
  subject: Json = null;
  isErased = false;
  /** The session's own subject is gone: nobody is answered any more. */
  isOver = false;
  /** By `asker.part`. */
  readonly proposals = new Map<string, Proposal>();
  readonly fail: Break;
  readonly limits: Limits;

  constructor(sid: Sid, limits: Limits, onBreak: Break) {
    this.sid = sid;
    this.limits = limits;
    // By a name, see `People`.
    const fail: Break = (invariant, message) => onBreak(invariant, `Session ${sid}: ${message}`);
    this.fail = fail;
  }

  /** The call that is asked for at `asker`, `part`. */
  proposal(asker: unknown, part: unknown): Proposal | undefined {
    return this.proposals.get(`${String(asker)}.${String(part)}`);
  }

  /** Whether the agent may spend only so much. */
  get hasLimit(): boolean {
    const { turnTokensMax, sessionTokensMax, turnUsdMax, sessionUsdMax } = this.limits.budget ?? {};
    return (turnTokensMax ?? sessionTokensMax ?? turnUsdMax ?? sessionUsdMax) !== undefined;
  }

  /** Whether something waits for a person. */
  get isAsking(): boolean {
    for (const { status } of this.calls.values()) if (status === 'doubt') return true;
    for (const { approval } of this.proposals.values()) if (approval?.status === 'open') return true;
    return false;
  }

  /** A fork to which nobody could say anything: it stands where it was made, and begins nothing by itself. */
  get isUntouched(): boolean {
    return this.base > 0 && this.events.length === this.base + 1;
  }

  /** Where the session stands, in a few bits: enough to tell situations apart, too little to tell contents apart. */
  abstract(): number {
    let state =
      (this.turn === null ? 0 : 1) | (this.turn?.isCancelled === true ? 2 : 0) | (this.model === null ? 0 : 4) | (this.isClosed ? 8 : 0);
    const counts = { open: 0, doubt: 0, done: 0, detached: 0 };
    for (const { status } of this.calls.values()) counts[status]++;
    let asking = 0;
    for (const { approval } of this.proposals.values()) if (approval?.status === 'open') asking++;
    let waiting = 0;
    for (const { isTaken } of this.messages.values()) if (!isTaken) waiting++;
    for (const count of [counts.open, counts.doubt, asking, waiting, this.base > 0 ? 1 : 0]) state = state * 4 + Math.min(count, 3);
    return state;
  }

  /** Folds the next event. */
  add(event: LogEvent): void {
    const { seq, type, data } = event;
    if (seq !== this.events.length) this.fail('the sequence is dense', `event ${seq} follows ${this.events.length - 1}.`);
    const before = this.events.at(-1);
    if (before !== undefined && event.atMs < before.atMs)
      this.fail('time never goes back', `event ${seq} is at ${event.atMs}, after ${before.atMs}.`);
    if (this.isClosed) this.fail('a closed session takes nothing', `${type} ${seq} came after session.closed.`);
    if (this.subject !== null && event.subject === undefined && PERSONAL.has(type) && !isWordless(event) && !(this.isOver && isBlank(data)))
      this.fail('what belongs to a subject is sealed', `${type} ${seq} names no subject.`);
    this.events.push(event);
    const handler = HANDLERS[type];
    if (handler !== undefined) handler(this, event, data);
  }
}

/** Where nobody summarised there are no words. */
const isWordless = ({ type, data }: LogEvent): boolean => type === 'context.compacted' && data['summary'] === undefined;

type Handler = (book: Book, event: LogEvent, data: JsonObject) => void;

/** What people and models say, and what comes of it. */
const PERSONAL = new Set([
  'message.received',
  'model.answered',
  'model.interrupted',
  'policy.decided',
  'approval.granted',
  'tool.returned',
  'tool.failed',
  'context.compacted',
]);

const HANDLERS: Readonly<Record<string, Handler>> = {
  'session.created'(book, _event, data) {
    book.subject = data['subject'] ?? null;
  },
  'subject.erased'(book, _event, data) {
    book.isErased = true;
    if (data['subject'] !== book.subject) return;
    book.isOver = true;
    for (const message of book.messages.values()) message.isTaken = true;
    if (book.turn !== null) book.turn.isCancelled = true;
  },
  'message.received'(book, { seq }, data) {
    book.messages.set(seq, { isTaken: book.isOver, isAnswered: false, deliver: data['deliver'] ?? 'queue' });
    if (data['deliver'] === 'interrupt' && book.turn !== null) book.turn.isCancelled = true;
  },
  'cancel.requested'(book) {
    if (book.turn !== null) book.turn.isCancelled = true;
  },
  'turn.started'(book, { seq, atMs }, data) {
    if (book.turn !== null) book.fail('one turn at a time', `turn ${seq} starts while ${book.turn.seq} is open.`);
    book.turn = { seq, startedMs: atMs, isCancelled: false, steps: 0 };
    book.turnSpent = { tokens: 0, usd: 0 };
    const takes = (data['takes'] ?? []) as readonly Seq[];
    const waiting = waitingIn(book);
    const [due] = waiting.find(([, { deliver }]) => deliver === 'interrupt') ?? waiting[0] ?? [];
    if (takes.length > 0) inOrder(book, seq, { takes, due: due === undefined ? [] : [due] });
    take(book, takes);
  },
  'turn.ended': turnEnded,
  'timer.set'(book, { seq }, data) {
    if (Number(data['again'] ?? seq) < book.base)
      book.fail('a fork performs no inherited obligation', `timer.set ${seq} goes on with a timer of the parent.`);
    book.timers.add((data['again'] as Seq | undefined) ?? seq);
  },
  'timer.fired'(book, _event, data) {
    if (book.timers.delete(data['timer'] as Seq)) unstepped(book);
  },
  'model.called': modelCalled,
  'model.answered': modelSettled,
  'model.failed': modelSettled,
  'model.interrupted': modelSettled,
  'context.called': summaryCalled,
  'context.compacted': compacted,
  'context.failed': modelSettled,
  'policy.decided'(book, { seq }, data) {
    const action = data['action'] as unknown as {
      readonly type: string;
      readonly calls?: readonly { readonly tool: string; readonly input: Json }[];
    };
    if (action.type !== 'model') stepped(book, seq);
    (action.calls ?? []).forEach(({ tool, input }, part) => propose(book, seq, part, { name: tool, input }));
  },
  'approval.requested'(book, { seq }, data) {
    const proposal = book.proposal(data['answer'], data['part']);
    if (proposal === undefined) return book.fail('an approval belongs to a call', `approval ${seq} asks for nothing.`);
    proposal.approval = { seq, digest: data['digest'], status: 'open' };
  },
  'approval.granted': (book, _event, data) => settleApproval(book, data, 'granted'),
  'approval.denied': (book, _event, data) => settleApproval(book, data, 'denied'),
  'tool.called': toolCalled,
  'tool.returned': toolSettled,
  'tool.failed': toolSettled,
  'tool.in_doubt'(book, { seq }, data) {
    const call = book.calls.get(data['call'] as number);
    if (call === undefined) return book.fail('an outcome has its intent', `tool.in_doubt ${seq} names no call.`);
    if (call.status === 'open' && !isOfEarlier(call, data)) call.status = 'doubt';
  },
  'reconcile.returned'(book, _event, data) {
    const call = book.calls.get(data['call'] as number);
    if (call !== undefined && data['status'] === 'not-done' && !isOfEarlier(call, data)) call.mayRepeat = true;
  },
  'session.forked'(book, { seq }, data) {
    book.base = seq;
    book.effects = data['effects'] as 'live' | 'ask' | 'simulated';
    if (book.events[book.model?.seq ?? -1]?.type === 'model.called') unstepped(book);
    book.model = null;
    book.timers.clear();
    for (const call of book.calls.values()) if (call.status !== 'done') call.status = 'detached';
    // A grant in one log never counts in another: what is open is asked anew or closed.
    for (const proposal of book.proposals.values()) proposal.approval = null;
  },
  'session.closed'(book) {
    book.isClosed = true;
  },
};

const waitingIn = ({ messages }: Book): readonly [Seq, { readonly deliver: Json }][] => [...messages].filter(([, { isTaken }]) => !isTaken);

/** Messages are taken one for a turn, an interrupting one first, and those that steer all at the next model call. */
function inOrder(book: Book, seq: Seq, { takes, due }: { readonly takes: readonly Seq[]; readonly due: readonly Seq[] }): void {
  // What is not there to be taken breaks a law of its own; of what was erased nobody knows how it was to be delivered.
  if (book.isErased || !takes.every((one) => book.messages.get(one)?.isTaken === false) || takes.join() === due.join()) return;
  book.fail('messages are taken in their order', `event ${seq} takes ${takes.join() || 'nothing'}; ${due.join() || 'nothing'} is due.`);
}

/** A step of the open turn begins. */
function stepped(book: Book, seq: Seq): void {
  const { stepsMax = Infinity, budget = {} } = book.limits;
  const { turn } = book;
  if (turn === null) return;
  const created = book.events[0]?.atMs ?? 0;
  if (turn.steps >= stepsMax) book.fail('steps stay within the limit', `event ${seq} is a step more than ${stepsMax}.`);
  if (book.steps >= (budget.sessionStepsMax ?? Infinity))
    book.fail('steps stay within the limit', `event ${seq} is a step more than the ${budget.sessionStepsMax ?? 0} of the session.`);
  // Decisions know the time of what happened last.
  const atMs = book.events.at(-2)?.atMs ?? 0;
  if (atMs - turn.startedMs >= (budget.turnMs ?? Infinity) || atMs - created >= (budget.sessionMs ?? Infinity))
    book.fail('nothing starts after its time', `event ${seq} begins a step, and the time is over.`);
  turn.steps++;
  book.steps++;
}

/** A call that gave nothing and is made again is no step. */
function unstepped(book: Book): void {
  if (book.turn !== null) book.turn.steps--;
  book.steps--;
}

function take(book: Book, takes: readonly Seq[]): void {
  for (const seq of takes) {
    const message = book.messages.get(seq);
    if (message === undefined) book.fail('a turn takes messages that are there', `message ${seq} is taken and was never received.`);
    else if (message.isTaken) book.fail('a message is taken once', `message ${seq} is taken twice.`);
    else message.isTaken = true;
  }
}

/** Whether nothing of what was said is left. */
function isBlank({ parts, output, message, summary }: JsonObject): boolean {
  return (
    (parts === undefined || (Array.isArray(parts) && parts.length === 0)) &&
    [output, message, summary].every((text) => text === undefined || text === '[erased]')
  );
}

/** A turn is stopped at its limit, and not before. */
function stoppedEarly(book: Book, turn: Turn, { seq, atMs, data }: LogEvent): void {
  const { stepsMax = 0, budget = {} } = book.limits;
  const [limit = ''] = String(data['why'] ?? '').split(' ');
  const reached: Readonly<Record<string, boolean>> = {
    stepsMax: turn.steps >= stepsMax,
    sessionStepsMax: book.steps >= (budget.sessionStepsMax ?? 0),
    turnMs: atMs - turn.startedMs >= (budget.turnMs ?? 0),
    sessionMs: atMs - (book.events[0]?.atMs ?? 0) >= (budget.sessionMs ?? 0),
  };
  if (reached[limit] === false) book.fail('a turn is stopped at its limit', `turn.ended ${seq} says ${limit}, which is not reached.`);
}

function turnEnded(book: Book, event: LogEvent, data: JsonObject): void {
  const { seq } = event;
  const { turn } = book;
  if (turn === null) return book.fail('one turn at a time', `turn.ended ${seq} ends no turn.`);
  if (turn.isCancelled !== (data['reason'] === 'cancelled'))
    book.fail('a cancelled turn ends as cancelled', `turn ${turn.seq} ended as ${String(data['reason'])}, cancelled: ${turn.isCancelled}.`);
  if (!book.isErased) stoppedEarly(book, turn, event);
  for (const call of book.calls.values())
    if (call.status === 'open') book.fail('a turn ends with nothing open', `call ${call.seq} is open at turn.ended ${seq}.`);
  if (book.model !== null) book.fail('a turn ends with nothing open', `model call ${book.model.seq} is open at turn.ended ${seq}.`);
  for (const [, message] of book.messages) if (message.isTaken) message.isAnswered = true;
  book.timers.clear();
  book.isTooLong = false;
  book.turn = null;
}

function modelCalled(book: Book, event: LogEvent, data: JsonObject): void {
  const { seq } = event;
  if (!mayAsk(book, seq)) return;
  stepped(book, seq);
  book.isTooLong = false;
  const takes = (data['takes'] ?? []) as readonly Seq[];
  inOrder(book, seq, { takes, due: waitingIn(book).flatMap(([at, { deliver }]) => (deliver === 'steer' ? [at] : [])) });
  take(book, takes);
  asked(book, seq, data);
}

/** Nothing is asked outside a turn, after a cancel, beside another question, or while a call is open. */
function mayAsk(book: Book, seq: Seq): boolean {
  if (book.turn === null) book.fail('nothing starts outside a turn', `model call ${seq} has no turn.`);
  else if (book.turn.isCancelled) book.fail('nothing starts after a cancel', `model call ${seq} starts in a cancelled turn.`);
  if (book.model !== null) book.fail('one model call at a time', `model call ${seq} starts while ${book.model.seq} is open.`);
  for (const call of book.calls.values())
    if (call.status === 'open' || (call.status === 'doubt' && isOfTurn(book, call)))
      book.fail('a call is never split from its result', `model call ${seq} starts while call ${call.seq} has no outcome.`);
  return book.turn !== null;
}

function summaryCalled(book: Book, { seq }: LogEvent, data: JsonObject): void {
  if (mayAsk(book, seq)) asked(book, seq, data);
}

/** The prompt lost its beginning; a call that was too long for the model is made again, and is no step. */
function compacted(book: Book, event: LogEvent, data: JsonObject): void {
  const isOurs = data['call'] === undefined || book.model?.seq === data['call'];
  if (data['call'] !== undefined) modelSettled(book, event, data);
  if (!isOurs) return;
  book.compactedBy = event.seq;
  if (book.isTooLong) unstepped(book);
  book.isTooLong = false;
}

/** Reserves what the call may take. */
function asked(book: Book, seq: Seq, data: JsonObject): void {
  const { tokens = 0, usd = 0 } = (data['reserve'] ?? {}) as { readonly tokens?: number; readonly usd?: number | null };
  const { turnTokensMax, sessionTokensMax, turnUsdMax, sessionUsdMax } = book.limits.budget ?? {};
  within(book, seq, [book.turnSpent.tokens + tokens, turnTokensMax]);
  within(book, seq, [book.spent.tokens + tokens, sessionTokensMax]);
  within(book, seq, [book.turnSpent.usd + (usd ?? Infinity), turnUsdMax]);
  within(book, seq, [book.spent.usd + (usd ?? Infinity), sessionUsdMax]);
  if (tokens === 0 && book.hasLimit)
    book.fail('spent and reserved stay within the limit', `model call ${seq} reserves nothing, though there is a limit.`);
  book.model = { seq, reserve: { tokens, usd: usd ?? 0 } };
}

function within(book: Book, seq: Seq, [sum, max = Infinity]: readonly [number, number | undefined]): void {
  if (sum > max) book.fail('spent and reserved stay within the limit', `with model call ${seq} it may come to ${sum} of ${max}.`);
}

const isOfTurn = ({ turn }: Book, call: BookedCall): boolean => turn !== null && call.seq > turn.seq;

const ASKED: ReadonlySet<string> = new Set(['model.called', 'context.called']);

function modelSettled(book: Book, event: LogEvent, data: JsonObject): void {
  const open = book.model;
  const call = data['call'] as number;
  if (!ASKED.has(book.events[call]?.type ?? ''))
    return book.fail('an outcome has its intent', `${event.type} ${event.seq} names ${call}, which is no model call.`);
  const isFirst = open !== null && open.seq === call;
  spend(book, data, isFirst && !isFree(event) ? open.reserve : { tokens: 0, usd: 0 });
  if (!isFirst) return;
  book.model = null;
  if (event.type === 'model.failed' && data['why'] === 'lost') unstepped(book);
  book.isTooLong ||= event.type === 'model.failed' && data['code'] === 'CONTEXT_TOO_LONG';
  if (event.type !== 'model.answered') return;
  const calls = (data['parts'] as readonly JsonObject[]).filter((part) => part['type'] === 'tool_call');
  calls.forEach((part, index) => propose(book, event.seq, index, { name: part['name'] as string, input: part['input'] as Json }));
}

/** What a provider refused is not paid for. */
const isFree = ({ type, data }: LogEvent): boolean =>
  type === 'model.failed' ? data['why'] !== 'lost' : type === 'context.failed' && data['why'] === 'error';

function spend(book: Book, data: JsonObject, reserve: Spent): void {
  const usage = data['usage'] as { readonly inputTokens?: number | null; readonly outputTokens?: number | null } | undefined;
  const isCounted = typeof usage?.inputTokens === 'number' && typeof usage.outputTokens === 'number';
  const tokens = isCounted ? (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0) : reserve.tokens;
  const usd = typeof data['usd'] === 'number' ? data['usd'] : reserve.usd;
  for (const spent of [book.spent, book.turnSpent]) {
    spent.tokens += tokens;
    spent.usd += usd;
  }
}

// oxlint-disable-next-line max-params -- four plain values
function propose(book: Book, asker: Seq, part: number, given: { readonly name: string; readonly input: Json }): void {
  book.proposals.set(`${asker}.${part}`, { ...given, approval: null, call: null });
}

function settleApproval(book: Book, data: JsonObject, status: 'granted' | 'denied'): void {
  for (const { approval } of book.proposals.values())
    if (approval !== null && approval.seq === data['approval'] && approval.status === 'open') {
      approval.status = status;
      if (data['answer'] !== undefined) approval.answer = data['answer'];
    }
}

function toolCalled(book: Book, event: LogEvent, data: JsonObject): void {
  const proposal = book.proposal(data['answer'], data['part']);
  if (proposal === undefined) return book.fail('an intent has its proposal', `tool.called ${event.seq} is for nothing that was asked.`);
  mayStart(book, event, proposal);
  const again = data['again'] as number | undefined;
  if (again === undefined) return started(book, event, proposal);
  const call = book.calls.get(again);
  if (call === undefined || call.status === 'done' || call.status === 'detached')
    return book.fail('a call starts once', `tool.called ${event.seq} repeats ${again}, which is ${call?.status ?? 'unknown'}.`);
  if (call.effect === 'irreversible' && !call.mayRepeat)
    book.fail(
      'an irreversible call happens at most once',
      `tool.called ${event.seq} repeats ${again} though nobody knows that it did not happen.`,
    );
  call.intents.push(event.seq);
  call.status = 'open';
  call.mayRepeat = false;
}

function started(book: Book, { seq, data }: LogEvent, proposal: Proposal): void {
  const effect = data['effect'] as ToolEffect;
  const before = proposal.call === null ? undefined : book.calls.get(proposal.call);
  if (before !== undefined && before.status !== 'detached')
    book.fail('a call starts once', `tool.called ${seq} starts ${proposal.name} again, as if it were new.`);
  if (before?.status === 'detached' && effect !== 'read')
    book.fail('a fork performs no inherited obligation', `tool.called ${seq} makes call ${before.seq} of the parent.`);
  proposal.call = seq;
  book.calls.set(seq, { seq, name: proposal.name, effect, intents: [seq], status: 'open', mayRepeat: false, outcome: null });
}

/** Cancels, approvals and forks stop a call before it starts. */
function mayStart(book: Book, { seq, data }: LogEvent, { name, approval }: Proposal): void {
  if (book.turn === null || book.turn.isCancelled) book.fail('nothing starts after a cancel', `tool.called ${seq} starts in no open turn.`);
  if (approval !== null && approval.status !== 'granted')
    book.fail('approvals are never bypassed', `tool.called ${seq} (${name}) starts, its approval is ${approval.status}.`);
  if (data['effect'] === 'read') return;
  if (book.effects === 'ask' && approval === null && data['again'] === undefined)
    book.fail('approvals are never bypassed', `tool.called ${seq} (${name}) starts in a fork that must ask.`);
  if (book.effects === 'simulated')
    book.fail('a fork performs no inherited obligation', `tool.called ${seq} (${name}) starts in a simulated fork.`);
}

/** Whether an attempt says it that was given up for another. */
function isOfEarlier(call: BookedCall, { attempt }: JsonObject): boolean {
  return typeof attempt === 'number' && attempt < call.intents.length;
}

function toolSettled(book: Book, event: LogEvent, data: JsonObject): void {
  if (data['call'] === undefined) return;
  const call = book.calls.get(data['call'] as number);
  if (call === undefined) return book.fail('an outcome has its intent', `${event.type} ${event.seq} names no call.`);
  // One that was found not done while its turn lasts is made again; it is nobody's to judge any more.
  const isAgain = call.mayRepeat && isOfTurn(book, call) && book.turn?.isCancelled === false;
  if ((call.status === 'open' || isAgain) && data['by'] === 'person')
    book.fail(
      'a verdict holds only while the doubt stands',
      `${event.type} ${event.seq} is a verdict on call ${call.seq}, which is under way, or is to be made again.`,
    );
  if (event.type === 'tool.failed' && data['why'] === 'cancelled' && isOfTurn(book, call) && book.turn?.isCancelled === false)
    book.fail('only a cancel cancels', `tool.failed ${event.seq} says so of call ${call.seq}, whose turn goes on.`);
  if (call.outcome !== null || call.status === 'detached' || isOfEarlier(call, data)) return;
  call.outcome = event;
  call.status = 'done';
}
