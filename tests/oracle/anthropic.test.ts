import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { after, before } from 'node:test';
import { createAmazonBedrock } from '@ai-sdk/amazon-bedrock';
import { createAnthropic } from '@ai-sdk/anthropic';
import { anthropic } from '../../packages/nerva/src/model/anthropic.ts';
import { bedrock } from '../../packages/nerva/src/model/bedrock.ts';
import type { AiSdkModel, Message, Model, ModelRequest, Part } from '../../packages/nerva/src/model/index.ts';
import { bedrockMock, MOCK_ACCOUNT } from '../../packages/nerva/src/testing/index.ts';
import { askBoth, assertAgree, loopback, sdkCall, type Known, type Loopback, type Pair, type SdkOptions, type Served } from './harness.ts';

const KEY = 'sk-ant-oracle-key';
const CLAUDE = 'claude-sonnet-4-5-20250929';
const OPUS = 'claude-opus-4-7';
const ON_BEDROCK = 'anthropic.claude-sonnet-4-5-20250929-v1:0';
const NOVA = 'us.amazon.nova-pro-v1:0';
const file = (name: string): Buffer => readFileSync(new URL(`../wire/${name}`, import.meta.url));
let server: Loopback;
before(async () => void (server = await loopback()));
after(() => server.close());

/** What is needed to compare one provider. */
interface Side {
  readonly name: string;
  readonly ours: (model: string) => Model;
  readonly theirs: (model: string) => AiSdkModel;
  readonly served: (name: string, isStream: boolean) => Served;
  readonly echo: NonNullable<SdkOptions['echo']>;
}

/** Our echo of reasoning is the SDK's `providerMetadata`. */
const echoFor =
  (provider: string, sealed: (data: Readonly<Record<string, unknown>>) => unknown): Side['echo'] =>
  (part) => {
    if (part.type !== 'reasoning' || part.echo === undefined) return undefined;
    const { signature } = part.echo.data;
    return { [provider]: signature === undefined ? sealed(part.echo.data) : { signature } };
  };

const ANTHROPIC: Side = {
  name: 'Anthropic',
  ours: (model) => anthropic({ model, baseUrl: `${server.url}/v1`, apiKey: KEY, cache: 'off' }),
  theirs: (model) => createAnthropic({ baseURL: `${server.url}/v1`, apiKey: KEY })(model) as unknown as AiSdkModel,
  served: (name, isStream) => ({
    body: file(`anthropic/${name}.${isStream ? 'sse' : 'json'}`),
    contentType: isStream ? 'text/event-stream' : 'application/json',
  }),
  echo: echoFor('anthropic', ({ block }) => ({ redactedData: (block as { readonly data?: string }).data })),
};

const BEDROCK: Side = {
  name: 'Bedrock',
  ours: (model) => bedrock({ model, baseUrl: server.url, region: 'us-east-1', apiKey: KEY, cache: 'off' }),
  theirs: (model) => createAmazonBedrock({ baseURL: server.url, region: 'us-east-1', apiKey: KEY })(model) as unknown as AiSdkModel,
  served: (name, isStream) => ({
    body: file(`bedrock/${name}.${isStream ? 'eventstream' : 'json'}`),
    contentType: isStream ? 'application/vnd.amazon.eventstream' : 'application/json',
  }),
  echo: echoFor('amazonBedrock', ({ redacted }) => ({ redactedContent: redacted })),
};

function pair(side: Side, model: string, request: ModelRequest, rest: Partial<Pair> = {}): Pair {
  return {
    loopback: server,
    ours: side.ours(model),
    theirs: side.theirs(model),
    request,
    served: side.served('text', false),
    sdk: { echo: side.echo },
    ...rest,
  };
}

const say = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }], origin: 'person' });
const ask = (messages: readonly Message[], rest: Partial<ModelRequest> = {}): ModelRequest => ({
  instructions: 'be brief',
  tools: [],
  params: { maxOutputTokens: 9999 },
  messages,
  ...rest,
});

const UNKNOWN_CACHE: readonly Known[] = ['cachedInput', 'cacheWrite'].map((field) => ({
  at: `usage.${field}`,
  ours: null,
  theirs: 0,
  reason: 'What is not reported is unknown to us, zero to the SDK.',
}));
const NO_MODEL: Known = {
  at: 'model',
  ours: null,
  theirs: ON_BEDROCK,
  reason: 'Converse names no model; the SDK gives back what it was asked for.',
};

