import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NervaError } from '../core/index.ts';
import { memoryStore, type Store } from '../log/index.ts';
import { openaiChat, scriptedModel, type Delta, type Model } from '../model/index.ts';
import { nodeWorld } from '../node/index.ts';
import { openaiMock, testWorld, type MockAnswer, type WireMock } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { createAgent, createRuntime, type Runtime, type Session, type StreamItem } from './index.ts';
import { ANY, all, gate, scene, until } from './session-scene.test.ts';

const USAGE = { inputTokens: 1, outputTokens: 1 };
const TEXT = 'A text that is long enough to come in many small pieces, one after the other.';
const whole = (text: string) => ({ parts: [{ type: 'text' as const, text }], finish: 'stop' as const, usage: USAGE, model: null });
const piece = (text: string): Delta => ({ type: 'text', index: 0, text });

/** A session whose model is a server on this machine. */
async function overHttp(
  t: { after(task: () => Promise<void>): void },
  answer: (n: number) => MockAnswer | string,
): Promise<{ readonly session: Session; readonly runtime: Runtime; readonly mock: WireMock }> {
  const mock = await openaiMock({ answer: (_request, n) => answer(n) });
  const world = nodeWorld();
  const runtime = createRuntime({
    store: memoryStore({ world }),
    world,
    agents: [createAgent({ name: 'a', model: openaiChat({ model: 'm', baseUrl: mock.baseUrl }) })],
  });
  t.after(async () => {
    await runtime.close();
    await world.transport.close();
    await mock.close();
  });
  return { session: runtime.session('s', { agent: 'a' }), runtime, mock };
}

async function untilItem(items: AsyncIterator<StreamItem>, isIt: (item: StreamItem) => boolean): Promise<StreamItem[]> {
  const seen: StreamItem[] = [];
  for (;;) {
    const { value, done } = await items.next();
    if (done === true) return seen;
    seen.push(value);
    if (isIt(value)) return seen;
  }
}

test('the first pieces arrive while the server holds back the rest of the answer', async (t) => {
  const { session } = await overHttp(t, () => ({ text: TEXT, fault: 'stalled' }));
  const run = session.send('go');
  const items = run[Symbol.asyncIterator]();
  const seen = await untilItem(items, (item) => item.type === 'delta');
  assert.deepEqual(seen.at(-1), { type: 'delta', call: 's:3', index: 0, delta: { type: 'text', index: 0, text: TEXT.slice(0, 3) } });
  await session.cancel();
  const { status } = await run.result;
  assert.equal(status, 'cancelled');
  const rest = await untilItem(items, (item) => item.type === 'event' && item.event.type === 'model.interrupted');
  const streamed = [...seen, ...rest]
    .flatMap((item) => (item.type === 'delta' && item.delta.type === 'text' ? [item.delta.text] : []))
    .join('');
  const interrupted = rest.at(-1);
  assert.ok(interrupted?.type === 'event' && interrupted.event.type === 'model.interrupted');
  assert.deepEqual(interrupted.event.data.parts, [{ type: 'text', text: streamed }]);
  assert.ok(TEXT.startsWith(streamed) && streamed !== TEXT);
});

test('the pieces joined are the text of the answer, and textStream ends with the turn', async (t) => {
  const { session } = await overHttp(t, (n) => ({ text: `${TEXT} ${n}` }));
  for (const n of [0, 1]) {
    const run = session.send('go');
    const [pieces, result] = await Promise.all([all(run.textStream), run.result]);
    assert.ok(pieces.length > 10);
    assert.deepEqual([pieces.join(''), result.text], [`${TEXT} ${n}`, result.text]);
    assert.equal(result.text, `${TEXT} ${n}`);
  }
});

test('a stream that breaks in the middle is announced lost by a reset before its failure', async (t) => {
  const { session } = await overHttp(t, () => ({ text: TEXT, fault: 'reset' }));
  const items = await all(session.send('go'));
  const kinds = items
    .map((item) => (item.type === 'event' ? item.event.type : item.type))
    .filter((type, index, all) => type !== all[index - 1]);
  assert.deepEqual(kinds.slice(kinds.indexOf('model.called')), ['model.called', 'delta', 'reset', 'model.failed', 'turn.ended']);
});

