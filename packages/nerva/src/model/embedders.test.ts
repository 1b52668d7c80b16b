import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { NervaError, type HttpRequest, type JsonObject } from '../core/index.ts';
import { nodeWorld } from '../node/index.ts';
import { embeddingMock, embeddingMocks, mockVector, type EmbeddingProvider } from '../testing/index.ts';
import type { EmbedderOptions } from './embed.ts';
import { embedder } from './embedders.ts';
import { cannedWorld, wireFixture, type Canned } from './wire-scene.test.ts';

const KEY = 'key-0123456789abcdef';
const PROVIDERS: readonly EmbeddingProvider[] = ['openai', 'google', 'cohere', 'voyage', 'ollama'];
const fixture = (name: string): string => wireFixture(`embeddings/${name}.json`);

/** What was sent for these texts, each request with an answer of its own. */
async function sent(
  provider: EmbeddingProvider,
  texts: readonly string[],
  options: Partial<EmbedderOptions> & { readonly kind?: 'query' | 'document' } = {},
): Promise<readonly HttpRequest[]> {
  const seen: HttpRequest[] = [];
  const { kind, ...rest } = options;
  const embeds = embedder(provider, { model: 'm', apiKey: KEY, ...rest });
  await embeds.embed(texts, { world: cannedWorld({ body: fixture(provider) }, seen), ...(kind === undefined ? {} : { kind }) });
  return seen;
}

for (const provider of PROVIDERS) {
  test(`vectors of ${provider} are read in the order of the texts, with the tokens that it counts`, async () => {
    const embeds = embedder(provider, { model: 'm' });
    const { vectors, usage } = await embeds.embed(['a', 'b', 'c'], { world: cannedWorld({ body: fixture(provider) }) });
    assert.deepEqual(vectors, [
      [0.0023064255, -0.009327292, 0.015797086],
      [-0.0069352793, 0.020878976, 0.008593],
      [0.017, -0.5, 1],
    ]);
    assert.deepEqual(usage, { inputTokens: provider === 'google' ? null : 8, outputTokens: 0 });
    assert.equal(embeds.name, `${provider}/m`);
  });

  test(`what is not an embedding of ${provider} is MODEL_GARBAGE, bounded and without the key`, async () => {
    const good = fixture(provider);
    const bad = [
      '',
      'null',
      '[]',
      '{}',
      `{"data":7,"embeddings":7,"key":"${KEY}"}`,
      good.replaceAll('0.017', 'null'),
      good.replaceAll('-0.009327292', '"x"'),
      good.replace(/0\.017,\s*-0\.5,\s*1/, '0.017'),
      good.replace(/0\.017,\s*-0\.5,\s*1/, ''),
      ...(provider === 'openai' || provider === 'voyage'
        ? [good.replaceAll(/"index": 2/g, '"index": 0'), good.replaceAll(/"index": 2/g, '"index": 9')]
        : []),
    ];
    for (const body of bad)
      await assert.rejects(
        embedder(provider, { model: 'm', apiKey: KEY }).embed(['a', 'b', 'c'], { world: cannedWorld({ body }) }),
        (error: Error) => NervaError.is(error, 'MODEL_GARBAGE') && error.message.length < 500 && !error.message.includes(KEY),
        body.slice(0, 80),
      );
    for (const texts of [['a'], ['a', 'b', 'c', 'd']])
      await assert.rejects(embedder(provider, { model: 'm' }).embed(texts, { world: cannedWorld({ body: good }) }), {
        code: 'MODEL_GARBAGE',
      });
    await assert.rejects(
      embedder(provider, { model: 'm', dimensions: 4 }).embed(['a', 'b', 'c'], { world: cannedWorld({ body: good }) }),
      /not 4 long/,
    );
  });

  test(`any number of texts comes back from ${provider} as so many vectors in order, in as few requests as it allows`, async () => {
    const mock = await embeddingMock(provider, { answer: () => ({}), apiKey: KEY });
    const world = nodeWorld();
    try {
      const text = fc.string({ minLength: 1 }).filter((given) => given.trim() !== '');
      await fc.assert(
        fc.asyncProperty(
          fc.array(text, { maxLength: 12 }),
          fc.integer({ min: 1, max: 5 }),
          fc.constantFrom(undefined, 7),
          async (texts, textsMax, dimensions) => {
            const embeds = embedder(provider, {
              model: 'm',
              apiKey: KEY,
              baseUrl: mock.baseUrl,
              textsMax,
              ...(dimensions === undefined ? {} : { dimensions }),
            });
            const from = mock.requests.length;
            const { vectors, usage } = await embeds.embed(texts, { world, kind: 'query' });
            assert.deepEqual(
              vectors,
              texts.map((given) => mockVector(given, dimensions)),
            );
            assert.equal(mock.requests.length - from, Math.ceil(texts.length / textsMax));
            assert.equal(usage.inputTokens, provider === 'google' && texts.length > 0 ? null : texts.length);
          },
        ),
        { numRuns: 25 },
      );
    } finally {
      await world.transport.close();
      await mock.close();
    }
  });

  test(`an abort ends an embedding of ${provider} as cancelled, and an empty text is refused before anything is sent`, async () => {
    const mock = await embeddingMock(provider, { answer: () => ({ fault: 'silent' }) });
    const world = nodeWorld();
    const embeds = embedder(provider, { model: 'm', baseUrl: mock.baseUrl });
    const controller = new AbortController();
    const asked = embeds.embed(['a'], { world, signal: controller.signal });
    setTimeout(() => controller.abort(), 30);
    await assert.rejects(asked, { code: 'CANCELLED' });
    await world.transport.close();
    await mock.close();
    for (const texts of [
      ['a', ''],
      ['a', ' \n'],
    ]) {
      const seen: HttpRequest[] = [];
      await assert.rejects(embeds.embed(texts, { world: cannedWorld({ body: '' }, seen) }), (error: Error) => {
        assert.ok(NervaError.is(error, 'MODEL_REFUSED') && error.details['index'] === 1);
        return true;
      });
      assert.equal(seen.length, 0);
    }
  });
}

