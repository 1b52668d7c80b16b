import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A process of this example that prints JSON lines. */
export interface Program {
  readonly pid: number;
  /** Calls back for every line it prints. */
  onLine(listener: (line: Readonly<Record<string, unknown>>) => void): void;
  kill(signal: 'SIGKILL' | 'SIGTERM'): void;
  /** Resolves when it has ended and every line was delivered. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
}

const children = new Set<ChildProcess>();

/** Starts a file of this folder in a Node process of its own, with the flags of this one. It ends with this process, however this one ends. */
export function startProgram(file: string, programArguments: readonly string[]): Program {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, [...ownFlags(), path, ...programArguments], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.add(child);
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout });
  const drained = new Promise<void>((resolve) => lines.once('close', resolve));
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const ended = exited.then(async (end) => {
    await drained;
    children.delete(child);
    return end;
  });
  return {
    pid: child.pid ?? 0,
    onLine: (listener) => void lines.on('line', (text) => listener(JSON.parse(text) as Readonly<Record<string, unknown>>)),
    kill: (signal) => void child.kill(signal),
    ended,
  };
}

/** Kills everything that was started and still runs. */
export function killPrograms(): void {
  for (const child of children) child.kill('SIGKILL');
}

/** Flags that change how modules are found, without those of a test runner. */
function ownFlags(): readonly string[] {
  return process.execArgv.filter(
    (flag, index, all) => /^(--conditions|-C|--import)/.test(flag) || /^(--conditions|-C|--import)$/.test(all[index - 1] ?? ''),
  );
}

/** The bank in a process of its own. `onHeld` hears of every payment whose answer is kept back. */
export interface BankProcess {
  readonly url: string;
  readonly pid: number;
  onHeld(listener: ((contender: string) => void) | null): void;
  stop(): Promise<void>;
}

/** Starts the bank and waits until it listens. */
export async function startBank(ledgerPath: string, answerDelayMs: number): Promise<BankProcess> {
  const program = startProgram('bank.ts', [ledgerPath, String(answerDelayMs)]);
  let heldListener: ((contender: string) => void) | null = null;
  const url = await new Promise<string>((resolve, reject) => {
    program.onLine((line) => {
      if (typeof line['url'] === 'string') resolve(line['url']);
      if (typeof line['held'] === 'string') heldListener?.(String(line['contender']));
    });
    void program.ended.then(({ code, signal }) => reject(new Error(`The bank ended (${signal ?? code}) before it listened.`)), reject);
  });
  return {
    url,
    pid: program.pid,
    onHeld: (listener) => void (heldListener = listener),
    stop: async () => {
      program.kill('SIGTERM');
      await program.ended;
    },
  };
}
