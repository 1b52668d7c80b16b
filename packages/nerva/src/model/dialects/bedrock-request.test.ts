import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { HttpRequest, Json, JsonObject } from '../../core/index.ts';
import { bedrock, type BedrockOptions } from '../bedrock.ts';
import type { Message, Part } from '../message.ts';
import type { ModelAnswer, ModelParams, ModelRequest } from '../model.ts';
import { ask, askCanned, cannedWorld, say, wireFixture } from '../wire-scene.test.ts';

const CLAUDE = 'anthropic.claude-sonnet-4-5-20250929-v1:0';
const NOVA = 'us.amazon.nova-2-lite-v1:0';
const LLAMA = 'meta.llama3-3-70b-instruct-v1:0';
const BY = `bedrock/${CLAUDE}`;
const fixture = (name: string): string => wireFixture(`bedrock/${name}.json`);
const reply = (...parts: readonly Part[]): Message => ({ role: 'assistant', parts, origin: 'model' });
const call1 = (id: string, input: Json = {}): Part => ({ type: 'tool_call', id, name: 'add', input });
const results = (...ids: readonly string[]): Message => ({
  role: 'tool',
  origin: 'tool',
  parts: ids.map((id, index): Part => ({ type: 'tool_result', id, name: 'add', output: index })),
});
const ADD = { name: 'add', description: 'adds', inputSchema: { type: 'object' } };
const SPEC = { toolSpec: { name: 'add', description: 'adds', inputSchema: { json: { type: 'object' } } } };
const POINT = { cachePoint: { type: 'default' } };
const OPTIONS = { model: CLAUDE, region: 'us-east-1', apiKey: 'k', cache: 'off' } as const;
const answerOf = (name: string): Promise<ModelAnswer> => askCanned(bedrock(OPTIONS), { body: fixture(name) });

/** What is sent for a request, and what is said not to be. */
async function sent(
  request: ModelRequest,
  options: Partial<BedrockOptions> = {},
): Promise<{ readonly body: Record<string, unknown>; readonly left: unknown }> {
  const seen: HttpRequest[] = [];
  const answer = await bedrock({ ...OPTIONS, ...options }).call(request, { world: cannedWorld({ body: fixture('text') }, seen) });
  return { body: JSON.parse(String(seen[0]?.body)) as Record<string, unknown>, left: answer.meta?.['notSent'] };
}

const messagesOf = async (messages: readonly Message[], options: Partial<BedrockOptions> = {}): Promise<unknown> =>
  (await sent(ask(messages, { tools: [ADD] }), options)).body['messages'];

test('what a model said goes back to it as it came: reasoning with its signature, what is sealed, tools that ran at the provider', async () => {
  for (const name of ['text', 'tools', 'served']) {
    const { parts } = await answerOf(name);
    const ids = parts.flatMap((part) => (part.type === 'tool_call' ? [part.id] : []));
    const list = await messagesOf([say('hi'), reply(...parts), ids.length > 0 ? results(...ids) : say('and?')]);
    const { output } = JSON.parse(fixture(name)) as { readonly output: { readonly message: { readonly content: unknown } } };
    assert.deepEqual((list as readonly unknown[])[1], { role: 'assistant', content: output.message.content }, name);
  }
});

test('what another model sealed is not sent, and named', async () => {
  const { parts } = await answerOf('tools');
  const foreign: Part = { type: 'text', text: 'x', echo: { by: 'google/gemini-3', data: { thoughtSignature: 'a' } } };
  const cited: Part = { type: 'text', text: 'y', citations: [{ url: 'https://example.com' }] };
  const history = [say('hi'), reply(...parts), results('tooluse_A-1', 'tooluse_B-2', 'tooluse_C-3'), reply(foreign, cited), say('so?')];
  const { body, left } = await sent(ask(history, { tools: [ADD] }), { model: NOVA });
  assert.deepEqual(left, ['reasoning of 2 earlier parts', 'echoes of 1 earlier part', 'citations of 1 earlier part']);
  assert.ok(!JSON.stringify(body).includes('reasoningContent'));
  assert.deepEqual((await sent(ask(history, { tools: [ADD] }))).left, ['echoes of 1 earlier part', 'citations of 1 earlier part']);
});

