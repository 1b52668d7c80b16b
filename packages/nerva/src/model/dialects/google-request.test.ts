import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { HttpRequest, JsonObject } from '../../core/index.ts';
import { google, type GoogleOptions } from '../google.ts';
import type { Message, Part } from '../message.ts';
import type { ModelRequest } from '../model.ts';
import { ask, askCanned, cannedWorld, say, wireFixture } from '../wire-scene.test.ts';

const SSE = { 'content-type': 'text/event-stream' };
const KEY = 'AIzaSyTEST-0123456789abcdef';
const ME = 'google/gemini-3-flash-preview';
const fixture = (name: string): string => wireFixture(`google/${name}`);
const ignore = (): void => undefined;

async function sent(request: ModelRequest, options: Partial<GoogleOptions> = {}): Promise<{ body: JsonObject; notSent: unknown }> {
  const seen: HttpRequest[] = [];
  const world = cannedWorld({ body: fixture('length.json') }, seen);
  const { meta } = await google({ model: 'gemini-3-flash-preview', ...options }).call(request, { world });
  return { body: JSON.parse(String(seen[0]?.body)) as JsonObject, notSent: meta?.['notSent'] };
}

/** What the model of `name` said, sent back to it or to another with the results of its calls. */
async function sentBack(name: string, options: Partial<GoogleOptions> = {}): Promise<{ body: JsonObject; notSent: unknown }> {
  const { parts } = await askCanned(google({ model: 'gemini-3-flash-preview' }), { body: fixture(`${name}.json`) });
  const results = parts.flatMap((part): Message[] =>
    part.type === 'tool_call'
      ? [{ role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id: part.id, name: part.name, output: { ok: part.id } }] }]
      : [],
  );
  return sent(ask([say('go'), { role: 'assistant', origin: 'model', parts }, ...results.toReversed()]), options);
}

test('what Gemini said goes back to it byte for byte: signatures, ids, thoughts, and code that Google ran', async () => {
  for (const name of ['text', 'tools', 'code']) {
    const { body, notSent } = await sentBack(name);
    const given = (JSON.parse(fixture(`${name}.json`)) as { candidates: readonly { content: { parts: readonly JsonObject[] } }[] })
      .candidates[0];
    const [, model, results] = body['contents'] as readonly JsonObject[];
    const expected = given?.content.parts.map((part) =>
      name === 'tools' && 'args' in ((part['functionCall'] ?? { args: 0 }) as object)
        ? part
        : name === 'tools'
          ? { functionCall: { name: 'now', args: {} } }
          : part,
    );
    assert.deepEqual(model, { role: 'model', parts: expected });
    assert.equal(notSent, undefined);
    if (name === 'tools')
      assert.deepEqual(results, {
        role: 'user',
        parts: [
          { functionResponse: { id: 'k3j9f2', name: 'get_weather', response: { output: { ok: 'k3j9f2' } } } },
          { functionResponse: { id: 'k3j9f3', name: 'get_weather', response: { output: { ok: 'k3j9f3' } } } },
          { functionResponse: { name: 'now', response: { output: { ok: 'call_3' } } } },
        ],
      });
  }
});

test('what another model said goes without its echoes, and that is named', async () => {
  const { body, notSent } = await sentBack('tools', { model: 'gemini-3.1-pro-preview' });
  const [, model, results] = body['contents'] as readonly { readonly parts: readonly JsonObject[] }[];
  assert.deepEqual(model?.parts.slice(0, 3), [
    { text: 'Ich sehe nach.' },
    { functionCall: { name: 'get_weather', args: { city: 'Paris', unit: 'c' } }, thoughtSignature: 'skip_thought_signature_validator' },
    { functionCall: { name: 'get_weather', args: { city: 'São Paulo' } } },
  ]);
  assert.deepEqual(results?.parts[0], { functionResponse: { name: 'get_weather', response: { output: { ok: 'k3j9f2' } } } });
  assert.deepEqual(notSent, ['signatures and ids of 2 earlier parts of other models', 'signatures of 1 earlier step, which have none']);
  const thinking = await sentBack('text', { model: 'gemini-2.5-flash' });
  assert.deepEqual((thinking.body['contents'] as readonly JsonObject[])[1], {
    role: 'model',
    parts: [{ text: 'Der Himmel ist blau 🌊 — Rayleigh.' }],
  });
  assert.deepEqual(thinking.notSent, ['reasoning of 1 earlier part', 'signatures and ids of 1 earlier part of other models']);
  const old = await sentBack('tools', { model: 'gemini-2.5-flash' });
  assert.ok(!JSON.stringify(old.body).includes('thoughtSignature'), 'a model that checks no signatures is not told to skip the check');
});

