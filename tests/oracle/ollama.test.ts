import { readFileSync } from 'node:fs';
import test, { after, before } from 'node:test';
import { createOllama } from 'ai-sdk-ollama';
import { ollama, type AiSdkModel, type Message, type ModelRequest } from '../../packages/nerva/src/model/index.ts';
import { askBoth, assertAgree, loopback, type Known, type Loopback, type Pair } from './harness.ts';

const MODEL = 'qwen3:8b';
const fixture = (name: string): string => readFileSync(new URL(`../wire/ollama/${name}`, import.meta.url), 'utf8');
let server: Loopback;
before(async () => void (server = await loopback()));
after(() => server.close());

function pair(request: ModelRequest, rest: Partial<Pair> = {}): Pair {
  return {
    loopback: server,
    ours: ollama({ model: MODEL, baseUrl: server.url }),
    theirs: createOllama({ baseURL: server.url })(MODEL) as unknown as AiSdkModel,
    request,
    served: { body: fixture('length.json') },
    ...rest,
  };
}

const say = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }], origin: 'person' });
const ask = (messages: readonly Message[] = [say('hi')], rest: Partial<ModelRequest> = {}): ModelRequest => ({
  instructions: 'be brief',
  tools: [],
  params: { maxOutputTokens: 99 },
  messages,
  ...rest,
});

const IDS: Known = { at: 'parts.*.id', reason: 'Theirs makes ids anew even where the server gives them.' };
const ASKED: Known = { at: 'model', theirs: MODEL, reason: 'Theirs reports the model that was asked for, whatever answered.' };
const NONE: Known = { at: 'model', theirs: null, reason: 'Theirs reports no model in a stream.' };

/** What either reads of the same bytes, whole and streamed, and why that is not always the same. */
const DECODED: Readonly<Record<string, readonly [whole: readonly Known[], streamed: readonly Known[]]>> = {
  text: [[], [NONE]],
  tools: [[IDS], [IDS, NONE]],
  length: [[], [NONE]],
  logprobs: [[], [NONE]],
  old: [[ASKED], [NONE]],
};

for (const [name, known] of Object.entries(DECODED)) {
  for (const isStream of [false, true]) {
    test(`Ollama: both read "${name}" alike, ${isStream ? 'streamed' : 'whole'}`, async () => {
      const served = isStream
        ? { body: fixture(`${name}.ndjson`), contentType: 'application/x-ndjson' }
        : { body: fixture(`${name}.json`), contentType: 'application/json; charset=utf-8' };
      const { read } = await askBoth(pair(ask(), { served, isStream }));
      assertAgree(read, known[isStream ? 1 : 0], name);
    });
  }
}

test('Ollama: both agree on which failures are worth a retry', async () => {
  for (const [status, name] of [
    [404, '404'],
    [400, 'tools'],
    [400, 'context'],
  ] as const) {
    const { read } = await askBoth(pair(ask(), { served: { status, body: fixture(`error-${name}.json`) } }));
    assertAgree(read, [{ at: 'failed.status', ours: status, theirs: null, reason: 'Theirs keeps the text of an error only.' }], name);
  }
});

const TOOLS = [
  { name: 'add', description: 'adds', inputSchema: { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] } },
];
const step: readonly Message[] = [
  say('add'),
  {
    role: 'assistant',
    origin: 'model',
    parts: [
      { type: 'text', text: 'so ' },
      { type: 'text', text: 'then' },
      { type: 'tool_call', id: 'a', name: 'add', input: { x: 1 } },
      { type: 'tool_call', id: 'b', name: 'add', input: { x: 2 } },
    ],
  },
  {
    role: 'tool',
    origin: 'tool',
    parts: [
      { type: 'tool_result', id: 'a', name: 'add', output: { sum: 1 } },
      { type: 'tool_result', id: 'b', name: 'add', output: 'too large', isError: true },
    ],
  },
];

const CUTS: readonly Known[] = ['truncate', 'shift'].map((at) => ({
  at,
  ours: false,
  theirs: undefined,
  reason: 'Without it the server drops the oldest messages in silence when the window is full.',
}));
const NO_OPTIONS: Known = { at: 'options', ours: undefined, theirs: {}, reason: 'Nothing to say.' };

/** What either sends of the same conversation. */
const ENCODED: readonly { readonly name: string; readonly request: ModelRequest; readonly known?: readonly Known[] }[] = [
  {
    name: 'words and parameters',
    request: ask([say('hi')], { params: { maxOutputTokens: 9, temperature: 0.5, topP: 0.9, seed: 3, stop: ['x'] } }),
  },
  {
    name: 'an image',
    request: ask([
      {
        role: 'user',
        origin: 'person',
        parts: [
          { type: 'text', text: 'look' },
          { type: 'file', mediaType: 'image/png', data: 'iVBORw0KGgo=' },
          { type: 'text', text: 'here' },
        ],
      },
    ]),
  },
  { name: 'tools', request: ask([say('hi')], { tools: TOOLS }) },
  {
    name: 'calls and results',
    request: ask(step, { tools: TOOLS }),
    known: [
      { at: 'messages.*.tool_calls.*.type', ours: undefined, theirs: 'function', reason: '`ToolCall` of api/types.go has no type.' },
      {
        at: 'messages.*.tool_call_id',
        theirs: undefined,
        reason: '`Message` of api/types.go has it; templates that know it tell results apart by it.',
      },
      {
        at: 'messages.4.content',
        ours: 'Error: too large',
        theirs: 'too large',
        reason: 'The wire has no flag for errors, so ours says it.',
      },
    ],
  },
  {
    name: 'a schema for the answer',
    request: ask([say('hi')], { params: { outputSchema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] } } }),
    known: [NO_OPTIONS],
  },
  ...(['none', 'low', 'high'] as const).map((reasoning) => ({
    name: `thinking: ${reasoning}`,
    request: ask([say('hi')], { params: { reasoning } }),
    known: [NO_OPTIONS],
  })),
];

for (const { name, request, known = [] } of ENCODED) {
  test(`Ollama: both send ${name} alike`, async () => {
    const { sent } = await askBoth(pair(request));
    assertAgree({ ours: sent.ours.body, theirs: sent.theirs.body }, [...CUTS, ...known], name);
  });
}
