import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { NervaError, type HttpRequest, type JsonObject } from '../core/index.ts';
import { eventMessage } from '../testing/index.ts';
import { bedrock, type BedrockOptions } from './bedrock.ts';
import type { Delta, ModelAnswer } from './model.ts';
import { ask, askCanned, cannedWorld, rebuilt, told, wireFixture, type Canned } from './wire-scene.test.ts';

const MODEL = 'anthropic.claude-sonnet-4-5-20250929-v1:0';
const STREAM = { 'content-type': 'application/vnd.amazon.eventstream' };
const CREDENTIALS = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  sessionToken: 'session-token==',
};
const ignore = (): void => undefined;
const fixture = (name: string): string => wireFixture(`bedrock/${name}`);
const binary = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../../../tests/wire/bedrock/${name}.eventstream`, import.meta.url)));

function call(answer: Canned, options: { readonly onDelta?: (delta: Delta) => void } = {}): Promise<ModelAnswer> {
  return askCanned(bedrock({ model: MODEL, region: 'us-east-1', credentials: CREDENTIALS }), answer, options);
}

for (const name of ['text', 'tools', 'citations', 'guardrail', 'length', 'served']) {
  test(`the streamed answer "${name}" equals the one in one piece, and its deltas add up to it, however the bytes are cut`, async () => {
    const whole = await call({ body: fixture(`${name}.json`) });
    const bytes = binary(name);
    // Every byte on its own is each cut at once; all cuts in two where characters are longest.
    const cuts: Uint8Array[][] = [1, 7, 100].map((length) =>
      Array.from({ length: Math.ceil(bytes.length / length) }, (_, index) => bytes.subarray(index * length, (index + 1) * length)),
    );
    for (let at = 0; at <= bytes.length; at += name === 'text' ? 1 : 37) cuts.push([bytes.subarray(0, at), bytes.subarray(at)]);
    for (const body of cuts) {
      const deltas: Delta[] = [];
      assert.deepEqual(await call({ body, headers: STREAM }, { onDelta: (delta) => deltas.push(delta) }), whole);
      // Of a call without arguments nothing comes but that it is.
      const ended = deltas.flatMap((delta): Delta[] =>
        delta.type === 'tool_call' && delta.name === 'now' ? [delta, { type: 'tool_input', index: delta.index, text: '{}' }] : [delta],
      );
      assert.deepEqual(rebuilt(ended), told(whole.parts));
    }
  });
}

test('an answer is read into parts, reason, usage and what else is worth keeping', async () => {
  const by = `bedrock/${MODEL}`;
  assert.deepEqual(await call({ body: fixture('tools.json') }), {
    parts: [
      {
        type: 'reasoning',
        text: 'Two cities: Paris, São Paulo 🤔',
        echo: { by, data: { signature: 'EqQBCkgIARABGAIiQL8Zx3v/thinking+signature==' } },
      },
      { type: 'reasoning', text: '', echo: { by, data: { redacted: 'c2VhbGVkIHRob3VnaHRz' } } },
      { type: 'text', text: 'I look up both.' },
      { type: 'tool_call', id: 'tooluse_A-1', name: 'get_weather', input: { city: 'Paris', unit: 'c' } },
      { type: 'tool_call', id: 'tooluse_B-2', name: 'get_weather', input: { city: 'São Paulo' } },
      { type: 'tool_call', id: 'tooluse_C-3', name: 'now', input: {} },
    ],
    finish: 'tool_calls',
    usage: { inputTokens: 1301, outputTokens: 140, cachedInputTokens: 1024, cacheWriteTokens: 256 },
    model: null,
  });
  assert.deepEqual((await call({ body: fixture('citations.json') })).parts[1], {
    type: 'text',
    text: 'the grass is green',
    citations: [
      { title: 'Example', quote: 'The grass is green.' },
      { url: 'https://example.com/sky', title: 'Sky' },
    ],
  });
  const blocked = await call({ body: fixture('guardrail.json') });
  assert.deepEqual([blocked.finish, blocked.meta?.['stopReason']], ['content_filter', 'guardrail_intervened']);
  assert.deepEqual(blocked.meta?.['trace'], { guardrail: { actionReason: 'Guardrail blocked.' } });
  const served = await call({ body: fixture('served.json') });
  assert.deepEqual(
    served.parts.map((part) => (part.type === 'reasoning' ? Object.keys(part.echo?.data['block'] as JsonObject) : part.type)),
    [['toolUse'], ['toolResult'], 'text'],
  );
  for (const [stopReason, finish, kept] of [
    ['content_filtered', 'content_filter', undefined],
    ['model_context_window_exceeded', 'length', 'model_context_window_exceeded'],
    ['malformed_tool_use', 'other', 'malformed_tool_use'],
    ['stop_sequence', 'stop', undefined],
  ] as const) {
    const answer = await call({ body: JSON.stringify({ output: { message: { content: [] } }, stopReason }) });
    assert.deepEqual([answer.finish, answer.meta?.['stopReason'], answer.usage.inputTokens], [finish, kept, null]);
  }
});

test('an exception in a stream is the failure that its status would be, and what had come was reported', async () => {
  const begun = eventMessage('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'I begin' } });
  const table: readonly (readonly [string, unknown, string, number])[] = [
    ['throttlingException', { message: 'Too many tokens' }, 'MODEL_RATE_LIMITED', 429],
    ['validationException', { message: 'Input is too long for requested model.' }, 'CONTEXT_TOO_LONG', 400],
    ['validationException', { message: 'Malformed input' }, 'MODEL_REFUSED', 400],
    ['modelStreamErrorException', { message: 'failed', originalStatusCode: 529, originalMessage: 'Overloaded' }, 'MODEL_UNAVAILABLE', 529],
    ['modelStreamErrorException', { message: 'failed' }, 'MODEL_UNAVAILABLE', 424],
    ['internalServerException', { message: 'oops' }, 'MODEL_UNAVAILABLE', 500],
    ['serviceUnavailableException', { message: 'busy' }, 'MODEL_UNAVAILABLE', 503],
    ['somethingNew', 'plain words', 'MODEL_UNAVAILABLE', 500],
  ];
  for (const [type, payload, code, status] of table) {
    const deltas: Delta[] = [];
    const body = [begun, eventMessage(type, payload, 'exception')];
    await assert.rejects(call({ body, headers: STREAM }, { onDelta: (delta) => deltas.push(delta) }), (error: Error) => {
      assert.ok(NervaError.is(error));
      assert.deepEqual([error.code, error.details['status'], error.details['providerCode']], [code, status, type]);
      return true;
    });
    assert.ok(deltas.length > 0);
  }
  await assert.rejects(call({ body: [binary('throttled')], headers: STREAM }, { onDelta: ignore }), {
    code: 'MODEL_RATE_LIMITED',
    message: /please wait/,
  });
});

test('each refusal of the provider has its code, its kind, its reason, its id and never a key', async () => {
  const table: readonly (readonly [number, string, string, string])[] = [
    [400, 'error-400.json', 'ValidationException', 'MODEL_REFUSED'],
    [400, 'error-context.json', 'ValidationException', 'CONTEXT_TOO_LONG'],
    [400, 'error-context-output.json', 'ValidationException', 'CONTEXT_TOO_LONG'],
    [403, 'error-403.json', 'AccessDeniedException', 'MODEL_AUTH'],
    [404, 'error-404.json', 'ResourceNotFoundException', 'MODEL_REFUSED'],
    [408, 'error-408.json', 'ModelTimeoutException', 'MODEL_UNAVAILABLE'],
    [424, 'error-424.json', 'ModelErrorException', 'MODEL_UNAVAILABLE'],
    [429, 'error-429.json', 'ThrottlingException', 'MODEL_RATE_LIMITED'],
    [503, 'error-503.json', 'ServiceUnavailableException', 'MODEL_UNAVAILABLE'],
  ];
  for (const [status, file, kind, code] of table) {
    const { message } = JSON.parse(fixture(file)) as { readonly message: string };
    const { secretAccessKey, sessionToken } = CREDENTIALS;
    const body = JSON.stringify({ [status === 403 ? 'Message' : 'message']: `${message} ${secretAccessKey} ${sessionToken}` });
    const headers = { 'x-amzn-errortype': `${kind}:http://internal.amazon.com/`, 'x-amzn-requestid': 'id-1' };
    for (const onDelta of [undefined, ignore]) {
      await assert.rejects(call({ status, headers, body }, onDelta === undefined ? {} : { onDelta }), (error: Error) => {
        assert.ok(NervaError.is(error));
        assert.deepEqual([error.code, error.details['providerCode'], error.details['requestId']], [code, kind, 'id-1']);
        assert.ok(error.message.includes(message.slice(0, 30)), error.message);
        assert.ok(!error.message.includes(secretAccessKey) && !error.message.includes(sessionToken), error.message);
        return true;
      });
    }
  }
});

