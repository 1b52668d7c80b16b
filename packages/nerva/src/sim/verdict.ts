import { foldAt, replaySession, type Agent, type AgentState, type Facet, type RunResult } from '../agent/index.ts';
import type { World } from '../core/index.ts';
import { eventsOf, type Frame, type LogEvent, type Seq, type Sid, type Store } from '../log/index.ts';
import type { Message } from '../model/index.ts';
import type { Book, BookedCall, Proposal } from './book.ts';
import type { Audit } from './audit.ts';
import { stepsOf } from './case-text.ts';
import { firstErased, judgeErasure, type Rested } from './erasure.ts';
import type { Hub } from './hub.ts';
import { placeOf } from './ledger.ts';
import type { People } from './people.ts';
import type { Scenario } from './scenario.ts';
import type { SimStore } from './store.ts';

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
  const { hub, audit, store, scenario, people } = judged;
  const logs = new Map<Sid, readonly LogEvent[]>();
  const rested: Rested[] = [];
  audit.folds.judging();
  for (const [sid, { book, texts, agent }] of audit.kept) {
    const reading = await read(store.inspected, sid);
    logs.set(sid, reading.log);
    judgeLog(hub, { book, texts }, reading.log);
    await judgeBlobs(judged, { book, texts });
    rested.push(await judgeSession(judged, reading, { book, agent }));
  }
  for (const { sid, seq } of audit.accepted.values()) {
    const book = audit.kept.get(sid)?.book;
    if (book?.messages.has(seq) !== true)
      hub.violated('nothing acknowledged is lost', `Message ${sid}:${seq} was accepted and is not in the log.`);
  }
  for (const { sid, seq, result } of people.told) judgeTold(judged, { sid, seq, result, log: logs.get(sid) ?? [] });
  for (const [sid, seen] of people.seen) judgeReader(hub, { sid, seen, log: logs.get(sid) ?? [] });
  await judgeTenants(judged);
  judgeForks(judged);
  await judgeErasure(judged, rested);
  for (const { name, check } of scenario.invariants ?? []) {
    const wrong = await check({ store: store.inspected, outside: audit.ledger, logs, disk: store.text() });
    if (wrong !== null) hub.violated(name, wrong);
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

function judgeForks({ hub, audit, scenario }: Judged): void {
  for (const step of stepsOf(scenario, hub.seed)) {
    const book = step.type === 'fork' ? audit.kept.get(step.as)?.book : undefined;
    if (step.type === 'fork' && book !== undefined && book.effects !== step.effects)
      hub.violated('a fork does what it was made for', `Fork ${step.as} was asked to be ${step.effects} and is ${book.effects}.`);
  }
}

/** A tenant's handle sees nothing of the others'. */
async function judgeTenants({ hub, audit, store }: Judged): Promise<void> {
  const tenants = new Set([...audit.kept.values()].map(({ tenant }) => tenant));
  for (const other of tenants) {
    if (other === null) continue;
    for (const [sid, { tenant }] of audit.kept) {
      const head = tenant === other ? 0 : await store.inspected.scope(other).head(sid);
      if (head > 0) hub.violated('tenants are apart', `A handle of tenant ${other} sees session ${sid} of ${tenant ?? 'none'}.`);
    }
  }
}

/** What the record names is stored, unless it was erased. */
async function judgeBlobs({ hub, store }: Judged, { book, texts }: Booked): Promise<void> {
  const erased = erasedIn(book);
  for (const { seq, type, subject } of book.events) {
    if (seq < book.base || erased.has(subject) || texts[seq]?.includes('"ref":"') !== true) continue;
    for (const [, ref = ''] of texts[seq].matchAll(BLOB_REF)) {
      const isThere = await store.inspected.blobs.get(ref, { start: 0, end: 1 }).then(
        () => true,
        () => false,
      );
      if (!isThere)
        hub.violated('a blob is stored before it is named', `Session ${book.sid}: ${type} ${seq} names a blob that is not there.`);
    }
  }
}

const BLOB_REF = /"ref":"([0-9a-f]{64})"/g;

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
  const { state } = await foldAt(store, sid, { facets });
  judgeState(judged, book, state);
  const info = await store.info(sid);
  const wanted = book.isClosed ? 'closed' : 'idle';
  if (info.status !== wanted) hub.violated('a session at rest says so', `Session ${sid} is ${info.status} where it should be ${wanted}.`);
  const definition = judged.agent(agent);
  judgeEqual(judged, book, definition);
  if (definition !== undefined && !judged.isDeployed && !book.events.some(({ type }) => type === 'session.configured'))
    await judgeReplay(judged, { sid, store, agent: definition, untilSeq: firstErased(log) });
  return { sid, log, state };
}

