/** An older and a newer release on one SQLite store, both ways, on the goldens: read, shown, replayed, forked and continued, and nothing is lost. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createAgent, createRuntime, foldAt, REDUCER_VERSION, type Runtime } from '../../packages/nerva/src/agent/index.ts';
import { NervaError } from '../../packages/nerva/src/core/index.ts';
import { eventsOf, RELEASE, type EventDraft, type Frame, type LogEvent, type Store } from '../../packages/nerva/src/log/index.ts';
import { openSqlite } from '../../packages/nerva/src/node/index.ts';
import { conversationModel, testWorld } from '../../packages/nerva/src/testing/index.ts';
import { folder, foldedNow, framesOf, type Expected } from './golden.ts';
import { asNewer, NEWER, written } from './releases.ts';
import { GOLDENS } from './sessions.ts';

const releases = readdirSync(new URL('./', import.meta.url)).filter((one) => /^\d+\.\d+$/.test(one));
const logs = releases.flatMap((release) => readdirSync(folder(release)).filter((file) => file.endsWith('.jsonl')).map((file) => {
  const name = file.slice(0, -'.jsonl'.length);
  return { release, name, frames: framesOf(new URL(file, folder(release))), expected: JSON.parse(readFileSync(new URL(`${name}.json`, folder(release)), 'utf8')) as Expected };
}));

/** What a newer release may write that is not critical. */
const NEWS: readonly EventDraft[] = [
  { type: 'plan.revised', data: { steps: ['one', 'two'], deep: { er: null } } },
  { type: 'plan.revised', v: 3, origin: 'model', data: {} },
];

for (const { release, name, frames, expected } of logs) {
  const { sid } = expected;

  test(`a store of ${release} with the log ${name} is folded, replayed, forked and continued here`, async (t) => {
    const { store } = await stored(t, frames, { news: [], newer: false });
    await sameFold(store, expected, 0);
    assert.equal((await golden(store, name).session(sid).replay()).divergence, null);
    await goesOn(store, frames, sid);
  });

  test(`a store of a newer release with the log ${name} and events unknown here is folded, replayed, forked and continued, and keeps them`, async (t) => {
    const { store } = await stored(t, frames, { news: NEWS, newer: true });
    await sameFold(store, expected, NEWS.length);
    assert.deepEqual(new Set((await store.read(sid)).map(({ writer }) => writer.release)), new Set([NEWER]));
    assert.equal((await golden(store, name).session(sid).replay()).divergence, null);
    await goesOn(store, [...(await store.read(sid))], sid);
    const kept = (await events(store, sid)).slice(expected.events, expected.events + NEWS.length);
    assert.deepEqual(kept.map(({ type, v, data }) => ({ type, v, data })), NEWS.map(({ type, v = 1, data }) => ({ type, v, data })));
    assert.deepEqual(new Set((await store.read(sid)).map((frame) => frame.writer.release)), new Set([NEWER, RELEASE]));
  });
}

const answers = logs.find(({ name }) => name === 'answers') ?? assert.fail('a log named answers');

test('an event of a known type in a newer version that is not critical is skipped', async (t) => {
  const { store } = await stored(t, answers.frames, { news: [{ type: 'message.received', v: 2, origin: 'person', data: { text: 'and more' } }], newer: true });
  await sameFold(store, answers.expected, 1);
});

for (const news of [{ type: 'plan.revised', critical: true, data: {} }, { type: 'turn.ended', v: 2, critical: true, data: {} }] as const) {
  test(`a session with a critical event unknown here (${news.type}) says it is read-only, takes nothing, and is shown by position and verified`, async (t) => {
    const { store } = await stored(t, answers.frames, { news: [news], newer: true });
    const { sid, events: count } = answers.expected;
    const before = await events(store, sid);
    await assert.rejects(foldAt(store, sid), readOnly);
    const runtime = continuing(store, 'answers');
    await assert.rejects(runtime.session(sid).send('more').result, readOnly);
    await assert.rejects(runtime.session(sid).at(), readOnly);
    assert.equal((await runtime.session(sid).at(count - 1)).state.head, count, 'what lies before it can be looked at');
    assert.deepEqual(await events(store, sid), before);
    assert.equal((await store.verify(sid)).ok, true);
    await runtime.close();
  });
}

// It is claimed before it is folded: no frame is written, but each start counts an attempt, up to quarantine.
const KNOWN = { todo: 'the store hands it out, and only the fold finds out' };