test('a request has the form of the protocol', async () => {
  const history: readonly Message[] = [
    say('hi'),
    say('there'),
    reply(
      { type: 'text', text: ' ' },
      call1('12.0', { x: 1 }),
      { type: 'tool_call', id: 'b', name: 'add', input: '{"x":', malformed: true },
      { type: 'reasoning', text: 'cut' },
    ),
    {
      role: 'tool',
      origin: 'tool',
      parts: [
        { type: 'tool_result', id: '12.0', name: 'add', output: { sum: 1 } },
        { type: 'tool_result', id: 'b', name: 'add', output: '', isError: true },
      ],
    },
    say('go on'),
    reply({ type: 'text', text: 'one' }, { type: 'reasoning', text: 'late', echo: { by: BY, data: { signature: 's' } } }),
    reply({ type: 'text', text: 'two' }),
    say('more'),
  ];
  const params = {
    maxOutputTokens: 9,
    temperature: 0,
    stop: ['x'],
    toolChoice: 'required',
    seed: 1,
    parallelToolCalls: false,
    extra: { guardrailConfig: { guardrailIdentifier: 'g' } },
  } as const;
  const { body, left } = await sent(ask(history, { tools: [ADD], params }));
  assert.deepEqual(body, {
    inferenceConfig: { maxTokens: 9, temperature: 0, stopSequences: ['x'] },
    toolConfig: { tools: [SPEC], toolChoice: { any: {} } },
    guardrailConfig: { guardrailIdentifier: 'g' },
    system: [{ text: 'be brief' }],
    messages: [
      { role: 'user', content: [{ text: 'hi' }, { text: 'there' }] },
      {
        role: 'assistant',
        content: [
          { toolUse: { toolUseId: '12_0', name: 'add', input: { x: 1 } } },
          { toolUse: { toolUseId: 'b', name: 'add', input: { malformed: '{"x":' } } },
        ],
      },
      {
        role: 'user',
        content: [
          { toolResult: { toolUseId: '12_0', content: [{ text: '{"sum":1}' }] } },
          { toolResult: { toolUseId: 'b', content: [{ json: { result: '' } }], status: 'error' } },
          { text: 'go on' },
        ],
      },
      { role: 'assistant', content: [{ text: 'one' }, { text: 'two' }] },
      { role: 'user', content: [{ text: 'more' }] },
    ],
  });
  assert.deepEqual(left, ['params.seed', 'params.parallelToolCalls', 'reasoning of 2 earlier parts']);
  assert.deepEqual((await sent(ask([say('hi')], { instructions: '' }))).body, { messages: [{ role: 'user', content: [{ text: 'hi' }] }] });
  const llama = await messagesOf(
    [
      say('hi'),
      reply(call1('a')),
      { role: 'tool', origin: 'tool', parts: [{ type: 'tool_result', id: 'a', name: 'add', output: 'no', isError: true }] },
    ],
    { model: LLAMA },
  );
  assert.deepEqual((llama as readonly unknown[])[2], {
    role: 'user',
    content: [{ toolResult: { toolUseId: 'a', content: [{ text: 'Error: no' }] } }],
  });
});

test('ids are of nine letters and digits where Mistral wants it so, each once, and results find their calls', async () => {
  const history = [
    say('hi'),
    reply(call1('call_0'), call1('abcDEF123')),
    results('abcDEF123', 'call_0'),
    reply(call1('call_0')),
    results('call_0'),
  ];
  const list = (await messagesOf(history, { model: 'mistral.mistral-large-2407-v1:0' })) as readonly {
    readonly content: readonly JsonObject[];
  }[];
  const ids = list
    .slice(1)
    .map(({ content }) => content.map((block) => ((block['toolUse'] ?? block['toolResult']) as JsonObject | undefined)?.['toolUseId']));
  const [[first, second] = [], answers, [third] = [], last] = ids;
  assert.ok([first, second, third].every((id) => /^[A-Za-z0-9]{9}$/.test(String(id))) && new Set([first, second, third]).size === 3);
  assert.deepEqual([second, answers, last], ['abcDEF123', [second, first], [third]]);
});

