import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NervaError, type World } from '../../packages/nerva/src/core/index.ts';
import { memoryStore, type Frame, type Store, type StoreLimits } from '../../packages/nerva/src/log/index.ts';
import { openSqlite } from '../../packages/nerva/src/node/index.ts';
import { testWorld } from '../../packages/nerva/src/testing/index.ts';
import { callOf, learn, listOf, SECOND_MS, type Call, type Context } from './call.ts';
import type { Command, Step } from './command.ts';

// The traces are about meaning, not about the disk.
const BASE = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** Small, so that a short trace reaches each of them. */
const LIMITS: Partial<StoreLimits> = { eventsMax: 30, bytesMax: 4000, frameBytesMax: 2000, blobBytesMax: 64, attemptsMax: 3 };

/** Where the SQLite stores commit. */
export type Writer = 'inline' | 'thread';

/** One store in memory and SQLite stores beside it, all in one world: what one of them answers, every other must answer. */
export class Rig {
  readonly #folder = mkdtempSync(join(BASE, 'nerva-model-'));
  readonly #writers: readonly Writer[];
  readonly #world: World;
  /** The stores, the one in memory first; the others in the order of the writers. */
  #stores: Store[] = [];
  readonly #context: Context;
  #nowMs = 1_800_000_000_000;
  #number = 0;

