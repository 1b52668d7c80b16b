import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placed, type LogEvent } from '../log/index.ts';
import { asDrafts, type Draft, type EventData, type EventType } from './events.ts';
import { evolve, initial } from './fold.ts';
import { items } from './list.ts';
import type { AgentState, Approval, Slot, Tally } from './state.ts';

const DEFINITION = { ref: 'd1', bytes: 1, mediaType: 'application/json' };
const ZERO: Tally = { tokens: 0, usd: 0, inputTokens: 0, outputTokens: 0, unknown: 0 };

const the = <T extends EventType>(type: T, data: EventData[T], more: Partial<Pick<Draft, 'origin' | 'subject'>> = {}): Draft =>
  ({ type, data, ...more }) as Draft;

/** The state after these events: event n at 10·n ms, all by epoch 1. */
function folded(drafts: readonly Draft[], change: (event: LogEvent) => LogEvent = (event) => event): AgentState {
  return asDrafts(drafts).reduce((state, draft, seq) => evolve(state, change(placed(draft, 's', seq, 10 * seq, 1))), initial('s'));
}

const erased =
  (seq: number) =>
  (event: LogEvent): LogEvent =>
    event.seq === seq ? { ...event, data: {}, erased: true } : event;

const begun: readonly Draft[] = [
  the('session.created', { agent: 'a', subject: 'ada' }),
  the('message.received', { text: 'go' }, { origin: 'person' }),
  the('turn.started', { takes: [1], definition: DEFINITION }),
];
const usage = { inputTokens: 30, outputTokens: 12 };
const toolCall = (id: string, name: string, input: EventData['tool.returned']['output'] = {}) =>
  ({ type: 'tool_call', id, name, input }) as const;
/** Seq 3 asks the model, seq 4 is an answer with two calls. */
const calling: readonly Draft[] = [
  ...begun,
  the('model.called', { digest: 'q', reserve: { tokens: 100, usd: 2 } }),
  the('model.answered', {
    call: 3,
    parts: [{ type: 'text', text: 'wait' }, toolCall('x', 'look', { at: 1 }), toolCall('y', 'pay')],
    usage,
    model: 'm',
    usd: 0.5,
  }),
];

test('before its first event a session is nobody’s, at rest and owes nothing', () => {
  const { turn, context, memory, ...rest } = initial('s');
  assert.deepEqual([context.open, context.summary, memory.open, memory.parts], [null, null, null, []]);
  const { messages, ...nothing } = turn;
  assert.equal(messages.count, 0);
  assert.deepEqual(nothing, { inbox: [], notes: [], sources: [], open: null, last: null, count: 0, steps: 0 });
  assert.deepEqual(rest, {
    sid: 's',
    head: 0,
    nowMs: 0,
    session: { agent: '', definition: '', subject: null, parent: null, effects: 'live', isClosed: false, isErased: false, tokens: 1 },
    approval: new Map(),
    model: { open: null, settledBy: null, count: 0 },
    tool: { slots: [], doubts: [], resolvedBy: -1, ended: [], deduped: new Map(), count: 0 },
    timer: { open: [], firedBy: -1 },
    budget: { session: ZERO, turn: ZERO, reserved: null, seen: { tokens: 0, messages: 0 }, startedMs: 0 },
    more: {},
  });
});

test('who a session is: its agent, subject and definition, where it was forked from and whether it is closed', () => {
  const { session } = folded(begun);
  assert.deepEqual(session, {
    agent: 'a',
    definition: 'd1',
    subject: 'ada',
    parent: null,
    effects: 'live',
    isClosed: false,
    isErased: false,
    tokens: 1,
  });
  const later = folded([
    ...begun,
    the('session.configured', { from: 'd1', to: 'd2' }),
    the('session.forked', { parent: 'p', at: 3, effects: 'simulated' }),
    the('session.closed', { why: 'done' }),
  ]).session;
  assert.deepEqual(later, {
    agent: 'a',
    definition: 'd2',
    subject: 'ada',
    parent: { sid: 'p', at: 3 },
    effects: 'simulated',
    isClosed: true,
    isErased: false,
    tokens: 1,
  });
});

