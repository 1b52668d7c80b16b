import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError, type HttpRequest } from '../core/index.ts';
import { openaiChat, type Delta, type Model, type ModelRequest } from '../model/index.ts';
import { failureOf, MODEL_FAILURES, type ModelFailure } from './failures.ts';
import type { FaultKind, Plan } from './faults.ts';
import { HTTP_SHAPES, type HttpShapeName } from './http-shapes.ts';
import { Hub } from './hub.ts';
import { MODEL_SECRET, MODEL_URL, simServer, wiredModel } from './model-server.ts';
import { simModel } from './model.ts';
import { simTransport, type SimServer } from './net-http.ts';
import { SimNetwork, type NetworkOptions } from './net.ts';
import { SimProcess } from './process.ts';

const TEXT = 'Bezahlt: fünf €, naïve façade, 支付完成 🎉.';
const brain = simModel({
  script: ({ messages }) =>
    messages.at(-1)?.role === 'tool'
      ? { reasoning: 'It went well.', text: TEXT }
      : { text: 'Ich zahle …', calls: [{ name: 'pay', input: { amount: 5 } }] },
});
const SPEC = { name: 'pay', description: 'Pays.', inputSchema: { type: 'object' } } as const;
const ASK: ModelRequest = {
  instructions: 'Pay.',
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'Pay five €.' }], origin: 'person' }],
  tools: [SPEC],
  params: {},
};
const PAID: ModelRequest = {
  ...ASK,
  messages: [
    ...ASK.messages,
    { role: 'assistant', parts: [{ type: 'tool_call', id: 'c1', name: 'pay', input: { amount: 5 } }], origin: 'model' },
    { role: 'tool', parts: [{ type: 'tool_result', id: 'c1', name: 'pay', output: { paid: true } }], origin: 'tool' },
  ],
};

/** One process and what it can reach. */
function rig(given: { readonly seed?: number; readonly plan?: Plan; readonly network?: NetworkOptions; readonly server?: SimServer } = {}) {
  const hub = new Hub(given.seed ?? 1, given.plan ?? [], false);
  const network = new SimNetwork(hub, given.network);
  const supervisor = { crash: (process: SimProcess) => process.die(), pause: () => undefined, poisoned: () => undefined };
  const server = given.server ?? simServer(brain);
  const process = new SimProcess(0, hub, supervisor, (one) => simTransport(hub, one, network, [server]));
  const startMs = hub.scheduler.nowMs;
  /** What came of a promise, if anything ever did, and after how many ms. */
  const settled = async <T>(promise: Promise<T>): Promise<{ readonly value?: T; readonly error?: unknown; readonly ms: number } | null> => {
    let outcome: { readonly value?: T; readonly error?: unknown; readonly ms: number } | null = null;
    const ms = (): number => hub.scheduler.nowMs - startMs;
    void promise.then(
      (value) => (outcome = { value, ms: ms() }),
      (error: unknown) => (outcome = { error, ms: ms() }),
    );
    await hub.scheduler.run(() => false, { eventsMax: 100_000, untilMs: Infinity });
    return outcome;
  };
  const model = wiredModel(brain, 'payer');
  const ask = (request: ModelRequest, onDelta?: (delta: Delta) => void, asked: Model = model) =>
    settled(asked.call(request, { world: process.world, ...(onDelta === undefined ? {} : { onDelta }) }));
  return { hub, network, process, settled, ask };
}

const at = (kind: FaultKind): Plan => [{ point: kind.startsWith('net.') ? 'http.request' : 'model.call', kind, occurrence: 1 }];
const ignore = (): void => undefined;
const URL_HERE = `${MODEL_URL}/chat/completions`;

const unlimited = (details: object): object => ('limitMs' in details ? { ...details, limitMs: 'of the recording' } : details);

/** An error as its recorded row has it: the address, name and limits are those of the recording. */
function rowOf(error: unknown): unknown {
  assert.ok(NervaError.is(error), String(error));
  const { code, message, details } = error;
  return {
    code,
    details: unlimited(details),
    message: message
      .replaceAll(URL_HERE, 'https://model.invalid/v1/chat/completions')
      .replaceAll('sim/payer', 'openai/m')
      .replace(/more than \d+ ms/, 'more than … ms'),
  };
}
function recorded(name: HttpShapeName): unknown {
  const { code, message, details } = HTTP_SHAPES[name];
  return { code, details: unlimited(details), message: message.replace(/more than \d+ ms/, 'more than … ms') };
}

