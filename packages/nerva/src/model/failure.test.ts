import assert from 'node:assert/strict';
import test from 'node:test';
import { NervaError, type HttpRequest } from '../core/index.ts';
import { anthropic } from './anthropic.ts';
import { bedrock } from './bedrock.ts';
import { embedder } from './embedders.ts';
import { garbage, redact } from './failure.ts';
import { google } from './google.ts';
import type { Model } from './model.ts';
import { ollama } from './ollama.ts';
import { openaiChat } from './openai.ts';
import { compatible } from './providers.ts';
import { ask, askCanned, cannedWorld, wireFixture } from './wire-scene.test.ts';

/** The text of the failure that this status and body stand for. */
async function said(model: Model, status: number, body: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const error: unknown = await askCanned(model, { status, body, headers }).catch((failure: unknown) => failure);
  assert.ok(NervaError.is(error), String(error));
  return error.message;
}

const UNKNOWN = JSON.stringify({ error: { message: 'The model does not exist', type: 'invalid_request_error', code: 'model_not_found' } });

test('a model that the provider does not know is refused with the names nearest to it, or with those that are known of the provider', async () => {
  const table: readonly (readonly [Model, number, string, RegExp])[] = [
    [openaiChat({ model: 'gpt-5-minni' }), 404, UNKNOWN, /Did you mean openai\/gpt-5-mini[,?]/],
    [
      anthropic({ model: 'claude-haiku-4.5' }),
      404,
      wireFixture('anthropic/error-404.json'),
      /Did you mean anthropic\/claude-haiku-4-5[,?]/,
    ],
    [
      google({ model: 'gemini-2.5-flahs' }),
      404,
      '{"error":{"message":"models/x is not found"}}',
      /Did you mean google\/gemini-2\.5-flash[,?]/,
    ],
    [
      compatible('deepseek', { model: 'deepseek-chatt' }),
      400,
      '{"error":{"message":"Model Not Exist"}}',
      /Did you mean deepseek\/deepseek-/,
    ],
    [compatible('mistral', { model: 'quite-another' }), 400, '{"message":"Invalid model: x"}', /Known of it here: mistral\/\S+/],
    [ollama({ model: 'llama9' }), 404, wireFixture('ollama/error-404.json'), /Which models it has is in its own list/],
    [
      bedrock({ model: 'x', region: 'us-east-1', apiKey: 'k' }),
      400,
      '{"message":"The provided model identifier is invalid."}',
      /Which models it has/,
    ],
    // Known here, and yet not there: it is not said to mean itself.
    [openaiChat({ model: 'gpt-5-mini' }), 404, UNKNOWN, /Known of it here: openai\//],
  ];
  for (const [model, status, body, hint] of table) assert.match(await said(model, status, body), hint);
  const world = cannedWorld({ status: 404, body: UNKNOWN });
  await assert.rejects(
    embedder('openai', { model: 'text-embedding-9' }).embed(['a'], { world }),
    (error: Error) => !/gpt/.test(error.message),
  );
});

test('a failure that is not about the name of the model names no other', async () => {
  const model = openaiChat({ model: 'gpt-5-minni' });
  for (const [status, body] of [
    [404, '<html>the page of this model was not found</html>'],
    [400, '{"error":{"message":"temperature is not supported with this model"}}'],
    [403, '{"error":{"message":"no access to this model"}}'],
    [500, UNKNOWN],
  ] as const)
    assert.doesNotMatch(await said(model, status, body), /Did you mean|Known of it|own list/);
});

test('a redirect is not followed, and the failure says where it points and what to set', async () => {
  const key = 'sk-0123456789abcdef';
  const model = openaiChat({ model: 'm', apiKey: key });
  const text = await said(model, 308, '', { location: `https://example.org/v1?key=${key}` });
  assert.match(text, /It points to https:\/\/example\.org\/v1\?key=\[key\]\. Redirects are not followed.* set baseUrl/);
});

test('wherever a key begins in what came, no excerpt of it holds any of the key, also one that nobody named', () => {
  const named = 'correct horse "battery" staple 0123456789';
  const alike = [`sk-${'a1'.repeat(20)}`, `AIza${'b2'.repeat(18)}`, `eyJ${'c3'.repeat(10)}.eyJ${'d4'.repeat(400)}.${'e5'.repeat(20)}`];
  for (let at = 0; at <= 260; at++)
    for (const key of [named, ...alike]) {
      const error = garbage('an answer', 'it is odd', { text: 'y'.repeat(at), key });
      const text = redact(error.message, [named]);
      for (let from = 0; from + 6 <= key.length; from += 3) {
        const piece = JSON.stringify(key.slice(from, from + 6)).slice(1, -1);
        assert.ok(!text.includes(piece), `${at}: ${text}`);
      }
    }
});

test('of two secrets of which one begins the other nothing is left, and a hostile text takes no time', () => {
  assert.equal(redact('x abcd-efgh y', ['abcd', 'abcd-efgh']), 'x [key] y');
  const startMs = performance.now();
  redact('-eyJ'.repeat(50_000), []);
  assert.ok(performance.now() - startMs < 2_000);
});

test('a key is sent without the white space around it, and one that no header can carry is refused without being shown', async () => {
  const seen: HttpRequest[] = [];
  const model = anthropic({ model: 'm', apiKey: ' sk-ant-0123456789\n' });
  await model.call(ask(), { world: cannedWorld({ body: wireFixture('anthropic/text.json') }, seen) });
  assert.equal(seen[0]?.headers?.['x-api-key'], 'sk-ant-0123456789');
  for (const [apiKey, what] of [
    ['sk-ant-01\n23456789', /U\+000A at 9/],
    ['sk-ant-абвг', /U\+0430 at 7/],
    ['Bearer sk-ant-0123', /U\+0020 at 6/],
  ] as const)
    assert.throws(
      () => anthropic({ model: 'm', apiKey }),
      (error: Error) => NervaError.is(error, 'OPTION_INVALID') && what.test(error.message) && !error.message.includes('sk-ant'),
    );
});

test('what a program sends in headers of its own is a secret too', async () => {
  const model = openaiChat({ model: 'm', headers: { 'x-tenant': 'tenant-of-somebody' } });
  assert.doesNotMatch(await said(model, 500, 'no tenant-of-somebody here'), /tenant-of/);
});

test('a name of a model that would lead elsewhere in a path is refused', () => {
  for (const model of ['../../x', '..', 'a/../b', './x'])
    for (const make of [google, openaiChat]) assert.throws(() => make({ model, apiKey: 'k' }), { code: 'OPTION_INVALID' }, model);
  assert.equal(google({ model: 'gemini-2.5-flash..x' }).name, 'google/gemini-2.5-flash..x');
});

test('a byte order mark before an answer is stepped over', async () => {
  const { parts } = await askCanned(openaiChat({ model: 'm' }), { body: `\ufeff${wireFixture('openai/text.json')}` });
  assert.equal(parts.length, 1);
});
