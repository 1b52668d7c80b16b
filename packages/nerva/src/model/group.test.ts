import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NervaError, type ErrorCode, type HttpRequest, type World } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { withBreaker } from './breaker.ts';
import { ask, heldModel, settle, textOf } from './call-scene.test.ts';
import { modelGroup, type GroupOptions } from './group.ts';
import type { Message } from './message.ts';
import type { Delta, Model, ModelAnswer, ModelRequest } from './model.ts';
import { openaiChat } from './openai.ts';
import { scriptedModel, type ScriptedModel, type ScriptStep } from './scripted.ts';
import { answerUsd } from './wrap.ts';

const down: ScriptStep = { error: { code: 'MODEL_UNAVAILABLE', message: 'down' } };

/** A model that says its letter, or what `step` says. */
function member(
  letter: string,
  step: (n: number) => ScriptStep | string = () => letter,
  options: Partial<Omit<Model, 'call'>> = {},
): ScriptedModel {
  return scriptedModel((_request, n) => step(n), { name: `p/${letter}`, ...options });
}

const text = ({ parts }: ModelAnswer): string => parts.map((part) => (part.type === 'text' ? part.text : '')).join('');

async function texts(group: Model, world: World, count: number, request: ModelRequest = ask('x')): Promise<string> {
  let all = '';
  for (let n = 0; n < count; n++) all += text(await group.call(request, { world }));
  return all;
}

test('when the first member dies in the middle of a run the second answers, and via says why', async () => {
  const world = testWorld();
  const first = member('a', (n) => (n < 2 ? 'a' : down));
  const second = member('b');
  const group = modelGroup({ name: 'group/main', models: [first, second] });
  assert.equal(await texts(group, world, 2), 'aa');
  const third = await group.call(ask('x'), { world });
  assert.equal(text(third), 'b');
  assert.deepEqual(third.via, [{ group: 'group/main', member: 'p/b', failures: [{ member: 'p/a', code: 'MODEL_UNAVAILABLE' }] }]);
  assert.equal(await texts(group, world, 5), 'bbbbb');
  assert.equal(first.callCount, 3, 'a member that failed lately is not asked first');
  await world.advance(30_000);
  await texts(group, world, 1);
  assert.equal(first.callCount, 4, 'and is tried again after its rest');
});

const limitedFor = (retryAfterMs: number): ScriptStep => ({
  error: new NervaError('MODEL_RATE_LIMITED', 'slow', { details: { retryAfterMs } }),
});

test('a member rests as long as its failure says', async () => {
  const world = testWorld();
  const group = modelGroup({ name: 'g', models: [member('a', (n) => (n === 0 ? limitedFor(90_000) : 'a')), member('b')] });
  assert.equal(await texts(group, world, 1), 'b');
  await world.advance(89_999);
  assert.equal(await texts(group, world, 1), 'b');
  await world.advance(1);
  assert.equal(await texts(group, world, 1), 'a');
});

test('a member that rests is asked all the same when all others fail, and is well at once when it answers', async () => {
  const first = member('a', (n) => (n === 0 ? limitedFor(90_000) : 'a'));
  const second = member('b', (n) => (n === 1 ? limitedFor(500) : 'b'));
  assert.equal(await texts(modelGroup({ name: 'g', models: [first, second] }), testWorld(), 3), 'baa');
});

test('a member whose rest is over stands where the strategy puts it', async () => {
  const world = testWorld();
  const group = modelGroup({ name: 'g', models: [member('a', (n) => (n === 0 ? down : 'a')), member('b', (n) => (n === 0 ? down : 'b'))] });
  await assert.rejects(group.call(ask('x'), { world }), { code: 'MODEL_UNAVAILABLE' });
  await world.advance(30_001);
  assert.equal(await texts(group, world, 2), 'aa');
});