test('a model call is open with its digest and reservation until its first outcome, and is the parent’s in a fork', () => {
  const open = folded(calling.slice(0, 4));
  assert.deepEqual(open.model, {
    open: { seq: 3, epoch: 1, digest: 'q', reserve: { tokens: 100, usd: 2 } },
    settledBy: null,
    count: 1,
  });
  assert.deepEqual(folded(calling).model, { open: null, settledBy: 4, count: 1 });
  assert.deepEqual(folded(calling, erased(4)).model, { open: null, settledBy: 4, count: 1 }, 'also when nobody can read it any more');
  const forked = folded([...calling.slice(0, 4), the('session.forked', { parent: 'p', at: 3, effects: 'ask' })]);
  assert.deepEqual(forked.model, { open: null, settledBy: null, count: 1 });
  assert.deepEqual([forked.turn.open?.phase, forked.turn.open?.steps, forked.turn.steps], ['ask', 0, 0]);
});

test('what is set aside for a call becomes what it took, by its usage and price', () => {
  const open = folded(calling.slice(0, 4)).budget;
  assert.deepEqual(open, {
    session: ZERO,
    turn: ZERO,
    reserved: { seq: 3, tokens: 100, usd: 2 },
    seen: { tokens: 0, messages: 0 },
    startedMs: 0,
  });
  const took = { tokens: 42, usd: 0.5, inputTokens: 30, outputTokens: 12, unknown: 0 };
  assert.deepEqual(folded(calling).budget, {
    session: took,
    turn: took,
    reserved: null,
    seen: { tokens: 42, messages: 2 },
    startedMs: 0,
  });
});

test('what a call took that nobody knows is all that was set aside for it', () => {
  const all: Tally = { tokens: 100, usd: 2, inputTokens: 0, outputTokens: 0, unknown: 1 };
  const asked = calling.slice(0, 4);
  const ends: readonly [string, readonly Draft[], ((event: LogEvent) => LogEvent)?][] = [
    ['interrupted', [...asked, the('model.interrupted', { call: 3, parts: [] })]],
    ['lost', [...asked, the('model.failed', { call: 3, why: 'lost' })]],
    ['erased', calling, erased(4)],
  ];
  for (const [name, drafts, change] of ends) {
    const { session, turn, reserved } = folded(drafts, change).budget;
    assert.deepEqual([session, turn, reserved], [all, all, null], name);
  }
  const half = folded([
    ...asked,
    the('model.answered', { call: 3, parts: [], usage: { inputTokens: 7, outputTokens: null }, model: null }),
  ]);
  assert.deepEqual(half.budget.session, { tokens: 100, usd: 2, inputTokens: 7, outputTokens: 0, unknown: 1 });
  const refused = folded([...asked, the('model.failed', { call: 3, why: 'error', code: 'X', message: 'no' })]);
  assert.deepEqual([refused.budget.session, refused.budget.reserved], [ZERO, null], 'a call that was refused took nothing');
});

test('counts add up over the turns of a session, and begin anew in each turn', () => {
  const second: readonly Draft[] = [
    ...calling,
    the('turn.ended', { reason: 'steps' }),
    the('message.received', { text: 'more' }, { origin: 'person' }),
    the('turn.started', { takes: [6], definition: DEFINITION }),
    the('model.called', { digest: 'q', reserve: { tokens: 9, usd: null } }),
    the('model.answered', { call: 8, parts: [], usage: { inputTokens: 1, outputTokens: 2 }, model: null }),
  ];
  const { budget } = folded(second);
  assert.deepEqual(budget.session, { tokens: 45, usd: 0.5, inputTokens: 31, outputTokens: 14, unknown: 0 });
  assert.deepEqual(budget.turn, { tokens: 3, usd: 0, inputTokens: 1, outputTokens: 2, unknown: 0 });
  assert.deepEqual([folded(second).turn.count, folded(second).turn.steps], [2, 2]);
});

const slot = (part: number, more: Partial<Slot> = {}): Slot => ({
  asker: 4,
  part,
  id: ['x', 'y'][part] ?? '',
  name: ['look', 'pay'][part] ?? '',
  input: part === 0 ? { at: 1 } : {},
  malformed: false,
  status: 'proposed',
  call: null,
  epoch: -1,
  attempt: 0,
  effect: null,
  dedupe: null,
  output: null,
  isError: false,
  why: '',
  ...more,
});

