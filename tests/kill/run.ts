import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRuntime, nodeWorld, openStore } from 'nerva';
import { foldAt, outcome } from 'nerva/agent';
import { killAgent } from './agent.ts';
import type { Entry } from './witness.ts';

/** How a kill test is run. */
export interface KillOptions {
  readonly kills: number;
  readonly seed: number;
  readonly reconcile: boolean;
  readonly writer: 'inline' | 'thread';
  readonly onKill?: (count: number) => void;
}

/** What it found. `problems` is empty when every promise held. */
export interface KillReport {
  readonly kills: number;
  readonly sessions: number;
  readonly effects: number;
  readonly doubts: number;
  /** Attempts beyond a call's first: reads and idempotent calls cut by a kill. */
  readonly repeats: number;
  readonly problems: readonly string[];
}

const here = fileURLToPath(new URL('.', import.meta.url));

/** Kills a working process again and again, lets a last one finish, and compares store and ledger with what must be. */
export async function killRun(options: KillOptions): Promise<KillReport> {
  const dir = mkdtempSync(join(tmpdir(), 'nerva-kill-'));
  const ledger = join(dir, 'ledger.jsonl');
  const witness = start('witness.ts', [ledger]);
  try {
    const { url } = JSON.parse(await firstLine(witness)) as { readonly url: string };
    const flags = ['--store', join(dir, 'nerva.db'), '--witness', url, ...(options.reconcile ? ['--reconcile'] : []), ...(options.writer === 'thread' ? ['--thread'] : [])];
    const random = dice(options.seed);
    for (let kill = 0; kill < options.kills; kill++) {
      const worker = start('worker.ts', [...flags, '--prefix', `k${kill}`]);
      await firstLine(worker);
      await grown(ledger, random() * GROWTH_BYTES);
      await pause(random() * 8);
      worker.kill('SIGKILL');
      await ended(worker);
      options.onKill?.(kill + 1);
    }
    const last = start('worker.ts', [...flags, '--finish']);
    const code = await ended(last);
    if (code !== 0) throw new Error(`The last worker ended with code ${code}.`);
    return await judge(join(dir, 'nerva.db'), ledger, options);
  } finally {
    witness.kill('SIGKILL');
    if (process.env['KEEP'] === undefined) rmSync(dir, { recursive: true, force: true });
  }
}

/** About 150 lines: a session makes 13, and 20 run at once. */
const GROWTH_BYTES = 20_000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the ledger has grown: kills fall into the work whatever the speed of the machine. */
async function grown(ledger: string, bytes: number): Promise<void> {
  const size = (): number => statSync(ledger, { throwIfNoEntry: false })?.size ?? 0;
  for (const from = size(); size() < from + bytes; ) await pause(1);
}

async function judge(path: string, ledger: string, { kills, reconcile }: KillOptions): Promise<KillReport> {
  const entries = readFileSync(ledger, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Entry);
  const effects = entries.filter((entry) => entry.kind === 'effect');
  const problems: string[] = [];
  const world = nodeWorld();
  const store = await openStore(`file:${path}`, { world });
  const nothing = { effect: () => Promise.resolve(), fence: () => Promise.resolve(true) };
  const nerva = await createRuntime({ store, world, agents: [killAgent(nothing, false)] });
  const done = new Map<string, number>();
  for (const { key = '', effect } of effects) if (effect === 'irreversible') done.set(key, (done.get(key) ?? 0) + 1);
  for (const [key, count] of done) if (count > 1) problems.push(`irreversible call ${key} was executed ${count} times`);
  const keys = new Map<string, Set<string>>();
  for (const { sid, step, effect, key = '' } of effects) {
    const call = `${sid} ${step} ${effect}`;
    keys.set(call, (keys.get(call) ?? new Set()).add(key));
  }
  for (const [call, used] of keys) if (used.size > 1) problems.push(`${call} was made under ${used.size} keys`);

  const sessions = await allSessions(store);
  const known = new Set(sessions);
  for (const { kind, sid } of entries) if (kind === 'accepted' && !known.has(sid)) problems.push(`accepted session ${sid} is lost`);
  const uncut = new Map<number, string>();
  let doubts = 0;
  for (const sid of sessions) {
    const verified = await store.verify(sid);
    if (!verified.ok) problems.push(`the chain of ${sid} breaks at ${verified.bad?.seq}`);
    const view = await foldAt(store, sid);
    if (view.pending.length > 0) {
      doubts += view.pending.length;
      if (reconcile) problems.push(`${sid} waits in doubt in spite of reconcile`);
      await settleDoubts(nerva, sid, done, problems);
    }
    const text = JSON.stringify(outcome((await foldAt(store, sid)).state));
    uncut.set(sid.length, uncut.get(sid.length) ?? (await uncutOutcome(sid)));
    if (text !== uncut.get(sid.length)) problems.push(difference(sid, text, uncut.get(sid.length) ?? ''));
  }
  await nerva.close();
  await store.close();
  const repeats = effects.length - keys.size;
  return { kills, sessions: sessions.length, effects: effects.length, doubts, repeats, problems };
}

/** Answers each doubt with the truth of the ledger, and lets the session go on. */
async function settleDoubts(nerva: Awaited<ReturnType<typeof createRuntime>>, sid: string, done: Map<string, number>, problems: string[]): Promise<void> {
  const session = nerva.session(sid);
  for (;;) {
    const { pending } = await session.at();
    const first = pending[0];
    if (first === undefined) return;
    if (first.type !== 'doubt') problems.push(`${sid} waits for ${first.type}`);
    // Whether it happened or not, the person sees to it that it is done now: once.
    done.set(first.id, 1);
    await session.respond(first.id, { decision: 'returned', output: { name: 'pay', step: (first.input as { readonly step: number }).step } }).result;
  }
}

async function allSessions(store: Awaited<ReturnType<typeof openStore>>): Promise<string[]> {
  const sids: string[] = [];
  for (let after: string | undefined; ; ) {
    const page = await store.list({ limit: 500, ...(after === undefined ? {} : { after }) });
    if (page.length === 0) return sids;
    sids.push(...page.map(({ sid }) => sid));
    after = sids.at(-1);
  }
}

/** The same session on a store of its own, with nothing that fails. The text depends on the length of the id only. */
async function uncutOutcome(sid: string): Promise<string> {
  const world = nodeWorld();
  const nothing = { effect: () => Promise.resolve(), fence: () => Promise.resolve(true) };
  const nerva = await createRuntime({ store: 'memory:', world, agents: [killAgent(nothing, false)] });
  const session = nerva.session(sid, { agent: 'killed' });
  await session.send(`work ${sid.length}`).result;
  const text = JSON.stringify(outcome((await session.at()).state));
  await nerva.close();
  return text;
}

/** Where two outcomes part. */
function difference(sid: string, text: string, uncut: string): string {
  let at = 0;
  while (at < text.length && text[at] === uncut[at]) at++;
  return `${sid} did not end as the uncut run: …${text.slice(Math.max(0, at - 40), at + 80)} instead of …${uncut.slice(Math.max(0, at - 40), at + 80)}`;
}

function start(file: string, argv: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['--conditions=nerva-source', join(here, file), ...argv], { stdio: ['ignore', 'pipe', 'inherit'] });
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`A process ended with ${code} before it was ready.`)));
    child.stdout?.once('data', (data: Buffer) => resolve(data.toString()));
  });
}

function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)));
}

function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}
