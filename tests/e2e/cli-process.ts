/** What the tests of the command share: a directory with agents in it, and the command as a process. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { nodeWorld, openStore } from 'nerva';
import type { Store } from 'nerva/log';

/** More than any of these takes on a busy machine; without it a test would hang. */
const UNTIL_MS = 60_000;
const BIN = fileURLToPath(new URL('../../packages/nerva/bin/nerva.mjs', import.meta.url));

/** `helper` does what its input says; `slow` calls a tool that waits until the file `go` exists, and `stubborn` one that ignores an abort. */
const AGENTS = `
import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { askPerson, createAgent, fromFunction, scriptedModel, tool } from 'nerva';

const inputSchema = { type: 'object' } as const;
const pay = tool({ name: 'pay', description: 'Pays.', inputSchema, needsApproval: true, execute: () => ({ paid: true }) });
const doubtful = tool({ name: 'doubtful', description: 'Breaks.', inputSchema, execute: () => { throw new Error('the line went dead'); } });
const wait = (isStubborn: boolean) => tool({
  name: 'wait', description: 'Waits.', inputSchema, effect: 'read',
  execute: async (_input, { signal }) => {
    appendFileSync('started', '.');
    while (!existsSync('go')) {
      if (!isStubborn) signal.throwIfAborted();
      await sleep(20);
    }
    return 'waited';
  },
});
const model = () => scriptedModel((request) => {
  const last = request.messages.at(-1)!;
  const [part] = last.parts;
  if (part?.type === 'tool_result') return 'Result: ' + (typeof part.output === 'string' ? part.output : JSON.stringify(part.output));
  const text = part?.type === 'text' ? part.text : '';
  const [verb = ''] = text.split(' ');
  if (verb === 'fail') return { error: { code: 'MODEL_REFUSED', message: 'No such model.' } };
  const call = { pay: 'pay', doubt: 'doubtful', ask: 'ask_person', wait: 'wait' }[verb];
  if (call === undefined) return 'You said: ' + text;
  return { text: 'One moment.', calls: [{ name: call, input: call === 'ask_person' ? { question: 'When?' } : {} }] };
});
export const helper = createAgent({ name: 'helper', model: model(), tools: [pay, doubtful, askPerson()] });
export const slow = createAgent({ name: 'slow', model: model(), tools: [wait(false)] });
export const stubborn = createAgent({ name: 'stubborn', model: model(), tools: [wait(true)] });
export const endless = createAgent({ name: 'endless', policy: fromFunction('endless', () => ({ type: 'call', calls: [{ tool: 'wait', input: {} }] })), tools: [wait(false)], stepsMax: 1 });
`;

/** How the command ended. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A directory with agents.ts in it, in which the command runs. Gone after the test. */
export class Place {
  readonly path: string;
  readonly #children = new Set<ChildProcess>();

  constructor(t: TestContext) {
    this.path = mkdtempSync(join(tmpdir(), 'nerva-cli-'));
    this.write('agents.ts', AGENTS);
    t.after(() => {
      for (const child of this.#children) child.kill('SIGKILL');
      rmSync(this.path, { recursive: true, force: true });
    });
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.path, name), text);
  }

  /** Starts the command. */
  start(
    args: readonly string[],
    options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string; readonly stdin?: string } = {},
  ): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
    // Under npm the tests see npm's variables, which the command understands.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_|^INIT_CWD$|^NODE_|COLOR/.test(name)));
    const child = spawn(process.execPath, [BIN, ...args], {
      cwd: options.cwd ?? this.path,
      env: { ...env, ...options.env },
      stdio: 'pipe',
    });
    this.#children.add(child);
    const said = { out: '', err: '' };
    child.stdout.on('data', (piece: Buffer) => (said.out += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (said.err += piece.toString()));
    child.stdin.end(options.stdin ?? '');
    const ended = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, ...said })));
    return { child, ended };
  }

  /** Runs the command to its end. */
  run(...args: readonly string[]): Promise<Ended> {
    return this.start(args).ended;
  }

  /** The same with `--json`: the objects that it printed. */
  async json(
    ...args: readonly string[]
  ): Promise<{ readonly code: number | null; readonly lines: readonly Readonly<Record<string, unknown>>[] }> {
    const { code, out, err } = await this.run(...args, '--json');
    assert(!err.includes('    at '), err);
    return {
      code,
      lines: out
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    };
  }

  /** Sends `input` to an agent of agents.ts. @returns the session's id. */
  async session(input: string, agent = 'helper'): Promise<string> {
    const { lines } = await this.json('run', `agents.ts#${agent}`, input);
    return String(lines.at(-1)?.['sid']);
  }

  /** Types of a session's events. */
  async types(sid: string): Promise<readonly string[]> {
    const { lines } = await this.json('show', sid);
    return lines.filter((line) => line['type'] === 'event').map((line) => (line['event'] as { readonly type: string }).type);
  }

  /** Resolves once a file of this name is there. @throws when nobody writes it. */
  async until(name: string): Promise<void> {
    const startMs = performance.now();
    while (!existsSync(join(this.path, name))) {
      if (performance.now() - startMs > UNTIL_MS) throw new Error(`Nobody wrote the file ${name} within ${UNTIL_MS} ms.`);
      await sleep(10);
    }
  }

  /** The store, written by this process while `use` runs. */
  async store<T>(use: (store: Store) => Promise<T>): Promise<T> {
    const world = nodeWorld();
    const store = await openStore(`file:${join(this.path, '.nerva/nerva.db')}`, { world });
    try {
      return await use(store);
    } finally {
      await store.close();
      await world.transport.close();
    }
  }
}