test('a call goes from proposed over open to done, and a further attempt keeps its id and class', () => {
  const called = the('tool.called', { answer: 4, part: 0, effect: 'read' });
  const open = slot(0, { status: 'open', call: 5, epoch: 1, attempt: 1, effect: 'read' });
  assert.deepEqual(folded(calling).tool.slots, [slot(0), slot(1)]);
  assert.deepEqual(folded([...calling, called]).tool.slots, [open, slot(1)]);
  assert.equal(folded([...calling, called]).tool.count, 1);
  const again = the('tool.called', { answer: 4, part: 0, effect: 'irreversible', again: 5, why: 'crash' });
  const twice = folded([...calling, called, again]);
  assert.deepEqual(twice.tool.slots[0], { ...open, attempt: 2 });
  assert.equal(twice.tool.count, 1, 'a further attempt is no further call');
  const done = folded([...calling, called, the('tool.returned', { call: 5, output: { n: 1 } })]);
  assert.deepEqual(done.tool.slots[0], { ...open, status: 'done', output: { n: 1 } });
  const failed = folded([...calling, called, the('tool.failed', { call: 5, why: 'threw', message: 'broke' })]);
  assert.deepEqual(failed.tool.slots[0], { ...open, status: 'done', output: 'broke', isError: true, why: 'threw' });
  const refused = folded([...calling, the('tool.failed', { answer: 4, part: 1, why: 'bad input', message: 'no' })]);
  assert.deepEqual(refused.tool.slots, [slot(0), slot(1, { status: 'done', output: 'no', isError: true, why: 'bad input' })]);
});

test('a call in doubt is asked for by one process, and is open again when it did not happen', () => {
  const doubt: readonly Draft[] = [
    ...calling,
    the('tool.called', { answer: 4, part: 1, effect: 'irreversible', dedupe: 'pay it' }),
    the('tool.in_doubt', { call: 5, why: 'crash' }),
  ];
  const made = { call: 5, attempt: 1, effect: 'irreversible', dedupe: 'pay it' } as const;
  const at = (drafts: readonly Draft[]): Slot | undefined => folded(drafts).tool.slots[1];
  assert.deepEqual(at(doubt), slot(1, { ...made, status: 'doubt', why: 'crash' }));
  const asked = [...doubt, the('reconcile.called', { call: 5 })];
  assert.deepEqual(at(asked), slot(1, { ...made, status: 'doubt', why: 'crash', epoch: 1 }));
  assert.deepEqual(at([...asked, the('reconcile.returned', { call: 5, status: 'unknown' })]), at(asked));
  assert.equal(at([...asked, the('reconcile.returned', { call: 5, status: 'not-done' })])?.status, 'again');
  const settled = folded([...asked, the('tool.returned', { call: 5, output: 'paid', by: 'reconcile' })]);
  assert.deepEqual([...settled.tool.deduped], [['pay it', 'paid']]);
  const ended = folded([...asked, the('turn.ended', { reason: 'cancelled' })]).tool;
  assert.deepEqual([ended.slots, ended.doubts.map(({ name }) => name), ended.ended.length, ended.resolvedBy], [[], ['pay'], 2, -1]);
  const late = folded([
    ...asked,
    the('turn.ended', { reason: 'cancelled' }),
    the('tool.returned', { call: 5, output: 'paid', by: 'person' }),
  ]);
  assert.deepEqual([late.tool.doubts, late.tool.resolvedBy, [...late.tool.deduped]], [[], 9, [['pay it', 'paid']]]);
  assert.deepEqual(late.turn.notes, ['A call of an earlier turn, whose outcome was unknown, returned "paid"']);
});

test('an attempt that was given up settles no later one, nor puts it in doubt, unless it says that the call happened', () => {
  const again: readonly Draft[] = [
    ...calling,
    the('tool.called', { answer: 4, part: 1, effect: 'irreversible' }),
    the('tool.in_doubt', { call: 5, why: 'crash' }),
    the('reconcile.called', { call: 5 }),
    the('reconcile.returned', { call: 5, status: 'not-done' }),
    the('tool.called', { answer: 4, part: 1, effect: 'irreversible', again: 5, why: 'reconcile' }),
  ];
  const after = (draft: Draft): string | undefined => folded([...again, draft]).tool.slots[1]?.status;
  const failed = (attempt: number) => the('tool.failed', { call: 5, why: 'not done', message: 'nothing', attempt });
  const doubted = (attempt: number) => the('tool.in_doubt', { call: 5, why: 'threw', attempt });
  assert.deepEqual([failed(1), doubted(1)].map(after), ['open', 'open']);
  assert.deepEqual([failed(2), doubted(2)].map(after), ['done', 'doubt']);
  assert.deepEqual(
    [the('tool.returned', { call: 5, output: 1 }), the('tool.failed', { call: 5, why: 'not done', message: 'no', by: 'person' })].map(
      after,
    ),
    ['done', 'done'],
  );
});

