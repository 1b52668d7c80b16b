import { readFileSync } from 'node:fs';
import test, { after, before } from 'node:test';
import { createAzure } from '@ai-sdk/azure';
import { createGroq } from '@ai-sdk/groq';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  azureOpenai,
  compatible,
  openaiChat,
  openaiResponses,
  type AiSdkModel,
  type Message,
  type Model,
  type ModelRequest,
  type Part,
} from '../../packages/nerva/src/model/index.ts';
import { askBoth, assertAgree, loopback, type Captured, type Known, type Loopback, type Pair, type SdkOptions } from './harness.ts';

const KEY = 'sk-oracle-0123456789';
const fixture = (name: string): string => readFileSync(new URL(`../wire/${name}`, import.meta.url), 'utf8');
let server: Loopback;
before(async () => void (server = await loopback()));
after(() => server.close());

/** A dialect of ours and the package that speaks the same. */
interface Subject {
  readonly folder: string;
  readonly ours: () => Model;
  readonly theirs: () => AiSdkModel;
  readonly sdk?: SdkOptions;
}

const asSdk = (model: unknown): AiSdkModel => model as AiSdkModel;
const v1 = (): string => `${server.url}/v1`;

/** Our echo of an item is `itemId` and more there. */
const itemEcho =
  (provider: string): NonNullable<SdkOptions['echo']> =>
  (part) => {
    const data = 'echo' in part ? part.echo?.data : undefined;
    if (data === undefined) return undefined;
    const { id: itemId, encrypted_content: sealed, phase } = data;
    return {
      [provider]: {
        itemId,
        ...(sealed === undefined ? {} : { reasoningEncryptedContent: sealed }),
        ...(phase === undefined ? {} : { phase }),
      },
    };
  };

const SUBJECTS = {
  chat: {
    folder: 'openai',
    ours: () => openaiChat({ model: 'gpt-5-mini', apiKey: KEY, baseUrl: v1(), maxTokensField: 'max_completion_tokens' }),
    theirs: () => asSdk(createOpenAI({ apiKey: KEY, baseURL: v1() }).chat('gpt-5-mini')),
  },
  responses: {
    folder: 'openai-responses',
    ours: () => openaiResponses({ model: 'gpt-5', apiKey: KEY, baseUrl: v1() }),
    theirs: () => asSdk(createOpenAI({ apiKey: KEY, baseURL: v1() }).responses('gpt-5')),
    sdk: { echo: itemEcho('openai'), providerOptions: { openai: { store: false } } },
  },
  azureChat: {
    folder: 'azure',
    ours: () => azureOpenai({ deployment: 'gpt', apiKey: KEY, baseUrl: server.url }),
    theirs: () => asSdk(createAzure({ apiKey: KEY, baseURL: `${server.url}/openai/v1` }).chat('gpt')),
  },
  azureDated: {
    folder: 'azure',
    ours: () => azureOpenai({ deployment: 'gpt', apiKey: KEY, baseUrl: server.url, apiVersion: '2024-10-21' }),
    theirs: () =>
      asSdk(
        createAzure({ apiKey: KEY, baseURL: `${server.url}/openai`, apiVersion: '2024-10-21', useDeploymentBasedUrls: true }).chat('gpt'),
      ),
  },
  azureResponses: {
    folder: 'azure',
    ours: () => azureOpenai({ deployment: 'gpt', apiKey: KEY, baseUrl: server.url, api: 'responses' }),
    theirs: () => asSdk(createAzure({ apiKey: KEY, baseURL: `${server.url}/openai/v1` }).responses('gpt')),
    sdk: { echo: itemEcho('azure'), providerOptions: { azure: { store: false, forceReasoning: true } } },
  },
  groq: {
    folder: 'compatible',
    ours: () => compatible('groq', { model: 'qwen/qwen3-32b', apiKey: KEY, baseUrl: v1() }),
    theirs: () => asSdk(createGroq({ apiKey: KEY, baseURL: v1() })('qwen/qwen3-32b')),
    sdk: { providerOptions: { groq: { reasoningFormat: 'parsed' } } },
  },
  fireworks: {
    folder: 'compatible',
    ours: () => compatible('fireworks', { model: 'm', apiKey: KEY, baseUrl: v1() }),
    theirs: () =>
      asSdk(
        createOpenAICompatible({ name: 'fireworks', apiKey: KEY, baseURL: v1(), supportsStructuredOutputs: true, includeUsage: true })('m'),
      ),
  },
} satisfies Readonly<Record<string, Subject>>;

type Name = keyof typeof SUBJECTS;

