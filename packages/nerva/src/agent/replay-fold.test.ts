import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createAgent,
  createRuntime,
  evolve,
  EVENTS,
  foldAt,
  initial,
  outcome,
  type AgentState,
  type EventData,
  type EventType,
} from './index.ts';
import type { Json, JsonObject } from '../core/index.ts';
import { eraseSubject, eventsOf, memoryStore, placed, type LogEvent } from '../log/index.ts';
import type { Part } from '../model/index.ts';
import { conversationModel, memoryKeys, recordingTool, strictModel, testWorld } from '../testing/index.ts';
import { effectsWitness } from '../testing/index.ts';
import { decide } from './decide.ts';
import { bind } from './definition.ts';

const SEQ = fc.nat(9);
const TEXT = fc.constantFrom('', 'a', 'b');
const NAME = fc.constantFrom('look', 'pay', 'none');
const EFFECT = fc.constantFrom('read', 'idempotent', 'irreversible');
const CALL: fc.Arbitrary<Part> = fc.record(
  { type: fc.constant('tool_call'), id: TEXT, name: NAME, input: fc.constantFrom<Json[]>({}, null) },
  { noNullPrototype: true },
) as fc.Arbitrary<Part>;
const PART: fc.Arbitrary<Part> = fc.oneof(
  CALL,
  fc.record({ type: fc.constant('text'), text: TEXT }, { noNullPrototype: true }) as fc.Arbitrary<Part>,
);
const TOKENS = fc.option(fc.nat(100));
const ACTION = fc.oneof(
  fc.constant({ type: 'model' }),
  fc.record({ type: fc.constant('answer'), text: TEXT }, { noNullPrototype: true }),
  fc.record(
    {
      type: fc.constant('call'),
      calls: fc.array(fc.record({ tool: NAME, input: fc.constant({}) }, { noNullPrototype: true }), { minLength: 1, maxLength: 3 }),
    },
    { noNullPrototype: true },
  ),
);

