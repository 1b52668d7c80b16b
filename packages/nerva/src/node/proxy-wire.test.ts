import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { memoryStore } from '../log/index.ts';
import { answerWith, chunk, KEY, until, user, withMock, withProxy, withServer, type ProxyScene } from './proxy-scene.test.ts';
import { recordingProxy } from './proxy.ts';
import { nodeWorld } from './world.ts';

const STREAM = { 'content-type': 'text/event-stream' };

/** The next piece that a client gets. */
async function next(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const { value } = await reader.read();
  return Buffer.from(value ?? []).toString();
}

/** Data of the only event of this type of the only session. */
async function dataOf({ sessions, events }: ProxyScene, type: string): Promise<Readonly<Record<string, unknown>>> {
  const [only] = await sessions();
  const found = (await events(only?.sid ?? '')).filter((event) => event.type === type);
  assert.equal(found.length, 1, type);
  return found[0]?.data ?? {};
}

test('each piece of a stream is with the client before the next has come', () => {
  const { promise: heard, resolve: hear } = Promise.withResolvers<void>();
  return withServer(
    async (_incoming, outgoing) => {
      outgoing.writeHead(200, { ...STREAM, 'x-request-id': 'r1' });
      outgoing.write(chunk({ content: 'one ' }));
      await heard; // never, if the proxy waits for more
      outgoing.end(`${chunk({ content: 'two' }, 'stop')}data: [DONE]\n\n`);
    },
    {},
    async (scene) => {
      const answer = await scene.chat([user('a')], { stream: true });
      assert.deepEqual(
        [answer.status, answer.headers.get('content-type'), answer.headers.get('x-request-id')],
        [200, STREAM['content-type'], 'r1'],
      );
      const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
      assert.equal(await next(reader), chunk({ content: 'one ' }));
      assert.equal((await scene.types()).at(-1), 'model.called', 'the call is in the log before its answer');
      hear();
      let rest = '';
      for (let piece = await next(reader); piece !== ''; piece = await next(reader)) rest += piece;
      assert.equal(rest, `${chunk({ content: 'two' }, 'stop')}data: [DONE]\n\n`);
      await until(() => scene.calls.length === 1);
      assert.deepEqual((await dataOf(scene, 'model.answered'))['parts'], [{ type: 'text', text: 'one two' }]);
    },
  );
});

test('a client that goes away in the middle ends the call upstream, and what had come is kept', () => {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  return withServer(
    (incoming, outgoing, n) => {
      if (n > 0) return answerWith(outgoing, 'whole');
      outgoing.on('close', end);
      outgoing.writeHead(200, STREAM).write(chunk({ content: 'half' }));
      assert.equal(incoming.headers['authorization'], `Bearer ${KEY}`);
    },
    {},
    async (scene) => {
      const leave = new AbortController();
      const answer = await scene.chat([user('a')], { stream: true }, { signal: leave.signal });
      await next((answer.body as ReadableStream<Uint8Array>).getReader());
      leave.abort();
      await ended;
      await until(() => scene.calls.length === 1);
      assert.equal(scene.calls[0]?.end, 'interrupted');
      assert.deepEqual((await dataOf(scene, 'model.interrupted'))['parts'], [{ type: 'text', text: 'half' }]);
      assert.deepEqual(await dataOf(scene, 'turn.ended'), { reason: 'cancelled', why: 'the client went away' });
      // Half of an answer is in that session and not in the client's conversation: asked again, it is another.
      await scene.ask([user('a')]);
      assert.equal((await scene.sessions()).length, 2);
    },
  );
});

test('a client that goes away once it has the whole answer has an answer, whatever the upstream still holds open', () =>
  withServer(
    (_incoming, outgoing) => void outgoing.writeHead(200, STREAM).write(chunk({ content: 'all' }, 'stop')),
    {},
    async (scene) => {
      const leave = new AbortController();
      const answer = await scene.chat([user('a')], { stream: true }, { signal: leave.signal });
      await next((answer.body as ReadableStream<Uint8Array>).getReader());
      leave.abort();
      await until(() => scene.calls.length === 1);
      assert.deepEqual((await dataOf(scene, 'model.answered'))['parts'], [{ type: 'text', text: 'all' }]);
    },
  ));