test('of members that rest the one that is well first is asked first', async () => {
  const world = testWorld();
  const models = [50_000, 10_000, 30_000].map((retryAfterMs, index) =>
    member('abc'[index]!, (n) =>
      n === 0 ? { error: new NervaError('MODEL_RATE_LIMITED', 'slow', { details: { retryAfterMs } }) } : 'abc'[index]!,
    ),
  );
  const group = modelGroup({ name: 'g', models });
  await assert.rejects(group.call(ask('x'), { world }), { code: 'MODEL_RATE_LIMITED', retry: true });
  assert.equal(await texts(group, world, 1), 'b');
});

const ELSEWHERE: readonly (readonly [ErrorCode, Record<string, unknown>, boolean])[] = [
  ['HTTP_UNREACHABLE', {}, true],
  ['HTTP_TIMEOUT', {}, true],
  ['HTTP_BROKEN', {}, true],
  ['MODEL_UNAVAILABLE', {}, true],
  ['MODEL_RATE_LIMITED', {}, true],
  ['MODEL_GARBAGE', {}, true],
  ['MODEL_TRUNCATED', {}, true],
  ['MODEL_AUTH', {}, true],
  ['MODEL_BREAKER_OPEN', {}, true],
  ['MODEL_QUEUE_FULL', {}, true],
  ['CONTEXT_TOO_LONG', {}, true],
  ['MODEL_REFUSED', { content: 'audio' }, true],
  ['MODEL_REFUSED', { status: 404 }, true],
  ['MODEL_REFUSED', { status: 400 }, false],
  ['MODEL_REFUSED', {}, false],
  ['HTTP_TOO_LARGE', {}, false],
  ['MODEL_SCRIPT_ENDED', {}, false],
  ['REPLAY_DIVERGED', {}, false],
  ['JSON_INVALID', {}, false],
];

for (const [code, details, isElsewhere] of ELSEWHERE)
  test(`${code} ${JSON.stringify(details)} ${isElsewhere ? 'goes on to another member' : 'is given to the caller'}`, async () => {
    const error = new NervaError(code, 'no', { details });
    const second = member('b');
    const group = modelGroup({ name: 'g', models: [member('a', () => ({ error })), second] });
    const call = group.call(ask('x'), { world: testWorld() });
    if (isElsewhere) assert.equal(text(await call), 'b');
    else await assert.rejects(call, (thrown) => thrown === error);
    assert.equal(second.callCount, isElsewhere ? 1 : 0);
  });

test('a model of one’s own that throws anything goes on to another member', async () => {
  const broken: Model = {
    name: 'own/broken',
    call: () => {
      throw new TypeError('fetch failed');
    },
  };
  const group = modelGroup({ name: 'g', models: [broken, member('b')] });
  assert.equal(await texts(group, testWorld(), 1), 'b');
});

test('what is wrong with the request is not held against a member', async () => {
  const world = testWorld();
  const details = [{ content: 'audio' }, {}];
  for (const [index, code] of (['MODEL_REFUSED', 'CONTEXT_TOO_LONG'] as const).entries()) {
    const first = member('a', (n) => (n === 0 ? { error: new NervaError(code, 'no', { details: details[index]! }) } : 'a'));
    const group = modelGroup({ name: 'g', models: [first, member('b')] });
    assert.equal(await texts(group, world, 2), 'ba', code);
  }
});

test('a conversation that is too long for one member goes only to those that may take more', async () => {
  const tooLong: ScriptStep = { error: { code: 'CONTEXT_TOO_LONG', message: 'too long' } };
  const [first, small, large] = [
    member('a', () => tooLong, { contextTokensMax: 1_000 }),
    member('b', () => 'b', { contextTokensMax: 1_000 }),
    member('c', () => 'c', { contextTokensMax: 2_000 }),
  ];
  const group = modelGroup({ name: 'g', models: [first, small, large] });
  assert.equal(await texts(group, testWorld(), 1), 'c');
  assert.equal(small.callCount, 0);
  const alone = modelGroup({ name: 'g', models: [first, small] });
  await assert.rejects(alone.call(ask('x'), { world: testWorld() }), { code: 'CONTEXT_TOO_LONG', message: 'too long' });
});

