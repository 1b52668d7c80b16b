import { foldAt } from '../agent/index.ts';
import { NervaError } from '../core/index.ts';
import type { Status, Store } from '../log/index.ts';
import { momentMs, UsageError } from './arguments.ts';
import type { Context, ExitCode } from './context.ts';
import { brief, columns } from './output.ts';
import { openForUsage, usageIn, usageLines } from './usage.ts';

/** `nerva verify`: recomputes the chains. */
export async function verify(context: Context): Promise<ExitCode> {
  const { out, flags, positionals } = context;
  const [only] = positionals;
  const head = flags.text('head');
  if (head !== undefined && only === undefined) throw new UsageError('--head is the hash of one session: name it.', 'verify');
  if (head !== undefined && !/^[0-9a-f]{48}$/.test(head))
    throw new UsageError(`--head takes the 48 hex digits of a frame's hash; "${brief(head, 80)}" came.`, 'verify');
  const store = await context.store('read');
  const [bad, good] = [{ count: 0 }, { count: 0 }];
  for await (const sid of only === undefined ? allSessions(store) : [only]) {
    const found = await verified(store, sid, head);
    (found.ok ? good : bad).count++;
    if (out.isJson) out.json({ type: 'verified', sid, ...found });
    else if (!found.ok)
      out.line(
        `${out.paint('red', 'bad')}  ${sid}  ${found.bad === undefined ? '' : `event ${found.bad.seq}: ${brief(found.bad.why, 500)}`}`.trimEnd(),
      );
    else if (only !== undefined) out.line(`${out.paint('green', 'ok')}  ${sid}  ${found.frames} frames, head ${found.hash}`);
  }
  if (!out.isJson && only === undefined) out.line(`${good.count} sessions verify, ${bad.count} do not`);
  return bad.count === 0 ? 0 : 1;
}

/** A log that cannot even be read does not verify either. */
async function verified(store: Store, sid: string, head: string | undefined): ReturnType<Store['verify']> {
  try {
    return await store.verify(sid, head === undefined ? {} : { head });
  } catch (error) {
    if (!NervaError.is(error, 'LOG_CORRUPT') && !NervaError.is(error, 'STORE_CORRUPT')) throw error;
    const seq = error.details['seq'];
    return { ok: false, frames: 0, hash: '', bad: { seq: typeof seq === 'number' ? seq : 0, why: `${error.code}: ${error.message}` } };
  }
}

const PAGE = 500;

async function* allSessions(store: Store): AsyncGenerator<string> {
  for (let after: string | undefined; ;) {
    const page = await store.list({ limit: PAGE, ...(after === undefined ? {} : { after }) });
    for (const { sid } of page) yield sid;
    after = page.at(-1)?.sid;
    if (after === undefined) return;
  }
}

/** `nerva stats`: totals. */
export async function stats(context: Context): Promise<ExitCode> {
  const { out, flags } = context;
  const tenant = flags.text('tenant');
  const isAll = tenant === undefined;
  const store = await (flags.has('usage') && isAll ? openForUsage(context) : context.store('read'));
  const scoped = isAll ? store : store.scope(tenant);
  const usage = flags.has('usage') ? await usageIn(scoped, context) : null;
  const totals = await scoped.stats();
  if (out.isJson) {
    out.json({ type: 'stats', ...totals, ...(usage === null ? {} : { usage }) });
    return 0;
  }
  const { sessions, ...rest } = totals;
  const count = Object.values(sessions).reduce((sum, one) => sum + one, 0);
  const parts = Object.entries(sessions)
    .filter(([, one]) => one > 0)
    .map(([status, one]) => `${one} ${status}`);
  const rows = [
    ['sessions', `${count}${parts.length === 0 ? '' : ` (${parts.join(', ')})`}`],
    ...Object.entries(rest).map(([name, one]) => [TITLES[name] ?? name, String(one)]),
  ];
  for (const line of columns(rows)) out.line(line);
  if (usage !== null) for (const line of usageLines(usage)) out.line(line);
  return 0;
}

const TITLES: Readonly<Record<string, string>> = { bytes: 'bytes of events', blobBytes: 'bytes of blobs', fileBytes: 'bytes of files' };

