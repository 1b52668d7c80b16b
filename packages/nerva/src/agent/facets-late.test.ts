import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placed, type LogEvent } from '../log/index.ts';
import { asDrafts, type Draft, type EventData, type EventType } from './events.ts';
import { evolve, initial } from './fold.ts';
import { items } from './list.ts';
import type { AgentState } from './state.ts';

// What the fold makes of events that come late, were erased, or are of something else.

const the = <T extends EventType>(type: T, data: EventData[T]): Draft => ({ type, data }) as Draft;
const DEFINITION = { ref: 'd1', bytes: 1, mediaType: 'application/json' };

/** The state after these events, event n at 10·n ms, all by epoch 1; those at `erased` are shells. */
function folded(drafts: readonly Draft[], ...erased: readonly number[]): AgentState {
  const shell = (event: LogEvent): LogEvent => (erased.includes(event.seq) ? { ...event, data: {}, erased: true } : event);
  return asDrafts(drafts).reduce((state, draft, seq) => evolve(state, shell(placed(draft, 's', seq, 10 * seq, 1))), initial('s'));
}

const begun: readonly Draft[] = [
  the('session.created', { agent: 'a', subject: 'ada' }),
  the('message.received', { text: 'go' }),
  the('turn.started', { takes: [1], definition: DEFINITION }),
];
const reserve = { tokens: 100, usd: 2 };
/** Seq 3 asks the model. */
const asked: readonly Draft[] = [...begun, the('model.called', { digest: 'q', reserve })];
const usage = { inputTokens: 30, outputTokens: 12 };
const answer = (call: number, text: string): Draft =>
  the('model.answered', { call, parts: [{ type: 'text', text }], usage, model: null, usd: 0.5 });
/** Seq 4 is an answer that asks for these tools. */
const calling = (...names: readonly string[]): readonly Draft[] => [
  ...asked,
  the('model.answered', {
    call: 3,
    parts: names.map((name, part) => ({ type: 'tool_call', id: `c${part}`, name, input: {} })),
    usage,
    model: null,
  }),
];
const retry = the('model.failed', { call: 3, why: 'error', code: 'X', message: 'no', retry: true });

test('a session of nobody in particular has no subject, and another’s erasure is none of its own', () => {
  assert.equal(folded([the('session.created', { agent: 'a' })]).session.subject, null);
  const other = folded([...begun, the('subject.erased', { subject: 'bob' })]);
  assert.deepEqual([other.session.isErased, other.turn.open?.cancel], [false, null]);
  const nobody = folded([the('session.created', { agent: 'a' }), the('subject.erased', { subject: 'bob' })]);
  assert.equal(nobody.session.isErased, false);
  const own = folded([...begun, the('message.received', { text: 'more' }), the('subject.erased', { subject: 'ada' })]);
  assert.deepEqual([own.session.isErased, own.turn.open?.cancel, own.turn.inbox], [true, { why: 'erased' }, []]);
});

test('what a memory said is forgotten with the words that a summary stands for, and not by a summary that comes late', () => {
  const told: readonly Draft[] = [
    ...begun,
    the('memory.called', {}),
    the('memory.recalled', { call: 3, log: 'scope:user:ada', upto: 0, notes: 1, blocks: 0 }),
    the('memory.told', { entries: [{ id: 'm:1', text: 'tea', validMs: 0 }] }),
    the('context.called', { digest: 'q', messages: 1 }),
  ];
  const summary = the('context.compacted', { call: 6, messages: 1, summary: 'tea' });
  const lost = the('context.failed', { call: 6, why: 'lost' });
  assert.deepEqual([...folded(told).memory.told], ['m:1']);
  assert.deepEqual([...folded([...told, summary]).memory.told], []);
  assert.deepEqual([...folded([...told, lost, summary]).memory.told], ['m:1']);
});

test('an erasure ends a turn that was cancelled before for the reason it had', () => {
  const { turn } = folded([...begun, the('cancel.requested', { why: 'stop' }), the('subject.erased', { subject: 'ada' })]);
  assert.deepEqual(turn.open?.cancel, { why: 'stop' });
});

test('an answer that comes late is paid for, and is neither said nor the base of the next bound', () => {
  const lost = [...asked, the('model.failed', { call: 3, why: 'lost' }), the('model.called', { digest: 'q', reserve })];
  const { budget, turn, model } = folded([...lost, answer(3, 'late')]);
  assert.deepEqual([budget.session.tokens, budget.session.usd], [142, 2.5]);
  assert.deepEqual([budget.reserved?.seq, budget.seen], [5, { tokens: 0, messages: 0 }]);
  assert.deepEqual([turn.messages.count, turn.open?.phase, model.open?.seq], [1, 'model', 5]);
});

test('an answer whose count nobody knows is no base of the next bound', () => {
  const half = the('model.answered', { call: 3, parts: [], usage: { inputTokens: null, outputTokens: 5 }, model: null });
  const { budget } = folded([...asked, half]);
  assert.deepEqual(budget.seen, { tokens: 0, messages: 0 });
  assert.deepEqual(budget.turn, { tokens: 100, usd: 2, inputTokens: 0, outputTokens: 5, unknown: 1 });
});

test('a failure that comes late changes nothing of the call that is open', () => {
  const again = [...asked, the('model.failed', { call: 3, why: 'lost' }), the('model.called', { digest: 'q', reserve })];
  const late = folded([...again, retry]);
  const { head: _head, nowMs: _now, ...before } = folded(again);
  const { head: _later, nowMs: _then, ...after } = late;
  assert.deepEqual(after, before);
  const cut = folded([...again, the('model.interrupted', { call: 3, parts: [{ type: 'text', text: 'hal' }] })]);
  assert.deepEqual([cut.turn.messages.count, cut.turn.open?.phase], [1, 'model']);
});