test('of two calls that are open, in doubt or asked about, what comes is of the one that it names', () => {
  const both: readonly Draft[] = [
    ...calling,
    the('tool.called', { answer: 4, part: 0, effect: 'irreversible' }),
    the('tool.called', { answer: 4, part: 1, effect: 'irreversible' }),
  ];
  const statuses = (drafts: readonly Draft[]): unknown[] => folded(drafts).tool.slots.map(({ status, epoch }) => [status, epoch]);
  assert.deepEqual(statuses([...both, the('tool.in_doubt', { call: 6, why: 'crash' })]), [
    ['open', 1],
    ['doubt', -1],
  ]);
  const doubts = [...both, the('tool.in_doubt', { call: 5, why: 'crash' }), the('tool.in_doubt', { call: 6, why: 'crash' })];
  const asked = [...doubts, the('reconcile.called', { call: 6 })];
  assert.deepEqual(statuses(asked), [
    ['doubt', -1],
    ['doubt', 1],
  ]);
  assert.deepEqual(statuses([...asked, the('reconcile.returned', { call: 6, status: 'not-done' })]), [
    ['doubt', -1],
    ['again', 1],
  ]);
  assert.deepEqual(statuses([...doubts, the('tool.returned', { call: 6, output: 1 })]), [
    ['doubt', -1],
    ['done', -1],
  ]);
  const done = [...both, the('tool.returned', { call: 5, output: 1 })];
  assert.deepEqual(folded([...done, the('tool.in_doubt', { call: 5, why: 'late' })]).tool.slots, folded(done).tool.slots);
  assert.deepEqual(folded([...done, the('reconcile.called', { call: 5 })]).tool.slots, folded(done).tool.slots);
});

test('an outcome that was erased ends the first call that is open, and says nothing', () => {
  const open: readonly Draft[] = [
    ...calling,
    the('tool.called', { answer: 4, part: 0, effect: 'read' }),
    the('tool.called', { answer: 4, part: 1, effect: 'read' }),
    the('tool.returned', { call: 5, output: 'secret' }),
  ];
  const { slots } = folded(open, erased(7)).tool;
  assert.deepEqual(
    slots.map(({ status, output }) => [status, output]),
    [
      ['done', '[erased]'],
      ['open', null],
    ],
  );
});

test('a question holds what was asked and how it was answered, the first answer stands, and a new turn asks anew', () => {
  const asked: readonly Draft[] = [...calling, the('approval.requested', { answer: 4, part: 1, digest: 'h' })];
  const question: Partial<Approval> = { seq: 5, asker: 4, part: 1, digest: 'h', status: 'open', settledBy: null, why: '' };
  const read = (drafts: readonly Draft[]): Partial<Approval> => {
    const { by: _, ...approval } = folded(drafts).approval.get(5) as Approval;
    return approval;
  };
  assert.deepEqual(read(asked), question);
  assert.equal(folded(asked).tool.slots[1]?.status, 'asking');
  const granted = [...asked, the('approval.granted', { approval: 5, digest: 'h', answer: 'yes' })];
  const denied = [...asked, the('approval.denied', { approval: 5, why: 'no' })];
  assert.deepEqual(read(granted), { ...question, status: 'granted', settledBy: 6, answer: 'yes' });
  assert.deepEqual(read(denied), { ...question, status: 'denied', settledBy: 6, why: 'no' });
  assert.equal(folded(granted).tool.slots[1]?.status, 'granted');
  assert.deepEqual(
    folded(denied).tool.slots[1],
    slot(1, { status: 'done', isError: true, why: 'denied', output: 'A person did not allow this call: no' }),
  );
  const second = the('approval.denied', { approval: 5, why: 'too late' });
  assert.deepEqual(folded([...granted, second]).approval, folded(granted).approval);
  assert.deepEqual(folded([...granted, second]).tool, folded(granted).tool);
  const next = [...granted, the('turn.ended', { reason: 'error' }), the('turn.started', { takes: [], definition: DEFINITION })];
  assert.equal(folded(next).approval.size, 0);
  assert.equal(folded([...granted, the('session.forked', { parent: 'p', at: 6, effects: 'ask' })]).approval.size, 0);
});

