import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8Bytes } from '../core/index.ts';
import { placed } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { fromFunction } from '../policy/index.ts';
import { testWorld } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { refusal, reserveFor } from './budget.ts';
import { boundTokens, estimateTokens } from './context.ts';
import { bind, createAgent, type AgentOptions, type Bound } from './definition.ts';
import { asDrafts, type Draft, type EventData, type EventType } from './events.ts';
import { evolve, initial } from './fold.ts';
import type { AgentState } from './state.ts';

const the = <T extends EventType>(type: T, data: EventData[T], origin?: 'person'): Draft =>
  ({ type, data, ...(origin === undefined ? {} : { origin }) }) as Draft;
const price = { inputUsd: 2, outputUsd: 3 };
const params = { maxOutputTokens: 50 };
const boundOf = (more: Partial<AgentOptions> = {}): Bound =>
  bind(createAgent({ name: 'a', model: scriptedModel([], { price }), params, ...more }), testWorld().digest);

/** The state after these events, event n at 10·n ms. */
const folded = (drafts: readonly Draft[]): AgentState =>
  asDrafts(drafts).reduce((state, draft, seq) => evolve(state, placed(draft, 's', seq, 10 * seq, 1)), initial('s'));

const message = (text: string, deliver?: EventData['message.received']['deliver']): Draft =>
  the('message.received', { text, ...(deliver === undefined ? {} : { deliver }) }, 'person');
const begun: readonly Draft[] = [
  the('session.created', { agent: 'a' }),
  message('go'),
  the('turn.started', { takes: [1], definition: { ref: 'd', bytes: 1, mediaType: 'm' } }),
];
const answered = (tokens: number, usd?: number): readonly Draft[] => [
  ...begun,
  the('model.called', { digest: 'q' }),
  the('model.answered', {
    call: 3,
    parts: [{ type: 'text', text: 'hi' }],
    usage: { inputTokens: tokens - 1, outputTokens: 1 },
    model: null,
    ...(usd === undefined ? {} : { usd }),
  }),
];

const bytesOf = (text: string): number => utf8Bytes(JSON.stringify([{ type: 'text', text }])) + 16;

test('before the first answer everything counts: instructions, tools, parameters and messages, byte by byte', () => {
  const look = tool({ name: 'look', effect: 'read', inputSchema: { type: 'object' }, execute: () => 1 });
  const bound = boundOf({ instructions: 'Be brief – ça va?', tools: [look] });
  const fixed = utf8Bytes('Be brief – ça va?') + utf8Bytes(JSON.stringify([bound.specs, params]));
  const state = folded([...begun, message('mind', 'steer'), message('later')]);
  const bytes = fixed + bytesOf('go') + bytesOf('mind');
  assert.equal(boundTokens(state, bound), bytes);
  assert.equal(estimateTokens(state, bound), Math.ceil(bytes / 4));
});

test('after an answer what the provider counted stands for all before it, and notes count too', () => {
  const bound = boundOf({ instructions: 'x'.repeat(500) });
  assert.equal(boundTokens(folded(answered(70)), bound), 70);
  const more = folded([...answered(70), the('output.rejected', { answer: 4, message: 'JSON please' }), message('mind', 'steer')]);
  assert.equal(boundTokens(more, bound), 70 + bytesOf('JSON please') + bytesOf('mind'));
  const noted = { ...more, turn: { ...more.turn, notes: ['ça va'] } };
  assert.equal(boundTokens(noted, bound), 70 + bytesOf('JSON please') + bytesOf('mind') + utf8Bytes('ça va') + 16);
});

test('a bound counts every byte of a file, also of one beside the log; an estimate counts an image as one and nothing else', () => {
  const ref = { ref: 'f'.repeat(64), bytes: 100, mediaType: 'application/pdf' };
  const image = { mediaType: 'image/png', data: 'AAAA' };
  const linked = { mediaType: 'image/jpeg', data: { url: 'https://example.org/b.jpg' } };
  const large = { mediaType: 'application/pdf', name: 'a.pdf', data: ref };
  const bound = boundOf();
  const fixed = utf8Bytes(JSON.stringify([[], params]));
  const tokens = (files: EventData['message.received']['files'], bytesPerToken: number): number => {
    const sent = the('message.received', { text: 'go', ...(files === undefined ? {} : { files }) }, 'person');
    const state = folded([begun[0] as Draft, sent, begun[2] as Draft]);
    return bytesPerToken === 1 ? boundTokens(state, bound) : estimateTokens(state, bound);
  };
  const plain = fixed + bytesOf('go');
  const json = (file: object): number => utf8Bytes(JSON.stringify({ type: 'file', ...file }));
  assert.equal(tokens([image], 1), plain + json(image));
  assert.equal(tokens([linked], 1), plain + json(linked));
  assert.equal(tokens([large], 1), plain + json(large) + 134, 'as base64');
  assert.equal(tokens([image, large, linked], 1), plain + json(image) + json(large) + 134 + json(linked));
  assert.equal(tokens([image], 4), Math.ceil(plain / 4) + 1_600);
  assert.equal(tokens([image, large, linked], 4), Math.ceil(plain / 4) + 3_200);
});

