import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { canonicalJson, NervaError, type Json } from '../core/index.ts';
import { testWorld } from '../testing/index.ts';
import { cassetteLine, readCassette, type CassetteEntry } from './cassette.ts';
import { requestDigest } from './digest.ts';
import type { Delta, Model, ModelRequest } from './model.ts';
import { recordModel } from './record.ts';
import { replayModel } from './replay.ts';
import { scriptedModel, type Script } from './scripted.ts';
import { ask, rebuilt, say } from './wire-scene.test.ts';

const world = testWorld();
const KEY = 'sk-proj-0123456789abcdef';

/** A model that was recorded and its tape, written and read again. */
function recording(
  script: Script,
  secrets: readonly string[] = [],
): { readonly model: Model; readonly tape: () => readonly CassetteEntry[] } {
  const lines: string[] = [];
  const model = recordModel(
    scriptedModel(script, { name: 'scripted/one', price: { inputUsd: 1, outputUsd: 2 } }),
    (entry) => void lines.push(`${cassetteLine(entry)}\n`),
    {
      secrets,
    },
  );
  return { model, tape: () => readCassette(lines.join('')) };
}

const call = (model: Model, request: ModelRequest, onDelta?: (delta: Delta) => void) =>
  model.call(request, { world, ...(onDelta === undefined ? {} : { onDelta }) });

test('a tape gives the answers, the failures and the pieces of the recorded calls again, without a live call', async () => {
  const steps: Script = (_request, n) =>
    [
      { reasoning: 'so', text: 'one two', calls: [{ name: 't', input: { a: 1 } }], usage: { inputTokens: 3, outputTokens: 4 } },
      { error: new NervaError('MODEL_RATE_LIMITED', 'slow down', { details: { retryAfterMs: 5 } }) },
      'three',
    ][n] ?? 'more';
  const { model, tape } = recording(steps);
  const heard: Delta[] = [];
  const first = await call(model, ask(), (delta) => heard.push(delta));
  await assert.rejects(call(model, ask([say('b')])), { code: 'MODEL_RATE_LIMITED' });
  const third = await call(model, ask([say('b')]));
  const entries = tape();
  assert.deepEqual(
    entries.map(({ occurrence, deltas }) => [occurrence, deltas?.length ?? 0]),
    [
      [0, heard.length],
      [0, 0],
      [1, 0],
    ],
  );
  const replay = replayModel(entries, { as: model });
  assert.deepEqual([replay.name, replay.price], ['scripted/one', { inputUsd: 1, outputUsd: 2 }]);
  assert.equal(replay.unused.length, 3);
  await assert.rejects(call(replay, ask([say('b')])), {
    code: 'MODEL_RATE_LIMITED',
    message: 'slow down',
    retry: true,
    details: { retryAfterMs: 5 },
  });
  const again: Delta[] = [];
  assert.deepEqual(await call(replay, ask(), (delta) => again.push(delta)), first);
  assert.deepEqual(again, heard);
  assert.deepEqual(replay.unused, [entries[2]]);
  const made: Delta[] = [];
  assert.deepEqual(await call(replay, ask([say('b')]), (delta) => made.push(delta)), third);
  assert.deepEqual(rebuilt(made), [{ type: 'text', text: 'three' }]);
  assert.deepEqual(replay.unused, []);
  await assert.rejects(call(replay, ask([say('b')])), { code: 'MODEL_SCRIPT_ENDED' });
});

test('a line is one text for one content, its digest is that of the request in it, and who wrote keys in another order asks the same', async () => {
  const { model, tape } = recording(['a', 'b']);
  const one = { role: 'user', parts: [{ type: 'text', text: 'x' }], origin: 'person' } as const;
  const other = { origin: 'person', parts: [{ text: 'x', type: 'text' }], role: 'user' } as const;
  const answer = await call(model, ask([one], { params: { seed: 1, topP: 1 } }));
  const [entry] = tape();
  assert.ok(entry !== undefined);
  assert.equal(requestDigest(entry.request, world.digest), entry.digest);
  assert.equal(cassetteLine(entry), canonicalJson(JSON.parse(cassetteLine(entry)) as Json));
  assert.deepEqual(await call(replayModel([entry]), ask([other], { params: { topP: 1, seed: 1 } })), answer);
});

