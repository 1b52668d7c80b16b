import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { isBlobRef } from '../log/index.ts';
import type { Model, ModelRequest } from '../model/index.ts';
import { foldAt } from './index.ts';
import { scene } from './session-scene.test.ts';

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
  ] as const)
    assert.throws(
      () => session.send('x', { files: [file as never] }),
      (error) => NervaError.is(error, 'OPTION_INVALID') && says.test(error.message),
    );
  assert.throws(() => session.send('x', { files: Array.from({ length: 33 }, () => ({ mediaType: 'a/b', data: '' })) }), /at most 32/);
  assert.equal(await store.head('s'), 0);
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