test('a request has the form of each provider, and the key is in the header that it wants', async () => {
  const of = async (provider: EmbeddingProvider): Promise<readonly unknown[]> => {
    const [request] = await sent(provider, ['a', 'b', 'c'], { dimensions: 3, kind: 'query', extra: { x: 1 } });
    const { authorization, 'x-goog-api-key': key } = request?.headers ?? {};
    return [request?.method, request?.url, authorization ?? key, JSON.parse(String(request?.body))];
  };
  const input = ['a', 'b', 'c'];
  const bearer = `Bearer ${KEY}`;
  assert.deepEqual(await of('openai'), [
    'POST',
    'https://api.openai.com/v1/embeddings',
    bearer,
    { model: 'm', input, encoding_format: 'float', dimensions: 3, x: 1 },
  ]);
  assert.deepEqual(await of('google'), [
    'POST',
    'https://generativelanguage.googleapis.com/v1beta/models/m:batchEmbedContents',
    KEY,
    {
      requests: input.map((text) => ({
        model: 'models/m',
        content: { role: 'user', parts: [{ text }] },
        taskType: 'RETRIEVAL_QUERY',
        outputDimensionality: 3,
      })),
      x: 1,
    },
  ]);
  assert.deepEqual(await of('cohere'), [
    'POST',
    'https://api.cohere.com/v2/embed',
    bearer,
    { model: 'm', embedding_types: ['float'], texts: input, input_type: 'search_query', truncate: 'NONE', output_dimension: 3, x: 1 },
  ]);
  assert.deepEqual(await of('voyage'), [
    'POST',
    'https://api.voyageai.com/v1/embeddings',
    bearer,
    { model: 'm', input, input_type: 'query', truncation: false, output_dimension: 3, x: 1 },
  ]);
  assert.deepEqual(await of('ollama'), [
    'POST',
    'http://127.0.0.1:11434/api/embed',
    bearer,
    { model: 'm', input, truncate: false, dimensions: 3, x: 1 },
  ]);
  const kindOf = async (provider: EmbeddingProvider, kind?: 'document'): Promise<unknown> => {
    const [request] = await sent(provider, input, kind === undefined ? {} : { kind });
    const body = JSON.parse(String(request?.body)) as JsonObject;
    return body['input_type'] ?? (body['requests'] as readonly JsonObject[] | undefined)?.[0]?.['taskType'];
  };
  for (const [provider, document, unsaid] of [
    ['google', 'RETRIEVAL_DOCUMENT', undefined],
    ['cohere', 'search_document', 'search_document'],
    ['voyage', 'document', undefined],
  ] as const)
    assert.deepEqual([await kindOf(provider, 'document'), await kindOf(provider)], [document, unsaid], provider);
});