test('any byte of a stream that is not what it was sent as is MODEL_GARBAGE, or at worst a stream without its end', async () => {
  const bytes = binary('text');
  for (let at = 0; at < bytes.length; at += 3) {
    const broken = bytes.slice();
    broken[at] = (broken[at] ?? 0) ^ 0x41;
    await assert.rejects(call({ body: [broken], headers: STREAM }, { onDelta: ignore }), { code: 'MODEL_GARBAGE' }, String(at));
  }
  const garbage = [new TextEncoder().encode('<html>busy, come back later</html>')];
  await assert.rejects(call({ body: garbage, headers: STREAM }, { onDelta: ignore }), { code: 'MODEL_GARBAGE' });
});

test('any cut of a stream before its reason to stop is MODEL_TRUNCATED, and never an answer', async () => {
  const bytes = binary('tools');
  const text = Buffer.from(bytes).toString('latin1');
  // The message that says why it stopped, and the one behind it.
  const usageAt = text.lastIndexOf(':event-type', text.lastIndexOf('metadata')) - 13;
  for (let length = 0; length < usageAt; length += 17)
    await assert.rejects(call({ body: [bytes.subarray(0, length)], headers: STREAM }, { onDelta: ignore }), { code: 'MODEL_TRUNCATED' });
  await assert.rejects(call({ body: [bytes.subarray(0, usageAt - 1)], headers: STREAM }, { onDelta: ignore }), { code: 'MODEL_TRUNCATED' });
  const { usage, ...rest } = await call({ body: fixture('tools.json') });
  const cut = await call({ body: [bytes.subarray(0, usageAt)], headers: STREAM }, { onDelta: ignore });
  assert.deepEqual(cut, { ...rest, usage: { inputTokens: null, outputTokens: null } }, 'only what it used is not known');
  assert.ok(usage.inputTokens !== null);
});