/** Data of each type as its author may write it, its positions random. */
const DATA: { readonly [K in EventType]: Readonly<Record<keyof EventData[K], fc.Arbitrary<unknown>>> } = {
  'session.created': { agent: TEXT, subject: TEXT, tokens: fc.constantFrom(1, 2) },
  'session.configured': { from: TEXT, to: TEXT },
  'session.forked': { parent: TEXT, at: SEQ, effects: fc.constantFrom('ask', 'live', 'simulated') },
  'session.closed': { why: TEXT },
  'message.received': {
    text: TEXT,
    data: fc.jsonValue(),
    files: fc.constant([{ mediaType: 'image/png', data: 'AAAA' }]),
    deliver: fc.constantFrom('queue', 'steer', 'interrupt'),
  },
  'cancel.requested': { why: TEXT },
  'turn.started': { takes: fc.array(SEQ, { maxLength: 2 }), definition: TEXT },
  'turn.ended': { reason: fc.constantFrom('answer', 'steps', 'cancelled', 'budget', 'error'), why: TEXT, output: fc.jsonValue() },
  'output.rejected': { answer: SEQ, message: TEXT },
  'model.called': {
    digest: TEXT,
    takes: fc.array(SEQ, { maxLength: 2 }),
    reserve: fc.record({ tokens: fc.nat(9), usd: fc.option(fc.nat(9)) }, { noNullPrototype: true }),
  },
  'model.answered': {
    call: SEQ,
    parts: fc.array(PART, { maxLength: 3 }),
    finish: fc.constant('stop'),
    usage: fc.record({ inputTokens: TOKENS, outputTokens: TOKENS }, { noNullPrototype: true }),
    model: TEXT,
    usd: fc.nat(3),
    meta: fc.constant({}),
    via: fc.constant([{}]),
  },
  'model.failed': {
    call: SEQ,
    why: fc.constantFrom('error', 'lost'),
    code: TEXT,
    message: TEXT,
    retry: fc.boolean(),
    retryAfterMs: fc.nat(),
    partial: fc.constant(true),
  },
  'context.called': {
    messages: fc.nat(4),
    digest: TEXT,
    reserve: fc.record({ tokens: fc.nat(9), usd: fc.option(fc.nat(9)) }, { noNullPrototype: true }),
  },
  'context.compacted': {
    messages: fc.nat(4),
    call: SEQ,
    summary: fc.jsonValue(),
    usage: fc.record({ inputTokens: TOKENS, outputTokens: TOKENS }, { noNullPrototype: true }),
    model: TEXT,
    usd: fc.nat(3),
  },
  'context.failed': { call: SEQ, why: fc.constantFrom('error', 'lost', 'cancelled'), code: TEXT, message: TEXT },
  'memory.called': { memories: fc.integer({ min: 1, max: 3 }) },
  'memory.recalled': { call: SEQ, log: TEXT, upto: SEQ, notes: fc.nat(1), blocks: fc.nat(2), deep: fc.boolean(), variations: fc.nat(3) },
  'memory.told': { fixed: TEXT, core: TEXT, entries: fc.constant([{ id: 'scope:x:1', text: 'y', validMs: 0 }]) },
  'memory.failed': { call: SEQ, why: fc.constantFrom('error', 'lost', 'cancelled'), log: TEXT, code: TEXT, message: TEXT },
  'timer.set': { atMs: fc.nat(), why: fc.constant('retry'), again: SEQ },
  'timer.fired': { timer: SEQ },
  'subject.erased': { subject: TEXT },
  'model.interrupted': { call: SEQ, parts: fc.array(PART, { maxLength: 2 }) },
  'policy.decided': { policy: TEXT, action: ACTION, why: TEXT, propensity: fc.constant(1) },
  'tool.called': { answer: SEQ, part: fc.nat(2), effect: EFFECT, dedupe: TEXT, again: SEQ, why: fc.constantFrom('crash', 'reconcile') },
  'tool.returned': {
    call: SEQ,
    answer: SEQ,
    part: fc.nat(2),
    output: fc.jsonValue(),
    truncatedBytes: fc.nat(),
    by: fc.constantFrom('late', 'person'),
  },
  'tool.failed': {
    call: SEQ,
    answer: SEQ,
    part: fc.nat(2),
    why: TEXT,
    message: TEXT,
    by: fc.constantFrom('late', 'person'),
    attempt: fc.nat(3),
  },
  'tool.in_doubt': { call: SEQ, why: TEXT, message: TEXT, attempt: fc.nat(3) },
  'reconcile.called': { call: SEQ },
  'reconcile.returned': { call: SEQ, status: fc.constantFrom('not-done', 'unknown'), message: TEXT, attempt: fc.nat(3) },
  'approval.requested': { answer: SEQ, part: fc.nat(2), digest: TEXT },
  'approval.granted': { approval: SEQ, digest: TEXT, answer: fc.jsonValue(), by: TEXT },
  'approval.denied': { approval: SEQ, why: TEXT, by: TEXT },
};
const OPTIONAL = new Set([
  'subject',
  'attempt',
  'fixed',
  'core',
  'entries',
  'summary',
  'usage',
  'model',
  'text',
  'data',
  'files',
  'takes',
  'reserve',
  'usd',
  'meta',
  'code',
  'message',
  'partial',
  'retry',
  'retryAfterMs',
  'dedupe',
  'again',
  'call',
  'answer',
  'part',
  'by',
  'truncatedBytes',
  'propensity',
  'why',
  'output',
]);
const NEEDED: Partial<Record<EventType, readonly string[]>> = {
  'output.rejected': ['answer', 'message'],
  'model.answered': ['call'],
  'model.failed': ['call', 'why'],
  'model.interrupted': ['call'],
  'context.failed': ['call', 'why'],
  'memory.failed': ['call', 'why'],
  'memory.recalled': ['call'],
  'policy.decided': ['why'],
  'tool.called': ['answer', 'part'],
  'tool.returned': ['output'],
  'tool.failed': ['why', 'message'],
  'tool.in_doubt': ['call', 'why'],
  'reconcile.called': ['call'],
  'reconcile.returned': ['call'],
  'approval.requested': ['answer', 'part'],
  'approval.denied': ['why'],
  'session.closed': ['why'],
  'cancel.requested': ['why'],
  'turn.started': ['takes'],
};

interface Drawn {
  readonly type: string;
  readonly data: JsonObject;
  readonly epoch: number;
  readonly erased?: boolean;
  readonly v?: number;
}