const TOOLS = [
  { name: 'add', description: 'adds', inputSchema: { type: 'object', properties: { x: { type: 'number', exclusiveMinimum: 0 } } } },
];

test("a request has the form of Google's, and the key is in no URL", async () => {
  const messages: readonly Message[] = [
    {
      role: 'user',
      origin: 'person',
      parts: [
        { type: 'text', text: 'look' },
        { type: 'file', mediaType: 'image/png', data: 'AAAA' },
        { type: 'file', mediaType: 'application/pdf', data: 'AAAA', name: 'a.pdf' },
        { type: 'file', mediaType: 'audio/wav', data: 'AAAA' },
        { type: 'file', mediaType: 'video/mp4', data: { url: 'https://example.org/a.mp4' } },
        { type: 'text', text: '' },
      ],
    },
    {
      role: 'assistant',
      origin: 'model',
      parts: [
        { type: 'tool_call', id: 'a', name: 'add', input: { x: 1 } },
        { type: 'tool_call', id: 'b', name: 'add', input: '{"x":', malformed: true },
      ],
    },
    {
      role: 'tool',
      origin: 'tool',
      parts: [
        { type: 'tool_result', id: 'b', name: 'add', output: 'not JSON', isError: true },
        { type: 'tool_result', id: 'a', name: 'add', output: { $ref: '#/x' } },
      ],
    },
    { role: 'assistant', origin: 'model', parts: [] },
    say('so?'),
  ];
  const params = {
    maxOutputTokens: 9,
    temperature: 0,
    topP: 0.5,
    seed: 4,
    stop: ['x'],
    toolChoice: { tool: 'add' },
    reasoning: 'low',
    logprobs: 2,
    parallelToolCalls: false,
    extra: { generationConfig: { topK: 3 }, safetySettings: [] },
  } as const;
  const { body, notSent } = await sent(ask(messages, { tools: TOOLS, params }), { model: 'gemini-2.5-flash', tools: [{ urlContext: {} }] });
  assert.deepEqual(body, {
    systemInstruction: { parts: [{ text: 'be brief' }] },
    tools: [
      { functionDeclarations: [{ name: 'add', description: 'adds', parametersJsonSchema: TOOLS[0]?.inputSchema }] },
      { urlContext: {} },
    ],
    toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['add'] } },
    safetySettings: [],
    generationConfig: {
      maxOutputTokens: 9,
      temperature: 0,
      topP: 0.5,
      seed: 4,
      stopSequences: ['x'],
      responseLogprobs: true,
      logprobs: 2,
      thinkingConfig: { thinkingBudget: 1024, includeThoughts: true },
      topK: 3,
    },
    contents: [
      {
        role: 'user',
        parts: [
          { text: 'look' },
          { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
          { inlineData: { mimeType: 'application/pdf', data: 'AAAA' } },
          { inlineData: { mimeType: 'audio/wav', data: 'AAAA' } },
          { fileData: { mimeType: 'video/mp4', fileUri: 'https://example.org/a.mp4' } },
        ],
      },
      {
        role: 'model',
        parts: [{ functionCall: { name: 'add', args: { x: 1 } } }, { functionCall: { name: 'add', args: { input: '{"x":' } } }],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { name: 'add', response: { output: '{"$ref":"#/x"}' } } },
          { functionResponse: { name: 'add', response: { error: 'not JSON' } } },
        ],
      },
      { role: 'user', parts: [{ text: 'so?' }] },
    ],
  });
  assert.deepEqual(notSent, ['params.parallelToolCalls']);
  const seen: HttpRequest[] = [];
  const world = cannedWorld([{ body: fixture('length.json') }, { body: fixture('length.sse'), headers: SSE }], seen);
  const model = google({ model: 'tunedModels/my model', apiKey: KEY, baseUrl: 'http://127.0.0.1:9/v1beta/' });
  await model.call(ask(), { world });
  await model.call(ask(), { world, onDelta: ignore });
  assert.deepEqual(
    seen.map(({ url }) => url),
    [
      'http://127.0.0.1:9/v1beta/tunedModels/my%20model:generateContent',
      'http://127.0.0.1:9/v1beta/tunedModels/my%20model:streamGenerateContent?alt=sse',
    ],
  );
  assert.deepEqual(seen[0]?.headers, { 'content-type': 'application/json', 'x-goog-api-key': KEY });
});

