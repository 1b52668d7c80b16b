import { foldAt, replaySession, type Agent, type AgentState, type Facet, type RunResult } from '../agent/index.ts';
import { utf8Bytes, type Json, type World } from '../core/index.ts';
import { eventsOf, isBlobRef, type Frame, type LogEvent, type Seq, type Sid, type Store } from '../log/index.ts';
import type { Message } from '../model/index.ts';
import type { Book, BookedCall, Proposal } from './book.ts';
import { refsIn, type Audit } from './audit.ts';
import { stepsOf } from './case-text.ts';
import { judgeConduct } from './conduct.ts';
import { firstErased, judgeErasure, type Rested } from './erasure.ts';
import type { Hub } from './hub.ts';
import { placeOf } from './ledger.ts';
import type { Followed, People } from './people.ts';
import type { Scenario } from './scenario.ts';
import type { SimStore } from './store.ts';
import { judgeCovered, judgeTampered } from './tamper.ts';
import { isThere, judgeTenants } from './tenants.ts';

/** A run that came to its end. */
export interface Judged {
  readonly hub: Hub;
  readonly audit: Audit;
  readonly people: People;
  readonly store: SimStore;
  readonly scenario: Scenario;
  readonly facets: readonly Facet<unknown>[];
  /** Computes digests. */
  readonly world: World;
  /** Whether a definition was changed on the way. */
  readonly isDeployed: boolean;
  /** An agent as it was given. */
  agent(name: string): Agent | undefined;
}

/** The laws that are looked at when everything has come to rest. */
export async function judge(judged: Judged): Promise<void> {
  const { hub, audit, store, scenario } = judged;
  const logs = new Map<Sid, readonly LogEvent[]>();
  const rested: Rested[] = [];
  audit.folds.judging();
  for (const [sid, { book, texts, agent }] of audit.kept) {
    const reading = await read(store.inspected, sid);
    logs.set(sid, reading.log);
    judgeLog(hub, { book, texts }, reading.log);
    await judgeBlobs(judged, { book, texts });
    rested.push(await judgeSession(judged, reading, { book, agent }));
    if (logs.size > 1) continue;
    judgeCovered(judged, reading.first);
    const definition = judged.agent(agent);
    if (definition !== undefined && book.base === 0 && !judged.isDeployed) await judgeTampered(judged, reading, definition);
  }
  for (const { sid, seq } of audit.accepted.values()) {
    const book = audit.kept.get(sid)?.book;
    if (book?.messages.has(seq) !== true)
      hub.violated('nothing acknowledged is lost', `Message ${sid}:${seq} was accepted and is not in the log.`);
  }
  judgeAnswers(judged);
  judgeCallers(judged, logs);
  await judgeTenants(judged);
  judgeForks(judged);
  await judgeErasure(judged, rested);
  for (const { name, check } of scenario.invariants ?? []) {
    const wrong = await check({ store: store.inspected, outside: audit.ledger, logs, disk: store.text() });
    if (wrong !== null) hub.violated(name, wrong);
  }
}

/** What callers were told, and what readers saw. */
function judgeCallers(judged: Judged, logs: ReadonlyMap<Sid, readonly LogEvent[]>): void {
  const { hub, people } = judged;
  for (const { sid, seq, result } of people.told) judgeTold(judged, { sid, seq, result, log: logs.get(sid) ?? [] });
  for (const { process, sid, seq } of people.untold)
    if (!process.isDead && process.pausedUntilMs === 0)
      hub.violated(
        'a caller is told what is recorded',
        `Who sent ${sid}:${seq} to process ${process.n} still waits, and nothing happens any more.`,
      );
  for (const one of people.followed) judgeFollower(hub, one, logs.get(one.sid) ?? []);
  for (const [sid, seen] of people.seen) judgeReader(hub, { sid, seen, log: logs.get(sid) ?? [] });
}