function drawn(type: EventType): fc.Arbitrary<Drawn> {
  const keys = Object.keys(DATA[type]);
  const needed = NEEDED[type] ?? [];
  const data = fc.record(DATA[type] as Record<string, fc.Arbitrary<unknown>>, {
    requiredKeys: keys.filter((key) => !OPTIONAL.has(key) || needed.includes(key)),
    noNullPrototype: true,
  });
  const whole = fc.record({ type: fc.constant(type), data, epoch: fc.nat(2) }, { noNullPrototype: true });
  const gone = fc.record(
    { type: fc.constant(type), data: fc.constant({}), epoch: fc.nat(2), erased: fc.constant(true) },
    { noNullPrototype: true },
  );
  return (PERSONAL.has(type) ? fc.oneof({ weight: 9, arbitrary: whole }, { weight: 1, arbitrary: gone }) : whole) as fc.Arbitrary<Drawn>;
}

/** What can be sealed under a subject, and so be erased. */
const PERSONAL: ReadonlySet<string> = new Set([
  'message.received',
  'model.answered',
  'model.interrupted',
  'tool.returned',
  'policy.decided',
]);
const UNKNOWN: fc.Arbitrary<Drawn> = fc.oneof(
  fc.record(
    {
      type: fc.constantFrom('weather.changed', 'toString', '__proto__'),
      data: fc.dictionary(TEXT, fc.jsonValue(), { noNullPrototype: true }),
      epoch: fc.nat(2),
    },
    { noNullPrototype: true },
  ) as fc.Arbitrary<Drawn>,
  fc.record(
    { type: fc.constantFrom(...Object.keys(EVENTS)), v: fc.constant(2), data: fc.constant({}), epoch: fc.nat(2) },
    { noNullPrototype: true },
  ) as fc.Arbitrary<Drawn>,
);
const OPEN = [
  { type: 'session.created', data: { agent: 'a' } },
  { type: 'message.received', data: { text: 'go', deliver: 'queue' } },
  { type: 'turn.started', data: { takes: [1], definition: 'd' } },
  { type: 'model.called', data: { digest: 'x', reserve: { tokens: 50, usd: null } } },
] as const;
const RANDOM = fc.array(fc.oneof(...(Object.keys(EVENTS) as EventType[]).map(drawn), UNKNOWN), { maxLength: 40 });
const CALLING = [
  ...OPEN,
  {
    type: 'model.answered',
    data: {
      call: 3,
      parts: ['one', 'two'].map((id) => ({ type: 'tool_call', id, name: 'pay', input: {} })),
      finish: 'tool_calls',
      usage: { inputTokens: 1, outputTokens: 1 },
      model: null,
    },
  },
  { type: 'tool.called', data: { answer: 4, part: 0, effect: 'irreversible' } },
  { type: 'approval.requested', data: { answer: 4, part: 1, digest: 'x' } },
] as const;
/** Most of them begin as a session does, so that what follows meets something open. */
const LOG = fc
  .tuple(fc.constantFrom<readonly Omit<Drawn, 'epoch'>[]>([], OPEN, CALLING), RANDOM)
  .map(([begun, log]): readonly Drawn[] => [...begun.map((event) => ({ ...event, epoch: 0 })), ...log]);

const eventsIn = (log: readonly Drawn[]): LogEvent[] =>
  log.map(({ type, data, epoch, ...more }, seq) => placed({ type, data, ...more }, 's', seq, seq, epoch));

const isList = (value: unknown): value is { readonly shared: readonly unknown[]; readonly count: number } =>
  typeof value === 'object' && value !== null && 'shared' in value && 'count' in value;