test('an image that the model made is no image that it is charged for', () => {
  const bound = boundOf();
  const state = folded([
    ...begun,
    the('model.called', { digest: 'q' }),
    the('model.answered', {
      call: 3,
      parts: [{ type: 'file', mediaType: 'image/png', data: 'AAAA' }],
      usage: { inputTokens: null, outputTokens: null },
      model: null,
    }),
  ]);
  const bytes = utf8Bytes(JSON.stringify([[], params])) + bytesOf('go') + utf8Bytes('[]') + 16;
  assert.equal(estimateTokens(state, bound), Math.ceil(bytes / 4));
});

test('what is set aside is the whole input and the longest answer, in tokens and USD, and nothing where no budget asks', () => {
  const state = folded(answered(70));
  for (const limit of ['turnTokensMax', 'sessionTokensMax', 'turnUsdMax', 'sessionUsdMax'])
    assert.deepEqual(reserveFor(state, boundOf({ budget: { [limit]: 1 } })), { tokens: 120, usd: (70 * 2 + 50 * 3) / 1_000_000 }, limit);
  const cheap = boundOf({ model: scriptedModel([], { price: { inputUsd: 0.25, outputUsd: 3 } }), budget: { turnUsdMax: 1 } });
  assert.equal(reserveFor(state, cheap)?.usd, (70 * 0.25 + 50 * 3) / 1_000_000);
  const unpriced = boundOf({ model: scriptedModel([]), budget: { turnTokensMax: 1 } });
  assert.deepEqual(reserveFor(state, unpriced), { tokens: 120, usd: null });
  for (const options of [{}, { budget: {} }, { budget: { turnMs: 1, sessionMs: 1, sessionStepsMax: 1 } }])
    assert.equal(reserveFor(state, boundOf(options)), null);
  const policy = fromFunction('p', () => null);
  const rules = bind(createAgent({ name: 'a', policy, budget: { turnTokensMax: 1 } }), testWorld().digest);
  assert.equal(reserveFor(state, rules), null);
});

test('each limit stops at its bound and not before, and says by how much', () => {
  const state = folded(answered(70, 0.5));
  const why = (budget: AgentOptions['budget'], at = state): unknown => {
    const found = refusal(at, boundOf(budget === undefined ? {} : { budget }));
    return found === null ? null : [found.reason, found.why];
  };
  const usd = 290 / 1_000_000;
  assert.equal(why(undefined), null);
  assert.equal(
    why({ turnTokensMax: 190, sessionTokensMax: 190, turnMs: 21, sessionMs: 41, sessionStepsMax: 2, turnUsdMax: 0.5 + usd }),
    null,
  );
  assert.deepEqual(why({ turnTokensMax: 189 }), ['budget', 'turnTokensMax 189: 70 spent, the next call may take 120']);
  assert.deepEqual(why({ sessionTokensMax: 189 }), ['budget', 'sessionTokensMax 189: 70 spent, the next call may take 120']);
  assert.deepEqual(why({ turnUsdMax: 0.5 }), ['budget', `turnUsdMax 0.5: 0.5 spent, the next call may take ${usd}`]);
  assert.deepEqual(why({ sessionUsdMax: 0.5 }), ['budget', `sessionUsdMax 0.5: 0.5 spent, the next call may take ${usd}`]);
  assert.deepEqual(why({ turnMs: 20 }), ['budget', 'turnMs 20']);
  assert.deepEqual(why({ sessionMs: 40 }), ['budget', 'sessionMs 40']);
  assert.deepEqual(why({ sessionStepsMax: 1 }), ['budget', 'sessionStepsMax 1']);
  const second = [
    ...answered(70, 0.5),
    the('turn.ended', { reason: 'answer' }),
    message('more'),
    the('turn.started', { takes: [6], definition: { ref: 'd', bytes: 1, mediaType: 'm' } }),
  ];
  const later = folded(second);
  assert.equal(why({ turnMs: 1 }, later), null, 'a turn begins at its start');
  assert.deepEqual(why({ sessionMs: 70 }, later), ['budget', 'sessionMs 70']);
});

test('a conversation that does not fit the model is an error, before any budget', () => {
  const small = (contextTokensMax: number) =>
    refusal(
      folded(answered(70)),
      boundOf({ model: scriptedModel([], { price, contextTokensMax }), budget: { turnTokensMax: 1, turnMs: 1 } }),
    );
  assert.deepEqual(small(119), { reason: 'error', why: 'CONTEXT_TOO_LONG: about 120 tokens, the model takes 119' });
  assert.equal(small(120)?.reason, 'budget');
});
