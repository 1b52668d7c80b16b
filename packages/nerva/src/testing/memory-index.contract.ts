import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eraseSubject, memoryStore, type Store } from '../log/index.ts';
import { openMemory, type Entry, type Memory, type MemoryIndex } from '../memory/index.ts';
import { memoryKeys } from './keys.ts';
import { testWorld } from './world.ts';

/** An index for one store, and how it is found again. Undefined: memories without one, which are held to the same laws. */
export interface IndexHarness {
  readonly index: MemoryIndex | undefined;
  /** The same index as another process would open it. */
  reopen(): MemoryIndex | undefined;
  cleanup(): void;
}

const TEXTS = ['red apple', 'green pear', 'blue plum on 5 January 2027', 'a red plum', 'the apple of Ada, red, red', 'yesterday a pear'];
/** What happens to a memory. */
type Step =
  | {
      readonly type: 'remember';
      readonly text: string;
      readonly tags: readonly string[];
      /** Number of the entry that it supersedes, when there is one that can be. */
      readonly old: number;
      readonly daysAgo: number;
      readonly subject: string | undefined;
    }
  | { readonly type: 'forget'; readonly at: number; readonly subject: string | undefined }
  | { readonly type: 'end'; readonly at: number; readonly daysAgo: number; readonly subject: string | undefined }
  | { readonly type: 'clear' | 'reset' }
  | { readonly type: 'block'; readonly text: string; readonly subject: string | undefined }
  | { readonly type: 'item'; readonly key: string }
  | { readonly type: 'grant' | 'revoke'; readonly agent: string; readonly right: 'recall' | 'edit' }
  | { readonly type: 'wait'; readonly ms: number }
  | { readonly type: 'erase'; readonly subject: string }
  | { readonly type: 'reopen' };

/** Up to 25 steps, by a seed. */
function stepsOf(seed: number): readonly Step[] {
  const { dice } = testWorld({ seed });
  const below = (count: number): number => Math.floor(dice.roll() * count);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const one = (): Step => {
    const at = below(19);
    if (at < 6)
      return {
        type: 'remember',
        text: pick(TEXTS),
        tags: ['a', 'b·c'].filter(() => below(2) === 0),
        old: below(9),
        daysAgo: below(46) - 5,
        subject: pick([undefined, 'ada', 'bob']),
      };
    if (at < 8) return { type: 'forget', at: below(9), subject: pick([undefined, 'ada']) };
    if (at === 8) return { type: 'block', text: pick(['', 'x', '<block>']), subject: pick([undefined, 'bob']) };
    if (at > 15)
      return at === 18
        ? { type: pick(['clear', 'reset'] as const) }
        : { type: 'end', at: below(9), daysAgo: below(46) - 5, subject: pick([undefined, 'bob']) };
    if (at > 12)
      return { type: pick(['grant', 'revoke'] as const), agent: pick(['a', '__proto__']), right: pick(['recall', 'edit'] as const) };
    if (at === 9) return { type: 'item', key: pick(['k', 'l']) };
    if (at === 10) return { type: 'wait', ms: below(90_000_000) };
    return at === 11 ? { type: 'erase', subject: pick(['ada', 'bob']) } : { type: 'reopen' };
  };
  return Array.from({ length: 1 + below(25) }, one);
}

const SEEDS = 120;
const DAY_MS = 86_400_000;
const QUESTIONS = ['red apple', 'plum', 'what was on 5 January?', 'when did a pear come', 'nothing of it'];

/** All that a memory shows. */
function shown(memory: Memory, nowMs: number): unknown {
  const moments = [
    {},
    { validAtMs: nowMs - 10 * DAY_MS },
    { knownAtMs: nowMs - DAY_MS },
    { tags: ['a'] },
    { tags: ['b·c'], kinds: ['note'] as const },
  ];
  return [
    memory.head,
    memory.core,
    memory.rights,
    memory.item('k'),
    memory.item('l'),
    memory.entries(),
    memory.list({ limit: 3 }),
    memory.list({ isAll: true, after: `${memory.sid}:3` }),
    moments.map((options) => [memory.count(options), memory.list(options)]),
    memory.count({ isAll: true }),
    QUESTIONS.map((query) => moments.map((options) => memory.recall(query, options))),
  ];
}