test('what is not an answer of Converse is MODEL_GARBAGE, whole and streamed; events of new types are skipped', async () => {
  for (const body of [
    '<html>',
    '',
    'null',
    '{}',
    '{"output":{}}',
    '{"output":{"message":{}}}',
    '{"output":{"message":{"content":[7]}}}',
    '{"output":{"message":{"content":[{"text":7}]}}}',
    '{"output":{"message":{"content":[{"toolUse":{}}]}}}',
  ])
    await assert.rejects(call({ body }), { code: 'MODEL_GARBAGE' }, body);
  const streams: readonly (readonly [string, unknown])[] = [
    ['contentBlockDelta', { delta: { text: 'a' } }],
    ['contentBlockDelta', { contentBlockIndex: 0 }],
    ['contentBlockDelta', { contentBlockIndex: 0, delta: { toolUse: { input: '{}' } } }],
    ['contentBlockStart', { contentBlockIndex: 0, start: { toolUse: {} } }],
    ['messageStop', 7],
  ];
  for (const [event, payload] of streams)
    await assert.rejects(
      call({ body: [eventMessage(event, payload)], headers: STREAM }, { onDelta: ignore }),
      { code: 'MODEL_GARBAGE' },
      JSON.stringify(payload),
    );
  const body = [eventMessage('newsFlash', { a: 1 }), binary('text')];
  assert.deepEqual(await call({ body, headers: STREAM }, { onDelta: ignore }), await call({ body: fixture('text.json') }));
});

