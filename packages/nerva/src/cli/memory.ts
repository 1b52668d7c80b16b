import { nearestOf, NervaError } from '../core/index.ts';
import type { Store } from '../log/index.ts';
import { openMemory, usageOf, type Entry, type Memory } from '../memory/index.ts';
import { hint, UsageError } from './arguments.ts';
import type { Context, ExitCode } from './context.ts';
import { eraseMemory } from './memory-erase.ts';
import { asOfIn, clearMemory, countMemory, endEntry, entryRows, listMemory, resetMemory } from './memory-list.ts';
import { changeRights, rightsRows, shareMemory, showRights } from './memory-rights.ts';
import { suggestionRows, standingRows, tendMemory } from './memory-tiers.ts';
import { exportMemory, importMemory } from './memory-transfer.ts';
import { brief, columns, time } from './output.ts';

/** What a verb works on. */
interface Asked {
  readonly memory: Memory;
  readonly store: Store;
  readonly argument: string;
}
type Verb = (context: Context, asked: Asked) => Promise<ExitCode | void> | void;
interface Known {
  readonly does: Verb;
  readonly takes: string | null;
  /** How the store is opened. */
  readonly store: 'read' | 'write' | 'create';
}

const looks = (does: (context: Context, memory: Memory, argument: string) => void, takes: string | null): Known => ({
  does: (context, { memory, argument }) => does(context, memory, argument),
  takes,
  store: 'read',
});
const rights = (isGrant: boolean): Known => ({
  does: (context, { memory, argument }) => changeRights(context, memory, { agent: argument, isGrant }),
  takes: 'an agent',
  store: isGrant ? 'create' : 'write',
});
const VERBS: Readonly<Record<string, Known>> = {
  search: looks(search, 'a question'),
  show: looks(show, null),
  list: looks(listMemory, null),
  count: looks(countMemory, null),
  why: looks(why, 'the id of an entry'),
  stats: looks(stats, null),
  export: looks(exportMemory, null),
  import: { does: (context, { memory, argument }) => importMemory(context, memory, argument), takes: 'a file', store: 'create' },
  tend: {
    does: (context, { memory, argument }) => tendMemory(context, memory, argument),
    takes: 'a session that was told of it',
    store: 'write',
  },
  grant: rights(true),
  revoke: rights(false),
  rights: { does: (context, { memory }) => showRights(context, memory), takes: null, store: 'read' },
  share: {
    does: (context, { memory, store, argument }) => shareMemory(context, memory, store, argument),
    takes: 'the id of an entry',
    store: 'write',
  },
  end: { does: (context, { memory, argument }) => endEntry(context, memory, argument), takes: 'the id of an entry', store: 'write' },
  clear: { does: (context, { memory }) => clearMemory(context, memory), takes: null, store: 'write' },
  reset: { does: (context, { memory }) => resetMemory(context, memory), takes: null, store: 'write' },
  erase: { does: (context, { memory, store }) => eraseMemory(context, memory, store), takes: null, store: 'write' },
};

/** `nerva memory`: what a scope keeps. */
export async function memory(context: Context): Promise<ExitCode> {
  const { flags, positionals, world } = context;
  const [name = '', scope = '', argument = ''] = positionals;
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (verb === undefined) {
    const names = Object.keys(VERBS);
    throw new UsageError(`memory ${names.join(', ')}; "${name}" came.${hint(nearestOf(name, names))}`, 'memory');
  }
  if ((verb.takes === null) !== (argument === ''))
    throw new UsageError(
      verb.takes === null
        ? `memory ${name} takes a scope only; "${brief(argument, 80)}" came too.`
        : `memory ${name} takes a scope and ${verb.takes}.`,
      'memory',
    );
  const upto = flags.number('at', 0);
  if (upto !== undefined && verb.store !== 'read') throw new UsageError(`memory ${name} changes what is now: it takes no --at.`, 'memory');
  const tenant = flags.text('tenant');
  const subject = name === 'import' ? flags.text('subject') : undefined;
  const whole = await context.store(verb.store);
  const store = tenant === undefined ? whole : whole.scope(tenant);
  const more = { ...(upto === undefined ? {} : { upto }), ...(subject === undefined ? {} : { subject }) };
  const opened = await openMemory({ store, world, scope, ...more });
  if (opened.head === 0 && verb.store !== 'create') throw await unknown(store, scope);
  if (upto !== undefined) await checkAt(store, opened.sid, upto);
  return (await verb.does(context, { memory: opened, store, argument })) ?? 0;
}

/** @throws LOG_RANGE for a place behind the last event, as of every log. */
async function checkAt(store: Store, sid: string, upto: number): Promise<void> {
  const head = await store.head(sid);
  if (upto >= head)
    throw new NervaError('LOG_RANGE', `${sid} has no event ${upto}: its last is ${head - 1}.`, { details: { sid, upto, head } });
}

const PREFIX = 'scope:';
/** Looked through for scopes whose name is near. */
const PAGES_MAX = 20;