test('what a model can cache is marked, and each message is made into JSON once though the mark moves on', async () => {
  const history = [say('hi'), reply(call1('a')), results('a')];
  for (const [model, tools, rest] of [
    [CLAUDE, [SPEC, POINT], [POINT]],
    [NOVA, [SPEC], [POINT]],
    [LLAMA, [SPEC], []],
  ] as const) {
    const { body } = await sent(ask(history, { tools: [ADD] }), { model, cache: 'auto' });
    const last = (body['messages'] as readonly { readonly content: readonly object[] }[]).at(-1)?.content ?? [];
    assert.deepEqual((body['toolConfig'] as JsonObject)['tools'], tools, model);
    assert.deepEqual([(body['system'] as readonly object[]).slice(1), last.slice(1)], [rest, rest], model);
    assert.equal(JSON.stringify(body).split('cachePoint').length - 1, tools.length - 1 + 2 * rest.length);
  }
  let count = 0;
  const counted = { toJSON: () => ({ n: count++ }) } as unknown as Json;
  const model = bedrock({ ...OPTIONS, cache: 'auto' });
  const growing: Message[] = [say('hi'), reply(call1('a', counted)), results('a')];
  for (let step = 0; step < 4; step++) {
    const seen: HttpRequest[] = [];
    await model.call(ask([...growing]), { world: cannedWorld({ body: fixture('text') }, seen) });
    const { messages } = JSON.parse(String(seen[0]?.body)) as { readonly messages: readonly { readonly content: readonly object[] }[] };
    const marks = messages.flatMap(({ content }) => content.map((block) => 'cachePoint' in block));
    assert.deepEqual(marks, [...marks.slice(1).fill(false), true]);
    growing.push(reply({ type: 'text', text: `step ${step}` }), say('more'));
  }
  assert.equal(count, 1);
});

test('any history of growing, forking and rewriting lists sends what a list never seen before would send', async () => {
  const make = (index: number): Message =>
    [
      say('a'),
      say(' '),
      reply({ type: 'text', text: 'b' }),
      reply(call1('call_0')),
      results('call_0'),
      {
        role: 'user',
        origin: 'person',
        parts: [
          { type: 'text', text: 'see' },
          { type: 'file', mediaType: 'text/csv', name: 'a', data: 'aGk=' },
        ],
      } as const,
    ][index] ?? say('z');
  const pool = Array.from({ length: 7 }, (_, index) => make(index));
  const lists = fc.array(
    fc.array(fc.nat(6), { maxLength: 7 }).map((rest) => [0, ...rest]),
    { maxLength: 8 },
  );
  const model = bedrock({ ...OPTIONS, cache: 'auto' });
  const bodyOf = async (used: ReturnType<typeof bedrock>, messages: readonly Message[]): Promise<unknown> => {
    const seen: HttpRequest[] = [];
    await used.call(ask(messages), { world: cannedWorld({ body: fixture('text') }, seen) });
    return seen[0]?.body;
  };
  await fc.assert(
    fc.asyncProperty(lists, async (given) => {
      for (const list of given) {
        const known = await bodyOf(
          model,
          list.map((index) => pool[index] as Message),
        );
        assert.deepEqual(known, await bodyOf(bedrock({ ...OPTIONS, cache: 'auto' }), list.map(make)));
      }
    }),
    { numRuns: 60 },
  );
});

