import { foldAt, replaySession, type View } from '../agent/index.ts';
import { NervaError } from '../core/index.ts';
import { eventsOf, type LogEvent, type SessionInfo, type Status, type Store } from '../log/index.ts';
import { loadAgent } from './agents.ts';
import { UsageError } from './arguments.ts';
import type { Context, ExitCode } from './context.ts';
import { brief, columns, time } from './output.ts';
import { pendingLines, summaryOf, typist, VALUE_MAX } from './summary.ts';

const STATUSES: readonly string[] = ['ready', 'waiting', 'idle', 'closed', 'quarantined'];
const LIMIT = 100;

/** `nerva sessions`: one line a session. */
export async function sessions(context: Context): Promise<ExitCode> {
  const { out, flags } = context;
  const status = flags.text('status');
  if (status !== undefined && !STATUSES.includes(status))
    throw new UsageError(`--status is one of ${STATUSES.join(', ')}; "${status}" came.`, 'sessions');
  const limit = flags.number('limit', 1) ?? LIMIT;
  const [agent, tenant, after] = [flags.text('agent'), flags.text('tenant'), flags.text('after')];
  const store = await context.store('read');
  const found = await store.list({
    limit: limit + 1,
    ...(status === undefined ? {} : { status: status as Status }),
    ...(agent === undefined ? {} : { agent }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(after === undefined ? {} : { after }),
  });
  const page = found.slice(0, limit);
  if (out.isJson) {
    for (const info of page) out.json({ type: 'session', ...info });
    return 0;
  }
  if (page.length === 0) out.line('No sessions.');
  else
    for (const line of columns([['SESSION', 'STATUS', 'AGENT', 'EVENTS', 'LAST EVENT (UTC)', 'FORK OF'], ...page.map(sessionRow)]))
      out.line(line);
  if (found.length > limit) out.note(`There are more: nerva sessions --after ${page.at(-1)?.sid ?? ''}`);
  return 0;
}

function sessionRow({ sid, status, agent, head, atMs, parent, attempts }: SessionInfo): readonly string[] {
  const tries = status === 'quarantined' ? ` (${attempts} attempts)` : '';
  return [sid, status + tries, agent ?? '', String(head), time(atMs), parent === null ? '' : `${parent.sid} at ${parent.at}`];
}

/** `nerva show`: the log, the state and what waits. */
export async function show(context: Context): Promise<ExitCode> {
  const { out, flags, positionals } = context;
  const [sid = ''] = positionals;
  const at = flags.number('at', 0);
  const store = await context.store('read');
  const info = await store.info(sid);
  const view = await foldAt(store, sid, at === undefined ? {} : { upto: at });
  const charactersMax = flags.has('full') ? Infinity : VALUE_MAX;
  if (!out.isJson) head(context, info);
  let isCut = false;
  for await (const { event, by } of logOf(store, sid, view.seq)) {
    if (!out.isRead) return 0;
    if (out.isJson) out.json({ type: 'event', id: `${event.sid}:${event.seq}`, by, event });
    else {
      const summary = summaryOf(event, charactersMax);
      isCut ||= summary.endsWith(' more)');
      const inherited = event.sid === sid ? ' ' : '^';
      out.line(
        `${inherited}${String(event.seq).padStart(4)}  ${time(event.atMs)}  ${event.origin.padEnd(6)}  ${out.paint('bold', event.type.padEnd(18))}  ${summary}`.trimEnd(),
      );
    }
  }
  if (out.isJson) out.json(viewLine(view));
  else foot(context, view, { isCut, charactersMax });
  return 0;
}

async function* logOf(store: Store, sid: string, upto: number): AsyncGenerator<{ readonly event: LogEvent; readonly by: string }> {
  for (let after = -1; after < upto;) {
    const page = await store.read(sid, { after, upto });
    if (page.length === 0) return;
    for (const frame of page) {
      for (const event of eventsOf(frame)) yield { event, by: frame.by };
      after = frame.seq + frame.events.length - 1;
    }
  }
}

function head({ out }: Context, { sid, agent, status, tenant, head: count, createdMs, parent, hash }: SessionInfo): void {
  out.line(
    `${out.paint('bold', `session ${sid}`)}  agent ${agent ?? '(none)'}, ${status}, ${count} events, tenant ${tenant}, made ${time(createdMs)} UTC`,
  );
  if (parent !== null) out.line(`fork of ${parent.sid} at event ${parent.at}; inherited events are marked ^`);
  out.line(`head ${hash}`);
  out.line();
}

function foot(
  { out, flags }: Context,
  view: View,
  { isCut, charactersMax }: { readonly isCut: boolean; readonly charactersMax: number },
): void {
  const { turn, budget } = view.state;
  const spent = budget.session;
  out.line();
  out.line(
    `after event ${view.seq}: ${view.messages.length} messages, ${turnText(view)}, ${spent.tokens} tokens${spent.usd > 0 ? `, ${spent.usd} USD` : ''}`,
  );
  for (const waiting of turn.inbox) out.line(`queued: ${brief(waiting.text === '' ? waiting.data : waiting.text, charactersMax)}`);
  const { last } = view;
  if (last !== null && turn.open === null) out.line(`last answer: ${brief(last.text === '' ? last.output : last.text, charactersMax)}`);
  if (view.pending.length > 0) out.line('waiting for a person:');
  for (const line of pendingLines(view.pending, typist(flags), charactersMax)) out.line(line);
  if (isCut) out.note('Long values were cut; --full shows them.');
}

function turnText({ state: { turn, session }, last }: View): string {
  if (turn.open !== null) return `turn open since event ${turn.open.seq} (${turn.open.phase}, ${turn.open.steps} steps)`;
  if (session.isClosed) return 'closed';
  return last === null ? 'no turn yet' : `last turn ended: ${last.reason}${last.why === '' ? '' : ` (${brief(last.why, 200)})`}`;
}

function viewLine({ sid, seq, atMs, messages, last, pending, state }: View): unknown {
  const { open, inbox } = state.turn;
  return {
    type: 'view',
    sid,
    seq,
    atMs,
    messages,
    last,
    open: open === null ? null : { seq: open.seq, phase: open.phase, steps: open.steps },
    inbox: inbox.map(({ seq: at, text, data }) => ({ seq: at, text, data })),
    spent: state.budget.session,
    pending,
  };
}

/** `nerva replay`: decides again from the record. */
export async function replay(context: Context): Promise<ExitCode> {
  const { out, flags, positionals, world } = context;
  const [sid = ''] = positionals;
  const against = flags.text('against');
  const other = against === undefined ? null : await loadAgent(against);
  const store = await context.store('read');
  const { agent: name } = await store.info(sid);
  const agent = other ?? (await context.agents()).find((one) => one.name === name);
  if (agent === undefined) {
    throw new NervaError(
      'AGENT_UNKNOWN',
      `Session ${sid} belongs to agent "${name ?? ''}", which is not registered here. Give --agents FILE, or --against FILE for another definition.`,
      { details: { agent: name } },
    );
  }
  const report = await replaySession({ store, sid, world, agent });
  const { divergence } = report;
  if (out.isJson) out.json({ type: 'replay', ...report });
  else if (divergence === null) {
    out.line(
      `${out.paint('green', 'same')}: ${report.events} events, ${report.decisions} decisions made again, no call made${report.isChanged ? '; the definition is not the recorded one, yet nothing would differ' : ''}`,
    );
  } else {
    const show = (side: typeof divergence.recorded): string => (side === null ? 'nothing' : `${side.type} ${brief(side.data, 2000)}`);
    out.line(`${out.paint('red', 'differs')} at ${divergence.at}, decision ${report.decisions}`);
    out.line(`  recorded: ${show(divergence.recorded)}`);
    out.line(`  decided:  ${show(divergence.decided)}`);
  }
  return divergence === null ? 0 : 1;
}
