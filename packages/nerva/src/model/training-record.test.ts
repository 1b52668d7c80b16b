/**
 * What training needs and ordinary records drop: token ids, log-probabilities, the version of the model, why it stopped. Each wire is asked for
 * what it can give, keeps it, and names what it has no place for.
 * vLLM's members: https://blog.vllm.ai/2025/10/22/agent-lightning.html (22 October 2025): `return_token_ids` gives `prompt_token_ids` and `token_ids`.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { HttpRequest, JsonObject } from '../core/index.ts';
import { google } from './google.ts';
import type { Model, ModelAnswer, ModelParams } from './model.ts';
import { ollama } from './ollama.ts';
import { openaiChat } from './openai.ts';
import { compatible } from './providers.ts';
import { openaiResponses } from './responses.ts';
import { ask, askCanned, byteSplits, cannedWorld, say, wireFixture, type Canned } from './wire-scene.test.ts';

const WANTED: ModelParams = { logprobs: 1, tokenIds: true };
const entry = (token: string, logprob: number, other: string) => ({
  token,
  logprob,
  bytes: null,
  top_logprobs: [
    { token, logprob, bytes: null },
    { token: other, logprob: -5, bytes: null },
  ],
});

/** The same answer of vLLM in one piece and as a stream: the prompt's ids come once, the sampled ones with each piece. */
const VLLM = {
  whole: {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1_764_000_000,
    model: 'Qwen/Qwen3-8B@abc123',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'Ja.', tool_calls: [] },
        logprobs: { content: [entry('Ja', -0.01, 'Ne'), entry('.', -0.2, '!')] },
        finish_reason: 'length',
        stop_reason: null,
        token_ids: [41, 13],
      },
    ],
    usage: { prompt_tokens: 3, total_tokens: 5, completion_tokens: 2 },
    prompt_logprobs: null,
    prompt_token_ids: [1, 2, 3],
  },
  chunks: [
    {
      prompt_token_ids: [1, 2, 3],
      choices: [{ index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }],
    },
    {
      choices: [
        { index: 0, delta: { content: 'Ja' }, logprobs: { content: [entry('Ja', -0.01, 'Ne')] }, finish_reason: null, token_ids: [41] },
      ],
    },
    {
      choices: [
        { index: 0, delta: { content: '.' }, logprobs: { content: [entry('.', -0.2, '!')] }, finish_reason: 'length', token_ids: [13] },
      ],
    },
    { choices: [], usage: { prompt_tokens: 3, total_tokens: 5, completion_tokens: 2 } },
  ],
};
const vllmStream = `${VLLM.chunks.map((chunk) => `data: ${JSON.stringify({ id: 'chatcmpl-1', model: 'Qwen/Qwen3-8B@abc123', ...chunk })}\n\n`).join('')}data: [DONE]\n\n`;

/** Asks for everything. @returns the answer and the request's body. */
async function asked(model: Model, answer: Canned, isStream = false): Promise<{ readonly answer: ModelAnswer; readonly body: JsonObject }> {
  const seen: HttpRequest[] = [];
  const request = ask([say('Ja?')], { params: WANTED });
  const listen = isStream ? { onDelta: () => undefined } : {};
  const got = await model.call(request, { world: cannedWorld(answer, seen), ...listen });
  return { answer: got, body: JSON.parse(String(seen[0]?.body)) as JsonObject };
}

const tokensOf = ({ meta }: ModelAnswer): unknown =>
  (meta?.['logprobs'] as readonly JsonObject[] | undefined)?.map(({ token, logprob, top_logprobs: top }) => [
    token,
    logprob,
    (top as readonly unknown[]).length,
  ]);