test('in a fork calls that were never made and reads are proposed anew, and the others are closed', () => {
  const forked = (drafts: readonly Draft[]): readonly Slot[] =>
    folded([...drafts, the('session.forked', { parent: 'p', at: 9, effects: 'ask' })]).tool.slots;
  const called = (effect: 'read' | 'idempotent'): Draft => the('tool.called', { answer: 4, part: 0, effect });
  assert.deepEqual(
    forked([...calling, called('read')]),
    [slot(0), slot(1)].map((one, part) => (part === 0 ? { ...one, epoch: 1 } : one)),
  );
  assert.deepEqual(forked([...calling, called('idempotent')])[0]?.status, 'detached');
  const done = [...calling, called('idempotent'), the('tool.returned', { call: 5, output: 1 })];
  assert.deepEqual(forked(done)[0], folded(done).tool.slots[0]);
  const granted = [
    ...calling,
    the('approval.requested', { answer: 4, part: 1, digest: 'h' }),
    the('approval.granted', { approval: 5, digest: 'h' }),
  ];
  assert.deepEqual(forked(granted)[1], slot(1));
  const doubt = [...calling, called('idempotent'), the('tool.in_doubt', { call: 5, why: 'crash' }), the('turn.ended', { reason: 'error' })];
  assert.deepEqual([folded(doubt).tool.doubts.length, forked(doubt).length], [1, 0]);
  assert.deepEqual(folded([...doubt, the('session.forked', { parent: 'p', at: 7, effects: 'ask' })]).tool.doubts, []);
});

test('an open turn says what it is about, where it stands and what was done', () => {
  assert.deepEqual(folded(begun).turn.open, {
    seq: 2,
    takes: [1],
    startedMs: 20,
    input: { text: 'go', data: null },
    phase: 'next',
    steps: 0,
    rejections: 0,
    cancel: null,
    failure: null,
    failures: 0,
    answer: null,
    calls: [],
  });
  const done = folded([
    ...calling,
    the('tool.called', { answer: 4, part: 0, effect: 'read' }),
    the('tool.returned', { call: 5, output: 'seen' }),
    the('tool.failed', { answer: 4, part: 1, why: 'bad input', message: 'no' }),
  ]);
  assert.deepEqual([done.turn.open?.phase, done.turn.open?.steps], ['next', 1]);
  assert.deepEqual(done.turn.open?.calls, [
    { name: 'look', input: { at: 1 }, output: 'seen', isError: false },
    { name: 'pay', input: {}, output: 'no', isError: true },
  ]);
  assert.deepEqual(items(done.turn.messages).at(-1), {
    role: 'tool',
    origin: 'tool',
    parts: [
      { type: 'tool_result', id: 'x', name: 'look', output: 'seen' },
      { type: 'tool_result', id: 'y', name: 'pay', output: 'no', isError: true },
    ],
  });
});

test('the first cancel counts, an interrupt is one, and both leave the queue as it is', () => {
  const cancelled = [...begun, the('cancel.requested', { why: 'stop' }), the('cancel.requested', { why: 'again' })];
  assert.deepEqual(folded(cancelled).turn.open?.cancel, { why: 'stop' });
  const instead = the('message.received', { text: 'rather', deliver: 'interrupt' }, { origin: 'person' });
  const { open, inbox } = folded([...begun, instead]).turn;
  assert.deepEqual(open?.cancel, { why: 'superseded' });
  assert.deepEqual(inbox, [
    {
      seq: 3,
      deliver: 'interrupt',
      text: 'rather',
      data: null,
      message: { role: 'user', parts: [{ type: 'text', text: 'rather' }], origin: 'person' },
    },
  ]);
  assert.equal(folded([...begun, the('cancel.requested', { why: 'stop' }), instead]).turn.open?.cancel?.why, 'stop');
});