function pair(name: Name, request: ModelRequest, rest: Pick<Pair, 'served'> & Partial<Pair>): Pair {
  const { ours, theirs, sdk = {} }: Subject = SUBJECTS[name];
  return { loopback: server, ours: ours(), theirs: theirs(), request, sdk, ...rest };
}

const say = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }], origin: 'person' });
const ask = (messages: readonly Message[] = [say('hi')], rest: Partial<ModelRequest> = {}): ModelRequest => ({
  instructions: 'be brief',
  tools: [],
  params: {},
  messages,
  ...rest,
});
const ADD = { name: 'add', description: 'adds', inputSchema: { type: 'object', properties: {}, additionalProperties: false } };

const ZERO = (field: 'cachedInput' | 'reasoning'): Known => ({
  at: `usage.${field}`,
  ours: null,
  theirs: 0,
  reason: 'What is not reported is unknown to us, zero to the SDK.',
});
const DETAIL = (field: 'cachedInput' | 'reasoning'): Known => ({
  at: `usage.${field}`,
  theirs: 0,
  reason: 'Its provider counts it under a name of its own, which the SDK reads in another package.',
});

const ONE_ITEM = 'A reasoning item is one part to us, so that it goes back whole; the SDK makes each section of its summary one.';

/** What either reads of the same bytes, and why that is not always the same; at the end of a row, for streams where that differs. */
const DECODED: readonly (readonly [Name, file: string, known: readonly Known[], streamed?: readonly Known[]])[] = [
  ['chat', 'text', []],
  ['chat', 'tools', []],
  ['chat', 'refusal', []],
  ['chat', 'length', []],
  [
    'responses',
    'text',
    [
      { at: 'parts.0.text', theirs: '**Grüßen**\n\nA greeting is asked for.', reason: ONE_ITEM },
      { at: 'parts.1.type', ours: 'text', theirs: 'reasoning', reason: ONE_ITEM },
      { at: 'parts.1.text', theirs: '**Zwei Zeilen** 🌍', reason: ONE_ITEM },
      { at: 'parts.2', theirs: { type: 'text', text: 'Grüße aus Zürich 🌍!\nZweite Zeile.' }, reason: ONE_ITEM },
    ],
  ],
  ['responses', 'tools', []],
  ['responses', 'refusal', []],
  ['responses', 'length', []],
  ['responses', 'filtered', []],
  [
    'responses',
    'cited',
    [{ at: 'parts.1.**', reason: 'What ran at the provider is a sealed part to us, a call of a provider tool to the SDK.' }],
  ],
  ['responses', 'logprobs', []],
  [
    'responses',
    'open',
    [{ at: 'parts.0.text', theirs: '', reason: 'The SDK shows summaries only; open reasoning is what vLLM and LM Studio give.' }],
  ],
  ['azureChat', 'chat', []],
  ['azureChat', 'filtered', []],
  ['azureResponses', 'responses', []],
  ['groq', 'groq', []],
  ['fireworks', 'deepseek', [DETAIL('cachedInput')]],
  [
    'fireworks',
    'moonshot',
    [DETAIL('cachedInput'), ZERO('reasoning')],
    [{ at: 'usage.*', theirs: null, reason: 'Moonshot puts the usage of a stream into its choice, where this package does not look.' }],
  ],
  [
    'fireworks',
    'perplexity',
    [
      ZERO('cachedInput'),
      DETAIL('reasoning'),
      { at: 'sources.*', theirs: undefined, reason: "Sources of a whole answer are for the SDK's package of Perplexity." },
    ],
  ],
];

for (const [name, file, known, streamed = known] of DECODED) {
  for (const isStream of [false, true]) {
    test(`${name}: both read "${file}" alike, ${isStream ? 'streamed' : 'whole'}`, async () => {
      const path = `${SUBJECTS[name].folder}/${file}`;
      const served = isStream ? { body: fixture(`${path}.sse`), contentType: 'text/event-stream' } : { body: fixture(`${path}.json`) };
      const { read } = await askBoth(pair(name, ask(), { served, isStream }));
      assertAgree(read, isStream ? streamed : known, file);
    });
  }
}

const RETRY_QUOTA: Known = {
  at: 'failed.isWorthRetry',
  ours: false,
  theirs: true,
  reason: 'A quota that is used up comes with status 429 too, and waiting does not bring money.',
};