test('a client may go on as soon as it has the whole answer, before the stream ends: it goes on in the session', () => {
  const { promise: going, resolve: go } = Promise.withResolvers<void>();
  return withServer(
    async (_incoming, outgoing, n) => {
      if (n > 0) return answerWith(outgoing, 'more');
      outgoing.writeHead(200, STREAM).write(chunk({ content: 'all' }, 'stop'));
      await going;
      outgoing.end('data: [DONE]\n\n');
    },
    {},
    async (scene) => {
      const answer = await scene.chat([user('a')], { stream: true });
      await next((answer.body as ReadableStream<Uint8Array>).getReader());
      const asked = scene.ask([user('a'), { role: 'assistant', content: 'all' }, user('b')]);
      // By then it has come to the proxy, which asks nobody before the stream has ended.
      for (let trips = 0; trips < 5; trips++) await (await scene.send('/models')).text();
      assert.equal(scene.bodies.length, 6);
      assert.equal((await scene.types()).at(-1), 'model.called');
      go();
      await asked;
      assert.equal((await scene.types()).filter((type) => type === 'turn.ended').length, 2);
    },
  );
});

test('a client that goes away before any answer is asked nothing twice: its call is interrupted, and may be asked again', () => {
  let answers = 0;
  return withServer(
    (_incoming, outgoing, n) => (n === 0 ? void answers++ : answerWith(outgoing, 'now')),
    {},
    async (scene) => {
      const leave = new AbortController();
      const asked = scene.chat([user('a')], {}, { signal: leave.signal });
      await until(() => answers === 1);
      leave.abort();
      await assert.rejects(asked);
      await until(() => scene.calls.length === 1);
      await scene.ask([user('a')]);
      assert.deepEqual(
        (await scene.types()).filter((type) => type.startsWith('model.') || type.startsWith('turn.')),
        ['turn.started', 'model.called', 'model.interrupted', 'turn.ended', 'turn.started', 'model.called', 'model.answered', 'turn.ended'],
      );
    },
  );
});

test('an upstream that hangs, breaks off, is cut or is not there is told to the client and recorded', async () => {
  const limits = { firstByteMs: 150, idleMs: 150 };
  const rows = [
    { fault: 'silent', stream: false, status: 504, code: 'HTTP_TIMEOUT', partial: undefined },
    { fault: 'reset-early', stream: false, status: 502, code: 'HTTP_BROKEN', partial: undefined },
    { fault: 'stalled', stream: true, status: 200, code: 'HTTP_TIMEOUT', partial: true },
    { fault: 'reset', stream: true, status: 200, code: 'HTTP_BROKEN', partial: true },
    { fault: 'stalled', stream: false, status: 200, code: 'HTTP_TIMEOUT', partial: undefined },
    { fault: 'reset', stream: false, status: 200, code: 'HTTP_BROKEN', partial: undefined },
  ] as const;
  for (const { fault, stream, status, code, partial } of rows)
    await withMock(
      () => ({ text: 'a long enough answer', fault }),
      { http: { limits } },
      async (scene) => {
        const answer = await scene.chat([user('a')], { stream });
        assert.equal(answer.status, status, fault);
        if (status === 200) await assert.rejects(answer.text(), fault);
        else assert.equal(((await answer.json()) as { error: { code: string } }).error.code, code);
        await until(() => scene.calls.length === 1);
        const { call: _, message: _message, ...failed } = await dataOf(scene, 'model.failed');
        assert.deepEqual([failed['code'], failed['partial']], [code, partial], `${fault} ${String(stream)}`);
      },
    );
  await withMock(
    () => ({ text: 'a long enough answer', fault: 'truncated' }),
    {},
    async (scene) => {
      assert.match(await (await scene.chat([user('a')], { stream: true })).text(), /a l/);
      assert.deepEqual([scene.calls[0]?.code, (await dataOf(scene, 'model.failed'))['partial']], ['MODEL_TRUNCATED', true]);
    },
  );
  await withProxy('http://127.0.0.1:1/v1', {}, async (scene) => {
    const answer = await scene.chat([user('a')]);
    assert.equal(answer.status, 502);
    assert.match(await answer.text(), /"type":"nerva_proxy".*HTTP_UNREACHABLE/);
    assert.equal((await dataOf(scene, 'model.failed'))['code'], 'HTTP_UNREACHABLE');
  });
});

