import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { after, before } from 'node:test';
import { createGoogle } from '@ai-sdk/google';
import { google } from '../../packages/nerva/src/model/google.ts';
import type { AiSdkModel, Message, ModelAnswer, ModelRequest, Part } from '../../packages/nerva/src/model/index.ts';
import { askBoth, assertAgree, loopback, type Known, type Loopback, type Pair, type Read, type SdkOptions } from './harness.ts';

const KEY = 'AIza-oracle-key';
const fixture = (name: string): string => readFileSync(new URL(`../wire/google/${name}`, import.meta.url), 'utf8');
let server: Loopback;
before(async () => void (server = await loopback()));
after(() => server.close());

function pair(model: string, request: ModelRequest, rest: Partial<Pair> = {}): Pair {
  const baseUrl = `${server.url}/v1beta`;
  return {
    loopback: server,
    ours: google({ model, baseUrl, apiKey: KEY }),
    theirs: createGoogle({ baseURL: baseUrl, apiKey: KEY })(model) as unknown as AiSdkModel,
    request,
    served: { body: fixture('length.json') },
    sdk: { echo: echoOf },
    ...rest,
  };
}

/** Our echo of a part is the SDK's `providerMetadata.google`. */
const echoOf: NonNullable<SdkOptions['echo']> = (part) => {
  const signature = 'echo' in part ? part.echo?.data['thoughtSignature'] : undefined;
  return signature === undefined ? undefined : { google: { thoughtSignature: signature } };
};

const say = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }], origin: 'person' });
const ask = (messages: readonly Message[], rest: Partial<ModelRequest> = {}): ModelRequest => ({
  instructions: 'be brief',
  tools: [],
  params: { maxOutputTokens: 99 },
  messages,
  ...rest,
});

const ANY_ID = {
  at: 'parts.3.id',
  ours: 'call_3',
  reason: 'An id where the wire has none: ours counts within its answer, theirs is random.',
} as const;
const NO_MODEL: Known = { at: 'model', theirs: null, reason: 'The SDK does not report `modelVersion`.' };
const ZERO = (field: 'cachedInput' | 'reasoning'): Known => ({
  at: `usage.${field}`,
  ours: null,
  theirs: 0,
  reason: 'What is not reported is unknown to us, zero to the SDK.',
});

/** What either reads of the same bytes, and why that is not always the same. */
const DECODED: Readonly<Record<string, readonly Known[]>> = {
  text: [NO_MODEL],
  tools: [NO_MODEL, ANY_ID, ZERO('cachedInput'), ZERO('reasoning')],
  length: [NO_MODEL, ZERO('cachedInput'), ZERO('reasoning')],
  blocked: [NO_MODEL, ZERO('cachedInput'), ZERO('reasoning')],
  safety: [NO_MODEL, ZERO('cachedInput'), ZERO('reasoning')],
  malformed: [
    NO_MODEL,
    ZERO('cachedInput'),
    ZERO('reasoning'),
    { at: 'finish', ours: 'other', theirs: 'error', reason: 'We have no finish `error`: what Google says stands in `meta.finishReason`.' },
  ],
  logprobs: [NO_MODEL, ZERO('cachedInput'), ZERO('reasoning')],
  code: [
    NO_MODEL,
    ZERO('cachedInput'),
    ZERO('reasoning'),
    { at: 'parts.**', reason: 'Code that Google ran is a sealed part to us, a call of a provider tool to the SDK.' },
  ],
};

for (const [name, known] of Object.entries(DECODED)) {
  for (const isStream of [false, true]) {
    test(`Google: both read "${name}" alike, ${isStream ? 'streamed' : 'whole'}`, async () => {
      const served = isStream
        ? { body: fixture(`${name}.sse`), contentType: 'text/event-stream' }
        : { body: fixture(`${name}.json`), contentType: 'application/json; charset=UTF-8' };
      const { read, sent } = await askBoth(pair('gemini-3-flash-preview', ask([say('hi')]), { served, isStream }));
      assertAgree(read, known, name);
      assert.equal(sent.ours.path, sent.theirs.path);
      assert.equal(sent.ours.headers['x-goog-api-key'], sent.theirs.headers['x-goog-api-key']);
    });
  }
}