test('chat completions of vLLM: prompt ids, sampled ids, log-probabilities, version and reason are asked for and kept, streamed or not', async () => {
  for (const model of [
    compatible('vllm', { model: 'Qwen/Qwen3-8B' }),
    openaiChat({ model: 'Qwen/Qwen3-8B', baseUrl: 'http://127.0.0.1:8000/v1' }),
  ]) {
    const { answer, body } = await asked(model, { body: JSON.stringify(VLLM.whole) });
    assert.deepEqual([body['return_token_ids'], body['logprobs'], body['top_logprobs']], [true, true, 1]);
    assert.deepEqual([answer.finish, answer.model], ['length', 'Qwen/Qwen3-8B@abc123']);
    assert.deepEqual(
      [answer.meta?.['promptTokenIds'], answer.meta?.['tokenIds']],
      [
        [1, 2, 3],
        [41, 13],
      ],
    );
    assert.deepEqual(tokensOf(answer), [
      ['Ja', -0.01, 2],
      ['.', -0.2, 2],
    ]);
    assert.equal(answer.meta?.['notSent'], undefined);
    for (const length of [1, 7, 100_000]) {
      const streamed = await asked(model, { body: byteSplits(vllmStream, length), headers: { 'content-type': 'text/event-stream' } }, true);
      assert.deepEqual(streamed.answer, answer);
    }
  }
});

const OTHERS: readonly (readonly [name: string, model: Model, fixture: string, stream: string, mediaType: string, expected: JsonObject])[] =
  [
    [
      'Responses',
      openaiResponses({ model: 'gpt-4.1' }),
      'openai-responses/logprobs.json',
      'openai-responses/logprobs.sse',
      'text/event-stream',
      {
        tokens: [
          ['Hello', -0.1, 2],
          [' you', -0.2, 2],
        ],
        ids: null,
        model: 'gpt-4.1-2025-04-14',
        finish: 'stop',
        notSent: ['params.tokenIds'],
      },
    ],
    [
      'Gemini',
      google({ model: 'gemini-3-flash-preview' }),
      'google/logprobs.json',
      'google/logprobs.sse',
      'text/event-stream',
      {
        tokens: [
          ['Ja', -0.01, 2],
          ['.', -0.2, 2],
        ],
        ids: [7, 8],
        model: 'gemini-3-flash-preview',
        finish: 'stop',
        notSent: null,
      },
    ],
    [
      'Ollama',
      ollama({ model: 'qwen3:8b' }),
      'ollama/logprobs.json',
      'ollama/logprobs.ndjson',
      'application/x-ndjson',
      {
        tokens: [
          ['Ja', -0.01, 2],
          ['.', -0.2, 2],
        ],
        ids: null,
        model: 'qwen3:8b',
        finish: 'stop',
        notSent: ['params.tokenIds'],
      },
    ],
  ];

for (const [name, model, fixture, stream, mediaType, expected] of OTHERS) {
  test(`${name}: log-probabilities, version and reason are kept, and what the wire has no place for is named`, async () => {
    for (const isStream of [false, true]) {
      const canned = isStream ? { body: wireFixture(stream), headers: { 'content-type': mediaType } } : { body: wireFixture(fixture) };
      const { answer } = await asked(model, canned, isStream);
      const { meta, model: version, finish } = answer;
      assert.deepEqual(
        { tokens: tokensOf(answer), ids: meta?.['tokenIds'] ?? null, model: version, finish, notSent: meta?.['notSent'] ?? null },
        expected,
      );
    }
  });
}

test('what is kept of each token costs the same for the last as for the first', async () => {
  const count = 60_000;
  const piece = { choices: [{ index: 0, delta: { content: 'a' }, logprobs: { content: [1] }, finish_reason: null, token_ids: [7] }] };
  const chat = `data: ${JSON.stringify(piece)}\n\n`.repeat(count);
  const end = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
  const delta = { type: 'response.output_text.delta', output_index: 0, content_index: 0, item_id: 'm', delta: 'a', logprobs: [1] };
  const responses = `data: ${JSON.stringify(delta)}\n\n`.repeat(count);
  const done = `data: ${JSON.stringify({ type: 'response.completed', response: { status: 'completed', output: [] } })}\n\n`;
  const headers = { 'content-type': 'text/event-stream' };
  const startMs = performance.now();
  for (const [model, body, idCount] of [
    [openaiChat({ model: 'm' }), chat + end, count],
    [openaiResponses({ model: 'm' }), responses + done, undefined],
  ] as const) {
    const { meta } = await askCanned(model, { body: byteSplits(body, 16_384), headers }, { onDelta: () => undefined });
    const lengths = ['logprobs', 'tokenIds'].map((name) => (meta?.[name] as readonly unknown[] | undefined)?.length);
    assert.deepEqual(lengths, [count, idCount]);
  }
  assert.ok(performance.now() - startMs < 5_000, `${performance.now() - startMs} ms`);
});