test('what an upstream says is handed on byte for byte, what is no answer too', async () => {
  const said = [
    [200, 'application/json', '{"id": 1,\n "choices": []}', 'MODEL_GARBAGE'],
    [200, 'application/json', 'not json', 'MODEL_GARBAGE'],
    [200, 'text/event-stream', 'data: {"choices":7}\n\ndata: [DONE]\n\n', 'MODEL_GARBAGE'],
    [200, 'text/event-stream', 'data: {"error":{"message":"overloaded"}}\n\n', 'MODEL_UNAVAILABLE'],
    [
      400,
      'application/json',
      '{"error":{"message":"maximum context length is 8 tokens","code":"context_length_exceeded"}}',
      'CONTEXT_TOO_LONG',
    ],
    [500, 'text/html', '<h1>no</h1>', 'MODEL_UNAVAILABLE'],
    [302, 'text/plain', 'elsewhere', 'MODEL_GARBAGE'],
  ] as const;
  for (const [status, type, body, code] of said)
    await withServer(
      (_incoming, outgoing) => void outgoing.writeHead(status, { 'content-type': type, location: '/x' }).end(body),
      {},
      async (scene) => {
        const answer = await scene.chat([user('a')], { stream: type !== 'application/json' }, { redirect: 'manual' });
        assert.deepEqual([answer.status, answer.headers.get('content-type'), await answer.text()], [status, type, body]);
        await until(() => scene.calls.length === 1);
        assert.equal(scene.calls[0]?.code, code, body);
      },
    );
});

test('values nested so deeply that no log can hold them pass through, in requests and in answers', async () => {
  const deep = '['.repeat(50_000) + ']'.repeat(50_000);
  const shallow = '['.repeat(150) + ']'.repeat(150);
  const bodies = [
    `{"choices":${deep}}`,
    `{"error":${deep}}`,
    `{"choices":[{"message":{"content":"a"},"logprobs":{"content":${deep}},"finish_reason":"stop"}]}`,
    `data: {"choices":[{"delta":{"content":"a","a":1},"logprobs":{"content":[${deep}]},"finish_reason":"stop"}]}\n\n`,
    `data: {"choices":[{"delta":${deep}}]}\n\n`,
    `data: {"choices":[{"delta":{"content":"a"},"logprobs":{"content":[${shallow}]},"finish_reason":"stop"}]}\n\n`,
  ];
  await withServer(
    (_incoming, outgoing, n) =>
      void outgoing
        .writeHead(n === 1 ? 500 : 200, { 'content-type': n < 3 ? 'application/json' : 'text/event-stream' })
        .end(bodies[n] ?? '{}'),
    {},
    async (scene) => {
      for (const body of bodies) assert.equal(await (await scene.chat([user('a')])).text(), body);
      await until(() => scene.calls.length === bodies.length);
      assert.deepEqual(
        scene.calls.map(({ code }) => code),
        ['MODEL_GARBAGE', 'MODEL_UNAVAILABLE', 'MODEL_GARBAGE', 'MODEL_GARBAGE', 'MODEL_GARBAGE', 'MODEL_GARBAGE'],
      );
      for (const member of [
        `"content":${deep}`,
        `"tool_calls":[{"function":{"arguments":"${deep}"}}]`,
        `"content":${shallow}`,
        `"content":"a","__proto__":{"x":1}`,
      ]) {
        const body = `{"model":"m","messages":[{"role":"assistant",${member}}]}`;
        assert.equal(await (await scene.send('/chat/completions', { method: 'POST', body })).text(), '{}');
        assert.equal(scene.bodies.at(-1), body);
      }
      assert.deepEqual(
        scene.troubles.map(({ code }) => code),
        ['SCHEMA_MISMATCH', 'SCHEMA_MISMATCH', 'SCHEMA_MISMATCH'],
      );
    },
  );
});

test('an answer that was compressed reaches the client decoded', () =>
  withServer(
    (incoming, outgoing) => {
      assert.equal(incoming.headers['accept-encoding'], undefined);
      outgoing.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      outgoing.end(gzipSync('{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}'));
    },
    {},
    async (scene) => {
      const answer = await scene.chat([user('a')]);
      assert.deepEqual(
        [answer.headers.get('content-encoding'), ((await answer.json()) as { choices: unknown[] }).choices.length],
        [null, 1],
      );
      assert.equal(scene.calls[0]?.end, 'answered');
    },
  ));