test('how a model is asked to think follows its id, and what it cannot do is named', async () => {
  const table: readonly (readonly [model: string, params: ModelParams, additional: unknown, config: unknown, left?: readonly string[]])[] =
    [
      [CLAUDE, {}, undefined, undefined],
      [
        CLAUDE,
        { reasoning: 'low', maxOutputTokens: 10_000 },
        { thinking: { type: 'enabled', budget_tokens: 2000 } },
        { maxTokens: 10_000 },
      ],
      [CLAUDE, { reasoning: 'medium' }, { thinking: { type: 'enabled', budget_tokens: 16_000 } }, { maxTokens: 32_000 }],
      [CLAUDE, { reasoning: 'low', toolChoice: 'required' }, undefined, undefined, ['params.reasoning']],
      [
        'global.anthropic.claude-opus-4-6-v1',
        { reasoning: 'high', temperature: 1 },
        { thinking: { type: 'adaptive' }, output_config: { effort: 'high' } },
        undefined,
        ['params.temperature'],
      ],
      ['anthropic.claude-fable-5-1', { reasoning: 'none' }, undefined, undefined, ['params.reasoning']],
      [CLAUDE, { temperature: 0, topP: 1 }, undefined, { temperature: 0 }, ['params.topP']],
      [NOVA, { reasoning: 'low', topP: 1 }, { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'low' } }, { topP: 1 }],
      [NOVA, { reasoning: 'high' }, { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'high' } }, undefined],
      [
        NOVA,
        { reasoning: 'high', maxOutputTokens: 9 },
        { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'medium' } },
        { maxTokens: 9 },
        ['params.reasoning'],
      ],
      [NOVA, { reasoning: 'none' }, { reasoningConfig: { type: 'disabled' } }, undefined],
      ['openai.gpt-oss-120b-1:0', { reasoning: 'medium' }, { reasoning_effort: 'medium' }, undefined],
      ['openai.gpt-oss-120b-1:0', { reasoning: 'none' }, undefined, undefined, ['params.reasoning']],
      [LLAMA, { reasoning: 'low' }, undefined, undefined, ['params.reasoning']],
    ];
  for (const [model, params, additional, config, left] of table) {
    const { body, left: named } = await sent(ask([say('hi')], { tools: [ADD], params }), { model });
    assert.deepEqual(
      [body['additionalModelRequestFields'], body['inferenceConfig'], named],
      [additional, config, left],
      `${model} ${JSON.stringify(params)}`,
    );
  }
  const params = { reasoning: 'low' } as const;
  const tools = [ADD];
  const model = bedrock(OPTIONS);
  const seen: HttpRequest[] = [];
  const lefts: unknown[] = [];
  for (const messages of [[say('hi')], [say('hi'), reply(call1('a')), results('a')]]) {
    const { meta } = await model.call(ask(messages, { tools, params }), { world: cannedWorld({ body: fixture('text') }, seen) });
    lefts.push(meta?.['notSent']);
  }
  assert.deepEqual(
    seen.map(({ body }) => String(body).includes('budget_tokens')),
    [true, false],
    'a turn that began without thinking goes on without',
  );
  assert.deepEqual(lefts, [undefined, ['params.reasoning']]);
});

test('which tool may be called is said in the words of the wire, and tools that a history has are defined', async () => {
  const called = [say('hi'), reply(call1('a')), results('a')];
  const table: readonly (readonly [params: ModelParams, messages: readonly Message[], config: unknown, left?: readonly string[]])[] = [
    [{}, [say('hi')], { tools: [SPEC] }],
    [{ toolChoice: 'auto' }, [say('hi')], { tools: [SPEC], toolChoice: { auto: {} } }],
    [{ toolChoice: { tool: 'add' } }, [say('hi')], { tools: [SPEC], toolChoice: { tool: { name: 'add' } } }],
    [{ toolChoice: 'none' }, [say('hi')], undefined],
    [{ toolChoice: 'none' }, called, { tools: [SPEC] }, ['params.toolChoice']],
  ];
  const tools = [ADD];
  const model = bedrock(OPTIONS);
  for (const [params, messages, config, left] of table) {
    const seen: HttpRequest[] = [];
    const { meta } = await model.call(ask(messages, { tools, params }), { world: cannedWorld({ body: fixture('text') }, seen) });
    const body = JSON.parse(String(seen[0]?.body)) as JsonObject;
    assert.deepEqual([body['toolConfig'], meta?.['notSent']], [config, left], JSON.stringify(params));
  }
  const shared = ask();
  const seen: HttpRequest[] = [];
  for (const messages of [[say('hi')], called])
    await model.call({ ...shared, messages }, { world: cannedWorld({ body: fixture('text') }, seen) });
  const gone = {
    toolSpec: { name: 'add', description: 'Not available any more; do not call it.', inputSchema: { json: { type: 'object' } } },
  };
  assert.deepEqual(
    seen.map(({ body }) => (JSON.parse(String(body)) as JsonObject)['toolConfig']),
    [undefined, { tools: [gone] }],
  );
  await assert.rejects(sent(ask([say('hi')], { tools: [{ ...ADD, name: 'nerva_answer' }] })), /M6/);
});