test('once a piece of the answer has reached the caller, a failure is the caller’s', async () => {
  const world = testWorld();
  const first = heldModel({ name: 'p/a' });
  const second = member('b');
  const deltas: Delta[] = [];
  const group = modelGroup({ name: 'g', models: [first, second] });
  const call = group.call(ask('x'), { world, onDelta: (delta) => deltas.push(delta) });
  first.calls[0]!.say('hal');
  const ended = assert.rejects(call, { code: 'HTTP_BROKEN' });
  await first.calls[0]!.fail(new NervaError('HTTP_BROKEN', 'broke'));
  await ended;
  assert.deepEqual([textOf(deltas), second.callCount], ['hal', 0]);
  assert.equal(await texts(group, world, 1), 'b', 'and it counts against the member');
});

test('before the first piece it goes on, and the pieces are those of the member that answers', async () => {
  const deltas: Delta[] = [];
  const group = modelGroup({ name: 'g', models: [member('a', () => down), member('b', () => 'one two')] });
  await group.call(ask('x'), { world: testWorld(), onDelta: (delta) => deltas.push(delta) });
  assert.equal(textOf(deltas), 'one two');
});

test('a caller that aborts ends the call; no other member is asked and none is blamed', async () => {
  const world = testWorld();
  const first = heldModel({ name: 'p/a' });
  const second = member('b');
  const group = modelGroup({ name: 'g', models: [first, second] });
  const controller = new AbortController();
  const call = group.call(ask('x'), { world, signal: controller.signal });
  controller.abort();
  await assert.rejects(call, { code: 'CANCELLED' });
  assert.equal(second.callCount, 0);
  void group.call(ask('x'), { world });
  assert.equal(first.calls.length, 2);
  const later = new AbortController();
  const after = modelGroup({ name: 'g', models: [member('a', () => down), first] }).call(ask('x'), { world, signal: later.signal });
  await settle();
  later.abort();
  await assert.rejects(after, (error: NervaError) => error.code === 'CANCELLED' && error.details['failures'] === undefined);
});

test('a member whose breaker is open costs no request and comes last', async () => {
  const world = testWorld();
  const first = member('a', (n) => (n < 2 ? down : 'a'));
  const group = modelGroup({ name: 'g', models: [withBreaker(first, { failuresMax: 2, openMs: 60_000 }), member('b')], restMs: 0 });
  assert.equal(await texts(group, world, 6), 'bbbbbb');
  assert.equal(first.callCount, 2);
  const answer = await group.call(ask('x'), { world });
  assert.equal(answer.via?.[0]?.['failures'], undefined, 'it is known to be open, so the other comes first');
  await world.advance(60_000);
  assert.equal(await texts(group, world, 1), 'a');
});

test('when all fail the error names each, and says when to come again if all that may pass do', async () => {
  const slow = (ms: number) => ({ error: new NervaError('MODEL_RATE_LIMITED', 'slow', { details: { retryAfterMs: ms } }) });
  const auth: ScriptStep = { error: { code: 'MODEL_AUTH', message: 'bad key' } };
  const rejected = async (steps: readonly ScriptStep[]) => {
    const models = steps.map((step, index) => member('abc'[index]!, () => step));
    return modelGroup({ name: 'g', models })
      .call(ask('x'), { world: testWorld() })
      .then(
        () => assert.fail('it was answered'),
        (error: NervaError) => error,
      );
  };
  const all = await rejected([auth, slow(5_000), slow(2_000)]);
  assert.deepEqual([all.code, all.retry, all.details['retryAfterMs']], ['MODEL_RATE_LIMITED', true, 2_000]);
  assert.deepEqual(all.details['failures'], [
    { member: 'p/a', code: 'MODEL_AUTH' },
    { member: 'p/b', code: 'MODEL_RATE_LIMITED' },
    { member: 'p/c', code: 'MODEL_RATE_LIMITED' },
  ]);
  assert.match(all.message, /^g: 3 members failed\. p\/a: bad key · p\/b: slow · p\/c: slow$/);
  assert.equal((await rejected([slow(5_000), down])).details['retryAfterMs'], undefined, 'nobody knows when the other is well');
  assert.deepEqual([(await rejected([auth, auth])).code, (await rejected([auth, auth])).retry], ['MODEL_AUTH', false]);
  const refused = await rejected([slow(5_000), { error: { code: 'MODEL_REFUSED', message: 'malformed' } }]);
  assert.deepEqual([refused.code, refused.details['retryAfterMs']], ['MODEL_REFUSED', undefined], 'what ended it speaks');
  assert.equal((await rejected([down])).message, 'down', 'one failure stands as it is');
});