test('a model that does not stream gives its whole text once', async () => {
  const model: Model = { name: 'plain/model', call: () => Promise.resolve(whole(TEXT)) };
  const { session } = scene({ model });
  assert.deepEqual(await all(session.send('go').textStream), [TEXT]);
});

test('text before calls and after them is one stream in order', async () => {
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => 'seen' });
  const { session } = scene({ script: [{ text: 'Let me look. ', calls: [{ name: 'look', input: {} }] }, 'It is there.'], tools: [look] });
  assert.equal((await all(session.send('go').textStream)).join(''), 'Let me look. It is there.');
});

test('deltas are numbered from 0 in each call and name the call whose answer they become', async () => {
  const { session } = scene({ script: ['one two three', 'four five'] });
  for (const count of [3, 2]) {
    const items = await all(session.send('go'));
    const deltas = items.filter((item) => item.type === 'delta');
    assert.deepEqual(
      deltas.map((item) => item.index),
      [...Array(count).keys()],
    );
    const answered = items.find((item) => item.type === 'event' && item.event.type === 'model.answered');
    assert.ok(answered?.type === 'event' && answered.event.type === 'model.answered');
    assert.equal(deltas[0]?.call, `s:${answered.event.data.call}`);
  }
});

test('any reader that joins after any event sees exactly the events that follow', async () => {
  const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => Promise.resolve('seen') });
  const { session, events } = scene({
    script: (_request, n) => (n % 2 === 0 ? { calls: [{ name: 'look', input: {} }] } : 'ok'),
    tools: [look],
  });
  await session.send('one').result;
  await session.send('two').result;
  const seqs = (await events()).map(({ seq }) => seq);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: -1, max: seqs.length - 1 }), async (after) => {
      const signal = new AbortController();
      const seen: number[] = [];
      if (after === seqs.length - 1) signal.abort();
      for await (const item of session.stream({ after, signal: signal.signal })) {
        assert.ok(item.type === 'event');
        assert.equal(item.id, `s:${item.event.seq}`);
        seen.push(item.event.seq);
        if (item.event.seq === seqs.length - 1) signal.abort();
      }
      assert.deepEqual(seen, seqs.slice(after + 1));
    }),
  );
});

test('two readers of one running turn see the same events, the late one from where it asked', async () => {
  const open = gate<string>();
  const wait = tool({ name: 'wait', effect: 'read', inputSchema: ANY, execute: () => open.opened });
  const { session, of, events } = scene({ script: [{ calls: [{ name: 'wait', input: {} }] }, 'done'], tools: [wait] });
  const run = session.send('go');
  const early = all(run);
  await until(async () => (await of('tool.called')).length === 1);
  const stop = new AbortController();
  const late = (async () => {
    const seen: number[] = [];
    for await (const item of session.stream({ after: 2, signal: stop.signal })) {
      if (item.type !== 'event') continue;
      seen.push(item.event.seq);
      if (item.event.type === 'turn.ended') break;
    }
    return seen;
  })();
  open.open('seen');
  await early;
  const seqs = (await events()).map(({ seq }) => seq);
  assert.deepEqual(await late, seqs.slice(3));
  assert.deepEqual(
    (await early).flatMap((item) => (item.type === 'event' ? [item.event.seq] : [])),
    seqs.slice(1),
  );
});

test('leaving the loop cancels nothing: the turn goes on to its answer', async () => {
  const open = gate();
  const model = scriptedModel(async () => {
    await open.opened;
    return 'done';
  });
  const { session } = scene({ model });
  const run = session.send('go');
  for await (const item of run) if (item.type === 'event' && item.event.type === 'model.called') break;
  open.open();
  assert.equal((await run.result).text, 'done');
  assert.equal((await session.send('again').result).status, 'answered');
});