test('the real adapter gets the brain’s answer over the wire, whole and streamed, under any seed', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const whole = await rig({ seed }).ask(PAID);
    let text = '';
    const streamed = await rig({ seed }).ask(PAID, (delta) => void (text += delta.type === 'text' ? delta.text : ''));
    assert.deepEqual(whole?.value?.parts, [
      { type: 'reasoning', text: 'It went well.' },
      { type: 'text', text: TEXT },
    ]);
    assert.deepEqual(streamed?.value, whole?.value);
    assert.equal(text, TEXT);
    assert.equal(whole?.value?.finish, 'stop');
    assert.equal(typeof whole?.value?.usage.inputTokens, 'number');
    const called = await rig({ seed }).ask(ASK, ignore);
    assert.deepEqual(called?.value?.parts[1], { type: 'tool_call', id: 'call_0_0', name: 'pay', input: { amount: 5 } });
  }
});

test('results that follow each other reach the brain as one message, with the names of their calls', async () => {
  const seen: unknown[] = [];
  const server = simServer(simModel({ script: ({ messages }) => (seen.push(messages.at(-1)), 'Done.') }));
  const calls = ['c1', 'c2'].map((id) => ({ type: 'tool_call', id, name: 'pay', input: { amount: 5 } }) as const);
  const results = calls.map(({ id }) => ({ type: 'tool_result', id, name: 'pay', output: { paid: true } }) as const);
  const request: ModelRequest = {
    ...ASK,
    messages: [...ASK.messages, { role: 'assistant', parts: calls, origin: 'model' }, { role: 'tool', parts: results, origin: 'tool' }],
  };
  const { ask, hub } = rig({ server });
  assert.ok((await ask(request, ignore))?.value !== undefined);
  assert.deepEqual(seen, [{ role: 'tool', parts: results, origin: 'tool' }]);
  assert.deepEqual(hub.violations, []);
});

test('bytes are cut anywhere, also inside a character', async () => {
  let split = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const { process, settled } = rig({ seed, server: simServer(simModel({ script: () => '€'.repeat(500) })) });
    const body = JSON.stringify({ model: 'payer', stream: true, messages: [{ role: 'user', content: 'How much?' }] });
    const headers = { authorization: `Bearer ${MODEL_SECRET}`, 'content-type': 'application/json' };
    const read = async (): Promise<number> => {
      const answer = await process.world.transport.request({ method: 'POST', url: URL_HERE, headers, body });
      let count = 0;
      // A piece that begins with a byte 10xxxxxx goes on with a character of the piece before.
      for await (const bytes of answer.bytes()) count += ((bytes[0] ?? 0) & 0xc0) === 0x80 ? 1 : 0;
      return count;
    };
    split += (await settled(read()))?.value ?? 0;
  }
  assert.ok(split > 0);
});

const FAILURES: readonly (readonly [FaultKind, HttpShapeName])[] = [
  ['model.limited', 'rate-limited'],
  ['model.limited-until', 'rate-limited-wait'],
  ['model.unavailable', 'status-503'],
  ['model.refused', 'refused'],
  ['model.dns', 'dns'],
  ['model.connect', 'connect-timeout'],
  ['model.stalled', 'stalled-stream'],
  ['model.truncated', 'stream-without-end'],
  ['model.reset', 'reset-in-body'],
  ['model.overflow', 'context-too-long'],
  ['model.silent', 'half-open'],
  ['net.reset', 'reset-before-head'],
  ['net.drop', 'half-open'],
  ['net.partition', 'connect-timeout'],
];
for (const [kind, name] of FAILURES) {
  test(`${kind} on the wire fails as ${name} was recorded`, async () => {
    const { ask, hub } = rig({ plan: at(kind) });
    const outcome = await ask(ASK, ignore);
    assert.deepEqual(rowOf(outcome?.error), recorded(name));
    assert.equal(hub.fired.get(kind), 1);
    assert.equal(hub.violations.length, 0);
    // Without the wire it is the same row.
    if ((MODEL_FAILURES as readonly FaultKind[]).includes(kind)) assert.deepEqual(rowOf(failureOf(kind as ModelFailure)), recorded(name));
  });
}