test('Google: both name the same sources, each once', async () => {
  for (const isStream of [false, true]) {
    const served = isStream ? { body: fixture('grounding.sse'), contentType: 'text/event-stream' } : { body: fixture('grounding.json') };
    const { read } = await askBoth(pair('gemini-3-flash-preview', ask([say('hi')]), { served, isStream }));
    const once = (side: unknown): unknown => [...new Set((side as Read).sources.map((source) => JSON.stringify(source)))];
    assert.deepEqual(once(read.ours), once(read.theirs));
    assertAgree(read, [
      NO_MODEL,
      ZERO('cachedInput'),
      ZERO('reasoning'),
      { at: 'sources.**', reason: 'We cite a source at each place that it stands behind.' },
    ]);
  }
});

test('Google: both tell failures by the same status, and agree on what is worth a retry', async () => {
  for (const [status, name] of [
    [400, 'key'],
    [429, 'quota'],
    [400, 'context'],
    [503, 'overloaded'],
    [400, 'signature'],
  ] as const) {
    const served = { status, body: fixture(`error-${name}.json`) };
    const { read } = await askBoth(pair('gemini-3-flash-preview', ask([say('hi')]), { served }));
    assertAgree(read, [], name);
  }
});

const TOOLS = [
  { name: 'add', description: 'adds', inputSchema: { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] } },
  { name: 'now', description: 'tells the time', inputSchema: { type: 'object', properties: {} } },
];
const RESPONSE: Known = {
  at: 'contents.*.parts.*.functionResponse.response.**',
  reason: 'Ours has the keys that the reference names (`output`, `error`), theirs `name` and `content`: Google takes what it finds.',
};
const OUR_IDS: Known = {
  at: 'contents.*.parts.*.*.id',
  ours: undefined,
  reason: 'Ids that Google did not give are ours to keep: answers stand in the order of the calls.',
};

/** What either sends of the same conversation. */
const ENCODED: readonly {
  readonly name: string;
  readonly model?: string;
  readonly request: ModelRequest;
  readonly sdk?: SdkOptions;
  readonly known?: readonly Known[];
}[] = [
  {
    name: 'words and parameters',
    request: ask([say('hi')], { params: { maxOutputTokens: 9, temperature: 0.5, topP: 0.9, seed: 3, stop: ['x'] } }),
  },
  { name: 'no instructions', request: ask([say('hi')], { instructions: '' }) },
  {
    name: 'images, documents, sounds and addresses',
    request: ask([
      {
        role: 'user',
        origin: 'person',
        parts: [
          { type: 'text', text: 'look' },
          { type: 'file', mediaType: 'image/png', data: 'iVBORw0KGgo=' },
          { type: 'file', mediaType: 'application/pdf', data: 'JVBERi0=' },
          { type: 'file', mediaType: 'audio/wav', data: 'UklGRg==' },
          { type: 'file', mediaType: 'video/mp4', data: { url: 'https://example.org/a.mp4' } },
        ],
      },
    ]),
  },
  ...(['auto', 'none', 'required', { tool: 'add' }] as const).map((toolChoice) => ({
    name: `tools, of which ${JSON.stringify(toolChoice)} must be called`,
    request: ask([say('hi')], { tools: TOOLS, params: { maxOutputTokens: 9, toolChoice } }),
  })),
  {
    name: 'a schema for the answer',
    request: ask([say('hi')], {
      params: {
        outputSchema: {
          type: 'object',
          properties: { a: { const: 'x' }, b: { type: 'array', items: { anyOf: [{ const: 1 }, { type: 'string' }] } } },
          required: ['a'],
        },
      },
    }),
  },
  {
    name: 'a schema with words that Google does not know',
    request: ask([say('hi')], { params: { outputSchema: { type: 'object', properties: { a: { type: 'string', minLength: 1 } } } } }),
    known: [
      {
        at: 'generationConfig.responseJsonSchema.properties.a.minLength',
        theirs: 1,
        reason: 'The reference lists what is supported; the rest is not sent but named in `notSent`.',
      },
    ],
  },
  ...(['low', 'medium', 'high'] as const).map((reasoning) => ({
    name: `thinking at level ${reasoning}`,
    request: ask([say('hi')], { params: { maxOutputTokens: 9, reasoning } }),
    sdk: { providerOptions: { google: { thinkingConfig: { includeThoughts: true } } } },
  })),
  { name: 'the least thinking', request: ask([say('hi')], { params: { maxOutputTokens: 9, reasoning: 'none' } }) },
  { name: 'no thinking', model: 'gemini-2.5-flash', request: ask([say('hi')], { params: { maxOutputTokens: 9, reasoning: 'none' } }) },
  ...(['low', 'high'] as const).map((reasoning) => ({
    name: `a ${reasoning} budget for thinking`,
    model: 'gemini-2.5-flash',
    request: ask([say('hi')], { params: { maxOutputTokens: 9, reasoning } }),
    sdk: { providerOptions: { google: { thinkingConfig: { includeThoughts: true } } } },
    known:
      reasoning === 'high'
        ? []
        : [
            {
              at: 'generationConfig.thinkingConfig.thinkingBudget',
              ours: 1024,
              reason: "Ours is Google's table for `reasoning_effort`, theirs a share of the output limit.",
            },
          ],
  })),
];

