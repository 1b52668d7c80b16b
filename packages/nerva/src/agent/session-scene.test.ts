import {
  createAgent,
  createRuntime,
  type AgentEvent,
  type AgentOptions,
  type Runtime,
  type RuntimeOptions,
  type Session,
} from './index.ts';
import type { EventType } from './index.ts';
import { memoryStore, type Store, type StoreLimits } from '../log/index.ts';
import { scriptedModel, type Model, type Script } from '../model/index.ts';
import { testWorld, type TestWorld } from '../testing/index.ts';

/** One agent, `a`, on a memory store in a test world, and one session of it. */
export interface Scene {
  readonly world: TestWorld;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly session: Session;
  /** Another runtime with the same agent on the same store, as another process would have it. */
  readonly second: (options?: Partial<AgentOptions>) => Runtime;
  readonly events: () => Promise<readonly AgentEvent[]>;
  /** The events of one type, their data typed. */
  readonly of: <T extends EventType>(type: T) => Promise<readonly (AgentEvent & { readonly type: T })[]>;
}

/** What `scene` takes beside the agent's options. */
export interface SceneOptions extends Partial<Omit<AgentOptions, 'model'>> {
  readonly script?: Script;
  readonly model?: Model;
  readonly runtime?: Partial<RuntimeOptions>;
  readonly limits?: Partial<StoreLimits>;
}

/** Makes a scene. Nothing runs before something is sent. */
export function scene({ script, model, runtime: more = {}, limits, ...options }: SceneOptions): Scene {
  const world = testWorld();
  const store = memoryStore({ world, ...(limits === undefined ? {} : { limits }) });
  const asked = model ?? (script === undefined ? undefined : scriptedModel(script));
  const base: AgentOptions = { name: 'a', ...(asked === undefined ? {} : { model: asked }), ...options };
  const made = (other: Partial<AgentOptions> = {}): Runtime =>
    createRuntime({ store, world, agents: [createAgent({ ...base, ...other })], ...more });
  const runtime = made();
  const session = runtime.session('s', { agent: 'a' });
  const events = async (): Promise<readonly AgentEvent[]> => ((await store.head(session.sid)) === 0 ? [] : all(session.log()));
  return {
    world,
    store,
    runtime,
    session,
    events,
    second: made,
    of: async <T extends EventType>(type: T) =>
      (await events()).filter((event): event is AgentEvent & { readonly type: T } => event.type === type),
  };
}

/** Lets everything that is due happen until the claim holds. @throws when it does not come true. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 20_000; round++) {
    if (await isTrue()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error('What was waited for did not come true.');
}

/** Reads to the end. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const read: T[] = [];
  for await (const item of items) read.push(item);
  return read;
}

/** A promise and how to settle it. */
export interface Gate<T> {
  readonly opened: Promise<T>;
  readonly open: (value: T) => void;
  readonly fail: (error: unknown) => void;
}

/** A gate that a test opens when it wants. */
export function gate<T = void>(): Gate<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  return { opened: promise, open: resolve, fail: reject };
}

/** JSON Schema of any object. */
export const ANY = { type: 'object' } as const;