test('input is text or JSON, a person’s or a note of the system, and a note of nobody once it is erased', () => {
  const waiting = (draft: Draft, change?: (event: LogEvent) => LogEvent) => folded([begun[0] as Draft, draft], change).turn.inbox[0];
  const json = waiting(the('message.received', { data: { n: 1 } }, { origin: 'person' }));
  assert.deepEqual([json?.text, json?.data, json?.deliver], ['{"n":1}', { n: 1 }, 'queue']);
  assert.equal(waiting(the('message.received', { text: 'x' }, { origin: 'system' }))?.message.origin, 'system');
  assert.equal(waiting(the('message.received', { text: 'x' }, { origin: 'tool' }))?.message.origin, 'person');
  assert.equal(waiting(the('message.received', {}, { origin: 'person' }))?.text, 'null');
  assert.equal(waiting(the('message.received', { text: 'x' }, { origin: 'person' }), erased(1))?.text, '[erased]');
});

test('a turn that ended says how, and with what', () => {
  const answered: readonly Draft[] = [
    ...begun,
    the('model.called', { digest: 'q' }),
    the('model.answered', { call: 3, parts: [{ type: 'text', text: 'hi' }], usage, model: 'm', finish: 'length' }),
  ];
  assert.deepEqual(folded(answered).turn.open?.answer, { seq: 4, text: 'hi', finish: 'length' });
  const { open, last, messages } = folded([...answered, the('turn.ended', { reason: 'answer', output: { n: 1 } })]).turn;
  assert.deepEqual(
    [open, last],
    [null, { seq: 5, takes: [1], reason: 'answer', why: '', text: 'hi', output: { n: 1 }, finish: 'length', steps: 1 }],
  );
  assert.deepEqual(items(messages), [
    { role: 'user', parts: [{ type: 'text', text: 'go' }], origin: 'person' },
    { role: 'assistant', parts: [{ type: 'text', text: 'hi' }], origin: 'model' },
  ]);
  const early = folded([...begun, the('turn.ended', { reason: 'cancelled', why: 'stop' })]).turn.last;
  assert.deepEqual(early, { seq: 3, takes: [1], reason: 'cancelled', why: 'stop', text: '', output: null, finish: null, steps: 0 });
});

test('a turn that ends in the middle of its calls leaves a result for each in the conversation', () => {
  const { messages } = folded([
    ...calling,
    the('tool.called', { answer: 4, part: 0, effect: 'read' }),
    the('tool.returned', { call: 5, output: 'seen' }),
    the('turn.ended', { reason: 'cancelled' }),
  ]).turn;
  assert.deepEqual(items(messages).at(-1), {
    role: 'tool',
    origin: 'tool',
    parts: [
      { type: 'tool_result', id: 'x', name: 'look', output: 'seen' },
      { type: 'tool_result', id: 'y', name: 'pay', output: 'The outcome of this call is unknown.', isError: true },
    ],
  });
});

test('what had come of an answer that was cut stays in the conversation, its texts only', () => {
  const parts = [
    { type: 'text', text: 'half' },
    { type: 'text', text: '' },
    { type: 'reasoning', text: 'hm' },
  ] as const;
  const cut = folded([...calling.slice(0, 4), the('model.interrupted', { call: 3, parts })]).turn;
  assert.deepEqual(items(cut.messages).at(-1), { role: 'assistant', parts: [parts[0]], origin: 'model' });
  assert.equal(cut.open?.phase, 'next');
  const nothing = folded([...calling.slice(0, 4), the('model.interrupted', { call: 3, parts: [] })]).turn;
  assert.equal(nothing.messages.count, 1);
  const gone = folded([...calling.slice(0, 4), the('model.interrupted', { call: 3, parts })], erased(4)).turn;
  assert.equal(gone.messages.count, 1);
});

test('a failed model call is remembered with its code, and a lost one is made again as the same step', () => {
  const failed = folded([...calling.slice(0, 4), the('model.failed', { call: 3, why: 'error', code: 'X', message: 'no' })]).turn;
  const quiet = { id: 's:4', retry: false, retryAfterMs: null, isPartial: false };
  assert.deepEqual([failed.open?.phase, failed.open?.failures, failed.open?.failure], ['next', 1, { code: 'X', message: 'no', ...quiet }]);
  const bare = folded([...calling.slice(0, 4), the('model.failed', { call: 3, why: 'error' })]).turn;
  assert.deepEqual(bare.open?.failure, { code: '', message: '', ...quiet });
  const lost = folded([...calling.slice(0, 4), the('model.failed', { call: 3, why: 'lost' })]).turn;
  assert.deepEqual([lost.open?.phase, lost.open?.steps, lost.steps], ['ask', 0, 0]);
});