/** What either reads of the same bytes, and why that is not always the same. */
const DECODED: readonly (readonly [side: Side, model: string, name: string, known: readonly Known[]])[] = [
  [ANTHROPIC, CLAUDE, 'text', []],
  [ANTHROPIC, CLAUDE, 'tools', []],
  [
    ANTHROPIC,
    CLAUDE,
    'citations',
    [{ at: 'sources.**', reason: 'We cite documents too; the SDK does so only for documents that it sent in the same request.' }],
  ],
  [ANTHROPIC, CLAUDE, 'refusal', []],
  [
    ANTHROPIC,
    CLAUDE,
    'pause',
    [
      {
        at: 'parts.*.**',
        reason: 'What ran at the provider is a sealed part to us, so that it goes back in its place; a call of a provider tool to the SDK.',
      },
      { at: 'sources.0', ours: undefined, reason: 'The SDK makes sources of search results, we of citations.' },
      { at: 'finish', ours: 'other', theirs: 'stop', reason: 'A turn that pauses is not over; `meta.stopReason` says that it paused.' },
    ],
  ],
  [ANTHROPIC, CLAUDE, 'length', []],
  [BEDROCK, ON_BEDROCK, 'text', [NO_MODEL, ...UNKNOWN_CACHE]],
  [BEDROCK, ON_BEDROCK, 'tools', [NO_MODEL]],
  [
    BEDROCK,
    ON_BEDROCK,
    'citations',
    [NO_MODEL, ...UNKNOWN_CACHE, { at: 'sources.**', theirs: undefined, reason: 'The SDK drops the citations of Converse.' }],
  ],
  [BEDROCK, ON_BEDROCK, 'guardrail', [NO_MODEL, ...UNKNOWN_CACHE]],
  [BEDROCK, ON_BEDROCK, 'length', [NO_MODEL, ...UNKNOWN_CACHE]],
];

for (const [side, model, name, known] of DECODED) {
  for (const isStream of [false, true]) {
    test(`${side.name}: both read "${name}" alike, ${isStream ? 'streamed' : 'whole'}`, async () => {
      const { read, sent } = await askBoth(pair(side, model, ask([say('hi')]), { served: side.served(name, isStream), isStream }));
      assertAgree(read, known, name);
      assert.equal(sent.ours.path, sent.theirs.path);
      for (const header of ['x-api-key', 'authorization', 'anthropic-version'])
        assert.equal(sent.ours.headers[header], sent.theirs.headers[header], header);
    });
  }
}

const FAILED_MODEL: Known = {
  at: 'failed.isWorthRetry',
  ours: true,
  theirs: false,
  reason: 'The model failed while it worked: "retry your request", says the reference of Converse.',
};

test('both tell failures by the same status, and agree on what is worth a retry', async () => {
  const table: readonly (readonly [Side, string, number, string])[] = [
    ...([401, 403, 404, 413, 429, 500, 529] as const).map((status) => [ANTHROPIC, CLAUDE, status, `anthropic/error-${status}`] as const),
    [ANTHROPIC, CLAUDE, 400, 'anthropic/error-context'],
    ...([400, 403, 404, 408, 424, 429, 503] as const).map((status) => [BEDROCK, ON_BEDROCK, status, `bedrock/error-${status}`] as const),
    [BEDROCK, ON_BEDROCK, 400, 'bedrock/error-context'],
  ];
  for (const [side, model, status, name] of table) {
    const { read } = await askBoth(pair(side, model, ask([say('hi')]), { served: { status, body: file(`${name}.json`) } }));
    assertAgree(read, name === 'bedrock/error-424' ? [FAILED_MODEL] : [], name);
  }
});

const ADD = { name: 'add', description: 'adds', inputSchema: { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] } };
const CLOSED = { type: 'object', properties: { n: { type: 'number' } }, required: ['n'], additionalProperties: false };
const call1 = (id: string): Part => ({ type: 'tool_call', id, name: 'add', input: { x: 1 } });
const CALLED: readonly Message[] = [
  say('hi'),
  say('there'),
  { role: 'assistant', origin: 'model', parts: [{ type: 'text', text: 'I add.' }, call1('toolu_a'), call1('toolu_b')] },
  {
    role: 'tool',
    origin: 'tool',
    parts: [
      { type: 'tool_result', id: 'toolu_a', name: 'add', output: { sum: 1 } },
      { type: 'tool_result', id: 'toolu_b', name: 'add', output: 'no', isError: true },
    ],
  },
  say('go on'),
];
const LOOK: readonly Message[] = [
  {
    role: 'user',
    origin: 'person',
    parts: [
      { type: 'text', text: 'look' },
      { type: 'file', mediaType: 'image/png', data: 'iVBORw0KGgo=' },
      { type: 'file', mediaType: 'application/pdf', data: 'JVBERi0=', name: 'report' },
    ],
  },
];

