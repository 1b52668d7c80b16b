import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { NervaError, type Json } from '../core/index.ts';
import { answerKey, readChatRequest, type ChatRequest } from './chat-request.ts';
import type { Part } from './message.ts';

const read = (body: object): ChatRequest =>
  readChatRequest(JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'a' }], ...body }));
const keyOf = (message: object): string => read({ messages: [message] }).messages[0]?.key ?? '';

test('members that have an option become one, the others stay as they are, and how the answer travels is left out', () => {
  const table: readonly (readonly [object, object])[] = [
    [{}, {}],
    [{ stream: true, stream_options: { include_usage: true } }, {}],
    [
      { temperature: 0, top_p: 0.5, seed: 7 },
      { temperature: 0, topP: 0.5, seed: 7 },
    ],
    [{ max_tokens: 9 }, { maxOutputTokens: 9 }],
    [{ max_completion_tokens: 8, max_tokens: 9 }, { maxOutputTokens: 8 }],
    [{ tool_choice: 'auto' }, {}],
    [{ tool_choice: 'none' }, { toolChoice: 'none' }],
    [{ tool_choice: { type: 'function', function: { name: 'pay' } } }, { toolChoice: { tool: 'pay' } }],
    [{ tool_choice: 7, temperature: 'hot', max_tokens: 'many' }, { extra: { tool_choice: 7, temperature: 'hot', max_tokens: 'many' } }],
    [{ user: 'u', logit_bias: { 5: 1 } }, { extra: { user: 'u', logit_bias: { 5: 1 } } }],
    [{ tools: [{ type: 'custom', name: 'x' }] }, { extra: { tools: [{ type: 'custom', name: 'x' }] } }],
  ];
  for (const [body, params] of table) assert.deepEqual(read(body).params, params, JSON.stringify(body));
  assert.deepEqual([read({ stream: true }).isStream, read({}).isStream], [true, false]);
});

test('system and developer messages at the beginning are the instructions, later ones are messages', () => {
  const system = (content: string, role = 'system') => ({ role, content });
  const { instructions, messages } = read({
    messages: [system('a'), system('b', 'developer'), { role: 'user', content: 'c' }, system('d')],
  });
  assert.equal(instructions, 'a\n\nb');
  assert.deepEqual(
    messages.map(({ role, text }) => [role, text]),
    [
      ['user', 'c'],
      ['system', 'd'],
    ],
  );
});

test('any answer has the key of the message that a client makes of it, however it writes that', () => {
  const name = fc.stringMatching(/^[a-z]{1,5}$/);
  // No log can hold a key `__proto__`: such arguments are a text in an answer.
  const value = fc.jsonValue({ maxDepth: 2 }).filter((one) => !JSON.stringify(one).includes('"__proto__"'));
  const call = fc.record({ id: name, name, input: fc.dictionary(name, value) });
  fc.assert(
    fc.property(fc.string(), fc.array(call, { maxLength: 3 }), fc.nat(3), fc.boolean(), (text, calls, indent, isParts) => {
      const parts: readonly Part[] = [
        { type: 'reasoning', text: 'hm' },
        { type: 'text', text },
        ...calls.map((one) => ({ type: 'tool_call', ...one, input: one.input as Json }) as const),
      ];
      const written = text.toWellFormed();
      const message = {
        role: 'assistant',
        content: isParts ? [{ type: 'text', text: `${written} ` }] : written,
        reasoning_content: 'other',
        tool_calls: calls.map(({ id, name: called, input }) => ({
          type: 'function',
          function: { arguments: JSON.stringify(Object.fromEntries(Object.entries(input).toReversed()), null, indent), name: called },
          id,
        })),
      };
      assert.equal(keyOf(message), answerKey(parts.map((part) => (part.type === 'text' ? { ...part, text: written } : part))));
    }),
  );
});

test('messages of other content have other keys', () => {
  const call = (id: string, name: string, input: string) => ({
    role: 'assistant',
    content: null,
    tool_calls: [{ id, type: 'function', function: { name, arguments: input } }],
  });
  const all = [
    { role: 'user', content: 'a' },
    { role: 'system', content: 'a' },
    { role: 'assistant', content: 'a' },
    { role: 'tool', tool_call_id: 'x', content: 'a' },
    { role: 'tool', tool_call_id: 'y', content: 'a' },
    { role: 'user', content: 'A' },
    { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://x/a.png' } }] },
    { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://x/b.png' } }] },
    call('x', 'pay', '{}'),
    call('y', 'pay', '{}'),
    call('x', 'refund', '{}'),
    call('x', 'pay', '{"usd":1}'),
    call('x', 'pay', '{"usd":'),
  ];
  assert.equal(new Set(all.map(keyOf)).size, all.length);
});

test('any JSON is a request or is refused with what is missing', () => {
  for (const [body, why] of [
    ['{', /not JSON/],
    ['[]', /no JSON object/],
    ['{}', /names no model/],
    ['{"model":"m","messages":[]}', /no list of messages/],
    ['{"model":"m","messages":[{"content":"a"}]}', /no list of messages/],
  ] as const)
    assert.throws(() => readChatRequest(body), { code: 'SCHEMA_MISMATCH', message: why });
  const message = fc.dictionary(
    fc.constantFrom('role', 'content', 'tool_calls', 'function_call', 'tool_call_id', 'name', 'refusal'),
    fc.oneof(fc.constantFrom('user', 'assistant', 'tool', 'system'), fc.jsonValue()),
  );
  fc.assert(
    fc.property(fc.array(message, { minLength: 1 }), fc.jsonValue(), fc.jsonValue(), (messages, tools, choice) => {
      try {
        const request = readChatRequest(JSON.stringify({ model: 'm', messages, tools, tool_choice: choice }));
        assert.equal(
          request.messages.every(({ key }) => key !== ''),
          true,
        );
      } catch (error) {
        assert.ok(NervaError.is(error, 'SCHEMA_MISMATCH'), String(error));
      }
    }),
    { numRuns: 500 },
  );
});