test('what is signed or sealed may come in pieces, and nothing is read behind the end', async () => {
  const delta = (reasoningContent: object, contentBlockIndex: number): Uint8Array =>
    eventMessage('contentBlockDelta', { contentBlockIndex, delta: { reasoningContent } });
  const pieces = [delta({ text: 'hm' }, 0), delta({ signature: 'ab' }, 0), delta({ signature: 'cd' }, 0)];
  const sealed = ['sealed ', 'thoughts'].map((part) => delta({ redactedContent: Buffer.from(part).toString('base64') }, 1));
  const end = [eventMessage('messageStop', { stopReason: 'end_turn' }), eventMessage('metadata', {}), eventMessage('messageStop', 7)];
  const { parts } = await call({ body: [Buffer.concat([...pieces, ...sealed, ...end])], headers: STREAM }, { onDelta: ignore });
  assert.deepEqual(
    parts.map((part) => part.type === 'reasoning' && part.echo?.data),
    [{ signature: 'abcd' }, { redacted: Buffer.from('sealed thoughts').toString('base64') }],
  );
});

test('requests go to the region and the model, signed or with a key, and keys may change', async () => {
  const seen: HttpRequest[] = [];
  const world = cannedWorld({ body: fixture('text.json') }, seen);
  const ids = ['1', '2'];
  const credentials = (): typeof CREDENTIALS => ({ ...CREDENTIALS, accessKeyId: `AKID${ids.shift() ?? ''}` });
  const rotating = bedrock({
    model: 'arn:aws:bedrock:eu-west-1::inference-profile/eu.amazon.nova-pro-v1:0',
    region: 'eu-west-1',
    credentials,
  });
  await rotating.call(ask(), { world });
  await rotating.call(ask(), { world });
  await bedrock({ model: MODEL, region: 'cn-north-1', apiKey: 'bedrock-api-key-abc' }).call(ask(), { world });
  assert.deepEqual(
    seen.map(({ url }) => url),
    [
      ...[1, 2].map(
        () =>
          'https://bedrock-runtime.eu-west-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A%3Ainference-profile%2Feu.amazon.nova-pro-v1%3A0/converse',
      ),
      'https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse',
    ],
  );
  assert.match(seen[0]?.headers?.['authorization'] ?? '', /^AWS4-HMAC-SHA256 Credential=AKID1\/\d{8}\/eu-west-1\/bedrock\/aws4_request/);
  assert.match(seen[1]?.headers?.['authorization'] ?? '', /Credential=AKID2\//);
  assert.equal(seen[0]?.headers?.['x-amz-security-token'], CREDENTIALS.sessionToken);
  assert.deepEqual(seen[2]?.headers, { 'content-type': 'application/json', authorization: 'Bearer bedrock-api-key-abc' });
  const bad: readonly BedrockOptions[] = [
    { model: MODEL, region: 'us-east-1' },
    { model: MODEL, region: 'evil.com/', credentials: CREDENTIALS },
    { model: ' ', region: 'us-east-1', credentials: CREDENTIALS },
  ];
  for (const options of bad) assert.throws(() => bedrock(options), { code: 'OPTION_INVALID' });
});

test('of credentials that are fetched anew for each request none stands in a failure that repeats them', async () => {
  let count = 0;
  const token = (): string => `session-token-of-request-${count}`;
  const model = bedrock({
    model: MODEL,
    region: 'us-east-1',
    credentials: () => ({ ...CREDENTIALS, secretAccessKey: `a-secret-${++count}-of-the-account`, sessionToken: token() }),
  });
  for (let n = 0; n < 120; n++) {
    const body = JSON.stringify({ message: `What came: ${token().replace(/\d+$/, String(n + 1))} and a-secret-${n + 1}-of-the-account` });
    await assert.rejects(askCanned(model, { status: 400, body }), { message: /What came: \[key\] and \[key\]$/ });
  }
});

test('keys are signed with as they are without the white space around them, given or fetched', async () => {
  const sent = async (credentials: BedrockOptions['credentials']): Promise<HttpRequest['headers']> => {
    const seen: HttpRequest[] = [];
    const model = bedrock({ model: MODEL, region: 'us-east-1', ...(credentials === undefined ? {} : { credentials }) });
    await model.call(ask(), { world: cannedWorld({ body: fixture('text.json') }, seen) });
    return seen[0]?.headers;
  };
  const lined = Object.fromEntries(Object.entries(CREDENTIALS).map(([name, value]) => [name, ` ${value}\r\n`])) as typeof CREDENTIALS;
  const plain = await sent(CREDENTIALS);
  assert.match(String(plain?.['authorization']), /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\//);
  assert.deepEqual(await sent(lined), plain);
  assert.deepEqual(await sent(() => lined), plain);
});