/** Who decides again decides the same, as far as it knows what was known then. */
async function judgeReplay(
  { hub, world }: Judged,
  { sid, store, agent, untilSeq }: { readonly sid: Sid; readonly store: Store; readonly agent: Agent; readonly untilSeq: Seq },
): Promise<void> {
  const { divergence } = await replaySession({ store, sid, world, agent });
  if (divergence === null || placeOf(divergence.at).seq > untilSeq) return;
  const { at, recorded, decided } = divergence;
  hub.violated('a replay decides the same', `${at}: recorded ${JSON.stringify(recorded)}, decided ${JSON.stringify(decided)}.`);
}

/** Nothing is left undone, and what the fold says agrees with the record. */
function judgeState({ hub, audit }: Judged, book: Book, state: AgentState): void {
  const { sid } = book;
  if (book.turn !== null) hub.violated('eventually quiet', `Session ${sid}: turn ${book.turn.seq} is open, and nothing happens any more.`);
  for (const [seq, { isTaken }] of book.messages)
    if (!isTaken && !book.isClosed) hub.violated('no lost wake-up', `Session ${sid}: message ${seq} waits, and nothing happens any more.`);
  if ((state.turn.open === null) !== (book.turn === null))
    hub.violated('fold = record', `Session ${sid}: the fold and the record differ on whether a turn is open.`);
  if (state.head !== book.events.length)
    hub.violated('fold = record', `Session ${sid}: the fold stands at ${state.head} of ${book.events.length}.`);
  if (book.spent !== state.budget.session.tokens && book.base === 0 && book.hasLimit)
    hub.violated('fold = record', `Session ${sid}: the fold counts ${state.budget.session.tokens} tokens, the record ${book.spent}.`);
  for (const call of book.calls.values()) if (call.seq >= book.base) judgeCall({ hub, audit }, book, call);
  judgePrompt(hub, book, state.turn.messages.shared.slice(0, state.turn.messages.count));
}

function judgeCall({ hub, audit }: Pick<Judged, 'hub' | 'audit'>, { sid, isClosed }: Book, call: BookedCall): void {
  // Who closes a session leaves its doubts as they are.
  if (call.status === 'open' || (call.status === 'doubt' && !isClosed))
    hub.violated('eventually quiet', `Session ${sid}: call ${call.seq} is ${call.status} for ever.`);
  const isDone = call.outcome?.type === 'tool.returned' && call.outcome.data['by'] === undefined;
  const ran = audit.ledger.of(`${sid}:${call.seq}`).length;
  if (isDone && ran === 0) hub.violated('a result comes from its call', `Session ${sid}: call ${call.seq} returned and never ran.`);
  if (call.effect !== 'irreversible' || ran === 0 || call.outcome?.type !== 'tool.failed') return;
  const { why, by } = call.outcome.data;
  // A value that is none tells that it happened; whatever else a call itself ends in leaves it in doubt.
  if (why === 'not done' || why === 'unknown tool' || (by === undefined && why !== 'bad output'))
    hub.violated('no call is lost', `Session ${sid}: irreversible call ${call.seq} took effect, and the record says ${String(why)}.`);
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

/** Each result in the conversation is the first outcome of its call. */
function judgePrompt(hub: Hub, book: Book, messages: readonly Message[]): void {
  const results = messages.filter(({ role }) => role === 'tool').flatMap(({ parts }) => parts);
  const outputs = new Set(results.map((part) => (part.type === 'tool_result' ? JSON.stringify(part.output) : '')));
  const erased = erasedIn(book);
  for (const call of book.calls.values()) {
    if (call.seq < book.base || call.outcome?.type !== 'tool.returned' || erased.has(call.outcome.subject)) continue;
    const isLater = book.events.some(({ seq, type }) => type === 'turn.ended' && seq > call.seq && seq < (call.outcome?.seq ?? 0));
    const isGone = book.turn !== null && call.seq > book.turn.seq;
    if (isLater || isGone) continue;
    const ended = book.events.some(({ seq, type }) => type === 'turn.ended' && seq > call.seq);
    if (ended && !outputs.has(JSON.stringify(call.outcome.data['output'] ?? null)))
      hub.violated(
        'a call is never split from its result',
        `Session ${book.sid}: the result of call ${call.seq} is not in the conversation.`,
      );
  }
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
  if (turn < 0 || ended === undefined || ended.data['reason'] !== result.reason)
    hub.violated(
      'a caller is told what is recorded',
      `Message ${sid}:${seq} was answered with ${result.reason}; the record says ${String(ended?.data['reason'] ?? 'nothing')}.`,
    );
}

interface Reading {
  readonly log: readonly LogEvent[];
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
  const whole: Store['read'] = (_sid, { after = -1 } = {}) => Promise.resolve(after < log.length - 1 ? frames : []);
  return { log, store: { ...store, read: whole } };
}