test('a reader that aborts while nothing happens is let go', async () => {
  const { session } = scene({ script: ['ok'] });
  await session.send('go').result;
  const stop = new AbortController();
  const reading = all(session.stream({ after: 99, signal: stop.signal }));
  stop.abort();
  assert.deepEqual(await reading, []);
});

test('a stream without options gives all there is and goes on, until its loop is left', async () => {
  const { session, events } = scene({ script: ['one', 'two'] });
  await session.send('go').result;
  const seen: number[] = [];
  const reading = (async () => {
    for await (const item of session.stream()) {
      if (item.type === 'event') seen.push(item.event.seq);
      if (item.type === 'event' && item.event.type === 'turn.ended' && seen.length > 6) break;
    }
  })();
  await session.send('more').result;
  await reading;
  assert.deepEqual(
    seen,
    (await events()).map(({ seq }) => seq),
  );
});

test('a stream ends with its store, and says so', async () => {
  const { session, store } = scene({ script: ['one'] });
  await session.send('go').result;
  const items = session.stream({ after: 99 });
  const next = items.next();
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve)); // it waits for more
  await store.close();
  await assert.rejects(next, (error) => NervaError.is(error, 'STORE_CLOSED'));
});

test('a stream whose log cannot be read any more rejects with what the store says', async () => {
  const world = testWorld();
  const below = memoryStore({ world });
  const broken = gate();
  const tail: Store['tail'] = async function* () {
    await broken.opened;
    yield* [];
    throw new NervaError('LOG_CORRUPT', 'The page is damaged.');
  };
  const runtime = createRuntime({ store: { ...below, tail }, world, agents: [createAgent({ name: 'a', model: scriptedModel([]) })] });
  const next = runtime.session('s', { agent: 'a' }).stream().next();
  broken.open();
  await assert.rejects(next, (error) => NervaError.is(error, 'LOG_CORRUPT'));
});

test('a reader that does not read costs at most 10,000 deltas, and still gets every event', async () => {
  const model: Model = {
    name: 'fast/model',
    call: (_request, { onDelta }) => {
      for (let n = 0; n < 25_000; n++) onDelta?.(piece('x'));
      return Promise.resolve(whole('x'.repeat(25_000)));
    },
  };
  const { session, events } = scene({ model });
  const run = session.send('go');
  const slow = run[Symbol.asyncIterator]();
  await run.result;
  const items: StreamItem[] = [];
  for (let next = await slow.next(); next.done !== true; next = await slow.next()) items.push(next.value);
  assert.equal(items.filter((item) => item.type === 'delta').length, 10_000);
  assert.deepEqual(
    items.flatMap((item) => (item.type === 'event' ? [item.event.seq] : [])),
    (await events()).map(({ seq }) => seq).slice(1),
  );
});

test('the stream of a run that fails to begin rejects with the failure', async () => {
  const { runtime } = scene({ script: ['ok'] });
  await assert.rejects(all(runtime.session('nobody').send('go')), { code: 'SESSION_UNKNOWN' });
  await assert.rejects(all(runtime.session('nobody').send('go').textStream), { code: 'SESSION_UNKNOWN' });
});

test('a reader that pauses through thirty thousand pieces gets them all when it goes on, in fewer and larger ones', async () => {
  const words = Array.from({ length: 30_000 }, (_, at) => `w${at} `);
  const done = gate();
  const model: Model = {
    name: 'fast/model',
    call: (_request, { onDelta }) => {
      for (const word of words) onDelta?.(piece(word));
      done.open();
      return Promise.resolve(whole(words.join('')));
    },
  };
  const { session } = scene({ model });
  const reader = session.send('go')[Symbol.asyncIterator]();
  await reader.next(); // it has begun to read, and stops
  await done.opened;
  let text = '';
  let count = 0;
  for (let item = await reader.next(); item.done !== true; item = await reader.next()) {
    if (item.value.type !== 'delta' || item.value.delta.type !== 'text') continue;
    text += item.value.delta.text;
    count++;
  }
  assert.equal(text, words.join(''));
  assert.ok(count <= 10_000, `${count} pieces`);
});