async function unknown(store: Store, scope: string): Promise<NervaError> {
  const scopes: string[] = [];
  let after: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const sids: readonly string[] = (await store.list({ limit: 500, ...(after === undefined ? {} : { after }) })).map(({ sid }) => sid);
    scopes.push(...sids.filter((sid) => sid.startsWith(PREFIX)).map((sid) => sid.slice(PREFIX.length)));
    after = sids.at(-1);
    if (after === undefined) break;
  }
  const nearest = nearestOf(scope, scopes);
  const some = scopes.slice(0, 10).join(', ');
  const more = scopes.length > 10 ? ', …' : '';
  return new NervaError(
    'MEMORY_UNKNOWN',
    `Nothing is kept under the scope ${JSON.stringify(scope)}.${hint(nearest)} ${some === '' ? 'No scope keeps anything in this store.' : `There are: ${some}${more}.`}`,
    { details: { scope } },
  );
}

function search({ out, flags }: Context, opened: Memory, query: string): void {
  const limit = flags.number('limit', 1) ?? 10;
  if (limit > 100) throw new UsageError(`--limit takes 1 to 100; "${limit}" came.`, 'memory');
  const found = opened.recall(query, { limit, ...asOfIn(flags) });
  if (out.isJson) for (const { entry, score, why: shares } of found) out.json({ type: 'recalled', score, why: shares, entry });
  else if (found.length === 0) out.line('Nothing fits.');
  else
    for (const line of columns([
      ['ID', 'SCORE', 'SINCE (UTC)', 'TEXT'],
      ...found.map(({ entry, score }) => [entry.id, score.toFixed(2), time(entry.validMs), brief(entry.text, 200)]),
    ]))
      out.line(line);
}

function show({ out }: Context, opened: Memory): void {
  if (out.isJson) {
    for (const { type: about, ...block } of opened.core) out.json({ type: 'block', about, ...block });
    for (const entry of opened.entries()) out.json({ type: 'entry', ...entry });
    return;
  }
  for (const { label, type, text, isReadOnly, version, entry } of opened.core) {
    const what = entry === undefined ? `version ${version}${isReadOnly ? ', read-only' : ''}` : `the entry ${entry}`;
    out.line(`${label}  ${type}, ${what}`);
    for (const line of text.split('\n')) out.line(`    ${brief(line, 500)}`);
  }
  const entries = opened.entries();
  if (entries.length > 0) for (const line of entryRows(entries)) out.line(line);
}

function why({ out }: Context, opened: Memory, id: string): void {
  const entry = opened.entry(id as Entry['id']);
  if (out.isJson) return out.json({ type: 'entry', ...entry, standing: opened.standing(entry.id) });
  const rows: readonly (readonly [string, string | null])[] = [
    ['text', brief(entry.text, 2_000)],
    ['recorded', time(entry.recordedMs)],
    ['from', entry.source],
    ['holds since', time(entry.validMs)],
    ['until', entry.invalidMs === null ? null : time(entry.invalidMs)],
    ['in place of', entry.supersedes],
    ['superseded by', entry.supersededBy?.id ?? null],
    ['forgotten', entry.forgottenMs === null ? null : time(entry.forgottenMs)],
    ['tags', entry.tags.length === 0 ? null : entry.tags.join(', ')],
    ...(entry.derived ?? []).map(({ by, items, failure }): readonly [string, string] => [
      by,
      brief(`${items.map(({ type, name }) => `${type} ${name}`).join(', ')}${failure === null ? '' : ` (${failure})`}`, 1_000),
    ]),
    ...(entry.evolved ?? []).flatMap(({ by, relations }) =>
      relations.map(({ to, relation, confidence }): readonly [string, string] => [relation, `${to}, ${confidence.toFixed(2)} by ${by}`]),
    ),
    ...standingRows(opened.standing(entry.id)),
  ];
  for (const line of columns(rows.flatMap(([name, value]) => (value === null ? [] : [[name, value]])))) out.line(line);
}

function stats({ out }: Context, opened: Memory): void {
  const entries = opened.entries();
  const suggestions = opened.suggestions();
  const promoted = opened.core.filter(({ entry }) => entry !== undefined).length;
  const totals = {
    events: opened.head,
    blocks: opened.core.length - promoted,
    promoted,
    ...usageOf(opened.core),
    entries: entries.length,
    superseded: entries.filter(({ supersededBy }) => supersededBy !== null).length,
    forgotten: entries.filter(({ forgottenMs }) => forgottenMs !== null).length,
  };
  if (out.isJson)
    return out.json({ type: 'memory', scope: opened.sid.slice(PREFIX.length), ...totals, suggestions, rights: opened.rights });
  const { utilization, renderedBytes, contentBytes, ...counts } = totals;
  const rows = Object.entries(counts).map(([name, value]) => [name, String(value)]);
  for (const line of columns([
    ...rows,
    ['core', `${renderedBytes} bytes as rendered (${contentBytes} of text), ${(100 * utilization).toFixed(1)} % full`],
    ...suggestionRows(suggestions),
    ...rightsRows(opened.rights),
  ]))
    out.line(line);
}