for (const { name, model = 'gemini-3-flash-preview', request, sdk = { echo: echoOf }, known = [] } of ENCODED) {
  test(`Google: both send ${name} alike`, async () => {
    const { sent } = await askBoth(pair(model, request, { sdk }));
    assertAgree({ ours: sent.ours.body, theirs: sent.theirs.body }, known, name);
  });
}

/** An answer of the fixture and the results of its calls, as a conversation. */
async function continued(name: string, model: string): Promise<readonly Message[]> {
  server.serve({ body: fixture(`${name}.json`) });
  const answer: ModelAnswer = await google({ model, baseUrl: `${server.url}/v1beta`, apiKey: KEY }).call(ask([say('hi')]), {
    world: server.world,
  });
  const results = answer.parts.flatMap((part, index): Part[] =>
    part.type === 'tool_call'
      ? [
          {
            type: 'tool_result',
            id: part.id,
            name: part.name,
            output: index === 2 ? 'no such city' : { t: index },
            ...(index === 2 ? { isError: true as const } : {}),
          },
        ]
      : [],
  );
  const said: Message = { role: 'assistant', origin: 'model', parts: answer.parts };
  return results.length === 0 ? [say('hi'), said, say('go on')] : [say('hi'), said, { role: 'tool', origin: 'tool', parts: results }];
}

test('Google: both send back what Gemini said, with its signatures and ids', async () => {
  const model = 'gemini-3-flash-preview';
  for (const [name, known] of [
    ['text', []],
    ['tools', [RESPONSE, { ...OUR_IDS, theirs: 'call_3' }]],
  ] as const) {
    const { sent } = await askBoth(pair(model, ask(await continued(name, model), { tools: TOOLS })));
    assertAgree({ ours: sent.ours.body, theirs: sent.theirs.body }, known, name);
  }
});

test('Google: both hand over the calls of another model with the same word in place of a signature', async () => {
  const foreign = await continued('tools', 'gemini-2.5-pro');
  const { sent } = await askBoth(pair('gemini-3-flash-preview', ask(foreign, { tools: TOOLS }), { sdk: {} }));
  assertAgree({ ours: sent.ours.body, theirs: sent.theirs.body }, [
    RESPONSE,
    OUR_IDS,
    {
      at: 'contents.1.parts.*.thoughtSignature',
      ours: undefined,
      theirs: 'skip_thought_signature_validator',
      reason: 'Google checks the first call of a step only; the SDK puts the word on each.',
    },
  ]);
});
