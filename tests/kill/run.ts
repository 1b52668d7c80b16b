import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { judge, type Verdict } from './judge.ts';

/** How a kill test is run. */
export interface KillOptions {
  readonly kills: number;
  readonly seed: number;
  readonly reconcile: boolean;
  readonly writer: 'inline' | 'thread';
  readonly onKill?: (count: number) => void;
}

/** What it found. */
export interface KillReport extends Verdict {
  readonly kills: number;
}

const here = fileURLToPath(new URL('.', import.meta.url));

/** Kills a working process again and again, lets a last one finish, and compares store and ledger with what must be. */
export async function killRun(options: KillOptions): Promise<KillReport> {
  const dir = mkdtempSync(join(tmpdir(), 'nerva-kill-'));
  const ledger = join(dir, 'ledger.jsonl');
  const witness = start('witness.ts', [ledger]);
  try {
    const { url } = JSON.parse(await firstLine(witness)) as { readonly url: string };
    const flags = [
      '--store',
      join(dir, 'nerva.db'),
      '--witness',
      url,
      ...(options.reconcile ? ['--reconcile'] : []),
      ...(options.writer === 'thread' ? ['--thread'] : []),
    ];
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
    return { kills: options.kills, ...(await judge(join(dir, 'nerva.db'), ledger, options.reconcile)) };
  } finally {
    witness.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

/** About 150 lines: a session makes 13, and 20 run at once. */
const GROWTH_BYTES = 20_000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the ledger has grown: kills fall into the work whatever the speed of the machine. */
async function grown(ledger: string, bytes: number): Promise<void> {
  const size = (): number => statSync(ledger, { throwIfNoEntry: false })?.size ?? 0;
  for (const from = size(); size() < from + bytes;) await pause(1);
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