/** Freezes a state in depth, but for the storage that growing lists share. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const [key, inner] of Object.entries(value)) if (!isList(value) || key !== 'shared') frozen(inner);
  if (value instanceof Map) for (const inner of value.values()) frozen(inner);
  return Object.freeze(value);
}

const shown = (state: AgentState): string =>
  JSON.stringify(state, (_key, value: unknown) =>
    value instanceof Map ? [...(value as Map<unknown, unknown>)] : isList(value) ? value.shared.slice(0, value.count) : value,
  );

test('any sequence of events of the vocabulary, erased and unknown ones among them, folds without an error and mutates no state', () => {
  fc.assert(
    fc.property(LOG, (log) => {
      let state = frozen(initial('s'));
      const seen: [AgentState, string][] = [];
      for (const event of eventsIn(log)) {
        state = frozen(evolve(state, frozen(event)));
        seen.push([state, shown(state)]);
      }
      assert.equal(state.head, log.length);
      outcome(state);
      for (const [before, text] of seen) assert.equal(shown(before), text);
    }),
    { numRuns: 500 },
  );
});

test('any state that events can lead to comes to rest when it is decided on', () => {
  const effects = effectsWitness();
  const agent = createAgent({
    name: 'a',
    model: conversationModel(['x']),
    tools: [
      recordingTool(effects, { name: 'look', effect: 'read' }),
      recordingTool(effects, { name: 'pay', needsApproval: true, reconciles: true }),
    ],
  });
  const bound = bind(agent, testWorld().digest);
  fc.assert(
    fc.property(LOG, (log) => {
      let state = eventsIn(log).reduce((before, event) => evolve(before, event), initial('s'));
      for (let round = 0; ; round++) {
        assert.ok(round < 100, 'A2');
        const wish = decide(state, bound, 3);
        if (!Array.isArray(wish)) break;
        for (const { type, data } of wish)
          state = evolve(state, placed({ type, data: data as unknown as JsonObject }, 's', state.head, state.nowMs, 3));
      }
    }),
    { numRuns: 500 },
  );
});

test('any event of an unknown type or version leaves every slice as it was', () => {
  fc.assert(
    fc.property(LOG, UNKNOWN, (log, event) => {
      const state = eventsIn(log).reduce((before, one) => evolve(before, one), initial('s'));
      const { head: _head, nowMs: _now, ...slices } = evolve(state, placed(event, 's', state.head, state.nowMs, 0));
      for (const [name, slice] of Object.entries(slices)) assert.equal(slice, state[name as keyof AgentState], name);
    }),
  );
});

const fold = (events: readonly Omit<Drawn, 'epoch'>[], epoch = 0): AgentState =>
  eventsIn(events.map((event) => ({ epoch, ...event }))).reduce((state, event) => evolve(state, event), initial('s'));
const answer = (callSeq: number, text: string): Omit<Drawn, 'epoch'> => ({
  type: 'model.answered',
  data: { call: callSeq, parts: [{ type: 'text', text }], finish: 'stop', usage: { inputTokens: 7, outputTokens: 3 }, model: null },
});

test('an answer that comes after its call was given up as lost is not taken for that of the next call, only its usage counts', () => {
  const state = fold([
    ...OPEN,
    { type: 'model.failed', data: { call: 3, why: 'lost' } },
    { type: 'model.called', data: { digest: 'x', reserve: { tokens: 50, usd: null } } },
    answer(3, 'late'),
  ]);
  assert.equal(state.turn.open?.phase, 'model');
  assert.equal(state.model.open?.seq, 5);
  assert.equal(outcome(state).messages.length, 1);
  assert.equal(state.budget.turn.tokens, 60, 'the reservation of the lost call and the usage of the late answer');
  assert.equal(state.budget.reserved?.seq, 5);
  const calling = fold([
    ...OPEN,
    { type: 'model.failed', data: { call: 3, why: 'lost' } },
    { type: 'model.called', data: { digest: 'x' } },
    {
      type: 'model.answered',
      data: {
        call: 3,
        parts: [{ type: 'tool_call', id: 'c', name: 'pay', input: {} }],
        finish: 'tool_calls',
        usage: { inputTokens: 1, outputTokens: 1 },
        model: null,
      },
    },
  ]);
  assert.deepEqual(calling.tool.slots, [], 'and its calls are not made');
});

test('the first answer of a call stands, a second one changes nothing but the usage', () => {
  const once = fold([...OPEN, answer(3, 'first')]);
  const twice = fold([...OPEN, answer(3, 'first'), answer(3, 'second')]);
  assert.deepEqual(outcome(twice), outcome(once));
  assert.equal(twice.turn.open?.answer?.text, 'first');
  assert.equal(twice.budget.turn.tokens, once.budget.turn.tokens + 10);
});

test('the first outcome of a tool call stands, in its turn and after it, and later ones are no news to the model', () => {
  const asked = {
    type: 'model.answered',
    data: {
      call: 3,
      parts: [{ type: 'tool_call', id: 'c', name: 'look', input: {} }],
      finish: 'tool_calls',
      usage: { inputTokens: 1, outputTokens: 1 },
      model: null,
    },
  } as const;
  const called = [...OPEN, asked, { type: 'tool.called', data: { answer: 4, part: 0, effect: 'read' } }] as const;
  const returned = (output: Json): Omit<Drawn, 'epoch'> => ({ type: 'tool.returned', data: { call: 5, output } });
  const failed = { type: 'tool.failed', data: { call: 5, why: 'threw', message: 'no' } };
  const [one, two, three] = [
    fold([...called, returned('first')]),
    fold([...called, returned('first'), returned('second')]),
    fold([...called, returned('first'), failed]),
  ];
  assert.deepEqual(outcome(two), outcome(one));
  assert.deepEqual(outcome(three), outcome(one));
  const ended = [...called, failed, { type: 'turn.ended', data: { reason: 'cancelled' } }];
  const late = fold([...ended, returned('late')]);
  assert.deepEqual(late.turn.notes, [], 'it was told that the call failed');
  assert.deepEqual(outcome(late), outcome(fold(ended)));
});

test('of two calls in flight each keeps its first outcome', () => {
  const parts = ['one', 'two'].map((id) => ({ type: 'tool_call', id, name: 'look', input: {} }));
  const asked = {
    type: 'model.answered',
    data: { call: 3, parts, finish: 'tool_calls', usage: { inputTokens: 1, outputTokens: 1 }, model: null },
  };
  const called = [0, 1].map((part) => ({ type: 'tool.called', data: { answer: 4, part, effect: 'read' } }));
  const returned = (callSeq: number, output: string): Omit<Drawn, 'epoch'> => ({ type: 'tool.returned', data: { call: callSeq, output } });
  const state = fold([...OPEN, asked, ...called, returned(5, 'first'), returned(5, 'second'), returned(6, 'other')]);
  assert.deepEqual(
    outcome(state)
      .messages.at(-1)
      ?.parts.map((part) => ('output' in part ? part.output : null)),
    ['first', 'other'],
  );
});

test('a model call that was lost is made again without asking the policy that wanted it, and as the same step', () => {
  const wanted = { type: 'policy.decided', data: { policy: 'p', action: { type: 'model' }, why: '' } };
  const open = [...OPEN.slice(0, 3), wanted, OPEN[3]];
  const state = fold([...open, { type: 'model.failed', data: { call: 4, why: 'lost' } }]);
  assert.deepEqual([state.turn.open?.phase, state.turn.open?.steps], ['ask', 0]);
  assert.equal(fold(open).turn.open?.steps, 1);
});

test('an opinion that comes when nobody asks any more is not followed', () => {
  const decided = { type: 'policy.decided', data: { policy: 'p', action: { type: 'call', calls: [{ tool: 'pay', input: {} }] }, why: '' } };
  for (const log of [OPEN, [...OPEN, answer(3, 'x'), { type: 'turn.ended', data: { reason: 'answer' } }]]) {
    const state = fold([...log, decided]);
    assert.deepEqual(state.tool.slots, []);
    assert.deepEqual(outcome(state), outcome(fold(log)));
  }
});

test('a session whose subject was erased folds, shows nothing of it, and goes on', async () => {
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const agents = [
    createAgent({
      name: 'a',
      model: strictModel(conversationModel([{ calls: [{ name: 'look', input: { secret: 'word' } }] }, 'the secret word', 'x'])),
      tools: [recordingTool(effectsWitness(), { name: 'look', effect: 'read' })],
    }),
  ];
  const runtime = createRuntime({ store, world, agents });
  await runtime.session('s', { agent: 'a', subject: 'ann' }).send('my secret').result;
  await runtime.close();
  await eraseSubject({ store, keys, world, subject: 'ann' });
  const { state } = await foldAt(store, 's');
  assert.doesNotMatch(shown(state), /secret/);
  assert.equal(state.head, (await store.read('s')).flatMap(eventsOf).length);
});
