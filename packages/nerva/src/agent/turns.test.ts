import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placed } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { fromFunction } from '../policy/index.ts';
import { testWorld } from '../testing/index.ts';
import { bind, createAgent, type AgentOptions, type Bound } from './definition.ts';
import { asDrafts, type Draft, type EventData, type EventType } from './events.ts';
import { evolve, initial } from './fold.ts';
import type { AgentState, Wish } from './state.ts';
import { decide } from './decide.ts';
import { decideTurn } from './turns.ts';

const the = <T extends EventType>(type: T, data: EventData[T], origin?: 'person'): Draft =>
  ({ type, data, ...(origin === undefined ? {} : { origin }) }) as Draft;
const boundOf = (more: Partial<AgentOptions> = {}): Bound =>
  bind(createAgent({ name: 'a', model: scriptedModel([]), ...more }), testWorld().digest);
const folded = (drafts: readonly Draft[]): AgentState =>
  asDrafts(drafts).reduce((state, draft, seq) => evolve(state, placed(draft, 's', seq, seq, 1)), initial('s'));

const created = the('session.created', { agent: 'a' });
const said = (text: string, deliver?: EventData['message.received']['deliver']): Draft =>
  the('message.received', { text, ...(deliver === undefined ? {} : { deliver }) }, 'person');
const begun = [created, said('go'), the('turn.started', { takes: [1], definition: { ref: 'd', bytes: 1, mediaType: 'm' } })];
const called = the('model.called', { digest: 'q' });
const answered = (text: string): Draft =>
  the('model.answered', { call: 3, parts: [{ type: 'text', text }], usage: { inputTokens: 1, outputTokens: 1 }, model: null });
const typesOf = (wish: Wish): unknown => (Array.isArray(wish) ? wish.map(({ type }: Draft) => type) : wish);
const endOf = (wish: Wish): unknown => (Array.isArray(wish) ? (wish[0] as Draft).data : wish);

test('a turn is opened for the first input, an interrupt before all others, and none where there is none or the session is closed', () => {
  const bound = boundOf();
  const takes = (drafts: readonly Draft[]): unknown => endOf(decideTurn(folded([created, ...drafts]), bound));
  assert.equal(takes([]), null);
  assert.deepEqual(takes([said('one'), said('two')]), { takes: [1], definition: bound.body });
  assert.deepEqual(takes([said('one'), said('two', 'interrupt')]), { takes: [2], definition: bound.body });
  assert.equal(takes([said('one'), the('session.closed', { why: 'x' })]), null);
});

test('a turn ends with its answer, its failure, its cancel, or for want of an answer', () => {
  const bound = boundOf();
  const end = (drafts: readonly Draft[]): unknown => endOf(decideTurn(folded([...begun, ...drafts]), bound));
  assert.deepEqual(end([called, answered('hi')]), { reason: 'answer' });
  assert.deepEqual(end([called, the('model.failed', { call: 3, why: 'error', code: 'X', message: 'no' })]), {
    reason: 'error',
    why: 'X: no',
  });
  assert.deepEqual(end([called, the('model.failed', { call: 3, why: 'error', message: 'no' })]), { reason: 'error', why: 'no' });
  assert.deepEqual(end([called, answered('hi'), the('cancel.requested', { why: 'stop' })]), { reason: 'cancelled', why: 'stop' });
  assert.equal(end([called]), 'wait');
  assert.deepEqual(end([the('policy.decided', { policy: 'p', action: { type: 'answer', output: { n: 1 } }, why: 'w' })]), {
    reason: 'answer',
    output: { n: 1 },
  });
});

test('a turn is stopped before its next step: by what the agent says, by its steps, and by nothing else', () => {
  const tools: readonly Draft[] = [
    called,
    the('model.answered', {
      call: 3,
      parts: [{ type: 'tool_call', id: 'x', name: 't', input: {} }],
      usage: { inputTokens: 1, outputTokens: 1 },
      model: null,
    }),
    the('tool.returned', { answer: 4, part: 0, output: 'seen' }),
  ];
  const wish = (options: Partial<AgentOptions>, drafts = tools): Wish => decideTurn(folded([...begun, ...drafts]), boundOf(options));
  const seen: unknown[] = [];
  const never = (given: unknown): boolean => {
    seen.push(given);
    return false;
  };
  assert.deepEqual(typesOf(wish({ stopWhen: never })), ['model.called']);
  assert.deepEqual(seen, [{ steps: 1, calls: [{ name: 't', input: {}, output: 'seen', isError: false }] }]);
  assert.deepEqual(endOf(wish({ stopWhen: [never, () => true] })), { reason: 'steps', why: 'stopWhen' });
  assert.deepEqual(typesOf(wish({ stopWhen: () => true }, [])), ['model.called'], 'not before the first step');
  assert.deepEqual(endOf(wish({ stepsMax: 1 })), { reason: 'steps', why: 'stepsMax 1' });
  assert.deepEqual(typesOf(wish({ stepsMax: 2 })), ['model.called']);
});