/** A tool by which the answer comes: both have one, under names of their own. */
const ANSWER_TOOL: readonly Known[] = [
  { at: 'tools.0.name', ours: 'nerva_answer', theirs: 'json', reason: 'A name of our own.' },
  { at: 'tools.0.description', reason: 'A name of our own.' },
  { at: 'tool_choice.type', ours: 'tool', theirs: 'any', reason: 'The only tool is named; both force it.' },
  { at: 'tool_choice.name', ours: 'nerva_answer', reason: 'The only tool is named; both force it.' },
];
const STOP_SEQUENCE: Known = {
  at: 'additionalModelResponseFieldPaths',
  ours: undefined,
  reason: 'The SDK asks Claude which stop sequence it met; we do not.',
};
const budget = (limit: string, thinking: string): readonly Known[] => [
  { at: limit, ours: 9999, reason: 'What a request says it may cost at most is kept: thinking counts into it. The SDK adds the budget.' },
  { at: `${thinking}.budget_tokens`, reason: 'Ours is a share of the limit of the request, theirs of what the model can do.' },
];

interface Case {
  readonly name: string;
  readonly side: Side;
  readonly model: string;
  readonly request: ModelRequest;
  readonly sdk?: SdkOptions;
  readonly known?: readonly Known[];
}

/** What either sends of the same conversation. */
const ENCODED: readonly Case[] = [
  {
    name: 'words and parameters',
    side: ANTHROPIC,
    model: CLAUDE,
    request: ask([say('hi')], { params: { maxOutputTokens: 9, temperature: 0.5, topP: 0.9, stop: ['x'] } }),
  },
  { name: 'no instructions', side: ANTHROPIC, model: CLAUDE, request: ask([say('hi')], { instructions: '' }) },
  {
    name: 'sampling that a model does not take',
    side: ANTHROPIC,
    model: OPUS,
    request: ask([say('hi')], { params: { maxOutputTokens: 9, temperature: 0.5 } }),
  },
  { name: 'calls and results', side: ANTHROPIC, model: CLAUDE, request: ask(CALLED, { tools: [ADD] }) },
  { name: 'images and documents', side: ANTHROPIC, model: CLAUDE, request: ask(LOOK) },
  ...(['auto', 'none', 'required', { tool: 'add' }] as const).map((toolChoice) => ({
    name: `tools, of which ${JSON.stringify(toolChoice)} may be called`,
    side: ANTHROPIC,
    model: CLAUDE,
    request: ask([say('hi')], { tools: [ADD], params: { maxOutputTokens: 9, toolChoice } }),
  })),
  {
    name: 'a schema for the answer',
    side: ANTHROPIC,
    model: OPUS,
    request: ask([say('hi')], { params: { maxOutputTokens: 9, outputSchema: CLOSED } }),
  },
  {
    name: 'a schema for the answer of a model that has only tools',
    side: ANTHROPIC,
    model: 'claude-sonnet-4-20250514',
    request: ask([say('hi')], { params: { maxOutputTokens: 9, outputSchema: CLOSED } }),
    known: ANSWER_TOOL,
  },
  ...(['low', 'medium', 'high', 'none'] as const).flatMap((reasoning) => [
    {
      name: `adaptive thinking, ${reasoning}`,
      side: ANTHROPIC,
      model: OPUS,
      request: ask([say('hi')], { params: { maxOutputTokens: 9999, reasoning } }),
    },
    {
      name: `a budget for thinking, ${reasoning}`,
      side: ANTHROPIC,
      model: CLAUDE,
      request: ask([say('hi')], { params: { maxOutputTokens: 9999, reasoning } }),
      known:
        reasoning === 'none'
          ? [{ at: 'thinking', ours: undefined, reason: 'These models do not think unless they are told to.' }]
          : budget('max_tokens', 'thinking'),
    },
  ]),
  {
    name: 'words and parameters',
    side: BEDROCK,
    model: NOVA,
    request: ask([say('hi')], { params: { maxOutputTokens: 9, temperature: 0.5, topP: 0.9, stop: ['x'] } }),
  },
  {
    name: 'no instructions',
    side: BEDROCK,
    model: ON_BEDROCK,
    request: ask([say('hi')], { instructions: '' }),
    known: [STOP_SEQUENCE, { at: 'system', ours: undefined, reason: 'The SDK sends an empty list.' }],
  },
  {
    name: 'calls and results',
    side: BEDROCK,
    model: ON_BEDROCK,
    request: ask(CALLED, { tools: [ADD] }),
    known: [
      STOP_SEQUENCE,
      { at: 'messages.2.content.1.toolResult.status', ours: 'error', reason: 'The SDK does not tell Claude that a result is an error.' },
    ],
  },
  { name: 'images and documents', side: BEDROCK, model: ON_BEDROCK, request: ask(LOOK), known: [STOP_SEQUENCE] },
  ...(['auto', 'none', 'required', { tool: 'add' }] as const).map((toolChoice) => ({
    name: `tools, of which ${JSON.stringify(toolChoice)} may be called`,
    side: BEDROCK,
    model: ON_BEDROCK,
    request: ask([say('hi')], { tools: [ADD], params: { maxOutputTokens: 9, toolChoice } }),
    known: [STOP_SEQUENCE],
  })),
  {
    name: 'a schema for the answer',
    side: BEDROCK,
    model: NOVA,
    request: ask([say('hi')], { params: { maxOutputTokens: 9, outputSchema: CLOSED } }),
    known: [
      { at: 'toolConfig.tools.0.toolSpec.name', ours: 'nerva_answer', theirs: 'json', reason: 'A name of our own.' },
      { at: 'toolConfig.tools.0.toolSpec.description', reason: 'A name of our own.' },
      { at: 'toolConfig.toolChoice.*', reason: 'The only tool is named; both force it.' },
    ],
  },
  ...(['low', 'high', 'none'] as const).map((reasoning) => ({
    name: `a budget for thinking, ${reasoning}`,
    side: BEDROCK,
    model: ON_BEDROCK,
    request: ask([say('hi')], { params: { maxOutputTokens: 9999, reasoning } }),
    known: [STOP_SEQUENCE, ...(reasoning === 'none' ? [] : budget('inferenceConfig.maxTokens', 'additionalModelRequestFields.thinking'))],
  })),
];

