import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { isBlobRef, memoryStore, type Store } from '../log/index.ts';
import type { Model, ModelRequest } from '../model/index.ts';
import { testWorld } from '../testing/index.ts';
import { createAgent, createRuntime, foldAt } from './index.ts';
import { scene, until } from './session-scene.test.ts';

/** A model that keeps what it was asked. */
function keen() {
  const asked: ModelRequest[] = [];
  const model: Model = {
    name: 'keen/model',
    call: (request) => {
      asked.push({ ...request, messages: [...request.messages] });
      return Promise.resolve({
        parts: [{ type: 'text', text: 'seen' }],
        finish: 'stop',
        usage: { inputTokens: 1, outputTokens: 1 },
        model: null,
      });
    },
  };
  return { model, asked };
}

const SMALL = new Uint8Array([1, 2, 3, 250]);
const LARGE = new Uint8Array(200_000).map((_, at) => at % 256);

test('files reach the model with their message: small ones from the log, large ones from a blob beside it', async () => {
  const { model, asked } = keen();
  const { session, of, store, second } = scene({ model });
  const files = [
    { mediaType: 'image/png', name: 'a.png', data: SMALL },
    { mediaType: 'application/pdf', data: Buffer.from(LARGE).toString('base64') },
    { mediaType: 'image/jpeg', data: { url: 'https://example.org/b.jpg' } },
  ];
  assert.equal((await session.send('Look.', { files }).result).text, 'seen');
  const stored = (await of('message.received'))[0]?.data.files ?? [];
  assert.equal(stored[0]?.data, Buffer.from(SMALL).toString('base64'));
  assert.ok(isBlobRef(stored[1]?.data) && stored[1].data.bytes === LARGE.length);
  assert.deepEqual(new Uint8Array(await store.blobs.get(stored[1].data.ref)), LARGE);
  assert.deepEqual(asked[0]?.messages[0]?.parts, [
    { type: 'text', text: 'Look.' },
    { type: 'file', mediaType: 'image/png', name: 'a.png', data: Buffer.from(SMALL).toString('base64') },
    { type: 'file', mediaType: 'application/pdf', data: Buffer.from(LARGE).toString('base64') },
    { type: 'file', mediaType: 'image/jpeg', data: { url: 'https://example.org/b.jpg' } },
  ]);
  const later = second();
  await later.session('s').send('And now?').result;
  assert.deepEqual(asked[1]?.messages[0], asked[0]?.messages[0], 'another process sends the same bytes');
  assert.equal((await session.replay()).divergence, null);
  await later.close();
});

test('a message of files alone has no empty text', async () => {
  const { model, asked } = keen();
  const { session } = scene({ model });
  await session.send('', { files: [{ mediaType: 'image/png', data: SMALL }] }).result;
  assert.deepEqual(
    asked[0]?.messages[0]?.parts.map(({ type }) => type),
    ['file'],
  );
});

test('a file that is none is refused by name, and nothing is written', async () => {
  const { session, store } = scene({ script: ['x'], runtime: { fileBytesMax: 3 } });
  for (const [file, says] of [
    [{ mediaType: 'png', data: SMALL }, /file 0 needs a mediaType/],
    [{ mediaType: 'image/png', name: 'a.png', data: SMALL }, /file 0 \(a\.png\) has 4 bytes, more than fileBytesMax \(3\)/],
    [{ mediaType: 'image/png', data: 'not base64!' }, /no padded base64/],
    [{ mediaType: 'image/png', data: { url: 'file:///etc/passwd' } }, /not http or https/],
    [{ mediaType: 'image/png' }, /has no data/],
    [{ mediaType: 'image/png', data: null }, /has no data/],
    [{ mediaType: 'image/png', data: 7 }, /has no data/],
    [{ mediaType: 'image/png', data: { href: 'https://example.org/' } }, /has no data/],
    [null, /file 0 needs a mediaType/],
  ] as const)
    assert.throws(
      () => session.send('x', { files: [file as never] }),
      (error) => NervaError.is(error, 'OPTION_INVALID') && says.test(error.message),
    );
  assert.throws(() => session.send('x', { files: Array.from({ length: 33 }, () => ({ mediaType: 'a/b', data: '' })) }), /at most 32/);
  assert.equal(await store.head('s'), 0);
});

test('a file of exactly fileBytesMax is taken, as bytes and as base64, and one byte more is not', async () => {
  const { session } = scene({ script: ['one', 'two'], runtime: { fileBytesMax: 4 } });
  for (const data of [SMALL, Buffer.from(SMALL).toString('base64')])
    assert.equal((await session.send('x', { files: [{ mediaType: 'a/b', data }] }).result).status, 'answered');
  const larger = new Uint8Array(5);
  for (const data of [larger, Buffer.from(larger).toString('base64')])
    assert.throws(() => session.send('x', { files: [{ mediaType: 'a/b', data }] }), /has 5 bytes, more than fileBytesMax \(4\)/);
});

test('of a message with 32 files every one is sent', async () => {
  const { model, asked } = keen();
  const { session } = scene({ model });
  await session.send('x', { files: Array.from({ length: 32 }, () => ({ mediaType: 'a/b', data: SMALL })) }).result;
  assert.equal(asked[0]?.messages[0]?.parts.length, 33);
});

test('a file of 12 KB stands in the log, and one byte more beside it', async () => {
  const { session, of } = scene({ script: ['ok'] });
  const files = [12 * 1024, 12 * 1024 + 1].map((size) => ({ mediaType: 'a/b', data: new Uint8Array(size) }));
  await session.send('x', { files }).result;
  const sent = (await of('message.received'))[0]?.data.files ?? [];
  assert.deepEqual(
    sent.map(({ data }) => isBlobRef(data)),
    [false, true],
  );
});

test('a large file that a store refuses for now is kept a moment later', async () => {
  const world = testWorld();
  const below = memoryStore({ world });
  let refusals = 1;
  const put: Store['blobs']['put'] = (content, options) =>
    options?.mediaType === 'image/png' && refusals-- > 0
      ? Promise.reject(new NervaError('STORE_FULL', 'The disk is full.'))
      : below.blobs.put(content, options);
  const store = { ...below, blobs: { ...below.blobs, put } };
  const { model, asked } = keen();
  const runtime = createRuntime({ store, world, agents: [createAgent({ name: 'a', model })] });
  const run = runtime.session('s', { agent: 'a' }).send('Look.', { files: [{ mediaType: 'image/png', data: LARGE }] });
  await until(() => refusals === 0);
  await until(async () => {
    await world.advance(100);
    return asked.length === 1;
  });
  assert.equal((await run.result).text, 'seen');
});

test('an image counts in an estimate of the context as one, not by its bytes', async () => {
  const { model } = keen();
  const { session, store } = scene({ model: { ...model, contextTokensMax: 5_000 } });
  const { status } = await session.send('Look.', { files: [{ mediaType: 'image/png', data: LARGE }] }).result;
  assert.equal(status, 'answered');
  const refused = await session.send('x'.repeat(40_000)).result;
  assert.match(refused.why, /^CONTEXT_TOO_LONG/);
  assert.equal((await foldAt(store, 's')).state.turn.count, 2);
});
