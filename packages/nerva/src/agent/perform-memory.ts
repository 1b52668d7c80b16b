import type { Sid } from '../log/index.ts';
import type { Core, Entry, Filter, Memory } from '../memory/index.ts';
import { isTwice, type MemoryUse } from './memory-options.ts';
import { tellings, type Reading } from './memory-room.ts';
import type { Draft } from './events.ts';
import { mishap, within, type Performer, type Scene } from './perform.ts';

/** A memory that does not answer holds up a turn no longer than this, and no other memory. */
const MEMORY_MS = 10_000;

/** What became of one memory. */
type Look = { readonly reading: Reading } | { readonly failure: Draft };

/**
 * Reads the memories: their blocks as far as they changed since they were told, and what the question recalls. All are asked at once; a turn goes on
 * without one that fails. What is told depends on what they said and on their order, never on which answered first.
 */
export const performMemory: Performer = async (_intent, scene) => {
  const looks = withoutTwice(await Promise.all(scene.bound.agent.memory.map((use) => look(use, scene))), scene);
  const told = tellings(
    looks.map((one) => ('reading' in one ? one.reading : null)),
    scene,
  );
  return looks.flatMap((one, at) => ('failure' in one ? [one.failure] : (told[at] ?? [])));
};

async function look(use: Required<MemoryUse>, outer: Scene): Promise<Look> {
  const { scene, end } = apart(outer);
  let log = typeof use.of === 'function' ? undefined : use.of.sid;
  try {
    const memory = await within(MEMORY_MS, scene, () => opened(use, scene), 'The memory');
    log = memory.sid;
    return { reading: await within(MEMORY_MS, scene, () => read(memory, use.recall, scene), 'The memory') };
  } catch (error) {
    return { failure: failureOf(scene, error, log) };
  } finally {
    end();
  }
}

const failureOf = (scene: Scene, error: unknown, log: Sid | undefined): Draft => ({
  type: 'memory.failed',
  data: { call: scene.seq, ...(log === undefined ? {} : { log }), ...mishap(scene, error) },
});

/** A scene that ends with the one given, and may end before it: a memory that hangs is given up alone. */
function apart(outer: Scene): { readonly scene: Scene; readonly end: () => void } {
  const controller = new AbortController();
  const stop = (): void => controller.abort(outer.signal.reason);
  if (outer.signal.aborted) stop();
  else outer.signal.addEventListener('abort', stop);
  return {
    scene: { ...outer, signal: controller.signal, abort: (reason) => controller.abort(reason) },
    end: () => outer.signal.removeEventListener('abort', stop),
  };
}

/** What `of` gives may be what another gave: then the later one fails. */
function withoutTwice(looks: readonly Look[], scene: Scene): readonly Look[] {
  const seen = new Set<Sid>();
  return looks.map((one) => {
    if (!('reading' in one)) return one;
    const { log } = one.reading;
    if (seen.has(log)) return { failure: failureOf(scene, isTwice(log), log) };
    seen.add(log);
    return one;
  });
}

async function opened({ of }: Required<MemoryUse>, { sid, bound, store, world }: Scene): Promise<Memory> {
  const session = { sid, tenant: store.tenant ?? 'default', agent: bound.agent.name };
  const opened = typeof of === 'function' ? await of({ session, store, world }) : of;
  await opened.refresh();
  return opened;
}

/** After the search nothing waits: blocks, and how far the log was read, are of one moment. */
async function read(memory: Memory, limit: number, { state, signal }: Scene): Promise<Reading> {
  const question = state.turn.open?.input.text ?? '';
  const search = limit === 0 || question.trim() === '' ? null : await memory.search(question, { limit, signal, filter: ownOf(memory) });
  return {
    log: memory.sid,
    upto: memory.head - 1,
    subject: memory.subject,
    blocks: coreOf(memory),
    found: (search?.found ?? []).map(({ entry }) => entry),
    search,
  };
}

/** What is told is sealed under whom the memory belongs to: what is somebody else's would stay in the session when they are erased. */
const isOwn = ({ subject: owner }: Memory, { subject }: Entry): boolean => subject === undefined || subject === owner;
/** The same as a filter: what is left out takes no place from what is told. */
const ownOf = ({ subject }: Memory): Filter => ({ subject: { $in: [null, subject ?? null] } });

/** The blocks that may be told. */
const coreOf = (memory: Memory): Core => memory.core.filter(({ entry }) => entry === undefined || isOwn(memory, memory.entry(entry)));