test('a policy is asked before the model, but not where it wants the model or somebody steers', () => {
  const policy = fromFunction('p', () => null);
  const wish = (drafts: readonly Draft[], options: Partial<AgentOptions> = { policy }): Wish =>
    decideTurn(folded([...begun, ...drafts]), boundOf(options));
  const asks = the('policy.decided', { policy: 'p', action: { type: 'model' }, why: 'w' });
  assert.equal(wish([]), 'policy');
  assert.deepEqual(typesOf(wish([asks])), ['model.called']);
  const steered = wish([said('mind', 'steer'), said('later')]);
  assert.deepEqual([typesOf(steered), (endOf(steered) as EventData['model.called']).takes], [['model.called'], [3]]);
  assert.deepEqual(Object.keys(endOf(wish([asks])) as object), ['digest'], 'nothing taken, nothing set aside');
  const alone = bind(createAgent({ name: 'a', policy }), testWorld().digest);
  assert.deepEqual(endOf(decideTurn(folded([...begun, asks]), alone)), {
    reason: 'error',
    why: 'AGENT_INVALID: the policy abstained and the agent has no model',
  });
  assert.equal(decideTurn(folded([...begun, said('mind', 'steer')]), alone), 'policy');
});

test('an answer goes on where somebody steers, and is sent back while it does not fit and may be tried again', () => {
  const output = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } as const;
  const wish = (drafts: readonly Draft[], options: Partial<AgentOptions> = {}): Wish =>
    decideTurn(folded([...begun, called, ...drafts]), boundOf({ output, ...options }));
  assert.deepEqual(endOf(wish([answered('{"n":1}')])), { reason: 'answer', output: { n: 1 } });
  assert.deepEqual(typesOf(wish([answered('{"n":1}'), said('mind', 'steer')])), ['model.called']);
  const back = endOf(wish([answered('no')])) as EventData['output.rejected'];
  assert.equal(back.answer, 4);
  assert.match(back.message, /does not fit the required format\. It is not JSON\. Answer again with JSON only\./);
  const second = [answered('no'), the('output.rejected', { answer: 4, message: 'x' }), the('model.called', { digest: 'q' })];
  const again = the('model.answered', {
    call: 6,
    parts: [{ type: 'text', text: 'no' }],
    usage: { inputTokens: 1, outputTokens: 1 },
    model: null,
  });
  assert.deepEqual(typesOf(wish([...second, again], { outputRetriesMax: 2 })), ['output.rejected']);
  assert.deepEqual(endOf(wish([...second, again], { outputRetriesMax: 1 })), {
    reason: 'error',
    why: 'SCHEMA_MISMATCH: It is not JSON.',
  });
});

test('facets that are added are heard after the built-in ones, in their order, and only where those want nothing', () => {
  const wanting = (name: string, wish: Wish) => ({ name, version: 1, types: [], initial: null, evolve: () => null, decide: () => wish });
  const silent = { name: 'silent', version: 1, types: [], initial: null, evolve: () => null };
  const one = [the('session.closed', { why: 'one' })];
  const two = [the('session.closed', { why: 'two' })];
  const idle = folded([created]);
  const bound = boundOf();
  assert.equal(decide(idle, bound, 1), null);
  assert.equal(decide(idle, bound, 1, [silent]), null);
  assert.deepEqual(decide(idle, bound, 1, [silent, wanting('one', one), wanting('two', two)]), one);
  assert.equal(decide(idle, bound, 1, [wanting('waits', 'wait'), wanting('two', two)]), 'wait');
  assert.deepEqual(typesOf(decide(folded([created, said('go')]), bound, 1, [wanting('one', one)])), ['turn.started']);
});