test('a request that is not on the tape is refused with the nearest recorded one and the first difference, both sides', async () => {
  const { model, tape } = recording(() => 'ok');
  const said = [say('a'), say('b'), say('c')];
  for (const count of [1, 2, 3]) await call(model, ask(said.slice(0, count)));
  await call(model, ask(said, { instructions: 'be long' }));
  const diverging = async (request: ModelRequest): Promise<NervaError> => {
    const error: unknown = await call(replayModel(tape(), { name: 'm/x' }), request).catch((one: unknown) => one);
    assert.ok(NervaError.is(error, 'REPLAY_DIVERGED'), String(error));
    return error;
  };
  const { message, details } = await diverging(ask([say('a'), say('b'), say('C')]));
  assert.deepEqual(
    [details['nearest'], details['path'], details['recorded'], details['asked']],
    [2, '$.messages[2].parts[0].text', '"c"', '"C"'],
  );
  assert.match(message, /^m\/x has no recorded answer for the request [0-9a-f]{64} \(3 messages\)\. The nearest one is entry 3 of 4; /);
  assert.match(message, /they first differ at \$\.messages\[2\]\.parts\[0\]\.text: "c" was recorded, "C" is asked\. No live call was made/);
  const cases: readonly (readonly [ModelRequest, number, string, string, string])[] = [
    [ask([...said, say('d')]), 2, '$.messages[3]', 'nothing', canonicalJson(say('d') as unknown as Json)],
    [ask(said, { params: { seed: 1 } }), 2, '$.params.seed', 'nothing', '1'],
    [ask(said, { instructions: 'be odd' }), 2, '$.instructions', '"be brief"', '"be odd"'],
    [ask([say('z')], { instructions: 'be long' }), 3, '$.messages[0].parts[0].text', '"a"', '"z"'],
  ];
  for (const [request, ...expected] of cases) {
    const found = (await diverging(request)).details;
    assert.deepEqual([found['nearest'], found['path'], found['recorded'], found['asked']], expected);
  }
});

test('no secret reaches the tape, wherever it stood, and another key asks the same', async () => {
  const input = { url: 'https://x', headers: { 'x-session': 'opaque-value' }, api_key: 'plain-word', note: `use ${KEY}` };
  const spoken: Script = (_request, n) =>
    n === 0
      ? { text: `your key is ${KEY} and the word xyzzy`, calls: [{ name: 'fetch', input }] }
      : {
          error: new NervaError('MODEL_AUTH', `Bearer ${KEY} is wrong`, {
            details: { status: 401, headers: { 'x-auth': 'opaque-value' }, said: KEY },
          }),
        };
  const { model, tape } = recording(spoken, ['xyzzy']);
  const asking = (key: string): ModelRequest =>
    ask([say(`my key: ${key}`)], {
      instructions: `never say ${key}`,
      params: { extra: { headers: { 'x-tenant': 'opaque-value' }, note: 'kept' } },
    });
  const heard: Delta[] = [];
  const live = await call(model, asking(KEY), (delta) => heard.push(delta));
  assert.ok(JSON.stringify(live).includes(KEY), 'the caller gets what the model said');
  await assert.rejects(call(model, ask([say(KEY)])), { message: `Bearer ${KEY} is wrong` });
  const text = tape().map(cassetteLine).join('\n');
  for (const secret of [KEY, '0123456789', 'xyzzy', 'plain-word']) assert.ok(!text.includes(secret), `${secret} is on the tape`);
  const [first, second] = tape();
  assert.deepEqual(first?.request.params.extra, { headers: { 'x-tenant': '[header]' }, note: 'kept' });
  assert.deepEqual(second?.error?.details, { status: 401, headers: { 'x-auth': '[header]' }, said: '[key]' });
  const again: Delta[] = [];
  const replayed = await call(replayModel(tape(), { secrets: ['xyzzy'] }), asking('sk-proj-another-key-1234'), (delta) =>
    again.push(delta),
  );
  const [said] = replayed.parts;
  assert.equal(said?.type === 'text' && said.text, 'your key is [key] and the word [key]');
  assert.deepEqual(rebuilt(again)[0], { type: 'text', text: 'your key is [key] and the word [key]' });
});

test('a secret that the pieces of a failed stream cut in two is taken out of them', async () => {
  const lines: CassetteEntry[] = [];
  const broken: Model = {
    name: 'm',
    call: (_request, { onDelta }) => {
      for (const text of ['a ', 'sk-012345', '6789abc', ' b']) onDelta?.({ type: 'text', index: 0, text });
      onDelta?.({ type: 'text', index: 1, text: 'clean' });
      return Promise.reject(new NervaError('HTTP_BROKEN', 'it broke'));
    },
  };
  await assert.rejects(
    call(
      recordModel(broken, (entry) => void lines.push(entry)),
      ask(),
      () => undefined,
    ),
    { code: 'HTTP_BROKEN' },
  );
  assert.deepEqual(lines[0]?.deltas, [
    { type: 'text', index: 0, text: 'a [key] b' },
    { type: 'text', index: 1, text: 'clean' },
  ]);
});