for (const { name, side, model, request, sdk = { echo: side.echo }, known = [] } of ENCODED) {
  test(`${side.name}: both send ${name} alike (${model})`, async () => {
    const { sent } = await askBoth(pair(side, model, request, { sdk }));
    assertAgree({ ours: sent.ours.body, theirs: sent.theirs.body }, known, name);
  });
}

test('both send back what the model said, with what it signed and sealed', async () => {
  for (const [side, model, tool] of [
    [ANTHROPIC, CLAUDE, 'toolu_01'],
    [BEDROCK, ON_BEDROCK, 'tooluse_'],
  ] as const) {
    server.serve(side.served('tools', false));
    const { parts } = await side.ours(model).call(ask([say('hi')]), { world: server.world });
    const results = parts.flatMap((part): Part[] =>
      part.type === 'tool_call' ? [{ type: 'tool_result', id: part.id, name: part.name, output: 'ok' }] : [],
    );
    assert.ok(results.every((part) => 'id' in part && part.id.startsWith(tool)));
    const said: Message = { role: 'assistant', origin: 'model', parts };
    const tools = ['get_weather', 'now'].map((name) => ({ name, description: 'a', inputSchema: { type: 'object' } }));
    const { sent } = await askBoth(pair(side, model, ask([say('hi'), said, { role: 'tool', origin: 'tool', parts: results }], { tools })));
    assertAgree({ ours: sent.ours.body, theirs: sent.theirs.body }, side === BEDROCK ? [STOP_SEQUENCE] : [], side.name);
  }
});

test('Bedrock: the mock takes what the SDK signs, too', async () => {
  const mock = await bedrockMock({ answer: () => 'hi' });
  try {
    const theirs = createAmazonBedrock({ baseURL: mock.baseUrl, region: 'us-east-1', ...MOCK_ACCOUNT, sessionToken: 'token+/==' })(
      ON_BEDROCK,
    );
    await theirs.doGenerate(sdkCall(ask([say('grüß')])) as never);
    assert.equal(mock.requests.length, 1);
    assert.match(String(mock.requests[0]?.headers['authorization']), /^AWS4-HMAC-SHA256 /);
  } finally {
    await mock.close();
  }
});
