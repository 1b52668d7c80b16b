import { memoryStore, type Append, type Store } from '../log/index.ts';
import { testWorld, type TestWorld } from '../testing/index.ts';
import { createAgent, createRuntime, type AgentOptions, type Runtime, type RuntimeOptions, type Session } from './index.ts';
import { all } from './session-scene.test.ts';

/** A call as a script says it. */
export const call = (name: string) => ({ name, input: {} }) as const;

/** What a test does to a store around a call of it: `before` may throw instead of the call. */
export interface Hooks {
  append?: (frame: Append) => Promise<void> | void;
  appended?: (frame: Append) => Promise<void> | void;
  release?: (given: null) => Promise<void> | void;
  claimed?: (given: null) => Promise<void> | void;
}

/** One agent `a` on a memory store with hooks between the two, and its session `s`. */
export interface Staged {
  readonly world: TestWorld;
  /** The store without hooks. */
  readonly below: Store;
  /** What was asked to append. */
  readonly frames: Append[];
  readonly hooks: Hooks;
  /** A hook that does its work the first time only. */
  readonly once: <T>(hook: (value: T) => Promise<void> | void) => (value: T) => Promise<void>;
  readonly runtime: Runtime;
  readonly session: Session;
  readonly types: () => Promise<string[]>;
  /** Appends a message from elsewhere. */
  readonly foreign: (text: string, sid?: string) => Promise<unknown>;
  /** Another runtime, as another process would have it. */
  readonly second: () => Runtime;
}

/** Makes the stage. */
export function staged(options: Omit<AgentOptions, 'name'>, more: Partial<RuntimeOptions> = {}): Staged {
  const world = testWorld();
  const below = memoryStore({ world });
  const hooks: Hooks = {};
  const frames: Append[] = [];
  const store: Store = {
    ...below,
    append: async (frame) => {
      await hooks.append?.(frame);
      frames.push(frame);
      const result = await below.append(frame);
      await hooks.appended?.(frame);
      return result;
    },
    claim: async (...given) => {
      const claimed = await below.claim(...given);
      await hooks.claimed?.(null);
      return claimed;
    },
    release: async (...given) => {
      await hooks.release?.(null);
      return below.release(...given);
    },
  };
  const made = () => createRuntime({ store, world, agents: [createAgent({ name: 'a', ...options })], graceMs: 0, ...more });
  const runtime = made();
  const session = runtime.session('s', { agent: 'a' });
  const types = async (): Promise<string[]> => (await all(session.log())).map(({ type }) => type);
  let count = 0;
  const foreign = (text: string, sid = 's') =>
    below.append({
      id: `foreign${count++}`,
      sid,
      expected: 'fact',
      events: [{ type: 'message.received', origin: 'person', data: { text } }],
    });
  const once = <T>(hook: (value: T) => Promise<void> | void): ((value: T) => Promise<void>) => {
    let isDone = false;
    return async (value) => {
      if (isDone) return;
      isDone = true;
      await hook(value);
    };
  };
  return { world, below, frames, hooks, once, runtime, session, types, foreign, second: made };
}

/** Whether a frame holds an event of this type. */
export const has = (frame: Append, type: string): boolean => frame.events.some((event) => event.type === type);
/** Lets everything that is due happen. */
export const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};