test('an answer of a schema comes by a tool where the model can be made to call one, else the prompt asks for it', async () => {
  const outputSchema = { type: 'object', properties: { n: { type: 'number' } } };
  const spec = { toolSpec: { name: 'nerva_answer', description: 'Gives the final answer.', inputSchema: { json: outputSchema } } };
  const table: readonly (readonly [string, readonly (typeof ADD)[], unknown])[] = [
    [CLAUDE, [], { tools: [spec], toolChoice: { tool: { name: 'nerva_answer' } } }],
    [CLAUDE, [ADD], { tools: [SPEC, spec], toolChoice: { any: {} } }],
    ['mistral.mistral-large-2407-v1:0', [], { tools: [spec], toolChoice: { any: {} } }],
    [LLAMA, [], undefined],
  ];
  for (const [model, tools, config] of table) {
    const { body } = await sent(ask([say('hi')], { tools, params: { outputSchema } }), { model });
    assert.deepEqual(body['toolConfig'], config, model);
    assert.equal(JSON.stringify(body['system']).includes('JSON Schema'), config === undefined, model);
  }
  const content = [{ toolUse: { toolUseId: 't', name: 'nerva_answer', input: { n: 1 } } }];
  const { parts, finish } = await askCanned(bedrock(OPTIONS), {
    body: JSON.stringify({ output: { message: { content } }, stopReason: 'tool_use' }),
  });
  assert.deepEqual([parts, finish], [[{ type: 'text', text: '{"n":1}' }], 'stop']);
});

test('files go by their format, documents with a name of their own, and what the wire has no place for is refused before it is sent', async () => {
  const file = (mediaType: string, data: string | { readonly url: string } = 'aGk=', name?: string): Part => ({
    type: 'file',
    mediaType,
    data,
    ...(name === undefined ? {} : { name }),
  });
  const user = (...parts: readonly Part[]): Message => ({ role: 'user', origin: 'person', parts });
  const text: Part = { type: 'text', text: 'see' };
  assert.deepEqual(
    await messagesOf([
      user(text, file('image/png'), file('application/pdf', 'aGk=', 'Q3  report.final.pdf'), file('text/csv')),
      reply(text),
      user(
        text,
        file('application/pdf', 'aGk=', 'Q3 report.final.pdf'),
        file('video/mp4', { url: 's3://b/k.mp4' }),
        file('audio/mpeg'),
        file('text/csv'),
        file('text/csv'),
      ),
    ]),
    [
      {
        role: 'user',
        content: [
          { text: 'see' },
          { image: { format: 'png', source: { bytes: 'aGk=' } } },
          { document: { format: 'pdf', name: 'Q3 report-final-pdf', source: { bytes: 'aGk=' } } },
          { document: { format: 'csv', name: 'document', source: { bytes: 'aGk=' } } },
        ],
      },
      { role: 'assistant', content: [{ text: 'see' }] },
      {
        role: 'user',
        content: [
          { text: 'see' },
          { document: { format: 'pdf', name: 'Q3 report-final-pdf (2)', source: { bytes: 'aGk=' } } },
          { video: { format: 'mp4', source: { s3Location: { uri: 's3://b/k.mp4' } } } },
          { audio: { format: 'mp3', source: { bytes: 'aGk=' } } },
          { document: { format: 'csv', name: 'document (2)', source: { bytes: 'aGk=' } } },
          { document: { format: 'csv', name: 'document (3)', source: { bytes: 'aGk=' } } },
        ],
      },
    ],
  );
  const [cited] = (await messagesOf([user(text, file('text/html'))], { citations: true })) as readonly {
    readonly content: readonly JsonObject[];
  }[];
  assert.deepEqual((cited?.content[1]?.['document'] as JsonObject | undefined)?.['citations'], { enabled: true });
  for (const message of [
    user(file('image/tiff')),
    user(file('image/png', { url: 'https://example.com/a.png' })),
    user(file('application/zip')),
    user(file('application/pdf')),
    user({ type: 'text', text: ' ' }, file('application/pdf')),
  ])
    await assert.rejects(messagesOf([message]), { code: 'MODEL_REFUSED', message: /Nothing was sent/ });
  for (const list of [[], [say('')], [reply(text)]])
    await assert.rejects(messagesOf(list), { code: 'MODEL_REFUSED', message: /Nothing was sent/ });
  for (const extra of [{ messages: [] }, { system: 'x' }]) await assert.rejects(sent(ask([say('a')], { params: { extra } })), /M1/);
});