/** How either takes a failure: the status, and whether to call again. */
const FAILURES: readonly (readonly [Name, status: number, file: string, known: readonly Known[]])[] = [
  ['chat', 401, 'openai/error-401', []],
  ['chat', 429, 'openai/error-429', []],
  ['chat', 429, 'openai/error-quota', [RETRY_QUOTA]],
  ['chat', 400, 'openai/error-context', []],
  ['chat', 503, 'openai/error-429', []],
  ['responses', 400, 'openai-responses/error-reasoning', []],
  ['responses', 429, 'openai-responses/error-429', []],
  ['responses', 409, 'openai-responses/error-429', []],
  ['azureChat', 400, 'azure/error-filter', []],
  ['azureChat', 404, 'azure/error-404', []],
  ['azureResponses', 401, 'azure/error-401', []],
  ['groq', 429, 'openai/error-429', []],
  ['fireworks', 500, 'openai/error-429', []],
];

for (const [name, status, file, known] of FAILURES) {
  test(`${name}: both take ${file} with status ${status} alike`, async () => {
    for (const isStream of [false, true]) {
      const { read } = await askBoth(pair(name, ask(), { served: { status, body: fixture(`${file}.json`) }, isStream }));
      assertAgree(read, known, file);
    }
  });
}

/** A conversation that the model itself had: what it made goes back to it. */
function ownTurns(by: string): readonly Message[] {
  const isResponses = by === 'openai/gpt-5' || by === 'azure/gpt';
  const echo = (
    data: Readonly<Record<string, string>>,
  ): { readonly echo?: { readonly by: string; readonly data: Readonly<Record<string, string>> } } =>
    isResponses ? { echo: { by, data } } : {};
  const reasoning: Part = {
    type: 'reasoning',
    text: 'hm',
    echo: { by, data: isResponses ? { id: 'rs_1', encrypted_content: 'sealed' } : {} },
  };
  return [
    say('go'),
    {
      role: 'assistant',
      origin: 'model',
      parts: [
        reasoning,
        { type: 'text', text: 'I look.', ...echo({ id: 'msg_1', phase: 'commentary' }) },
        { type: 'tool_call', id: 'call_a', name: 'add', input: { a: 1 }, ...echo({ id: 'fc_1' }) },
        { type: 'tool_call', id: 'call_b', name: 'add', input: {}, ...echo({ id: 'fc_2' }) },
      ],
    },
    {
      role: 'tool',
      origin: 'tool',
      parts: [
        { type: 'tool_result', id: 'call_a', name: 'add', output: { sum: 1 } },
        { type: 'tool_result', id: 'call_b', name: 'add', output: 'no such number', isError: true },
      ],
    },
    { role: 'assistant', origin: 'model', parts: [{ type: 'text', text: 'Done.', ...echo({ id: 'msg_2', phase: 'final_answer' }) }] },
    say('and now?'),
  ];
}

const FILES: Message = {
  role: 'user',
  origin: 'person',
  parts: [
    { type: 'text', text: 'look' },
    { type: 'file', mediaType: 'image/png', data: 'iVBORw0KGgo=' },
    { type: 'file', mediaType: 'image/png', data: { url: 'https://a.example/b.png' } },
    { type: 'file', mediaType: 'application/pdf', name: 'a.pdf', data: 'JVBERi0=' },
  ],
};
const IMAGES: Message = { ...FILES, parts: FILES.parts.slice(0, 3) };
const SCHEMA = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'], additionalProperties: false };

const REQUESTS = {
  own: (by: string) => ask(ownTurns(by), { tools: [ADD], params: { toolChoice: 'required', maxOutputTokens: 99 } }),
  named: () => ask([say('hi')], { tools: [ADD], params: { toolChoice: { tool: 'add' } } }),
  sampling: () => ask([say('hi')], { params: { temperature: 0.5, topP: 0.9, maxOutputTokens: 50 } }),
  effort: () => ask([say('hi')], { params: { reasoning: 'low' } }),
  schema: () => ask([say('hi')], { params: { outputSchema: SCHEMA } }),
  files: () => ask([FILES]),
  images: () => ask([IMAGES]),
} as const;

const DEVELOPER: Known = {
  at: 'messages.0.role',
  ours: 'system',
  theirs: 'developer',
  reason: 'OpenAI takes either; compatible servers know `system` alone.',
};
const failed = (at: string): Known => ({
  at,
  ours: 'Error: no such number',
  reason: 'We say that a result is an error; the SDK sends its text, at OpenAI as an object.',
});
const SAMPLING: readonly Known[] = ['temperature', 'top_p'].map((at) => ({
  at,
  theirs: undefined,
  reason:
    'The SDK knows which models of OpenAI refuse sampling parameters and leaves them out; we send what was asked for, and the refusal is told.',
}));
const ITEMS: readonly Known[] = [
  ...['type', 'id', 'status'].map((name) => ({
    at: `input.*.${name}`,
    theirs: undefined,
    reason: 'An item goes back as it came, as the guide "Reasoning models" has it; the SDK leaves ids out where nothing is stored.',
  })),
  {
    at: 'input.*.content.0.annotations',
    ours: [],
    theirs: undefined,
    reason: 'The API reference calls it required of an output text that has an id.',
  },
  failed('input.6.output'),
];