test('an answer that is sent back is a note of the system, and the model is asked again', () => {
  const rejected = folded([
    ...begun,
    the('model.called', { digest: 'q' }),
    the('model.answered', { call: 3, parts: [{ type: 'text', text: 'hi' }], usage, model: 'm' }),
    the('output.rejected', { answer: 4, message: 'JSON please' }),
  ]).turn;
  assert.deepEqual(items(rejected.messages).at(-1), { role: 'user', parts: [{ type: 'text', text: 'JSON please' }], origin: 'system' });
  assert.deepEqual([rejected.open?.phase, rejected.open?.rejections, rejected.open?.answer], ['ask', 1, null]);
});

test('a policy that calls or answers makes a step; one that leaves it to the model does not', () => {
  const decided = (action: EventData['policy.decided']['action'], change?: (event: LogEvent) => LogEvent) =>
    folded([...begun, the('policy.decided', { policy: 'p', action, why: 'w' })], change);
  const asks = decided({ type: 'model' }).turn;
  assert.deepEqual([asks.open?.phase, asks.open?.steps, asks.steps], ['ask', 0, 0]);
  const calls = decided({ type: 'call', calls: [{ tool: 'look', input: { at: 2 } }] });
  assert.deepEqual([calls.turn.open?.phase, calls.turn.open?.steps, calls.turn.steps], ['tools', 1, 1]);
  assert.deepEqual(items(calls.turn.messages).at(-1), {
    role: 'assistant',
    parts: [{ type: 'tool_call', id: '3.0', name: 'look', input: { at: 2 } }],
    origin: 'system',
  });
  assert.deepEqual(calls.tool.slots, [slot(0, { asker: 3, id: '3.0', name: 'look', input: { at: 2 } })]);
  const answers = decided({ type: 'answer', output: { n: 1 } }).turn;
  assert.deepEqual(
    [answers.open?.phase, answers.open?.steps, answers.steps, answers.open?.answer],
    ['final', 1, 1, { seq: 3, text: '{"n":1}', finish: 'stop', output: { n: 1 } }],
  );
  const text = decided({ type: 'answer', text: 'hi' }).turn;
  assert.deepEqual(text.open?.answer, { seq: 3, text: 'hi', finish: 'stop' });
  assert.deepEqual(items(text.messages).at(-1), { role: 'assistant', parts: [{ type: 'text', text: 'hi' }], origin: 'system' });
  assert.equal(decided({ type: 'answer', text: 'hi' }, erased(3)).turn.open?.answer?.text, '[erased]');
});

test('steering input joins the conversation with the call that takes it, after the notes', () => {
  const steer = the('message.received', { text: 'mind this', deliver: 'steer' }, { origin: 'person' });
  const { turn } = folded([...begun, steer, the('model.called', { digest: 'q', takes: [3] })]);
  assert.deepEqual([turn.inbox, turn.open?.takes, turn.open?.phase, turn.open?.steps], [[], [1, 3], 'model', 1]);
  assert.equal(turn.messages.count, 2);
});

test('a timer is open until it fires, once; the turn’s end and a fork forget it', () => {
  const waiting = [
    ...calling.slice(0, 4),
    the('model.failed', { call: 3, why: 'error', code: 'X', message: 'no', retry: true }),
    the('timer.set', { atMs: 900, why: 'retry' }),
  ];
  assert.deepEqual(folded(waiting).timer, { open: [{ seq: 5, atMs: 900, epoch: 1 }], firedBy: -1 });
  const again = folded([...waiting, the('timer.set', { atMs: 900, why: 'retry', again: 5 })]).timer.open;
  assert.deepEqual([again.length, again[0]?.seq], [1, 5]);
  const fired = folded([...waiting, the('timer.fired', { timer: 5 })]);
  assert.deepEqual(
    [fired.timer, fired.turn.open?.phase, fired.turn.open?.failure, fired.turn.steps],
    [{ open: [], firedBy: 6 }, 'ask', null, 0],
  );
  const twice = folded([...waiting, the('timer.fired', { timer: 5 }), the('timer.fired', { timer: 5 })]);
  assert.deepEqual([twice.timer.firedBy, twice.turn.steps], [6, 0], 'the second changes nothing');
  assert.deepEqual(folded([...waiting, the('turn.ended', { reason: 'cancelled' })]).timer.open, []);
  assert.deepEqual(folded([...waiting, the('session.forked', { parent: 'p', at: 5, effects: 'ask' })]).timer.open, []);
});