/** Who is told that an answer was accepted is the one whose answer counts. */
function judgeAnswers({ hub, audit }: Judged): void {
  for (const { sid, id, seq } of audit.settled) {
    const book = audit.kept.get(sid)?.book;
    const asked = placeOf(id).seq;
    const counts =
      book?.calls.get(asked)?.outcome ??
      book?.events.find(({ type, data }) => (type === 'approval.granted' || type === 'approval.denied') && data['approval'] === asked);
    if (counts?.seq !== seq)
      hub.violated(
        'an answer that was accepted counts',
        `The answer ${sid}:${seq} to ${id} was accepted; ${counts?.seq ?? 'none'} counts.`,
      );
  }
}

/** A session's record as it was acknowledged, and the data of its events as JSON. */
interface Booked {
  readonly book: Book;
  readonly texts: readonly string[];
}

/** What is stored is what was acknowledged. */
function judgeLog(hub: Hub, { book, texts }: Booked, log: readonly LogEvent[]): void {
  if (log.length !== book.events.length)
    return hub.violated(
      'nothing acknowledged is lost',
      `Session ${book.sid} holds ${log.length} events, ${book.events.length} were acknowledged.`,
    );
  for (let seq = 0; seq < log.length; seq++) {
    const [stored, given] = [log[seq], book.events[seq]];
    if (stored?.erased === true || (stored?.type === given?.type && JSON.stringify(stored?.data) === texts[seq])) continue;
    return hub.violated(
      'nothing acknowledged is lost',
      `Event ${seq} of ${book.sid} is ${stored?.type ?? 'missing'}, ${given?.type ?? ''} was acknowledged, or its data differs.`,
    );
  }
}

/** A reader saw what is stored: each event once, in order, to the last. */
function judgeReader(
  hub: Hub,
  { sid, seen, log }: { readonly sid: Sid; readonly seen: readonly LogEvent[]; readonly log: readonly LogEvent[] },
): void {
  const law = 'a reader sees each event once, in order';
  const wrong = seen.findIndex((event, index) => event.seq !== index || event.type !== log[index]?.type);
  if (wrong >= 0) hub.violated(law, `The reader of ${sid} saw ${seen[wrong]?.type ?? ''} ${seen[wrong]?.seq ?? ''} at ${wrong}.`);
  else if (seen.length < log.length) hub.violated(law, `The reader of ${sid} saw ${seen.length} of ${log.length} events.`);
}

/** Who reads along with a run sees each event from his message to the end of its turn, or to where somebody is asked. */
function judgeFollower(hub: Hub, { sid, seq, seen, result }: Followed, log: readonly LogEvent[]): void {
  const law = 'who follows a run sees it to its end';
  if (seen.some((one, index) => one !== seq + index)) hub.violated(law, `Who sent ${sid}:${seq} saw ${seen.join()}.`);
  const turn = log.find(({ type, data }) => type === 'turn.started' && (data['takes'] as readonly Seq[]).includes(seq))?.seq ?? Infinity;
  const end = log.find((event) => event.type === 'turn.ended' && event.seq > turn)?.seq ?? -1;
  if (result.reason !== null && (seen.at(-1) ?? -1) < end)
    hub.violated(law, `Who sent ${sid}:${seq} saw events up to ${seen.at(-1) ?? 'none'}; it ends at ${end}.`);
}

function judgeForks({ hub, audit, scenario }: Judged): void {
  for (const step of stepsOf(scenario, hub.seed)) {
    const book = step.type === 'fork' ? audit.kept.get(step.as)?.book : undefined;
    if (step.type === 'fork' && book !== undefined && book.effects !== step.effects)
      hub.violated('a fork does what it was made for', `Fork ${step.as} was asked to be ${step.effects} and is ${book.effects}.`);
  }
}