test('round robin asks each member as often as the others, give or take one, however many calls are under way', async () => {
  const world = testWorld();
  const models = ['a', 'b', 'c'].map((letter) => member(letter, () => ({ text: letter, delayMs: 10 })));
  const group = modelGroup({ name: 'g', models, strategy: 'round-robin' });
  for (let round = 1; round <= 20; round++) {
    const calls = Array.from({ length: round % 5 }, () => group.call(ask('x'), { world }));
    await settle();
    const counts = models.map(({ callCount }) => callCount);
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, String(counts));
    await world.advance(10);
    await Promise.all(calls);
  }
});

test('round robin shares what a member that is down would have had among the others', async () => {
  const world = testWorld();
  const models = ['a', 'b', 'c'].map((letter) => member(letter, () => (letter === 'b' ? down : letter)));
  const group = modelGroup({ name: 'g', models, strategy: 'round-robin' });
  const said = await texts(group, world, 100);
  assert.ok(Math.abs(said.replaceAll('a', '').length - 50) <= 1, said);
});

test('random is seeded by the world, and gives each member its share', async () => {
  const models = ['a', 'b', 'c'].map((letter) => member(letter));
  const run = (seed: number): Promise<string> => texts(modelGroup({ name: 'g', models, strategy: 'random' }), testWorld({ seed }), 300);
  const one = await run(1);
  assert.equal(await run(1), one);
  assert.notEqual(await run(2), one);
  // 300 draws of one in three: five standard deviations are 41.
  for (const letter of 'abc') assert.ok(Math.abs(one.split(letter).length - 1 - 100) < 41, letter);
});

test('cost asks the cheapest for this request; unknown prices come last', async () => {
  const world = testWorld();
  const cheapInput = member('i', undefined, { price: { inputUsd: 1, outputUsd: 100 } });
  const cheapOutput = member('o', undefined, { price: { inputUsd: 10, outputUsd: 1 } });
  const group = modelGroup({ name: 'g', models: [member('u'), cheapInput, cheapOutput], strategy: 'cost' });
  assert.equal(await texts(group, world, 1, ask('short', { params: { maxOutputTokens: 1_000 } })), 'o');
  assert.equal(await texts(group, world, 1, ask('long '.repeat(20_000), { params: { maxOutputTokens: 10 } })), 'i');
  const failing = modelGroup({
    name: 'g',
    models: [member('u'), member('k', () => down, { price: { inputUsd: 1, outputUsd: 1 } })],
    strategy: 'cost',
  });
  assert.equal(await texts(failing, world, 1), 'u');
});

test('task asks whoever is best for what the last message of a person asks for, then the cheapest', async () => {
  const world = testWorld();
  const coder: Model = { ...member('c'), capabilities: { code: 4, reasoning: 3 }, price: { inputUsd: 9, outputUsd: 9 } };
  const cheap: Model = { ...member('l'), capabilities: { code: 1, reasoning: 1 }, price: { inputUsd: 1, outputUsd: 1 } };
  const unknown = member('u', undefined, { price: { inputUsd: 2, outputUsd: 2 } });
  const group = modelGroup({ name: 'g', models: [cheap, unknown, coder], strategy: 'task' });
  const code = ask('Fix the bug in this function: ```const a = 1;```');
  assert.equal(await texts(group, world, 1, code), 'c');
  assert.equal(await texts(group, world, 1, ask('Hello, how are you?')), 'l');
  const step: Message = { role: 'assistant', parts: [{ type: 'text', text: 'Hello, let me look.' }], origin: 'model' };
  assert.equal(await texts(group, world, 1, { ...code, messages: [...code.messages, step] }), 'c', 'the steps of one turn are one task');
  const others = modelGroup({ name: 'g', models: [cheap, unknown], strategy: 'task' });
  assert.equal(await texts(others, world, 1, code), 'u', 'unknown is better than known to be weak');
});