test('an answer in one piece that is cut breaks off, for its client knows how long it is', async () => {
  const { ask } = rig({ plan: at('model.truncated') });
  assert.deepEqual(rowOf((await ask(ASK))?.error), recorded('reset-in-body'));
});

test('a limit that is reached is the request’s own, and reached at its time', async () => {
  for (const [kind, limits, ms] of [
    ['model.connect', { connectMs: 700 }, 700],
    ['model.stalled', { idleMs: 900 }, null],
    ['model.silent', { totalMs: 1_500 }, 1_500],
  ] as const) {
    const { ask } = rig({ plan: at(kind) });
    const model = openaiChat({ provider: 'sim', model: 'payer', baseUrl: MODEL_URL, apiKey: MODEL_SECRET, limits });
    const outcome = await ask(ASK, ignore, model);
    const [limitMs] = Object.values(limits);
    assert.ok(NervaError.is(outcome?.error, 'HTTP_TIMEOUT') && outcome.error.details['limitMs'] === limitMs);
    if (ms !== null) assert.equal(outcome.ms, ms);
  }
});

test('odd answers come through the adapter as what they are', async () => {
  const partsOf = async (kind: FaultKind): Promise<unknown> => (await rig({ plan: at(kind) }).ask(ASK, ignore))?.value?.parts;
  assert.deepEqual(await partsOf('model.empty'), []);
  assert.deepEqual(await partsOf('model.malformed'), [
    { type: 'tool_call', id: 'odd', name: 'pay', input: '{"amount": 1', malformed: true },
  ]);
  assert.deepEqual(await partsOf('model.unknown-tool'), [{ type: 'tool_call', id: 'odd', name: 'launch_missiles', input: {} }]);
});

test('garbage is MODEL_GARBAGE, streamed or not, and never tells the key that it quotes', async () => {
  let quoted = 0;
  for (let seed = 1; seed <= 20; seed++)
    for (const onDelta of [undefined, ignore]) {
      const { error } = (await rig({ seed, plan: at('model.garbage') }).ask(ASK, onDelta)) ?? {};
      assert.ok(NervaError.is(error, 'MODEL_GARBAGE'), String(error));
      assert.ok(!error.message.includes(MODEL_SECRET));
      if (error.message.includes('Welcome')) quoted++;
    }
  assert.ok(quoted > 0);
});

test('slow tokens take five minutes and are no failure, nor is a slow network', async () => {
  const slow = await rig({ plan: at('model.slow') }).ask(ASK, ignore);
  assert.ok(slow?.value !== undefined && slow.ms > 290_000);
  const network = await rig({ plan: at('net.slow') }).ask(ASK, ignore);
  assert.ok(network?.value !== undefined && network.ms > 29_000);
});

test('when only the way back is cut the request is served at once, and its answer comes when the way is whole again', async () => {
  let askedMs = Infinity;
  const { ask, hub } = rig({
    plan: at('net.one-way'),
    server: simServer(simModel({ script: () => ((askedMs = hub.scheduler.nowMs), 'Yes.') })),
  });
  const startMs = hub.scheduler.nowMs;
  const outcome = await ask(ASK, ignore);
  assert.ok(askedMs - startMs < 5_000);
  assert.ok(outcome?.value !== undefined && outcome.ms >= 60_000);
});

test('a request that arrives twice is answered twice, and its client gets one answer', async () => {
  let asked = 0;
  const counting = simServer(simModel({ script: () => `Answer ${++asked}.` }));
  const { ask, hub } = rig({ plan: at('net.duplicate'), server: counting });
  assert.equal((await ask(ASK, ignore))?.value?.parts.length, 1);
  assert.equal(asked, 2);
  assert.equal(hub.trace.visits.get('model.call'), 1, 'the point is visited once for each attempt of the client');
});

test('what a partition drops in the middle of an answer stalls it; what it holds comes when it heals', async () => {
  for (const atHeal of ['delivered', 'dropped'] as const) {
    const { ask, hub, network } = rig({ network: { atHeal }, plan: at('model.slow') });
    hub.scheduler.in(100_000, () => void hub.scheduler.in(60_000, network.separate(['p0'], ['model.sim'])));
    const outcome = await ask(ASK, ignore);
    if (atHeal === 'delivered') assert.equal(outcome?.value?.parts.length, 2);
    else assert.ok(outcome?.error !== undefined);
  }
});