/** Registers the laws of an index of memories as tests of `node:test` under `name`. `make` gives an empty one. */
export function memoryIndexContract(name: string, make: () => IndexHarness): void {
  const law = (title: string, body: (harness: IndexHarness) => Promise<void>): void =>
    void test(title, async () => {
      const harness = make();
      try {
        await body(harness);
      } finally {
        harness.cleanup();
      }
    });
  void describe(name, () => {
    void test('any changes, erasures and openings leave a memory that shows what the log says, score by score', async () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const harness = make();
        try {
          await holds(harness, stepsOf(seed));
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        } finally {
          harness.cleanup();
        }
      }
    });

    law('two handles, each behind the other in turn, show the same', async ({ index }) => {
      const world = testWorld();
      const store = memoryStore({ world });
      const open = () => openMemory({ store, world, scope: 's', ...(index === undefined ? {} : { index }) });
      const [one, other] = [await open(), await open()];
      for (let at = 0; at < 6; at++) await (at % 2 === 0 ? one : other).remember(`${TEXTS[at]} ${at}`);
      await one.setItem({ key: 'k', value: 1 });
      await Promise.all([one.refresh(), other.refresh()]);
      assert.deepEqual(shown(one, world.clock.nowMs()), shown(other, world.clock.nowMs()));
      assert.equal(one.entries().length, 6);
    });

    law('of a page that somebody asks with, the rarest words are looked for', async ({ index }) => {
      const world = testWorld();
      const store = memoryStore({ world });
      const open = (kept: MemoryIndex | undefined) =>
        openMemory({ store, world, scope: 's', ...(kept === undefined ? {} : { index: kept }) });
      const memory = await open(index);
      const words = Array.from({ length: 90 }, (_, at) => `w${at}x`);
      for (const [at, word] of words.entries()) for (let times = at < 30 ? 2 : 1; times > 0; times--) await memory.remember(word);
      const page = [...Array.from({ length: 500 }, (_, at) => `never${at}said`), ...words].join(' ');
      const found = memory.recall(page, { limit: 100 });
      assert.deepEqual(found, (await open(undefined)).recall(page, { limit: 100 }));
      const texts = new Set(found.map(({ entry }) => entry.text));
      assert.deepEqual([found.length, texts.size], [68, 64]);
      assert.ok(words.slice(30).every((word) => texts.has(word)));
    });

    law('scopes, tenants and stores see nothing of each other', async ({ index }) => {
      const world = testWorld();
      const store = memoryStore({ world });
      const open = (of: Store, scope: string) => openMemory({ store: of, world, scope, ...(index === undefined ? {} : { index }) });
      await (await open(store.scope('acme'), 'x')).remember('the secret of acme');
      const others = [await open(store.scope('other'), 'x'), await open(store, 'y'), await open(memoryStore({ world }), 'x')];
      for (const other of others) assert.deepEqual([other.head, other.entries(), other.recall('secret')], [0, [], []]);
      const again = memoryStore({ world });
      const foreign = await open(again, 'x');
      await foreign.remember('another store');
      assert.deepEqual(
        foreign.recall('secret acme another').map(({ entry }) => entry.text),
        ['another store'],
      );
    });
  });
}

async function holds(harness: IndexHarness, steps: readonly Step[]): Promise<void> {
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  let { index } = harness;
  const gone = new Set<string>();
  const open = (subject?: string) =>
    openMemory({ store, world, scope: 's', ...(index === undefined ? {} : { index }), ...(subject === undefined ? {} : { subject }) });
  let memory = await open();
  for (const step of steps) {
    const subject = 'subject' in step && step.subject !== undefined && !gone.has(step.subject) ? step.subject : undefined;
    const writer = subject === undefined || step.type === 'erase' ? memory : await open(subject);
    if (step.type === 'wait') await world.advance(step.ms);
    else if (step.type === 'erase') {
      gone.add(step.subject);
      await eraseSubject({ store, keys, world, subject: step.subject });
    } else if (step.type === 'reopen') {
      index = harness.reopen();
      memory = await open();
    } else if ('text' in step || 'at' in step) await changeBy(writer, step, { known: memory.entries(), nowMs: world.clock.nowMs() });
    else if (step.type === 'item') await memory.setItem({ key: step.key, value: memory.head, ttlMs: 3 * DAY_MS });
    else if (step.type === 'grant' || step.type === 'revoke') await memory[step.type](step.agent, [step.right]);
    else {
      await memory[step.type]();
      assert.equal(memory.count(), 0);
    }
    await memory.refresh();
  }
  const fromLog = await openMemory({ store, world, scope: 's' });
  assert.deepEqual(shown(memory, world.clock.nowMs()), shown(fromLog, world.clock.nowMs()));
  index = harness.reopen();
  assert.deepEqual(shown(await open(), world.clock.nowMs()), shown(fromLog, world.clock.nowMs()));
}

/** A change of what may be somebody's. */
async function changeBy(
  writer: Memory,
  step: Extract<Step, { readonly text: string } | { readonly at: number }>,
  { known, nowMs }: { readonly known: readonly Entry[]; readonly nowMs: number },
): Promise<void> {
  if (step.type === 'block') return writer.setBlock({ label: 'b', text: step.text });
  if (step.type === 'remember') {
    const { text, tags, old, daysAgo } = step;
    const before = known[old];
    const supersedes = before?.supersededBy === null ? { supersedes: before.id } : {};
    return void (await writer.remember(text, { tags, validMs: nowMs - daysAgo * DAY_MS, ...supersedes }));
  }
  const entry = known[step.at];
  if (entry === undefined) return;
  if (step.type === 'forget') return writer.forget(entry.id);
  const isSooner = (entry.endings.at(-1)?.atMs ?? Infinity) >= nowMs - step.daysAgo * DAY_MS;
  const ended = writer.end(entry.id, nowMs - step.daysAgo * DAY_MS);
  await (isSooner ? ended : assert.rejects(ended, { code: 'MEMORY_CHANGED' }));
}