/** What the record names is stored, unless it was erased. */
async function judgeBlobs({ hub, store }: Judged, { book, texts }: Booked): Promise<void> {
  const erased = erasedIn(book);
  for (const { seq, type, subject } of book.events) {
    if (seq < book.base || erased.has(subject)) continue;
    for (const ref of refsIn(texts[seq] ?? '')) {
      if (!(await isThere(store.inspected, ref)))
        hub.violated('a blob is stored before it is named', `Session ${book.sid}: ${type} ${seq} names a blob that is not there.`);
    }
  }
}

/** Of a page when a verdict reads. */
const PAGE_FRAMES = 3;

/** Subjects whose data of a session was erased. */
function erasedIn({ events }: Book): ReadonlySet<unknown> {
  return new Set(events.filter(({ type }) => type === 'subject.erased').map(({ data }) => data['subject']));
}

async function judgeSession(
  judged: Judged,
  { store, log }: Reading,
  { book, agent }: { readonly book: Book; readonly agent: string },
): Promise<Rested> {
  const { hub, facets } = judged;
  const { sid } = book;
  const { ok, bad } = await store.verify(sid);
  if (!ok) hub.violated('the chain verifies', `Session ${sid}: event ${bad?.seq ?? ''} ${bad?.why ?? ''}.`);
  // The probe among the facets compares each state on the way with the one that a driver had there.
  const { state, pending } = await foldAt(store, sid, { facets });
  judgeState(judged, book, state);
  if (pending[0] !== undefined && !book.isClosed)
    hub.violated('eventually quiet', `Session ${sid}: ${pending[0].id} waits for a person, and nobody is asked.`);
  const info = await store.info(sid);
  const isLeft = book.isUntouched && (book.turn !== null || [...book.messages.values()].some(({ isTaken }) => !isTaken));
  const wanted = book.isClosed ? 'closed' : isLeft ? 'waiting' : 'idle';
  if (info.status !== wanted) hub.violated('a session at rest says so', `Session ${sid} is ${info.status} where it should be ${wanted}.`);
  const definition = judged.agent(agent);
  const isOnTime = ![...hub.fired.keys()].some((kind) => kind.startsWith('clock.'));
  judgeEqual(judged, book, definition);
  if (definition !== undefined && !book.isErased && firstErased(log) === Infinity)
    judgeConduct(book.events, { ...definition, isOnTime }, (law, message) => hub.violated(law, `Session ${sid}: ${message}`));
  if (definition !== undefined && !judged.isDeployed && !book.events.some(({ type }) => type === 'session.configured'))
    await judgeReplay(judged, { book, store, agent: definition, untilSeq: firstErased(log) });
  return { sid, log, state };
}

/** Who decides again decides the same, as far as it knows what was known then. */
async function judgeReplay(
  { hub, world }: Judged,
  { book, store, agent, untilSeq }: { readonly book: Book; readonly store: Store; readonly agent: Agent; readonly untilSeq: Seq },
): Promise<void> {
  const report = await replaySession({ store, sid: book.sid, world, agent });
  const { divergence } = report;
  const decisions = book.events.filter(({ type }) => DECISIONS.has(type)).length;
  if (divergence === null && untilSeq === Infinity && (report.events !== book.events.length || report.decisions < decisions))
    hub.violated(
      'a replay decides the same',
      `It went through ${report.events} events and ${report.decisions} decisions; there are ${book.events.length} and ${decisions}.`,
    );
  if (divergence === null || placeOf(divergence.at).seq > untilSeq) return;
  const { at, recorded, decided } = divergence;
  hub.violated('a replay decides the same', `${at}: recorded ${JSON.stringify(recorded)}, decided ${JSON.stringify(decided)}.`);
}

/** What nobody but the runtime decides. */
const DECISIONS = new Set([
  'turn.started',
  'turn.ended',
  'model.called',
  'context.called',
  'policy.decided',
  'tool.called',
  'approval.requested',
]);