test('a kind that a provider has no place for is named, others are not', async () => {
  for (const provider of PROVIDERS) {
    const embeds = embedder(provider, { model: 'm' });
    const world = cannedWorld({ body: fixture(provider) });
    const lost = provider === 'openai' || provider === 'ollama' ? ['kind'] : undefined;
    assert.deepEqual((await embeds.embed(['a', 'b', 'c'], { world, kind: 'query' })).notSent, lost);
    assert.equal((await embeds.embed(['a', 'b', 'c'], { world })).notSent, undefined);
  }
});

test('requests keep within the bytes that a provider takes; a longer text goes alone', async () => {
  const seen: HttpRequest[] = [];
  const answers: Canned[] = [2, 1, 1, 1].map((count) => ({
    body: JSON.stringify({ data: Array.from({ length: count }, (_, index) => ({ index, embedding: [1] })) }),
  }));
  const texts = ['a'.repeat(60_000), 'b'.repeat(60_000), 'é'.repeat(30_001), 'c'.repeat(200_000), 'd'];
  const { vectors, usage } = await embedder('voyage', { model: 'm' }).embed(texts, { world: cannedWorld(answers, seen) });
  assert.deepEqual(
    seen.map(({ body }) => ((JSON.parse(String(body)) as JsonObject)['input'] as readonly string[]).map((text) => text[0])),
    [['a', 'b'], ['é'], ['c'], ['d']],
  );
  assert.deepEqual([vectors.length, usage.inputTokens], [5, null], 'a sum with a gap is unknown');
});

test('half a character is sent as the mark of a missing one', async () => {
  const [request] = await sent('openai', ['a\ud800', 'b', 'c']);
  assert.deepEqual((JSON.parse(String(request?.body)) as JsonObject)['input'], ['a\ufffd', 'b', 'c']);
});

test('vectors of one call are of one length, whatever request they came with', async () => {
  const answer = (vector: readonly number[]): Canned => ({ body: JSON.stringify({ embeddings: [vector] }) });
  await assert.rejects(
    embedder('ollama', { model: 'm', textsMax: 1 }).embed(['a', 'b'], { world: cannedWorld([answer([1, 2]), answer([1])]) }),
    {
      code: 'MODEL_GARBAGE',
    },
  );
});

test('each refusal of an embedder has its code and reason, and never the key', async () => {
  const table: readonly (readonly [EmbeddingProvider, number, string, string, RegExp])[] = [
    ['cohere', 401, fixture('error-cohere'), 'MODEL_AUTH', /invalid api token/],
    ['voyage', 400, fixture('error-voyage'), 'MODEL_REFUSED', /: Argument 'input' is too long/],
    ['ollama', 400, fixture('error-ollama'), 'CONTEXT_TOO_LONG', /context length/],
    ['ollama', 500, '{"error":"input after truncation exceeds maximum context length"}', 'CONTEXT_TOO_LONG', /context/],
    ['openai', 429, `{"error":{"message":"slow down ${KEY}"}}`, 'MODEL_RATE_LIMITED', /slow down/],
    ['google', 400, wireFixture('google/error-key.json'), 'MODEL_AUTH', /API key not valid/],
    ['google', 200, wireFixture('google/error-overloaded.json'), 'MODEL_UNAVAILABLE', /overloaded/],
  ];
  for (const [provider, status, body, code, reason] of table)
    await assert.rejects(
      embedder(provider, { model: 'm', apiKey: KEY }).embed(['a'], { world: cannedWorld({ status, body }) }),
      (error: Error) => {
        assert.ok(NervaError.is(error) && error.message.startsWith(`${provider}/m`), error.message);
        assert.equal(error.code, code);
        assert.match(error.message, reason);
        assert.ok(!`${error.message}${JSON.stringify(error.details)}`.includes(KEY));
        return true;
      },
    );
});