test('a function says the order, and who is not asked', async () => {
  const world = testWorld();
  const [a, b, c] = [member('a'), member('b', () => down), member('c')] as const;
  const group = modelGroup({ name: 'g', models: [a, b, c], strategy: (members) => [members[1]!, members[1]!, member('z'), members[2]!] });
  assert.equal(await texts(group, world, 1), 'c');
  assert.deepEqual([a.callCount, b.callCount], [0, 1]);
  const none = modelGroup({ name: 'g', models: [a], strategy: () => [] });
  await assert.rejects(async () => none.call(ask('x'), { world }), { code: 'OPTION_INVALID' });
});

test('what holds for any member holds for the group', () => {
  const price = { inputUsd: 1, outputUsd: 9 };
  const a: Model = { ...member('a'), contextTokensMax: 100, price, capabilities: { vision: 3, code: 4, audio: 2 } };
  const b: Model = {
    ...member('b'),
    contextTokensMax: 50,
    price: { inputUsd: 3, outputUsd: 2, cachedInputUsd: 0.5, cacheWriteUsd: 4 },
    capabilities: { vision: 1, code: 4 },
  };
  const { name, contextTokensMax, price: bound, capabilities } = modelGroup({ name: 'g', models: [a, b] });
  assert.deepEqual(
    { name, contextTokensMax, bound, capabilities },
    {
      name: 'g',
      contextTokensMax: 50,
      bound: { inputUsd: 3, outputUsd: 9, cachedInputUsd: 1, cacheWriteUsd: 4 },
      capabilities: { vision: 1, code: 4 },
    },
  );
  assert.deepEqual(modelGroup({ name: 'g', models: [a] }).price, { inputUsd: 1, outputUsd: 9, cachedInputUsd: 1, cacheWriteUsd: 1 });
  const loose = modelGroup({ name: 'g', models: [a, member('u')] });
  assert.deepEqual([loose.contextTokensMax, loose.price, loose.capabilities], [100, undefined, undefined]);
});

test('any group’s price is never below what a member costs', () => {
  const usd = fc.double({ min: 0, max: 100, noNaN: true });
  const price = fc.record({ inputUsd: usd, outputUsd: usd });
  fc.assert(
    fc.property(fc.array(price, { minLength: 1, maxLength: 5 }), fc.nat(10_000), fc.nat(10_000), (prices, inputTokens, outputTokens) => {
      const models = prices.map((each) => ({ ...member('a'), price: each }));
      const usage = { inputTokens, outputTokens };
      const bound = answerUsd({ usage }, modelGroup({ name: 'g', models }).price)!;
      for (const { price: each } of models) assert.ok(bound >= answerUsd({ usage }, each)!);
    }),
  );
});

test('an answer is priced by the member that gave it, in a group of groups too', async () => {
  const dear = member('d', () => down, { price: { inputUsd: 100, outputUsd: 100 } });
  const cheap = scriptedModel(() => ({ text: 'c', usage: { inputTokens: 1_000_000, outputTokens: 0 } }), {
    name: 'p/c',
    price: { inputUsd: 2, outputUsd: 2 },
  });
  const inner = modelGroup({ name: 'inner', models: [dear, cheap] });
  const outer = modelGroup({ name: 'outer', models: [inner] });
  const answer = await outer.call(ask('x'), { world: testWorld() });
  assert.deepEqual(answer.via, [
    { group: 'outer', member: 'inner', usd: 2 },
    { group: 'inner', member: 'p/c', failures: [{ member: 'p/d', code: 'MODEL_UNAVAILABLE' }], usd: 2 },
  ]);
  assert.equal(answerUsd(answer, outer.price), 2);
  assert.equal(answerUsd({ ...answer, via: [] }, outer.price), 100);
});