test('a request that is aborted ends as CANCELLED, before and during the answer', async () => {
  for (const ms of [0, 1, 1_000, 150_000]) {
    const { hub, process, settled } = rig({ plan: at('model.slow') });
    const abort = new AbortController();
    hub.scheduler.in(ms, () => abort.abort());
    const outcome = await settled(wiredModel(brain, 'payer').call(ASK, { world: process.world, signal: abort.signal, onDelta: ignore }));
    assert.ok(NervaError.is(outcome?.error, 'CANCELLED'), `${ms}: ${String(outcome?.error)}`);
    assert.ok(outcome.ms <= ms + 1);
  }
});

test('who dies gets nothing any more, however far the answer had come', async () => {
  for (const ms of [1, 20, 1_000, 100_000]) {
    const { ask, hub, process } = rig({ plan: at('model.slow') });
    hub.scheduler.in(ms, () => process.die());
    assert.equal(await ask(ASK, ignore), null);
  }
});

const HEADERS = { authorization: `Bearer ${MODEL_SECRET}`, 'content-type': 'application/json' };
const USER = { role: 'user', content: 'Hello.' };
const ASSISTANT = {
  role: 'assistant',
  content: null,
  tool_calls: [{ id: 'c1', type: 'function', function: { name: 'pay', arguments: '{}' } }],
};
for (const [name, body, says] of [
  ['that is no JSON', '{"model":', /no JSON object/],
  ['without a model', { messages: [USER] }, /names no model/],
  ['without messages', { model: 'm', messages: [] }, /messages is empty/],
  ['of an unknown role', { model: 'm', messages: [{ role: 'robot', content: 'x' }] }, /malformed/],
  ['whose call has no result', { model: 'm', messages: [USER, ASSISTANT] }, /have no result/],
  ['whose call is followed by a user', { model: 'm', messages: [USER, ASSISTANT, USER] }, /answers the calls/],
  [
    'whose result belongs to no call',
    { model: 'm', messages: [USER, { role: 'tool', tool_call_id: 'c9', content: 'x' }] },
    /answers the calls/,
  ],
  ['that begins with the assistant', { model: 'm', messages: [{ role: 'assistant', content: 'Hi.' }] }, /begins with/],
  [
    'with two tools of one name',
    {
      model: 'm',
      messages: [USER],
      tools: [1, 2].map(() => ({ type: 'function', function: { name: 'pay', parameters: { type: 'object' } } })),
    },
    /one name/,
  ],
  ['with a tool without a schema', { model: 'm', messages: [USER], tools: [{ type: 'function', function: { name: 'pay' } }] }, /no schema/],
] as const satisfies readonly (readonly [string, unknown, RegExp])[]) {
  test(`the server refuses a request ${name}, and that breaks a law`, async () => {
    const { hub, process, settled } = rig();
    const request: HttpRequest = {
      method: 'POST',
      url: URL_HERE,
      headers: HEADERS,
      body: typeof body === 'string' ? body : JSON.stringify(body),
    };
    const outcome = await settled(
      process.world.transport.request(request).then(async (answer) => ({ status: answer.status, text: await answer.text() })),
    );
    assert.equal(outcome?.value?.status, 400);
    assert.match(outcome.value.text, says);
    assert.deepEqual(
      hub.violations.map(({ invariant }) => invariant),
      ['a provider takes each request'],
    );
  });
}

test('a wrong key is 401, an unknown machine has no address, and a fair request breaks no law', async () => {
  const { hub, ask } = rig();
  const wrong = openaiChat({ model: 'm', baseUrl: MODEL_URL, apiKey: 'sk-another-key-altogether' });
  assert.ok(NervaError.is((await ask(ASK, ignore, wrong))?.error, 'MODEL_AUTH'));
  const nowhere = openaiChat({ model: 'm', baseUrl: 'http://nowhere.sim/v1' });
  assert.ok(NervaError.is((await ask(ASK, ignore, nowhere))?.error, 'HTTP_UNREACHABLE'));
  assert.ok((await ask(PAID, ignore))?.value !== undefined);
  assert.deepEqual(hub.violations, []);
});
