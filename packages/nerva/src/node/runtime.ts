import type { World } from '../core/index.ts';
import {
  createAgent as defineAgent,
  createRuntime as runtimeOn,
  type Agent,
  type AgentOptions,
  type Run,
  type RunResult,
  type Runtime,
  type RuntimeOptions,
  type Session,
} from '../agent/index.ts';
import { memoryProjectionRows, memoryStore, type ProjectionRows, type Store } from '../log/index.ts';
import { telemetry, type TelemetryOptions } from '../trace/index.ts';
import { modelNamed } from './models.ts';
import { openStore } from './open-store.ts';
import { nodeWorld } from './world.ts';

/** What `createRuntime` takes on Node: a store or its URL, and by default the real world. */
export interface NodeRuntimeOptions extends Omit<RuntimeOptions, 'store' | 'world'> {
  /** `memory:`, `file:PATH`, or an open store. Default `file:.nerva/nerva.db`. One that is opened here is closed with the runtime. */
  readonly store?: string | Store;
  readonly world?: World;
  /** Where OpenTelemetry spans and metrics of each turn go, e.g. `otlp({ url, world })`. Default: nowhere, which costs nothing. */
  readonly telemetry?: Pick<TelemetryOptions, 'port' | 'isContent' | 'batchMax' | 'triesMax'>;
}

/** What `createAgent` takes on Node: the model also by its name. */
export interface NodeAgentOptions extends Omit<AgentOptions, 'model'> {
  /** `provider/model` such as `openai/gpt-5-mini` (key from the environment, when first called), a model, or a `LanguageModel` of the AI SDK. */
  readonly model?: AgentOptions['model'] | string;
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
    const { telemetry: traced, ...rest } = options;
    const runtime = runtimeOn({ ...rest, store, world });
    const stop = traced === undefined ? noTelemetry : following({ ...traced, store, world, rows: rowsOf(store) });
    return closing(runtime, async () => (await stop(), closeOwn()));
  } catch (error) {
    await closeOwn();
    throw error;
  }
}

const noTelemetry = (): Promise<void> => Promise.resolve();
/** How long a collector may hold up a close. */
const FLUSH_MS = 2_000;

/** Follows the store until the returned function is called, which sends what is left. */
function following(options: TelemetryOptions): () => Promise<void> {
  const stop = new AbortController();
  const follower = telemetry(options);
  const running = follower.run(stop.signal);
  return async () => {
    const late = new AbortController();
    const cancel = options.world.clock.timer(FLUSH_MS, () => late.abort());
    await follower.flush(late.signal).catch(() => undefined); // what a collector did not take is sent by the next process
    cancel();
    stop.abort();
    await running;
  };
}

/** Where a store keeps cursors: in its file, or, where it has none, in memory. */
function rowsOf(store: Store): ProjectionRows {
  return 'rows' in store && !store.capabilities.readOnly ? (store.rows as ProjectionRows) : memoryProjectionRows();
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
export function createAgent({ model, ...options }: NodeAgentOptions): LooseAgent {
  const named = typeof model === 'string' ? modelNamed(model) : model;
  const agent = defineAgent(named === undefined ? options : { ...options, model: named });
  let world: World | null = null;
  let runtime: Runtime | null = null;
  let asked = 0;
  const ask = (input: string): { readonly store: Store; readonly session: Session; readonly run: Run } => {
    // A new store now and then: what nobody reads any more is collected with the old one, the marks of deleted sessions too.
    if (asked++ % ASKED_MAX === 0) runtime = null;
    runtime ??= looseRuntime(agent, (world ??= nodeWorld()));
    const session = runtime.session(undefined, { agent: agent.name });
    return { store: runtime.store, session, run: session.send(input) };
  };
  return Object.freeze({
    ...agent,
    async generate(input: string, { signal }: { readonly signal?: AbortSignal } = {}) {
      const { store, session, run } = ask(input);
      const cancel = (): void => void session.cancel().catch(() => undefined); // a turn that is over needs no cancel
      signal?.addEventListener('abort', cancel, { once: true });
      if (signal?.aborted === true) cancel();
      try {
        return await run.result;
      } finally {
        signal?.removeEventListener('abort', cancel);
        void store.delete(session.sid).catch(() => undefined); // nobody has a handle on it; it may never have been written
      }
    },
    stream: (input: string) => ask(input).run,
  });
}

/** Questions to one store of a loose agent. */
const ASKED_MAX = 256;

function looseRuntime(agent: Agent, world: World): Runtime {
  return runtimeOn({ store: memoryStore({ world }), agents: [agent], world, idleMax: 0 });
}