test('calls under way at once are kept apart: equal requests get their answers in the order in which they were asked', async () => {
  const gates = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  const { model, tape } = recording((_request, n) => gates[n]?.promise ?? '');
  const both = [call(model, ask()), call(model, ask())];
  gates[1]?.resolve('second');
  await both[1];
  gates[0]?.resolve('first');
  const answers = await Promise.all(both);
  assert.deepEqual(
    tape().map(({ occurrence }) => occurrence),
    [1, 0],
  );
  const replay = replayModel(tape());
  assert.deepEqual([await call(replay, ask()), await call(replay, ask())], answers);
});

test('a sink that fails fails the call, and a call that was aborted is on the tape as such', async () => {
  const full = recordModel(scriptedModel(['a']), () => Promise.reject(new NervaError('STORE_FULL', 'no room')));
  await assert.rejects(call(full, ask()), { code: 'STORE_FULL' });
  const { model, tape } = recording(['a']);
  await assert.rejects(model.call(ask(), { world, signal: AbortSignal.abort() }), { code: 'CANCELLED' });
  assert.equal(tape()[0]?.error?.code, 'CANCELLED');
  await assert.rejects(call(replayModel(tape()), ask()), { code: 'CANCELLED' });
});

test('a replay asks somebody else what is not on the tape only when told to', async () => {
  const { model, tape } = recording(['a']);
  await call(model, ask());
  const other = scriptedModel(['live'], { name: 'scripted/other' });
  const replay = replayModel(tape(), { otherwise: other });
  assert.equal(replay.name, 'scripted/other');
  await call(replay, ask());
  assert.equal(other.callCount, 0);
  await call(replay, ask());
  await assert.rejects(call(replayModel(tape(), { as: other }), ask([say('new')])), { code: 'REPLAY_DIVERGED' });
  assert.equal(other.callCount, 1);
});

test('a malformed line is refused with its number, and a last line without its end counts as not there', async () => {
  const { model, tape } = recording(['a', 'b']);
  await call(model, ask());
  const line = cassetteLine(tape()[0] as CassetteEntry);
  assert.equal(readCassette(`${line}\n${line.slice(0, -5)}`).length, 1);
  const without = (name: string, more: object = {}): string => {
    const { [name]: _gone, ...rest } = JSON.parse(line) as Record<string, unknown>;
    return JSON.stringify({ ...rest, ...more });
  };
  const cases: readonly (readonly [string, RegExp])[] = [
    ['{', /line 2 is not JSON/],
    ['[]', /line 2 is no JSON object/],
    [without('request'), /no request with instructions/],
    [without('digest'), /no digest/],
    [without('occurrence'), /no occurrence/],
    [without('answer'), /exactly one of answer and error/],
    [without('answer', { answer: {} }), /an answer without parts/],
    [without('answer', { error: { code: 'NO_SUCH', message: '', details: {} } }), /the error code "NO_SUCH"/],
  ];
  for (const [bad, message] of cases)
    assert.throws(() => readCassette(`${line}\n${bad}\n`, 'x.jsonl'), { code: 'SCHEMA_MISMATCH', message });
});

test('any recorded conversation replays to equal answers and leaves nothing unused', async () => {
  const texts = fc.array(fc.string(), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(texts, fc.boolean(), async (said, isStreamed) => {
      const { model, tape } = recording(({ messages }) => `${messages.length} ${JSON.stringify(messages.at(-1)?.parts)}`);
      const run = async (by: Model): Promise<unknown[]> => {
        const got: unknown[] = [];
        for (let count = 1; count <= said.length; count++) {
          const deltas: Delta[] = [];
          const answer = await call(by, ask(said.slice(0, count).map(say)), isStreamed ? (delta) => deltas.push(delta) : undefined);
          got.push({ answer, deltas });
        }
        return got;
      };
      const live = await run(model);
      const replay = replayModel(tape());
      assert.deepEqual(await run(replay), live);
      assert.deepEqual(replay.unused, []);
    }),
    { numRuns: 40 },
  );
});