/** Nothing is left undone, and what the fold says agrees with the record. */
function judgeState(judged: Judged, book: Book, state: AgentState): void {
  const { hub } = judged;
  const { sid } = book;
  if (book.turn !== null && !book.isUntouched)
    hub.violated('eventually quiet', `Session ${sid}: turn ${book.turn.seq} is open, and nothing happens any more.`);
  for (const [seq, { isTaken }] of book.messages)
    if (!isTaken && !book.isClosed && !book.isUntouched)
      hub.violated('no lost wake-up', `Session ${sid}: message ${seq} waits, and nothing happens any more.`);
  if ((state.turn.open === null) !== (book.turn === null))
    hub.violated('fold = record', `Session ${sid}: the fold and the record differ on whether a turn is open.`);
  if (state.head !== book.events.length)
    hub.violated('fold = record', `Session ${sid}: the fold stands at ${state.head} of ${book.events.length}.`);
  // What a policy decided is sealed with the rest: of a session whose subject is erased nobody can count its steps.
  if (!book.isOver && state.turn.steps !== book.steps)
    hub.violated('fold = record', `Session ${sid}: the fold counts ${state.turn.steps} steps, the record ${book.steps}.`);
  if (book.hasLimit && !book.isErased) {
    const { session, turn } = state.budget;
    const kept = [session.tokens, turn.tokens, Math.round(session.usd * 1e6)].join();
    const booked = [book.spent.tokens, book.turnSpent.tokens, Math.round(book.spent.usd * 1e6)].join();
    if (kept !== booked)
      hub.violated(
        'fold = record',
        `Session ${sid}: the fold counts ${kept} (tokens, of the turn, millionths of USD), the record ${booked}.`,
      );
  }
  if (!book.isErased && state.budget.reserved !== null)
    hub.violated(
      'fold = record',
      `Session ${sid}: the fold still sets something aside for model call ${state.budget.reserved.seq}, and nothing happens any more.`,
    );
  for (const call of book.calls.values()) if (call.seq >= book.base) judgeCall(judged, book, call);
  judgePrompt(hub, book, state.turn.messages.shared.slice(0, state.turn.messages.count));
  judgeSummary(hub, book, state);
}

function judgeCall({ hub, audit, world }: Judged, book: Book, call: BookedCall): void {
  const { sid, isClosed } = book;
  // Who closes a session leaves its doubts as they are.
  if (call.status === 'open' || (call.status === 'doubt' && !isClosed))
    hub.violated('eventually quiet', `Session ${sid}: call ${call.seq} is ${call.status} for ever.`);
  const isDone = call.outcome?.type === 'tool.returned' && call.outcome.data['by'] === undefined;
  const ran = audit.ledger.of(`${sid}:${call.seq}`).length;
  judgeResult({ hub, audit, world }, book, call);
  if (isDone && ran === 0) hub.violated('a result comes from its call', `Session ${sid}: call ${call.seq} returned and never ran.`);
  if (call.effect !== 'irreversible' || ran === 0 || call.outcome?.type !== 'tool.failed') return;
  const { why, by } = call.outcome.data;
  // A value that is none tells that it happened; whatever else a call itself ends in leaves it in doubt.
  if (why === 'not done' || why === 'unknown tool' || ((by === undefined || by === 'late') && why !== 'bad output'))
    hub.violated('no call is lost', `Session ${sid}: irreversible call ${call.seq} took effect, and the record says ${String(why)}.`);
}

/** What is recorded as the result of a call is what it gave, or what a person said of it. */
function judgeResult(
  { hub, audit, world }: Pick<Judged, 'hub' | 'audit' | 'world'>,
  { sid, limits, isOver }: Book,
  { seq, outcome }: BookedCall,
): void {
  if (outcome?.type !== 'tool.returned' || outcome.data['by'] === 'person' || outcome.data['truncatedBytes'] !== undefined) return;
  const { output = null } = outcome.data;
  if (isOver && output === '[erased]') return;
  const text = JSON.stringify(output);
  const bytes = isBlobRef(output) ? output.bytes : utf8Bytes(text);
  // A text is measured without its quotes and escapes.
  const { outputBytesMax = Infinity } = limits;
  if (bytes > outputBytesMax && typeof output !== 'string')
    hub.violated('a result stays within its limit', `Session ${sid}: event ${outcome.seq} has ${bytes} bytes of ${outputBytesMax}.`);
  const isIt = isBlobRef(output)
    ? (given: string): boolean => world.digest(given) === output.ref
    : (given: string): boolean => given === text;
  if (!audit.hasGiven(`${sid}:${seq}`, isIt))
    hub.violated('a result comes from its call', `Session ${sid}: event ${outcome.seq} says what call ${seq} did not give.`);
}