test('a session with a critical event unknown here is not claimed', KNOWN, async (t) => {
  const { store } = await stored(t, answers.frames, { news: [{ type: 'plan.revised', critical: true, data: {} }], newer: true, status: 'ready' });
  const before = await store.info(answers.expected.sid);
  const runtime = continuing(store, 'answers');
  await runtime.start();
  await runtime.idle();
  await runtime.close();
  assert.deepEqual(await store.info(answers.expected.sid), before);
});

const readOnly = (error: unknown): boolean => NervaError.is(error, 'SESSION_READONLY');

/** A store in a file, written by another release, opened by this one. */
async function stored(t: TestContext, frames: readonly Frame[], options: { readonly news: readonly EventDraft[]; readonly newer: boolean; readonly status?: 'ready' }): Promise<{ readonly store: Store }> {
  const path = join(mkdtempSync(join(tmpdir(), 'nerva-releases-')), 's.db');
  const open = () => openSqlite(path, { world: testWorld({ startMs: (frames.at(-1) as Frame).atMs }) });
  const made = await open();
  const sid = (frames.at(-1) as Frame).sid;
  await written(made, frames, String(frames[0]?.events[0]?.data['agent']));
  if (options.news.length > 0) await made.append({ id: 'news', sid, expected: 'fact', events: options.news, then: { status: options.status ?? 'idle' } });
  await made.close();
  if (options.newer) asNewer(path);
  const store = await open();
  t.after(async () => {
    await store.close();
    rmSync(join(path, '..'), { recursive: true });
  });
  return { store };
}

async function sameFold(store: Store, { sid, events: count, outcome, states }: Expected, more: number): Promise<void> {
  assert.equal((await store.verify(sid)).ok, true);
  assert.equal((await store.head(sid)), count + more);
  const frames = await store.read(sid, { upto: count - 1 });
  const now = await foldedNow(frames, sid);
  assert.deepEqual([now.events, now.outcome], [count, outcome]);
  assert.equal(now.digest, states[REDUCER_VERSION]);
  const [known, all] = [(await foldAt(store, sid, { upto: count - 1 })).state, (await foldAt(store, sid)).state];
  assert.equal(all.head, count + more);
  assert.deepEqual({ ...all, head: 0, nowMs: 0 }, { ...known, head: 0, nowMs: 0 }, 'what is unknown here changes nothing');
}

/** Forks the session in its midst and at its end, and goes on with it: what was there stays, word for word. */
async function goesOn(store: Store, frames: readonly Frame[], sid: string): Promise<void> {
  const before = await events(store, sid);
  const runtime = continuing(store, String(frames[0]?.events[0]?.data['agent']));
  for (const at of [before.length >> 1, before.length - 1]) {
    const fork = await runtime.session(sid).fork(at, { sid: `fork${at}` });
    assert.deepEqual((await events(store, fork.sid)).slice(0, at + 1), before.slice(0, at + 1), 'a fork inherits all');
    assert.equal((await store.verify(fork.sid)).ok, true);
    assert.equal((await fork.at()).state.head, await store.head(fork.sid));
  }
  await runtime.session(sid).send('And now?').accepted;
  await runtime.idle();
  const after = await events(store, sid);
  assert.deepEqual(after.slice(0, before.length), before, 'what was there is there');
  assert(after.slice(before.length).some(({ type }) => type === 'message.received'), 'the session went on');
  assert.equal((await store.verify(sid)).ok, true);
  assert.equal((await foldAt(store, sid)).state.head, after.length);
  await runtime.close();
}

async function events(store: Store, sid: string): Promise<LogEvent[]> {
  return (await store.read(sid, { limit: 10_000 })).flatMap(eventsOf);
}

/** The agent of the golden, to decide again what it decided. */
function golden(store: Store, name: string): Runtime {
  const agent = GOLDENS[name]?.agent() ?? assert.fail(`no session ${name}`);
  return createRuntime({ store, world: testWorld(), agents: [agent] });
}

/** An agent of that name as a later release of the program has it: what it answers is new, its tools are gone. */
function continuing(store: Store, name: string): Runtime {
  // Of another seed than the recording: an id met again would be a repetition.
  const world = testWorld({ seed: 99, startMs: 1_900_000_000_000 });
  return createRuntime({ store, world, agents: [createAgent({ name, model: conversationModel(new Array<string>(50).fill('continued')) })] });
}