test('tool choice, thinking and structured output follow what the model can be told', async () => {
  const config = async (
    params: ModelRequest['params'],
    model = 'gemini-3-flash-preview',
    tools: ModelRequest['tools'] = [],
  ): Promise<unknown[]> => {
    const { body, notSent } = await sent(ask([say('a')], { params, tools }), { model });
    return [body['generationConfig'], body['toolConfig'], notSent];
  };
  const mode = (name: string): unknown => ({ functionCallingConfig: { mode: name } });
  assert.deepEqual((await config({ toolChoice: 'auto' }, 'gemini-3-flash', TOOLS))[1], mode('AUTO'));
  assert.deepEqual((await config({ toolChoice: 'none' }, 'gemini-3-flash', TOOLS))[1], mode('NONE'));
  assert.deepEqual((await config({ toolChoice: 'required' }, 'gemini-3-flash', TOOLS))[1], mode('ANY'));
  const thinking: readonly (readonly [string, 'none' | 'low' | 'medium' | 'high', unknown, unknown])[] = [
    ['gemini-3-flash-preview', 'medium', { thinkingLevel: 'medium', includeThoughts: true }, undefined],
    ['gemini-flash-latest', 'high', { thinkingLevel: 'high', includeThoughts: true }, undefined],
    ['gemini-3-flash-preview', 'none', { thinkingLevel: 'minimal' }, ['params.reasoning: it always thinks; sent as minimal']],
    ['gemini-3-pro-preview', 'none', { thinkingLevel: 'low' }, ['params.reasoning: it always thinks; sent as low']],
    ['gemini-2.5-flash', 'none', { thinkingBudget: 0 }, undefined],
    ['gemini-2.5-pro', 'none', { thinkingBudget: 128 }, ['params.reasoning: it always thinks; sent as 128']],
    ['gemini-2.5-pro', 'high', { thinkingBudget: 24_576, includeThoughts: true }, undefined],
    ['gemini-2.0-flash', 'high', undefined, ['params.reasoning']],
    ['gemini-2.0-flash', 'none', undefined, undefined],
  ];
  for (const [model, reasoning, expected, notSent] of thinking) {
    const [given, , left] = await config({ reasoning }, model);
    assert.deepEqual([(given as JsonObject | undefined)?.['thinkingConfig'], left], [expected, notSent], model);
  }
  const outputSchema = { type: 'object', properties: { a: { const: 'x' } } };
  const native = { responseMimeType: 'application/json', responseJsonSchema: { type: 'object', properties: { a: { enum: ['x'] } } } };
  assert.deepEqual(await config({ outputSchema }), [native, undefined, undefined]);
  assert.deepEqual(await config({ outputSchema }, 'gemini-3-flash-preview', TOOLS), [native, undefined, undefined]);
  for (const [model, params] of [
    ['gemini-2.5-flash', { outputSchema }],
    ['gemini-3-flash-preview', { outputSchema, toolChoice: 'required' }],
  ] as const) {
    const { body } = await sent(ask([say('a')], { params, tools: TOOLS }), { model });
    assert.equal(body['generationConfig'], undefined);
    assert.match(JSON.stringify(body['systemInstruction']), /be brief.*JSON Schema/);
  }
  const gemma = await sent(ask(), { model: 'gemma-3-27b-it' });
  assert.deepEqual(gemma.body, {
    contents: [
      { role: 'user', parts: [{ text: 'be brief' }] },
      { role: 'user', parts: [{ text: 'hi' }] },
    ],
  });
});

test('signatures that came alone go back alone', async () => {
  const parts: readonly Part[] = [
    { type: 'text', text: '', echo: { by: ME, data: { thoughtSignature: 'eQ==' } } },
    { type: 'reasoning', text: '', echo: { by: ME, data: { thoughtSignature: 'eg==' } } },
    { type: 'reasoning', text: '', echo: { by: ME, data: {} } },
    { type: 'text', text: '' },
  ];
  const { body } = await sent(ask([say('a'), { role: 'assistant', origin: 'model', parts }]));
  assert.deepEqual((body['contents'] as readonly JsonObject[])[1], {
    role: 'model',
    parts: [
      { text: '', thoughtSignature: 'eQ==' },
      { text: '', thought: true, thoughtSignature: 'eg==' },
    ],
  });
});