/** Calls that are equal by their tool's word are made once, unless one failed, and no others are taken for equal. */
function judgeEqual({ hub }: Judged, book: Book, agent: Agent | undefined): void {
  const text = ({ name, input }: Proposal): string | undefined => agent?.tools.find((tool) => tool.name === name)?.dedupe?.(input as never);
  const made = [...book.proposals.values()].filter((proposal) => text(proposal) !== undefined && proposal.call !== null);
  const happened = ({ call }: Proposal): boolean => {
    const outcome = book.calls.get(call ?? -1)?.outcome;
    return outcome?.type === 'tool.returned' || (outcome ?? null) === null;
  };
  for (const [index, one] of made.entries())
    if (happened(one) && made.slice(0, index).some((other) => other.name === one.name && text(other) === text(one) && happened(other)))
      hub.violated('equal calls are one', `Session ${book.sid}: call ${one.call ?? -1} is equal to an earlier one.`);
  for (const { seq, type, data } of book.events) {
    const proposal = type === 'tool.returned' && data['by'] === 'dedupe' ? book.proposal(data['answer'], data['part']) : undefined;
    if (proposal !== undefined && !made.some((other) => other.name === proposal.name && text(other) === text(proposal) && happened(other)))
      hub.violated('equal calls are one', `Session ${book.sid}: event ${seq} says that a call is equal to one that was never made.`);
  }
}

/** What stands for the beginning of a conversation is what its last summary says, not one that came late. */
function judgeSummary(hub: Hub, { sid, events, compactedBy, isErased }: Book, { context }: AgentState): void {
  const summary = events[compactedBy]?.data['summary'];
  if (!isErased && typeof summary === 'string' && context.summary?.text !== summary)
    hub.violated('fold = record', `Session ${sid}: what stands for the beginning is not the summary that event ${compactedBy} made.`);
}

/** Each result in the conversation is the first outcome of its call. */
function judgePrompt(hub: Hub, book: Book, messages: readonly Message[]): void {
  const results = messages.filter(({ role }) => role === 'tool').flatMap(({ parts }) => parts);
  const outputs = new Set(results.map((part) => (part.type === 'tool_result' ? JSON.stringify(part.output) : '')));
  const erased = erasedIn(book);
  for (const call of book.calls.values()) {
    if (call.seq < book.base || call.outcome?.type !== 'tool.returned' || erased.has(call.outcome.subject)) continue;
    // Of a session whose subject is gone nothing that was said is kept.
    if (book.isOver && call.outcome.data['output'] === '[erased]') continue;
    const isLater = book.events.some(({ seq, type }) => type === 'turn.ended' && seq > call.seq && seq < (call.outcome?.seq ?? 0));
    if (isLater) judgeLateNote(hub, book, call, messages);
    const isGone = book.turn !== null && call.seq > book.turn.seq;
    if (isLater || isGone || (call.outcome?.seq ?? 0) < book.compactedBy) continue;
    const ended = book.events.some(({ seq, type }) => type === 'turn.ended' && seq > call.seq);
    if (ended && !outputs.has(JSON.stringify(call.outcome.data['output'] ?? null)))
      hub.violated(
        'a call is never split from its result',
        `Session ${book.sid}: the result of call ${call.seq} is not in the conversation.`,
      );
  }
}

