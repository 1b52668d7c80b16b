import { existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Agent } from '../agent/index.ts';
import { NervaError, type World } from '../core/index.ts';
import type { Store } from '../log/index.ts';
import { createRuntime, fileKeys, nodeWorld, openStore } from '../node/index.ts';
import { CONFIGS, loadAgents } from './agents.ts';
import type { Flags } from './arguments.ts';
import type { Output } from './output.ts';

/** 0 answered or done · 1 failed · 2 wrong usage · 3 waiting · 4 store locked · 130 interrupted. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 130;

/** What a command is given. */
export interface Context {
  readonly out: Output;
  readonly flags: Flags;
  readonly positionals: readonly string[];
  readonly world: World;
  /** Opens the store that `--store` names; `read` takes no lock, `write` needs it to exist, `create` makes it. */
  store(how: 'read' | 'write' | 'create'): Promise<Store>;
  /** The registered agents: of `--agents`, else of the configuration in the working directory, else none. */
  agents(): Promise<readonly Agent[]>;
  /** A runtime on a store opened here. Closed, with all the rest, when the command ends. */
  runtime(store: Store, agents: readonly Agent[]): ReturnType<typeof createRuntime>;
  /** Ends what was opened, last first. */
  close(): Promise<void>;
}

/** The real one. */
export function processContext(out: Output, flags: Flags, positionals: readonly string[]): Context {
  const world = nodeWorld();
  const opened: (() => Promise<void> | void)[] = [() => world.transport.close()];
  return {
    out,
    flags,
    positionals,
    world,
    async store(how) {
      const url = flags.text('store') ?? 'file:.nerva/nerva.db';
      const keysFile = flags.text('keys');
      if (keysFile !== undefined && how !== 'create') placeOf(`file:${keysFile}`, how, 'file of keys');
      const keys = keysFile === undefined ? undefined : fileKeys(keysFile);
      if (keys !== undefined) opened.push(() => keys.close());
      placeOf(url, how);
      const store = await openStore(url, { world, readOnly: how === 'read', ...(keys === undefined ? {} : { keys }) });
      opened.push(() => store.close());
      return store;
    },
    async agents() {
      const given = flags.texts('agents');
      const files = given.length > 0 ? given : CONFIGS.filter((file) => existsSync(file)).slice(0, 1);
      const agents = new Map<string, Agent>();
      for (const file of files) for (const { agent } of await loadAgents(file)) addTo(agents, agent, file);
      return [...agents.values()];
    },
    async runtime(store, agents) {
      const runtime = await createRuntime({ store, agents, world });
      opened.push(() => runtime.close());
      return runtime;
    },
    async close() {
      for (const end of opened.reverse().splice(0)) await end();
    },
  };
}

/** Makes the directory of a store that is to be created; says plainly that a store to be read is not there. */
function placeOf(url: string, how: 'read' | 'write' | 'create', what = 'store'): void {
  if (!url.startsWith('file:') || url === 'file:') return;
  const file = resolve(url.slice('file:'.length));
  if (how === 'create') makeDirectory(file);
  else if (!existsSync(file))
    throw new NervaError(
      'STORE_READONLY',
      `There is no ${what} at ${file}. \`nerva run\` makes one; --${what === 'store' ? 'store file:PATH' : 'keys FILE'} names another. Nothing was made.`,
      { details: { path: file } },
    );
}

function makeDirectory(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
  } catch (error) {
    throw new NervaError('STORE_READONLY', `The directory of ${file} cannot be made: ${(error as Error).message}. Nothing was made.`, {
      cause: error,
      details: { path: file },
    });
  }
}

function addTo(agents: Map<string, Agent>, agent: Agent, file: string): void {
  const other = agents.get(agent.name);
  if (other === agent) return;
  if (other !== undefined)
    throw new NervaError(
      'AGENT_INVALID',
      `${file}: a second agent is named "${agent.name}". Names are stored with sessions, so they must differ. Nothing was started.`,
    );
  agents.set(agent.name, agent);
}
