import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeWorld, openStore } from 'nerva';
import { eventsOf } from 'nerva/log';
import { responsesMock, type ResponsesMock } from 'nerva/testing';

/** The examples, their provider and a folder for what they leave behind. */
export interface Scene {
  readonly folder: string;
  readonly provider: ResponsesMock;
  close(): Promise<void>;
}

/** Compiled code, kept from process to process: half of a short one's time. A process that is killed writes none. */
const codeFolder = mkdtempSync(join(tmpdir(), 'nerva-from-ai-sdk-code-'));
process.once('exit', () => rmSync(codeFolder, { recursive: true, force: true }));

/** A strict OpenAI that has each invoice paid, by a call with an id of its own each time it is asked, and then says so. */
export async function openScene(): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'nerva-from-ai-sdk-'));
  let calls = 0;
  const provider = await responsesMock({
    answer: ({ body }) => {
      const text = JSON.stringify(body['input']);
      const invoice = /Pay invoice (\w+)\./.exec(text)?.[1] ?? 'unknown';
      if (text.includes('function_call_output')) return `Invoice ${invoice} is paid.`;
      return { calls: [{ id: `call_${calls++}`, name: 'pay', input: { invoice, usd: 7 } }] };
    },
  });
  return {
    folder,
    provider,
    async close() {
      await provider.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts an example on these invoices, in the scene's folder. */
export function startExample(file: 'before' | 'after', invoices: readonly string[], { folder, provider }: Scene): ChildProcess {
  const path = fileURLToPath(new URL(`../../examples/03-from-ai-sdk/${file}.ts`, import.meta.url));
  return spawn(process.execPath, ['--conditions=nerva-source', path, ...invoices], {
    cwd: folder,
    env: { ...process.env, OPENAI_API_KEY: 'sk-test', OPENAI_BASE_URL: provider.baseUrl, NODE_COMPILE_CACHE: codeFolder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** What a process printed, once it ended by itself. @throws Error with its stderr when it failed. */
export async function printed(child: ChildProcess): Promise<string> {
  let [stdout, stderr] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`It ended with ${child.exitCode ?? child.signalCode}: ${stderr}`);
  return stdout;
}

/** Lines of the bank's ledger: `key invoice usd`. */
export function ledgerOf({ folder }: Pick<Scene, 'folder'>): readonly string[] {
  const path = join(folder, 'ledger.txt');
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
}

/** What a run with kills came to. */
export interface KillReport {
  readonly kills: number;
  readonly invoices: number;
  /** Calls that were made again after a kill. */
  readonly repeats: number;
  readonly problems: readonly string[];
}

/**
 * Kills `after.ts` again and again while it works, lets a last process finish, and compares what it said with the bank's ledger. Half of the
 * kills follow a payment, half a request to the provider, each after a moment of up to 30 ms.
 */
export async function killAfter({ kills, seed }: { readonly kills: number; readonly seed: number }): Promise<KillReport> {
  const scene = await openScene();
  const invoices = Array.from({ length: kills * 3 + 5 }, (_, index) => `i${index}`);
  const random = dice(seed);
  try {
    await printed(startExample('after', [], scene));
    for (let kill = 0; kill < kills; kill++) {
      const child = startExample('after', invoices, scene);
      const isOver = once(child, 'close');
      const size = kill % 2 === 0 ? () => ledgerOf(scene).length : () => scene.provider.requests.length;
      const until = size() + 1 + Math.floor(random() * 3);
      while (size() < until && child.exitCode === null) await pause(1);
      await pause(random() * 30);
      if (!child.kill('SIGKILL') || child.exitCode !== null) throw new Error(`Kill ${kill + 1} found no process at work.`);
      await isOver;
    }
    const said = await printed(startExample('after', invoices, scene));
    return { kills, invoices: invoices.length, repeats: await repeatsIn(scene, invoices), problems: problemsOf(invoices, said, scene) };
  } finally {
    await scene.close();
  }
}

function problemsOf(invoices: readonly string[], said: string, scene: Scene): readonly string[] {
  const paid = ledgerOf(scene).map((line) => line.split(' ')[1] ?? '');
  const problems = invoices.flatMap((invoice) => {
    const count = paid.filter((one) => one === invoice).length;
    return count === 1 ? [] : [`${invoice} was paid ${count} times`];
  });
  const expected = invoices.map((invoice) => `${invoice}: Invoice ${invoice} is paid.\n`).join('');
  if (said !== expected) problems.push(`not every session answered: ${said.slice(0, 500)}`);
  if (paid.length !== invoices.length) problems.push(`${paid.length} payments for ${invoices.length} invoices`);
  return problems;
}

async function repeatsIn({ folder }: Scene, invoices: readonly string[]): Promise<number> {
  const store = await openStore(`file:${join(folder, '.nerva/nerva.db')}`, { world: nodeWorld() });
  let repeats = 0;
  for (const sid of invoices)
    for (const { type, data } of (await store.read(sid)).flatMap(eventsOf)) if (type === 'tool.called' && 'again' in data) repeats++;
  await store.close();
  return repeats;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}
