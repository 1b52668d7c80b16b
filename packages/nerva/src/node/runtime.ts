import type { World } from '../core/index.ts';
import { createAgent as defineAgent, createRuntime as runtimeOn, type Agent, type AgentOptions, type Run, type RunResult, type Runtime, type RuntimeOptions } from '../agent/index.ts';
import { memoryStore, type Store } from '../log/index.ts';
import { openStore } from './open-store.ts';
import { nodeWorld } from './world.ts';

/** What `createRuntime` takes on Node: a store or its URL, and by default the real world. */
export interface NodeRuntimeOptions extends Omit<RuntimeOptions, 'store' | 'world'> {
  /** `memory:`, `file:PATH`, or an open store. Default `file:.nerva/nerva.db`. One that is opened here is closed with the runtime. */
  readonly store?: string | Store;
  readonly world?: World;
}

/** An agent that can also be asked without a runtime of your own: one turn, in memory. */
export interface LooseAgent extends Agent {
  /** One turn of a session that is forgotten afterwards. `signal` cancels it. */
  generate(input: string, options?: { readonly signal?: AbortSignal }): Promise<RunResult>;
  /** The same, to be read while it happens. */
  stream(input: string): Run;
}

/**
 * Opens the store and makes a runtime on it. Performs nothing; `start()` takes up what an earlier process left.
 * @throws what opening the store and checking the options throw; then nothing stays open.
 */
export async function createRuntime(options: NodeRuntimeOptions): Promise<Runtime> {
  const world = options.world ?? nodeWorld();
  const { store: given = 'file:.nerva/nerva.db' } = options;
  const store = typeof given === 'string' ? await openStore(given, { world }) : given;
  const own = { store: store !== given, world: options.world === undefined };
  const closeOwn = async (): Promise<void> => {
    if (own.store) await store.close();
    if (own.world) await world.transport.close();
  };
  try {
    return closing(runtimeOn({ ...options, store, world }), closeOwn);
  } catch (error) {
    await closeOwn();
    throw error;
  }
}

/** The runtime, its `close` followed by `after`. */
function closing(runtime: Runtime, after: () => Promise<void>): Runtime {
  let closed: Promise<void> | null = null;
  return {
    store: runtime.store,
    world: runtime.world,
    session: (sid, options) => runtime.session(sid, options),
    start: () => runtime.start(),
    idle: () => runtime.idle(),
    close: () => (closed ??= runtime.close().then(after)),
  };
}

/**
 * Checks and freezes a definition.
 * @throws OPTION_UNKNOWN, OPTION_INVALID, AGENT_INVALID, TOOL_INVALID, SCHEMA_UNSUPPORTED. Nothing is registered anywhere.
 */
export function createAgent(options: AgentOptions): LooseAgent {
  const agent = defineAgent(options);
  let runtime: Runtime | null = null;
  const ask = (input: string): { readonly run: Run; readonly cancel: () => void } => {
    runtime ??= looseRuntime(agent);
    const { store } = runtime;
    const session = runtime.session(undefined, { agent: agent.name });
    const run = session.send(input);
    const forget = (): void => void store.delete(session.sid).catch(() => undefined); // it was never written
    run.result.then(forget, forget);
    return { run, cancel: () => void session.cancel().catch(() => undefined) }; // a turn that is over needs no cancel
  };
  return Object.freeze({
    ...agent,
    async generate(input: string, { signal }: { readonly signal?: AbortSignal } = {}) {
      const { run, cancel } = ask(input);
      signal?.addEventListener('abort', cancel, { once: true });
      if (signal?.aborted === true) cancel();
      try {
        return await run.result;
      } finally {
        signal?.removeEventListener('abort', cancel);
      }
    },
    stream: (input: string) => ask(input).run,
  });
}

function looseRuntime(agent: Agent): Runtime {
  const world = nodeWorld();
  return runtimeOn({ store: memoryStore({ world }), agents: [agent], world, idleMax: 0 });
}