test('a conversation that moves between members keeps working: what is sealed for one is not sent to the other, and that is named', async () => {
  const bodies: Record<string, { readonly messages: readonly Record<string, unknown>[] }[]> = { a: [], b: [] };
  let isDown = false;
  const base = testWorld();
  const transport = {
    close: () => Promise.resolve(),
    request: (request: HttpRequest) => {
      const host = new URL(request.url).hostname;
      const body = JSON.parse(String(request.body)) as { readonly messages: readonly Record<string, unknown>[] };
      const status = host === 'a' && isDown ? 503 : 200;
      if (status === 200) bodies[host]!.push(body);
      const message = { role: 'assistant', content: `from ${host}`, reasoning_content: `thoughts of ${host}` };
      const text = JSON.stringify({ id: '1', model: host, choices: [{ index: 0, message, finish_reason: 'stop' }] });
      return Promise.resolve({
        status,
        headers: {},
        text: () => Promise.resolve(text),
        async *bytes() {
          yield new TextEncoder().encode(text);
        },
        discard: () => undefined,
      });
    },
  };
  const world: World = { ...base, transport };
  const made = (host: string): Model =>
    openaiChat({ model: 'm', provider: host, baseUrl: `http://${host}/v1`, quirks: { reasoningField: 'reasoning_content' } });
  const group = modelGroup({ name: 'g', models: [made('a'), made('b')], restMs: 1_000 });
  let messages: readonly Message[] = ask('one').messages;
  const answers: ModelAnswer[] = [];
  for (const isNowDown of [false, true, false]) {
    isDown = isNowDown;
    const answer = await group.call({ ...ask(''), messages }, { world });
    answers.push(answer);
    messages = [...messages, { role: 'assistant', parts: answer.parts, origin: 'model' }, ...ask('more').messages];
    await base.advance(1_000);
  }
  assert.deepEqual(answers.map(text), ['from a', 'from b', 'from a']);
  const sent = (host: string, n: number): unknown[] =>
    bodies[host]![n]!.messages.map(({ content, reasoning_content: thoughts }) => [content, thoughts]);
  assert.deepEqual(sent('b', 0), [
    ['one', undefined],
    ['from a', undefined],
    ['more', undefined],
  ]);
  assert.deepEqual(sent('a', 1), [
    ['one', undefined],
    ['from a', 'thoughts of a'],
    ['more', undefined],
    ['from b', undefined],
    ['more', undefined],
  ]);
  assert.deepEqual(
    answers.map(({ meta }) => meta?.['notSent']),
    [undefined, ['reasoning of 1 earlier part'], ['reasoning of 1 earlier part']],
  );
});

test('two processes know of different failures', async () => {
  const first = member('a', (n) => (n === 0 ? down : 'a'));
  const group = modelGroup({ name: 'g', models: [first, member('b')] });
  assert.equal(await texts(group, testWorld(), 1), 'b');
  assert.equal(await texts(group, testWorld(), 1), 'a');
});

test('malformed options are refused by name', () => {
  const models = [member('a')];
  assert.throws(() => modelGroup({ name: '', models }), { code: 'OPTION_INVALID' });
  assert.throws(() => modelGroup({ name: 'g', models: [] }), { code: 'OPTION_INVALID' });
  assert.throws(() => modelGroup({ name: 'g', models, strategy: 'robin' } as unknown as GroupOptions), {
    code: 'OPTION_INVALID',
    message: /round-robin/,
  });
  assert.throws(() => modelGroup({ name: 'g', members: models } as unknown as GroupOptions), { code: 'OPTION_UNKNOWN' });
  assert.throws(() => modelGroup({ name: 'g', models, restMs: -1 }), { code: 'OPTION_INVALID' });
});