test('of a schema only what Gemini takes is sent, and the rest is named', async () => {
  const outputSchema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    definitions: { leaf: { type: 'string', minLength: 1, pattern: 'a' } },
    properties: {
      pattern: { $ref: '#/definitions/leaf', description: 'd' },
      list: { type: 'array', items: { anyOf: [{ const: 3 }, { const: null, type: 'null' }] }, uniqueItems: true },
      any: true,
    },
    required: ['pattern'],
    additionalProperties: false,
  };
  const { body, notSent } = await sent(ask([say('a')], { params: { outputSchema } }));
  assert.deepEqual((body['generationConfig'] as JsonObject)['responseJsonSchema'], {
    type: 'object',
    $defs: { leaf: { type: 'string' } },
    properties: {
      pattern: { $ref: '#/$defs/leaf' },
      list: { type: 'array', items: { anyOf: [{ enum: [3] }, { type: 'null' }] } },
      any: true,
    },
    required: ['pattern'],
    additionalProperties: false,
  });
  assert.deepEqual(notSent, ['params.outputSchema: const, description beside $ref, minLength, pattern, uniqueItems']);
});

test('a change of parameters or instructions is sent to Gemini though tools and history are the same', async () => {
  const model = google({ model: 'gemini-3-flash-preview' });
  const seen: HttpRequest[] = [];
  const world = cannedWorld({ body: fixture('length.json') }, seen);
  const request = ask([say('a')], { tools: TOOLS });
  for (const next of [request, { ...request, params: { seed: 1 } }, { ...request, instructions: 'new' }, request])
    await model.call(next, { world });
  const bodies = seen.map(({ body }) => JSON.parse(String(body)) as JsonObject);
  assert.deepEqual(
    bodies.map((body) => [body['generationConfig'], (body['systemInstruction'] as { parts: readonly JsonObject[] }).parts[0]?.['text']]),
    [
      [undefined, 'be brief'],
      [{ seed: 1 }, 'be brief'],
      [undefined, 'new'],
      [undefined, 'be brief'],
    ],
  );
});

test('any history of growing, forking and rewriting lists sends to Gemini what a list never seen before would send', async () => {
  const assistant = (id: string): Message => ({
    role: 'assistant',
    origin: 'model',
    parts: [{ type: 'tool_call', id, name: 'f', input: {} }],
  });
  const result = (id: string): Message => ({ role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id, name: 'f', output: 1 }] });
  const make: readonly (() => Message)[] = [
    () => say('a'),
    () => assistant('x'),
    () => result('x'),
    () => assistant('y'),
    () => result('y'),
  ];
  const pool = make.map((one) => one());
  const model = google({ model: 'gemini-3-flash-preview' });
  const bodyOf = async (by: ReturnType<typeof google>, messages: readonly Message[]): Promise<unknown> => {
    const seen: HttpRequest[] = [];
    const { meta } = await by.call(ask(messages), { world: cannedWorld({ body: fixture('length.json') }, seen) });
    return [JSON.parse(String(seen[0]?.body)), meta];
  };
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(fc.nat(4), { minLength: 1, maxLength: 6 }), { maxLength: 8 }), async (lists) => {
      for (const list of lists) {
        const shared = await bodyOf(
          model,
          list.map((index) => pool[index] as Message),
        );
        assert.deepEqual(
          shared,
          await bodyOf(
            google({ model: 'gemini-3-flash-preview' }),
            list.map((index) => (make[index] as () => Message)()),
          ),
        );
      }
    }),
    { numRuns: 40 },
  );
});

test('a request that Gemini could never take is refused or a bug, and nothing is sent', async () => {
  const zip: Part = { type: 'file', mediaType: 'application/zip', data: 'AAAA' };
  await assert.rejects(sent(ask([{ role: 'user', origin: 'person', parts: [zip] }])), { code: 'MODEL_REFUSED' });
  const blob = { ref: 'a'.repeat(64), bytes: 1, mediaType: 'text/plain' };
  await assert.rejects(
    sent(ask([{ role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id: 'a', name: 'n', output: blob }] }])),
    /M4/,
  );
  await assert.rejects(sent(ask([{ role: 'tool', origin: 'tool', parts: [{ type: 'text', text: 'a' }] }])), /M2/);
  await assert.rejects(sent(ask([{ role: 'user', origin: 'person', parts: [{ type: 'reasoning', text: 'a' }] }])), /M3/);
  await assert.rejects(sent(ask([{ role: 'assistant', origin: 'model', parts: [zip] }])), /M3/);
  await assert.rejects(sent(ask([say('a')], { params: { extra: { contents: [] } } })), /M1/);
  await assert.rejects(sent(ask([say('a')], { params: { seed: 1, extra: { generationConfig: { seed: 2 } } } })), /M1/);
  assert.throws(() => google({ model: ' ' }), { code: 'OPTION_INVALID' });
});