  private constructor(writers: readonly Writer[]) {
    this.#writers = writers;
    const world = testWorld();
    // Of one call: the stores draw unequally often (a repetition needs no salt), and read the clock unequally often.
    const random = (): string => hash('sha256', String(this.#number)).slice(0, 32);
    this.#world = { ...world, clock: { ...world.clock, nowMs: () => this.#nowMs }, ids: { ...world.ids, random } };
    this.#context = { reference: memoryStore({ world: this.#world, limits: LIMITS }), sent: [], driven: new Set() };
  }

  /** Opens the stores. */
  static async open(writers: readonly Writer[]): Promise<Rig> {
    const rig = new Rig(writers);
    await rig.#open();
    return rig;
  }

  /** Runs a step on every store. @throws AssertionError when one answers otherwise than the one in memory. */
  async run(step: Step): Promise<void> {
    if (step.do === 'wait') this.#nowMs += step.seconds * SECOND_MS;
    else if (step.do === 'together') await this.#together(step.commands);
    else if (step.do === 'reopen') await this.#reopen();
    else await this.#together([step]);
  }

  /** Compares everything that can be read. */
  async compare(): Promise<void> {
    const [expected, ...others] = await Promise.all(this.#stores.map(everything));
    for (const [index, other] of others.entries())
      assert.deepEqual(other, expected, `${this.#writers[index]}: the stores differ at the end`);
  }

  async close(): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.close()));
    rmSync(this.#folder, { recursive: true });
  }

  /** Every call is made before the first is answered: SQLite takes those of one macrotask as one transaction. */
  async #together(commands: readonly Command[]): Promise<void> {
    const first = { number: this.#number + 1, nowMs: this.#nowMs + SECOND_MS };
    const calls: Call[] = [];
    for (const [index, command] of commands.entries()) {
      calls.push(await callOf(command, this.#context, { number: first.number + index, nowMs: first.nowMs + index * SECOND_MS }));
    }
    const answers = this.#stores.map((): Promise<Answer>[] => []);
    for (const call of calls) {
      this.#number++;
      this.#nowMs += SECOND_MS;
      for (const [index, store] of this.#stores.entries()) answers[index]?.push(answer(call, store));
    }
    const [expected = [], ...others] = await Promise.all(answers.map(async (of) => alike(commands, await Promise.all(of))));
    for (const [index, other] of others.entries())
      assert.deepEqual(other, expected, `${this.#writers[index]}: ${JSON.stringify(commands)}`);
    for (const [index, command] of commands.entries()) {
      const { value } = expected[index] as Answer;
      if (value !== undefined) learn(command, value, this.#context);
    }
  }

  async #open(): Promise<void> {
    const opened = this.#writers.map((writer) =>
      openSqlite(join(this.#folder, `${writer}.db`), { world: this.#world, limits: LIMITS, writer }),
    );
    this.#stores = [this.#context.reference, ...(await Promise.all(opened))];
  }

  /** Who drives a session is forgotten when a store is closed, and memory cannot be: so each is given back before. */
  async #reopen(): Promise<void> {
    for (const sid of this.#context.driven) await this.#giveBack(sid);
    this.#context.driven.clear();
    await Promise.all(this.#stores.slice(1).map((store) => store.close()));
    await this.#open();
  }

  async #giveBack(sid: string): Promise<void> {
    const { reference } = this.#context;
    if (!(await reference.list()).some((info) => info.sid === sid)) return;
    const { epoch, head, status, wakeAtMs } = await reference.info(sid);
    for (const store of this.#stores) assert.equal(await store.release(sid, { epoch }, { expected: head, status, wakeAtMs }), true);
  }
}

/** What a call came to, as plain data: a value or the code of a failure. */
interface Answer {
  readonly value?: unknown;
  readonly code?: string;
}

/**
 * Where a call makes two mistakes, the contract does not say which one is named: a position outside of any log in a session that is
 * not there, and a fork (which needs a new id) under the id of a deleted session.
 */
function alike(commands: readonly Command[], answers: readonly Answer[]): readonly Answer[] {
  return answers.map((one, index) => {
    const command = commands[index];
    if (one.code === 'SESSION_DELETED' && command?.do === 'fork') return { code: 'FRAME_INVALID' };
    const isOutside =
      command?.do === 'malformed' ||
      ((command?.do === 'read' || command?.do === 'putSnapshot') && /"invalid"|"limit":0/.test(JSON.stringify(command)));
    return isOutside && one.code !== undefined ? { code: 'LOG_RANGE' } : one;
  });
}

async function answer(call: Call, store: Store): Promise<Answer> {
  try {
    return { value: plain(await call(store)) };
  } catch (error) {
    // Anything else is a bug of the store: no call of a trace is a bug of its caller.
    if (!NervaError.is(error) || error.code === 'STORE_FAILED') throw error;
    return { code: error.code };
  }
}

/** As JSON: undefined becomes null, and a batch's failures their codes. */
function plain(value: unknown): unknown {
  const text = JSON.stringify(value, (_key, part: unknown) => (NervaError.is(part) ? part.code : part));
  return text === undefined ? null : JSON.parse(text);
}

/** All that a store says about itself, to the operator and to tenants. */
async function everything(store: Store): Promise<unknown> {
  const sessions: unknown[] = [];
  for (const sid of ['s0', 's1', 's2', 'f0', 'f1']) {
    const verified = await answer((one) => one.verify(sid), store);
    if (verified.value !== undefined) assert.equal((verified.value as { readonly ok: boolean }).ok, true, `${sid} does not verify`);
    sessions.push([
      sid,
      await store.head(sid),
      await answer((one) => one.info(sid), store),
      verified,
      await answer((one) => pages(one, sid), store),
    ]);
  }
  const handles = await Promise.all(
    [store, store.scope('red'), store.scope('blue'), store.scope('default')].map(async (one) => ({
      list: await one.list(),
      feed: await listOf(one.feed()),
      stats: { ...(await one.stats()), fileBytes: 0 },
    })),
  );
  return plain({ sessions, handles });
}

/** Every frame, in pages of two. */
async function pages(store: Store, sid: string): Promise<readonly Frame[]> {
  const frames: Frame[] = [];
  for (let after = -1; ;) {
    const page = await store.read(sid, { after, limit: 2 });
    const last = page.at(-1);
    if (last === undefined) return frames;
    frames.push(...page);
    assert(last.seq + last.events.length > after + 1, 'a page goes on');
    after = last.seq + last.events.length - 1;
  }
}