/** `nerva close`: takes no more input. A session whose turn is open, or for which input waits, is left as it is. */
export async function close(context: Context): Promise<ExitCode> {
  const { out, flags, positionals, world } = context;
  const [sid = ''] = positionals;
  const store = await context.store('write');
  const { status, head } = await store.info(sid);
  if (status !== 'closed') {
    await mustRest(store, sid, status);
    const result = await store.append({
      id: world.ids.next(),
      sid,
      expected: head,
      events: [{ type: 'session.closed', data: { why: flags.text('why') ?? 'closed' } }],
      by: flags.text('by') ?? 'cli',
      then: { status: 'closed' },
    });
    if (!result.ok) throw notClosed(sid, result.why);
  }
  if (out.isJson) out.json({ type: 'closed', sid, before: status });
  else
    out.line(
      status === 'closed'
        ? `${sid} was closed already; nothing was changed.`
        : `${sid} is closed. Fork it to go on from any of its events.`,
    );
  return 0;
}

/** Told from the log and not from the status: a session that became `ready` by a late fact is at rest, a quarantined one may not be. */
async function mustRest(store: Store, sid: string, status: Status): Promise<void> {
  const { state, pending } = await foldAt(store, sid);
  const isOpen = state.turn.open !== null;
  if (!isOpen && state.turn.inbox.length === 0) return;
  const waits =
    pending.length > 0 ? `answer what waits with \`nerva approve\` or \`nerva deny\` (\`nerva show ${sid}\` lists it), or ` : '';
  const release = status === 'quarantined' ? `\`nerva release ${sid}\`, then ` : '';
  throw new NervaError(
    'SESSION_BUSY',
    `Session ${sid} has ${isOpen ? 'an open turn' : 'input that no turn has taken'}: ${waits}${release}let \`nerva resume ${sid}\` end it (Ctrl-C there cancels it), then close it. Nothing was written.`,
    { details: { sid, status, pending: pending.map(({ id }) => id) } },
  );
}

function notClosed(sid: string, why: 'conflict' | 'fenced' | 'closed' | 'limit'): NervaError {
  if (why === 'limit')
    return new NervaError(
      'SESSION_FULL',
      `Session ${sid} reached its limit, so not even its close fits. Nothing was written; \`nerva delete ${sid}\` removes it.`,
      { details: { sid } },
    );
  return new NervaError('SESSION_BUSY', `Session ${sid} moved meanwhile. Nothing was written; try again.`, { details: { sid } });
}

/** `nerva release`: out of quarantine. */
export async function release(context: Context): Promise<ExitCode> {
  const { out, positionals } = context;
  const [sid = ''] = positionals;
  const store = await context.store('write');
  const { status } = await store.info(sid);
  const isReleased = status === 'quarantined';
  if (isReleased) await store.unquarantine(sid);
  if (out.isJson) out.json({ type: 'released', sid, before: status, released: isReleased });
  else
    out.line(
      isReleased ? `${sid} is ready again; \`nerva resume ${sid}\` goes on.` : `${sid} is ${status}, not quarantined; nothing was changed.`,
    );
  return 0;
}

/** `nerva prune`: contents of closed sessions go, their chains stay. */
export async function prune(context: Context): Promise<ExitCode> {
  const { out, flags } = context;
  const before = flags.text('before');
  if (before === undefined) throw new UsageError('prune needs --before DATE, e.g. --before 2026-01-31.', 'prune');
  const closedBeforeMs = momentMs(before);
  if (closedBeforeMs === null)
    throw new UsageError(`--before takes a date like 2026-01-31 or 2026-01-31T12:00:00Z; "${brief(before, 60)}" came.`, 'prune');
  const store = await context.store('write');
  const pruned = await store.prune({ closedBeforeMs });
  if (out.isJson) out.json({ type: 'pruned', sessions: pruned, before: new Date(closedBeforeMs).toISOString() });
  else out.line(`${pruned} closed sessions pruned whose last event is older than ${new Date(closedBeforeMs).toISOString()}`);
  return 0;
}

/** `nerva delete`: a tombstone is left. */
export async function remove(context: Context): Promise<ExitCode> {
  const { out, flags, positionals } = context;
  const [sid = ''] = positionals;
  const store = await context.store('write');
  await store.delete(sid, { cascade: flags.has('cascade') });
  if (out.isJson) out.json({ type: 'deleted', sid, cascade: flags.has('cascade') });
  else out.line(`${sid} was deleted${flags.has('cascade') ? ', with its forks' : ''}.`);
  return 0;
}