/** What either sends for the same request, and why that is not always the same. */
const ENCODED: readonly (readonly [Name, request: keyof typeof REQUESTS, known: readonly Known[]])[] = [
  ['chat', 'own', [DEVELOPER, failed('messages.4.content')]],
  ['chat', 'named', [DEVELOPER]],
  ['chat', 'sampling', [DEVELOPER, ...SAMPLING]],
  ['chat', 'effort', [DEVELOPER]],
  ['chat', 'schema', [DEVELOPER]],
  ['chat', 'files', [DEVELOPER]],
  ['responses', 'own', ITEMS],
  ['responses', 'named', []],
  ['responses', 'sampling', SAMPLING],
  [
    'responses',
    'effort',
    [
      {
        at: 'reasoning.summary',
        ours: undefined,
        theirs: 'detailed',
        reason: 'Some accounts must be verified for summaries: `reasoningSummary` asks for one.',
      },
    ],
  ],
  ['responses', 'schema', []],
  ['responses', 'files', []],
  [
    'azureChat',
    'own',
    [
      {
        at: 'max_completion_tokens',
        ours: 99,
        reason: 'The name of a deployment does not say whether its model reasons, and models that do refuse `max_tokens`.',
      },
      { at: 'max_tokens', theirs: 99, reason: 'The same.' },
      failed('messages.4.content'),
    ],
  ],
  ['azureDated', 'named', []],
  ['azureResponses', 'own', ITEMS],
  ['groq', 'own', [failed('messages.4.content')]],
  [
    'groq',
    'effort',
    [{ at: 'reasoning_effort', ours: 'default', theirs: 'low', reason: 'Models of Qwen know `none` and `default` there.' }],
  ],
  ['groq', 'images', []],
  [
    'groq',
    'schema',
    [
      { at: 'response_format.**', reason: 'Few models there take a schema; the others are asked for JSON, with the schema in the prompt.' },
      { at: 'messages.0.content', theirs: 'be brief', reason: 'The same.' },
    ],
  ],
  ['fireworks', 'own', [failed('messages.4.content')]],
  ['fireworks', 'effort', []],
  ['fireworks', 'schema', []],
  ['fireworks', 'images', []],
];

const DONE: Readonly<Record<string, string>> = { responses: 'openai-responses/tools', azureResponses: 'azure/responses' };

for (const [name, what, known] of ENCODED) {
  for (const isStream of [false, true]) {
    test(`${name}: both send "${what}" alike, ${isStream ? 'streamed' : 'whole'}`, async () => {
      const path = DONE[name] ?? 'openai/text';
      const served = isStream ? { body: fixture(`${path}.sse`), contentType: 'text/event-stream' } : { body: fixture(`${path}.json`) };
      const { sent } = await askBoth(pair(name, REQUESTS[what](SUBJECTS[name].ours().name), { served, isStream }));
      assertAgree({ ours: sent.ours.body, theirs: inOurOrder(sent.theirs.body) }, known, what);
      assertAgree({ ours: whereTo(sent.ours), theirs: whereTo(sent.theirs) });
    });
  }
}

/**
 * The SDK puts the instructions into the input of the Responses API as its first message, we put them where they are called so; and a
 * text of a former answer stands alone there, here in a list. Both mean the same; undone here, all else can be compared item by item.
 */
function inOurOrder(body: unknown): unknown {
  const { input, ...rest } = body as { readonly input?: readonly Loose[] };
  const [first, ...items] = input ?? [];
  if (first?.['role'] !== 'developer') return body;
  const listed = items.map((item) =>
    item['role'] === 'assistant' && typeof item['content'] === 'string'
      ? { ...item, content: [{ type: 'output_text', text: item['content'] }] }
      : item,
  );
  return { ...rest, instructions: first['content'], input: listed };
}

interface Loose {
  readonly [name: string]: unknown;
}

const whereTo = ({ method, path, headers }: Captured): unknown => ({
  method,
  path,
  key: headers['authorization'] ?? headers['api-key'],
  contentType: headers['content-type'],
});