test('a failure that was erased keeps what was set aside as spent, where it is of the open call', () => {
  const settled = folded([...asked, retry], 4).budget;
  assert.deepEqual([settled.reserved, settled.session.tokens], [null, 100]);
  const after = folded([...asked, answer(3, 'hi'), retry], 5).budget;
  assert.deepEqual([after.reserved, after.session.tokens], [null, 42]);
});

test('an answer after failures begins to count them anew, with calls and without', () => {
  const second = [...asked, retry, the('timer.set', { atMs: 90, why: 'retry' }), the('timer.fired', { timer: 5 })];
  const again = [...second, the('model.called', { digest: 'q' })];
  assert.equal(folded(again).turn.open?.failures, 1);
  assert.equal(folded([...again, answer(7, 'hi')]).turn.open?.failures, 0);
  const calls = the('model.answered', { call: 7, parts: [{ type: 'tool_call', id: 'x', name: 'look', input: {} }], usage, model: null });
  assert.equal(folded([...again, calls]).turn.open?.failures, 0);
});

test('an answer without a word is no message, and a step that asked for no call leaves no results', () => {
  assert.equal(folded([...asked, the('model.answered', { call: 3, parts: [], usage, model: null })]).turn.messages.count, 1);
  const nothing = the('policy.decided', { policy: 'p', action: { type: 'call', calls: [] }, why: '' });
  const { messages } = folded([...begun, nothing, the('turn.ended', { reason: 'cancelled' })]).turn;
  assert.deepEqual(
    items(messages).map(({ role }) => role),
    ['user', 'assistant'],
  );
});

test('an answer that steering sent on is not the answer of the turn, should the next call fail', () => {
  const steered = [
    ...asked,
    answer(3, 'first'),
    the('message.received', { text: 'mind this', deliver: 'steer' }),
    the('model.called', { digest: 'q', takes: [5] }),
  ];
  assert.equal(folded(steered).turn.open?.answer, null);
  const failed = the('model.failed', { call: 6, why: 'error', code: 'X', message: 'no' });
  const { last } = folded([...steered, failed, the('turn.ended', { reason: 'error', why: 'X: no' })]).turn;
  assert.deepEqual([last?.text, last?.finish], ['', null]);
});

test('an answer of a policy that says nothing is an empty text', () => {
  const { answer: given } = folded([...begun, the('policy.decided', { policy: 'p', action: { type: 'answer' }, why: '' })]).turn.open ?? {};
  assert.deepEqual(given, { seq: 3, text: '', finish: 'stop' });
});

test('an answer that was erased stays in the conversation as one of which nothing is known', () => {
  const { messages, open } = folded([...asked, answer(3, 'secret')], 4).turn;
  assert.deepEqual(items(messages).at(-1), { role: 'assistant', parts: [{ type: 'text', text: '[erased]' }], origin: 'model' });
  assert.equal(open?.answer?.text, '[erased]');
});

test('the end of a turn that was erased was an answer, of which nothing is known', () => {
  const ended = the('turn.ended', { reason: 'answer', output: { secret: 1 } });
  const { last } = folded([...asked, answer(3, 'hi'), ended], 5).turn;
  assert.deepEqual([last?.reason, last?.why, last?.output, last?.text], ['answer', '', '[erased]', 'hi']);
});

test('of two questions that are open the one that is answered is granted', () => {
  const both = [
    ...calling('pay', 'pay'),
    the('approval.requested', { answer: 4, part: 0, digest: 'h' }),
    the('approval.requested', { answer: 4, part: 1, digest: 'h' }),
  ];
  const statuses = (drafts: readonly Draft[]): string[] => folded(drafts).tool.slots.map(({ status }) => status);
  assert.deepEqual(statuses([...both, the('approval.granted', { approval: 6, digest: 'h' })]), ['asking', 'granted']);
  assert.deepEqual(statuses([...both, the('approval.denied', { approval: 6, why: 'no' })]), ['asking', 'done']);
});

test('a doubt that was erased is of the first irreversible call that is open', () => {
  const open = [
    ...calling('look', 'pay'),
    the('tool.called', { answer: 4, part: 0, effect: 'read' }),
    the('tool.called', { answer: 4, part: 1, effect: 'irreversible' }),
    the('tool.in_doubt', { call: 6, why: 'threw', message: 'secret' }),
  ];
  const { slots } = folded(open, 7).tool;
  assert.deepEqual(
    slots.map(({ status, why }) => [status, why]),
    [
      ['open', ''],
      ['doubt', 'erased'],
    ],
  );
});

test('what a doubt of an earlier turn turned out to be is told at the next model call, not before', () => {
  const late = [
    ...calling('pay'),
    the('tool.called', { answer: 4, part: 0, effect: 'irreversible' }),
    the('tool.in_doubt', { call: 5, why: 'threw' }),
    the('turn.ended', { reason: 'cancelled' }),
    the('tool.returned', { call: 5, output: 'paid', by: 'person' }),
    the('message.received', { text: 'more' }),
    the('turn.started', { takes: [9], definition: DEFINITION }),
  ];
  const told = folded(late).turn;
  assert.equal(told.notes.length, 1);
  const { messages, notes } = folded([...late, the('model.called', { digest: 'q' })]).turn;
  assert.deepEqual(notes, []);
  assert.equal(items(messages).at(-1)?.origin, 'system');
  assert.deepEqual(
    items(messages)
      .slice(-2)
      .flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : ''))),
    ['more', 'A call of an earlier turn, whose outcome was unknown, returned "paid"'],
  );
});