test('a request that is too large is refused before anything is sent, announced or not', () =>
  withMock(
    () => 'never',
    { requestBytesMax: 10_000 },
    async (scene) => {
      const body = JSON.stringify({ model: 'm', messages: [user('x'.repeat(1_000_000))] });
      const announced = await scene.send('/chat/completions', { method: 'POST', body });
      const streamed = await scene.send('/chat/completions', {
        method: 'POST',
        body: new Blob([body]).stream(),
        duplex: 'half',
      } as RequestInit);
      for (const answer of [announced, streamed]) {
        assert.equal(answer.status, 413);
        assert.match(await answer.text(), /requestBytesMax \(10000\)/);
      }
      assert.deepEqual([scene.mock.requests.length, (await scene.sessions()).length, scene.troubles.length], [0, 0, 2]);
      assert.equal((await scene.ask([user('x'.repeat(9_000))]))['content'], 'never');
    },
  ));

test('an answer that is too large is cut off, and the record says so', () =>
  withServer(
    (_incoming, outgoing, n) => {
      const body = JSON.stringify({ choices: [{ message: { content: 'x'.repeat(200_000) } }] });
      if (n === 0) return void outgoing.writeHead(200, { 'content-length': body.length }).end(body);
      outgoing.writeHead(200, { 'content-type': 'application/json' }).write(body.slice(0, 2_000));
      return void setImmediate(() => outgoing.end(body.slice(2_000)));
    },
    { answerBytesMax: 5_000 },
    async (scene) => {
      assert.equal((await scene.chat([user('a')])).status, 502);
      const cut = await scene.chat([user('a')]);
      await assert.rejects(cut.text());
      await until(() => scene.calls.length === 2);
      assert.deepEqual(
        scene.calls.map(({ code }) => code),
        ['HTTP_TOO_LARGE', 'HTTP_TOO_LARGE'],
      );
    },
  ));

test('what is no chat completion request is the upstream’s to refuse, and is not recorded', () =>
  withMock(
    () => 'never',
    { isRefusalExpected: true },
    async (scene) => {
      const bodies = ['', '{', '[]', 'null', '{"model":"m"}', '{"messages":[{"role":"user"}]}', '{"model":"m","messages":[7]}', '\u0000'];
      for (const body of bodies) {
        const answer = await scene.send('/chat/completions', { method: 'POST', body });
        assert.equal(answer.status, 400, body);
        assert.match(await answer.text(), /"type":"invalid_request_error"/);
      }
      assert.equal(scene.mock.refusals.length, bodies.length);
      assert.deepEqual(await scene.sessions(), []);
      assert.deepEqual(
        scene.troubles.map(({ code, message }) => [code, message.endsWith('It was handed on and not recorded.')]),
        bodies.map(() => ['SCHEMA_MISMATCH', true]),
      );
    },
  ));

test('other paths are handed on with their query and are not recorded', () =>
  withServer(
    ({ method, url, headers }, outgoing, n) =>
      void outgoing.end(JSON.stringify([n, method, url, headers['authorization'] === `Bearer ${KEY}`, headers['x-own']])),
    {},
    async (scene) => {
      const list = await scene.send('/models?limit=2', { headers: { 'x-own': 'yes', connection: 'keep-alive' } });
      assert.deepEqual(await list.json(), [0, 'GET', '/v1/models?limit=2', true, 'yes']);
      const posted = await scene.send('/embeddings', { method: 'POST', body: '{"input":"a"}' });
      assert.deepEqual(await posted.json(), [1, 'POST', '/v1/embeddings', true, null]);
      assert.deepEqual([scene.bodies[1], await scene.sessions()], ['{"input":"a"}', []]);
    },
  ));

test('only this machine is served: another name, a page of another origin and a method of a tunnel are refused', () =>
  withMock(
    () => 'fine',
    {},
    async ({ proxy, mock }) => {
      const { port } = new URL(proxy.url);
      const answerTo = async (
        headers: Readonly<Record<string, string>>,
        method = 'POST',
        path = '/v1/chat/completions',
      ): Promise<unknown> => {
        const outgoing = httpRequest({
          port,
          host: '127.0.0.1',
          method,
          path,
          headers: { 'content-type': 'application/json', ...headers },
        });
        outgoing.end(method === 'POST' ? JSON.stringify({ model: 'm', messages: [user('a')] }) : undefined);
        const [incoming] = (await once(outgoing, 'response')) as [Parameters<typeof textOf>[0] & { statusCode: number }];
        await textOf(incoming);
        return incoming.statusCode;
      };
      const authorization = `Bearer ${KEY}`;
      assert.equal(await answerTo({ authorization, host: 'rebound.example' }), 403);
      assert.equal(await answerTo({ authorization, host: `127.0.0.1.example:${port}` }), 403);
      assert.equal(await answerTo({ authorization, origin: 'https://evil.example' }), 403);
      assert.equal(await answerTo({ authorization, origin: 'null' }), 403);
      assert.equal(await answerTo({ authorization }, 'OPTIONS'), 501);
      assert.equal(await answerTo({ authorization }, 'GET', 'http://127.0.0.1/v1/models'), 400);
      assert.equal(mock.requests.length, 0);
      assert.equal(await answerTo({ authorization, host: `localhost:${port}`, origin: 'http://localhost:3000' }), 200);
    },
  ));

