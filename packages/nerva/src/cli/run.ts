import { readFileSync } from 'node:fs';
import { foldAt, type Deliver, type View } from '../agent/index.ts';
import { NervaError, type Json } from '../core/index.ts';
import type { SessionInfo, Store } from '../log/index.ts';
import { isFileReference, loadAgent } from './agents.ts';
import { UsageError } from './arguments.ts';
import type { Context, ExitCode } from './context.ts';
import { follow, onInterrupt } from './drive.ts';
import { brief } from './output.ts';
import { pendingLines, typist } from './summary.ts';

const DELIVER: readonly string[] = ['queue', 'steer', 'interrupt'];

/** `nerva run`: one message to a new session, or to an old one. */
export async function run(context: Context): Promise<ExitCode> {
  const { positionals, flags } = context;
  const [reference = '', text] = positionals;
  const input = inputOf(text, flags.json('data'));
  const deliver = flags.text('deliver') ?? 'queue';
  if (!DELIVER.includes(deliver)) throw new UsageError(`--deliver is one of ${DELIVER.join(', ')}; "${deliver}" came.`, 'run');
  const isFile = isFileReference(reference);
  const own = isFile ? [await loadAgent(reference)] : [];
  const others = isFile && flags.texts('agents').length === 0 ? [] : await context.agents();
  const agents = [...own, ...others.filter(({ name }) => !own.some((agent) => agent.name === name))];
  const name = own[0]?.name ?? reference;
  if (!agents.some((agent) => agent.name === name))
    throw unknownAgent(
      name,
      agents.map((agent) => agent.name),
    );
  const store = await context.store('create');
  const sid = flags.text('session');
  if (sid !== undefined && (await store.head(sid)) > 0) checkAgent(await store.info(sid), name);
  const runtime = await context.runtime(store, agents);
  const session = runtime.session(sid, { agent: name });
  const sent = session.send(input, { deliver: deliver as Deliver, by: flags.text('by') ?? 'cli' });
  return follow(context, session, sent, typist(flags, isFile ? reference.replace(/#[^#/\\]*$/, '') : undefined));
}

function inputOf(text: string | undefined, data: Json | undefined): string | Json {
  if ((text === undefined) === (data === undefined)) throw new UsageError('run takes either a text or --data JSON.', 'run');
  if (text === undefined) return data ?? null;
  return text === '-' ? readFileSync(0, 'utf8') : text;
}

function checkAgent({ sid, agent }: SessionInfo, name: string): void {
  if (agent !== name)
    throw new NervaError('AGENT_UNKNOWN', `Session ${sid} belongs to agent "${agent ?? ''}", not to "${name}". Nothing was sent.`, {
      details: { sid, agent },
    });
}

function unknownAgent(name: string, known: readonly string[]): NervaError {
  const there = known.length === 0 ? 'none is registered' : `registered are: ${known.join(', ')}`;
  return new NervaError(
    'AGENT_UNKNOWN',
    `No agent is named "${name}"; ${there}. Give a file (agent.ts), or register agents with --agents FILE or a nerva.config.ts here. Nothing was started.`,
    { details: { agent: name } },
  );
}

/** `nerva resume`: one session, or all that are ready. */
export async function resume(context: Context): Promise<ExitCode> {
  const { positionals, flags } = context;
  const [sid] = positionals;
  const store = await context.store('write');
  const agents = await context.agents();
  if (sid === undefined) return resumeAll(context, store, agents);
  const { agent } = await store.info(sid);
  if (!agents.some(({ name }) => name === agent))
    throw unknownAgent(
      agent ?? '',
      agents.map(({ name }) => name),
    );
  const runtime = await context.runtime(store, agents);
  const session = runtime.session(sid);
  return follow(context, session, session.resume(), typist(flags));
}

async function resumeAll(context: Context, store: Store, agents: Awaited<ReturnType<Context['agents']>>): Promise<ExitCode> {
  const { out } = context;
  const names = agents.map(({ name }) => name);
  const ready = await store.list({ status: 'ready' });
  const ours = ready.filter(({ agent }) => agent !== null && names.includes(agent));
  for (const { sid, agent } of ready) {
    if (!out.isJson && !ours.some((one) => one.sid === sid))
      out.note(`session ${sid} is ready, but its agent "${agent ?? ''}" is not registered here (--agents FILE)`);
  }
  let isInterrupted = false;
  if (ours.length > 0) {
    const runtime = await context.runtime(store, agents);
    const { promise: interrupted, resolve: letGo } = Promise.withResolvers<void>();
    const stop = onInterrupt(() => {
      isInterrupted = true;
      if (!out.isJson) out.note('\nLetting go of the sessions; running calls get 5 s to end. Press Ctrl-C again to stop at once.');
      letGo();
    });
    await runtime.start();
    await Promise.race([runtime.idle(), interrupted]);
    if (isInterrupted) await runtime.close();
    stop();
  }
  const codes: ExitCode[] = [];
  for (const { sid } of ours) codes.push(await tellResumed(context, store, sid));
  if (!out.isJson && ours.length === 0) out.line('Nothing to resume.');
  if (isInterrupted) return 130;
  return codes.includes(1) || ready.length > ours.length ? 1 : codes.includes(3) ? 3 : 0;
}

async function tellResumed({ out, flags }: Context, store: Store, sid: string): Promise<ExitCode> {
  const [{ status }, view] = [await store.info(sid), await foldAt(store, sid)];
  if (out.isJson)
    out.json({
      type: 'session',
      sid,
      status,
      reason: view.last?.reason ?? null,
      why: view.last?.why ?? '',
      text: view.last?.text ?? '',
      pending: view.pending,
    });
  else {
    out.line(`${sid}  ${status}  ${standingOf(view)}`);
    for (const line of pendingLines(view.pending, typist(flags), 1000)) out.line(line);
  }
  if (status === 'waiting') return 3;
  return status === 'idle' || status === 'closed' ? (view.last?.reason === 'answer' ? 0 : 1) : 1;
}

function standingOf({ state, last }: View): string {
  if (state.turn.open !== null) return 'its turn is open';
  if (last === null) return 'no turn yet';
  return last.reason === 'answer' ? brief(last.text === '' ? last.output : last.text, 200) : brief(`${last.reason}: ${last.why}`, 200);
}
