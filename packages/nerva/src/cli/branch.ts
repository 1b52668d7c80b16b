import { foldAt } from '../agent/index.ts';
import { NervaError, type Json } from '../core/index.ts';
import { diff, type Change, type SessionInfo, type Store } from '../log/index.ts';
import { UsageError } from './arguments.ts';
import type { Context, ExitCode } from './context.ts';
import { brief } from './output.ts';
import { plainState, typist, VALUE_MAX } from './summary.ts';

/** `nerva fork`: a new session with a shared past. */
export async function fork(context: Context): Promise<ExitCode> {
  const { out, flags, positionals } = context;
  const [sid = ''] = positionals;
  const at = flags.number('at', 0);
  if (at === undefined) throw new UsageError('fork needs --at N, the last event that is shared; `nerva show` lists the events.', 'fork');
  const store = await context.store('write');
  const as = flags.text('as');
  const effects = flags.has('live') ? 'live' : 'ask';
  const runtime = await context.runtime(store, []);
  const made = await runtime.session(sid).fork(at, { effects, by: 'cli', ...(as === undefined ? {} : { sid: as }) });
  const { status } = await store.info(made.sid);
  if (out.isJson) out.json({ type: 'fork', sid: made.sid, parent: sid, at, effects, status });
  else {
    out.line(made.sid);
    const type = typist(flags);
    const next = status === 'idle' ? type('run', 'AGENT', 'INPUT', '--session', made.sid) : type('resume', made.sid);
    out.note(
      `A fork of ${sid} at event ${at}; ${effects === 'live' ? 'its calls are made' : 'a person is asked before each of its calls that is not a read'}. Go on with:\n    ${next}`,
    );
  }
  return 0;
}

/** Where two sessions part. */
interface Base {
  readonly sid: string;
  readonly at: number;
}

/** `nerva diff`: what each of two sessions changed since they parted. */
export async function compare(context: Context): Promise<ExitCode> {
  const { out, flags, positionals } = context;
  const store = await context.store('read');
  const [left, right, base] = await sidesOf(store, positionals);
  const [before, ours, theirs] = [await stateOf(store, base.sid, base.at), await stateOf(store, left), await stateOf(store, right)];
  const found = diff(before, ours, theirs);
  if (out.isJson) {
    out.json({ type: 'diff', base, between: [left, right], ...found });
    return 0;
  }
  const charactersMax = flags.has('full') ? Infinity : VALUE_MAX;
  out.line(`${left} and ${right} part after event ${base.at} of ${base.sid}.`);
  for (const [sid, changes] of [
    [left, found.ours],
    [right, found.theirs],
  ] as const) {
    out.line();
    out.line(
      `${out.paint('bold', sid)} changed ${changes.length === 0 ? 'nothing' : `${changes.length} place${changes.length === 1 ? '' : 's'}`}`,
    );
    for (const change of byPath(changes)) out.line(`  ${changeText(change, charactersMax)}`);
  }
  out.line();
  out.line(
    found.conflicts.length === 0
      ? 'No conflicts.'
      : `${found.conflicts.length} conflict${found.conflicts.length === 1 ? '' : 's'}: both changed, to different ends (nothing was merged)`,
  );
  for (const { path } of byPath(found.conflicts)) out.line(`  ${brief(path.join('.'), 200)}`);
  return 0;
}

async function sidesOf(store: Store, [first = '', second]: readonly string[]): Promise<readonly [string, string, Base]> {
  const info = await store.info(first);
  const left = second === undefined ? info.parent?.sid : first;
  if (left === undefined)
    throw new UsageError(`${first} is no fork, so it has no parent to be compared with; name the other session.`, 'diff');
  const right = second ?? first;
  const base = commonPast(await pastOf(store, left), await pastOf(store, right));
  if (base !== null) return [left, right, base];
  throw new NervaError(
    'OPTION_INVALID',
    `${left} and ${right} have no event in common: neither is a fork of the other, nor of one session. Nothing was compared.`,
    { details: { sids: [left, right] } },
  );
}

/** The session and those it descends from, each with the last event that is shared; nearest first. */
async function pastOf(store: Store, sid: string): Promise<readonly Base[]> {
  const past: Base[] = [];
  let info: SessionInfo = await store.info(sid);
  let at = info.head - 1;
  for (;;) {
    past.push({ sid: info.sid, at });
    if (info.parent === null) return past;
    at = Math.min(at, info.parent.at);
    info = await store.info(info.parent.sid);
  }
}

function commonPast(left: readonly Base[], right: readonly Base[]): Base | null {
  for (const { sid, at } of left) {
    const other = right.find((one) => one.sid === sid);
    if (other !== undefined) return { sid, at: Math.min(at, other.at) };
  }
  return null;
}

async function stateOf(store: Store, sid: string, upto?: number): Promise<Json> {
  return plainState((await foldAt(store, sid, upto === undefined ? {} : { upto })).state);
}

function byPath<T extends { readonly path: readonly (string | number)[] }>(list: readonly T[]): T[] {
  return [...list].sort((one, other) => one.path.join('.').localeCompare(other.path.join('.'), 'en', { numeric: true }));
}

function changeText({ path, before, after }: Change, charactersMax: number): string {
  const value = (one: Json): string => brief(JSON.stringify(one), charactersMax);
  const at = brief(path.join('.'), 200);
  if (before === undefined) return `+ ${at}: ${value(after ?? null)}`;
  if (after === undefined) return `- ${at}: ${value(before)}`;
  return `~ ${at}: ${value(before)} -> ${value(after)}`;
}