/** What became of a call that a turn left in doubt the model is told when it is asked next. */
// oxlint-disable-next-line max-params -- a call and its surroundings
function judgeLateNote(hub: Hub, { sid, events, compactedBy }: Book, { seq, outcome }: BookedCall, messages: readonly Message[]): void {
  const at = outcome?.seq ?? 0;
  if (compactedBy > at || !events.some((event) => event.type === 'model.called' && event.seq > at)) return;
  const text = `returned ${JSON.stringify(outcome?.data['output'] ?? null)}`;
  const isTold = messages.some(
    ({ origin, parts }) => origin === 'system' && parts.some((part) => part.type === 'text' && part.text.includes(text)),
  );
  if (!isTold) hub.violated('a doubt that is settled is told', `Session ${sid}: the model was never told what became of call ${seq}.`);
}

/** What a caller was told is what the record says of its message. */
function judgeTold(
  { hub }: Judged,
  told: { readonly sid: Sid; readonly seq: number; readonly result: RunResult; readonly log: readonly LogEvent[] },
): void {
  const { sid, seq, result, log } = told;
  if (result.reason === null) return;
  let turn = -1;
  for (const event of log) {
    const takes = event.type === 'turn.started' || event.type === 'model.called' ? ((event.data['takes'] ?? []) as readonly number[]) : [];
    if (takes.includes(seq)) turn = event.seq;
  }
  const ended = log.find((event) => event.type === 'turn.ended' && event.seq > turn);
  if (ended !== undefined && !log.some(({ erased }) => erased === true)) {
    const text = ended.data['reason'] === 'answer' ? answerIn(log.slice(turn, ended.seq)) : null;
    if (STATUS[result.reason] !== result.status || (text !== null && text !== result.text))
      hub.violated('a caller is told what is recorded', `Message ${sid}:${seq} was told ${result.status}: ${result.text}.`);
  }
  if (turn < 0 || ended === undefined || ended.data['reason'] !== result.reason)
    hub.violated(
      'a caller is told what is recorded',
      `Message ${sid}:${seq} was answered with ${result.reason}; the record says ${String(ended?.data['reason'] ?? 'nothing')}.`,
    );
}

const STATUS = { answer: 'answered', steps: 'stopped', budget: 'stopped', cancelled: 'cancelled', error: 'failed' } as const;

/** The text of the last answer among the events of a turn. */
function answerIn(events: readonly LogEvent[]): string {
  let call = -1;
  let text = '';
  for (const { seq, type, data } of events) {
    if (type === 'model.called') call = seq;
    if (type === 'model.answered' && data['call'] === call)
      text = (data['parts'] as readonly { readonly type: string; readonly text?: string }[])
        .map((part) => (part.type === 'text' ? (part.text ?? '') : ''))
        .join('');
    const action =
      type === 'policy.decided' ? (data['action'] as { readonly type: string; readonly text?: string; readonly output?: Json }) : null;
    if (action?.type === 'answer') text = action.text ?? (action.output === undefined ? '' : JSON.stringify(action.output));
  }
  return text;
}

interface Reading {
  readonly log: readonly LogEvent[];
  readonly first: Frame | undefined;
  readonly store: Store;
}

/** A session's log, and the store with that log at hand: it is decoded once for all who fold it. */
async function read(store: Store, sid: Sid): Promise<Reading> {
  const frames: Frame[] = [];
  const log: LogEvent[] = [];
  for (;;) {
    const page = await store.read(sid, { after: log.length - 1 });
    if (page.length === 0) break;
    frames.push(...page);
    log.push(...page.flatMap(eventsOf));
  }
  // In pages of a few frames: a reader asks until nothing comes.
  const whole: Store['read'] = (_sid, { after = -1 } = {}) => {
    const first = frames.findIndex(({ seq, events }) => seq + events.length - 1 > after);
    return Promise.resolve(first < 0 ? [] : frames.slice(first, first + PAGE_FRAMES));
  };
  return { log, first: frames[0], store: { ...store, read: whole } };
}