test('closing lets calls end that are under way, ends the others and records both', async () => {
  let asked = 0;
  const { promise: going, resolve: go } = Promise.withResolvers<void>();
  await withServer(
    async (_incoming, outgoing, n) => {
      asked++;
      if (n === 1) return; // hangs
      await going;
      answerWith(outgoing, 'in time'.repeat(100_000));
    },
    {},
    async (scene) => {
      const [ending, hanging] = [scene.chat([user('a')]), scene.chat([user('b')])];
      // A body that never comes to its end holds nothing up.
      const slow = connect(Number(new URL(scene.proxy.url).port), '127.0.0.1');
      slow.write('POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n{');
      slow.on('error', () => undefined);
      await until(() => asked === 2);
      const closed = scene.proxy.close({ graceMs: 1_000 });
      go();
      assert.equal((await (await ending).text()).includes('in time'), true);
      assert.equal(
        await hanging.then(
          ({ status }) => status,
          () => 503,
        ),
        503,
      );
      await closed;
      assert.deepEqual(scene.calls.map(({ end }) => end).toSorted(), ['answered', 'interrupted']);
      const statuses = (await scene.sessions()).map(({ status }) => status);
      assert.deepEqual(statuses, ['idle', 'idle']);
      await assert.rejects(scene.chat([user('c')]));
      slow.destroy();
    },
  );
});

test('closing waits until a client has its whole answer, and takes no more requests on connections that are open', () => {
  const { promise: going, resolve: go } = Promise.withResolvers<void>();
  const size = 30_000_000;
  return withServer(
    async ({ url }, outgoing) => {
      if (url === '/v1/files') return void outgoing.end(Buffer.alloc(size));
      await going;
      outgoing.end('listed');
    },
    {},
    async (scene) => {
      const { port } = new URL(scene.proxy.url);
      const socket = connect(Number(port), '127.0.0.1');
      socket.write('GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n');
      const large = await scene.send('/files');
      await until(() => scene.bodies.length === 2);
      const closed = scene.proxy.close({ graceMs: 20_000 });
      socket.write('GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n');
      const heard = textOf(socket);
      go();
      assert.equal((await large.arrayBuffer()).byteLength, size);
      await closed;
      assert.match(await heard, /^HTTP\/1.1 200 [^]*listed[^]*HTTP\/1.1 503 [^]*The proxy is closing/);
      assert.equal(scene.bodies.length, 2);
    },
  );
});

test('options that make no sense and a port that is taken are refused, and nothing listens', async () => {
  const world = nodeWorld();
  const store = memoryStore({ world });
  const base = { store, world, upstream: 'http://127.0.0.1:1' };
  const bad = [
    { upstream: 'api.openai.com' },
    { upstream: 'ftp://x' },
    { upstream: 'https://user:pass@x/v1' },
    { upstream: 'https://x/v1?key=1' },
    { port: 70_000 },
    { requestBytesMax: 1 },
    { answerBytesMax: 2 ** 40 },
    { conversationsMax: 0 },
    { host: '0.0.0.0' as '::1' },
    { portt: 1 } as object,
  ];
  for (const options of bad)
    await assert.rejects(recordingProxy({ ...base, ...options }), { name: 'NervaError', kind: 'invalid' }, JSON.stringify(options));
  const proxy = await recordingProxy({ ...base, upstream: 'http://127.0.0.1:1/v1/' });
  const port = Number(new URL(proxy.url).port);
  await assert.rejects(recordingProxy({ ...base, port }), { code: 'HTTP_UNREACHABLE', message: /another port/ });
  await proxy.close();
  for (const upstream of [`http://127.0.0.1:${port}/v1`, `http://localhost:${port}`, `http://0.0.0.0:${port}`])
    await assert.rejects(recordingProxy({ ...base, port, upstream }), { code: 'OPTION_INVALID', message: /is the proxy itself/ });
  await world.transport.close();
});
