import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { after, before } from 'node:test';
import { createCohere } from '@ai-sdk/cohere';
import { createGoogle } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOllama } from 'ai-sdk-ollama';
import { embedder, type EmbedderProvider } from '../../packages/nerva/src/model/index.ts';
import { assertAgree, loopback, type Captured, type Known, type Loopback } from './harness.ts';

const KEY = 'embedding-oracle-key';
const TEXTS = ['a', 'b', 'c'];
let server: Loopback;
before(async () => void (server = await loopback()));
after(() => server.close());

/** What the AI SDK calls an embedding model, as far as it is used here. */
interface SdkEmbedder {
  doEmbed(
    options: Readonly<Record<string, unknown>>,
  ): PromiseLike<{ readonly embeddings: unknown; readonly usage?: { readonly tokens?: number } | undefined }>;
}

interface Row {
  readonly provider: EmbedderProvider;
  readonly path: string;
  readonly theirs: (baseURL: string) => unknown;
  readonly providerOptions?: Readonly<Record<string, unknown>>;
  readonly sent?: readonly Known[];
  readonly read?: readonly Known[];
}

const ROWS: readonly Row[] = [
  {
    provider: 'openai',
    path: '/v1',
    theirs: (baseURL) => createOpenAI({ baseURL, apiKey: KEY }).embedding('m'),
    read: [
      {
        at: 'vectors.*.*',
        reason: 'The fixture is out of order: ours goes by `index`, theirs by position.',
      },
    ],
  },
  {
    provider: 'google',
    path: '/v1beta',
    theirs: (baseURL) => createGoogle({ baseURL, apiKey: KEY }).embedding('m'),
    providerOptions: { google: { taskType: 'RETRIEVAL_QUERY' } },
  },
  {
    provider: 'cohere',
    path: '/v2',
    theirs: (baseURL) => createCohere({ baseURL, apiKey: KEY }).embedding('m'),
    providerOptions: { cohere: { inputType: 'search_query' } },
    sent: [
      {
        at: 'body.truncate',
        ours: 'NONE',
        theirs: undefined,
        reason: 'Without it Cohere cuts a text that is too long and does not say so.',
      },
    ],
  },
];

for (const { provider, path, theirs, providerOptions, sent = [], read = [] } of ROWS) {
  test(`Embeddings of ${provider}: both send and read the same`, async () => {
    server.serve({ body: readFileSync(new URL(`../wire/embeddings/${provider}.json`, import.meta.url), 'utf8') });
    const from = server.requests.length;
    const mine = await embedder(provider, { model: 'm', apiKey: KEY, baseUrl: server.url + path }).embed(TEXTS, {
      world: server.world,
      kind: 'query',
    });
    const other = await (theirs(server.url + path) as SdkEmbedder).doEmbed({ values: TEXTS, providerOptions });
    assert.equal(server.requests.length, from + 2);
    const [a, b] = server.requests.slice(from).map(seen);
    assertAgree({ ours: a, theirs: b }, sent, 'sent');
    assertAgree(
      {
        ours: { vectors: mine.vectors, tokens: mine.usage.inputTokens },
        theirs: { vectors: other.embeddings, tokens: other.usage?.tokens ?? null },
      },
      read,
      'read',
    );
  });
}

test('Embeddings of ollama: both read the same; theirs asks once a text', async () => {
  const one = JSON.parse(readFileSync(new URL('../wire/embeddings/ollama.json', import.meta.url), 'utf8')) as { embeddings: unknown[] };
  server.serve({ body: JSON.stringify({ ...one, embeddings: one.embeddings.slice(0, 1) }) });
  const from = server.requests.length;
  const mine = await embedder('ollama', { model: 'm', baseUrl: server.url }).embed(['a'], { world: server.world });
  const other = await (createOllama({ baseURL: server.url }).embedding('m') as unknown as SdkEmbedder).doEmbed({ values: ['a'] });
  const [a, b] = server.requests.slice(from).map(seen);
  assertAgree({ ours: a, theirs: b }, [
    {
      at: 'body.truncate',
      ours: false,
      theirs: undefined,
      reason: 'Without it the server cuts a text that is too long and does not say so.',
    },
    { at: 'body.input', ours: ['a'], theirs: 'a', reason: 'Ours sends all texts at once, theirs one a request.' },
  ]);
  assert.deepEqual(mine.vectors, other.embeddings);
  assert.equal(mine.usage.inputTokens, other.usage?.tokens);
});

/** What a provider looks at. */
function seen({ method, path, headers, body }: Captured): unknown {
  return { method, path, body, key: headers['x-goog-api-key'] ?? headers['authorization'] };
}
