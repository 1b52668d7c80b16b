import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { requestDigest } from './digest.ts';
import type { Message } from './message.ts';
import type { ModelRequest } from './model.ts';

const sha = (data: string | Uint8Array): string => hash('sha256', data, 'hex');
const say = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }], origin: 'person' });
const ask = (messages: readonly Message[], rest: Partial<ModelRequest> = {}): ModelRequest => ({
  instructions: 'i',
  tools: [],
  params: {},
  messages,
  ...rest,
});

test('equal requests have equal digests whatever their identity and the order of keys in parameters', () => {
  const one = ask([{ role: 'user', parts: [{ type: 'text', text: 'a' }], origin: 'person' }], { params: { seed: 1, topP: 1 } });
  const two = ask([{ role: 'user', parts: [{ type: 'text', text: 'a' }], origin: 'person' }], { params: { topP: 1, seed: 1 } });
  assert.equal(requestDigest(one, sha), requestDigest(two, sha));
  assert.match(requestDigest(one, sha), /^[0-9a-f]{64}$/);
});

test('a change of any part of a request changes its digest', () => {
  const tools = [{ name: 't', description: 'd', inputSchema: { type: 'object' } }];
  const params = {};
  const requests = [
    ask([]),
    ask([say('a')]),
    ask([say('a'), say('b')]),
    ask([say('b'), say('a')]),
    ask([say('ab')]),
    ask([{ ...say('a'), role: 'assistant' }]),
    ask([say('a')], { tools, params }),
    ask([say('a')], { tools, params, instructions: 'j' }),
    ask([say('a')], { tools, params: { seed: 1 }, instructions: 'j' }),
    ask([say('a')], { tools: tools.map((tool) => ({ ...tool, description: 'e' })) }),
  ];
  assert.equal(new Set(requests.map((request) => requestDigest(request, sha))).size, requests.length);
});

test('any history of growing, forking and rewriting lists gives the digests of lists never seen before', () => {
  const pool = Array.from({ length: 6 }, (_, index) => say(String(index)));
  fc.assert(
    fc.property(fc.array(fc.array(fc.nat(5), { maxLength: 8 }), { maxLength: 12 }), (lists) => {
      for (const list of lists) {
        const shared = ask(list.map((index) => pool[index] as Message));
        const fresh = ask(list.map((index) => say(String(index))));
        assert.equal(requestDigest(shared, sha), requestDigest(fresh, sha));
      }
    }),
  );
});

test('a conversation that grows costs a bounded number of hashes a step', () => {
  let count = 0;
  const counting = (data: string | Uint8Array): string => {
    count++;
    return sha(data);
  };
  const tools = [{ name: 't', description: 'd', inputSchema: {} }];
  const params = {};
  const messages: Message[] = [];
  for (let step = 0; step < 50; step++) {
    messages.push(say(`question ${step}`), { ...say(`answer ${step}`), role: 'assistant' });
    count = 0;
    requestDigest({ instructions: 'i', tools, params, messages: [...messages] }, counting);
    assert.ok(count <= (step === 0 ? 4 : 3), `step ${step} took ${count} hashes`);
  }
});