test('options out of range are refused when an embedder is made', () => {
  for (const options of [{ textsMax: 0 }, { textsMax: 97 }, { dimensions: 0 }, { model: '' }, { baseUrl: 'x' }])
    assert.throws(() => embedder('cohere', { model: 'm', ...options }), { code: 'OPTION_INVALID' });
  for (const name of ['mistral', 'toString', ''])
    assert.throws(() => embedder(name as 'openai', { model: 'm' }), { code: 'OPTION_INVALID', message: /there are: openai, google/ });
  const price = { inputUsd: 0.02, outputUsd: 0 };
  const { embed: _, ...rest } = embedder('openai', { model: 'm', provider: 'vllm', price, dimensions: 8 });
  assert.deepEqual(rest, { name: 'vllm/m', dimensions: 8, textsMax: 2048, price });
});

test('each rule of the embedding mocks refuses what breaks it', () => {
  const headers = { 'content-type': 'application/json' };
  const paths = {
    openai: '/v1/embeddings',
    google: '/v1beta/models/m:batchEmbedContents',
    cohere: '/v2/embed',
    voyage: '/v1/embeddings',
    ollama: '/api/embed',
  };
  const request = (text: string, rest: object = {}): object => ({ model: 'models/m', content: { parts: [{ text }] }, ...rest });
  const cohere = { model: 'm', texts: ['a'], input_type: 'search_query', embedding_types: ['float'] };
  const fault = (provider: EmbeddingProvider, body: object | undefined, rest: object = {}): string | null =>
    embeddingMocks[provider].fault({
      method: 'POST',
      path: paths[provider],
      headers,
      text: '',
      body: body as JsonObject | undefined,
      ...rest,
    });
  assert.equal(fault('cohere', cohere), null);
  assert.equal(fault('google', { requests: [request('a')] }), null);
  const bad: readonly (readonly [EmbeddingProvider, object | undefined, RegExp])[] = [
    ['openai', undefined, /not JSON/],
    ['openai', { model: 'm', input: ['a'], foo: 1 }, /unknown field 'foo'/],
    ['openai', { model: '', input: ['a'] }, /model/],
    ['openai', { model: 'm', input: [] }, /no texts/],
    ['openai', { model: 'm', input: ['a', ''] }, /empty/],
    ['openai', { model: 'm', input: ['a'], dimensions: 0 }, /dimensions/],
    ['openai', { model: 'm', input: Array.from({ length: 2049 }, () => 'a') }, /at most 2048/],
    ['cohere', { ...cohere, input_type: undefined }, /input_type/],
    ['voyage', { model: 'm', input: ['a'], input_type: 'x' }, /input_type/],
    ['google', { requests: [request('')] }, /empty/],
    ['google', { requests: [request('a', { foo: 1 })] }, /"foo"/],
    ['google', { requests: [request('a', { model: 'm' })] }, /Invalid model/],
    ['google', { requests: [request('a', { taskType: 'query' })] }, /task_type/],
  ];
  for (const [provider, body, expected] of bad)
    assert.match(fault(provider, body) ?? 'let through', expected, JSON.stringify(body)?.slice(0, 80));
  assert.match(fault('ollama', { model: 'm', input: ['a'] }, { path: '/api/embeddings' }) ?? '', /not found/);
  assert.match(fault('ollama', { model: 'm', input: ['a'] }, { headers: {} }) ?? '', /content-type/);
});
