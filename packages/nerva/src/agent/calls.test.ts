import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../core/index.ts';
import { placed } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { testWorld } from '../testing/index.ts';
import { tool, type Tool, type ToolEffect } from '../tool/index.ts';
import { decideCalls } from './calls.ts';
import { bind, createAgent, type AgentOptions, type Bound } from './definition.ts';
import { asDrafts, type Draft, type EventData, type EventType } from './events.ts';
import { evolve, initial } from './fold.ts';
import type { AgentState } from './state.ts';

const { digest } = testWorld();
const the = <T extends EventType>(type: T, data: EventData[T]): Draft => ({ type, data }) as Draft;
const made = (name: string, effect: ToolEffect, more: Partial<Tool> = {}): Tool => ({
  ...tool({ name, effect, inputSchema: { type: 'object' }, execute: () => null }),
  ...more,
});
const boundOf = (tools: readonly Tool[], more: Partial<AgentOptions> = {}): Bound =>
  bind(createAgent({ name: 'a', model: scriptedModel([]), tools, ...more }), digest);

/** A turn whose model (seq 4) asked for these calls, and what came of it; all by epoch 1. */
function asked(names: readonly string[], later: readonly Draft[] = [], inputs: readonly Json[] = []): AgentState {
  const parts = names.map((name, index) => ({ type: 'tool_call', id: `c${index}`, name, input: inputs[index] ?? {} }) as const);
  const drafts = [
    the('session.created', { agent: 'a' }),
    the('message.received', { text: 'go' }),
    the('turn.started', { takes: [1], definition: { ref: 'd', bytes: 1, mediaType: 'm' } }),
    the('model.called', { digest: 'q' }),
    the('model.answered', { call: 3, parts, usage: { inputTokens: 1, outputTokens: 1 }, model: null }),
    ...later,
  ];
  return asDrafts(drafts).reduce((state, draft, seq) => evolve(state, placed(draft, 's', seq, seq, 1)), initial('s'));
}

const called = (effect: ToolEffect, more: Partial<EventData['tool.called']> = {}): Draft =>
  the('tool.called', { answer: 4, part: 0, effect, ...more });
const doubt = the('tool.in_doubt', { call: 5, why: 'crash' });
const cancel = the('cancel.requested', { why: 'stop' });

test('where no call is open, and outside of a turn, nothing is wanted', () => {
  const bound = boundOf([made('t', 'read')]);
  assert.equal(decideCalls(asked([]), bound, 1), null);
  assert.equal(decideCalls(asked(['t'], [the('turn.ended', { reason: 'error' })]), bound, 1), null);
  assert.equal(decideCalls(asked(['t'], [called('read'), the('tool.returned', { call: 5, output: 1 })]), bound, 1), null);
});

test('what was asked for starts under the class of its tool, and what runs is waited for', () => {
  const bound = boundOf([made('t', 'idempotent'), made('u', 'read')]);
  assert.deepEqual(decideCalls(asked(['t', 'u']), bound, 1), [
    the('tool.called', { answer: 4, part: 0, effect: 'idempotent' }),
    the('tool.called', { answer: 4, part: 1, effect: 'read' }),
  ]);
  assert.equal(decideCalls(asked(['t'], [called('idempotent')]), bound, 1), 'wait');
});

test('a call of a process that is gone is made again under its recorded class, or is in doubt', () => {
  const bound = boundOf([made('t', 'read')]);
  const lost = (effect: ToolEffect, tools = bound) => decideCalls(asked(['t'], [called(effect)]), tools, 2);
  for (const effect of ['read', 'idempotent'] as const)
    assert.deepEqual(lost(effect), [the('tool.called', { answer: 4, part: 0, effect, again: 5, why: 'crash' })]);
  assert.deepEqual(lost('irreversible'), [doubt]);
  assert.deepEqual(lost('read', boundOf([])), [
    the('tool.failed', { call: 5, why: 'unknown tool', message: 'The tool t is gone; the call was cut off.' }),
  ]);
});

test('a doubt is asked about once by each process, made again when it did not happen, and told where its tool is gone', () => {
  const known = boundOf([made('t', 'irreversible', { reconcile: () => ({ status: 'unknown' }) })]);
  const inDoubt = [called('irreversible'), doubt];
  assert.deepEqual(decideCalls(asked(['t'], inDoubt), known, 1), [the('reconcile.called', { call: 5 })]);
  assert.equal(decideCalls(asked(['t'], inDoubt), boundOf([made('t', 'irreversible')]), 1), 'wait');
  const once = [...inDoubt, the('reconcile.called', { call: 5 })];
  assert.equal(decideCalls(asked(['t'], once), known, 1), 'wait');
  assert.deepEqual(decideCalls(asked(['t'], once), known, 2), [the('reconcile.called', { call: 5 })]);
  const not = [...once, the('reconcile.returned', { call: 5, status: 'not-done' })];
  assert.deepEqual(decideCalls(asked(['t'], not), known, 1), [
    the('tool.called', { answer: 4, part: 0, effect: 'irreversible', again: 5, why: 'reconcile' }),
  ]);
  const second = [
    ...not,
    the('tool.called', { answer: 4, part: 0, effect: 'irreversible', again: 5, why: 'reconcile' }),
    the('tool.in_doubt', { call: 5, why: 'threw', attempt: 2 }),
    the('reconcile.called', { call: 5 }),
  ];
  const past = [...second, the('reconcile.returned', { call: 5, status: 'not-done', attempt: 1 })];
  assert.equal(decideCalls(asked(['t'], past), known, 1), 'wait', 'of the second attempt who asked about the first knows nothing');
  assert.equal(
    (decideCalls(asked(['t'], [...past, the('reconcile.returned', { call: 5, status: 'not-done', attempt: 2 })]), known, 1) as Draft[])[0]
      ?.type,
    'tool.called',
  );
  assert.deepEqual(decideCalls(asked(['t'], not), boundOf([made('u', 'read')]), 1), [
    the('tool.failed', { call: 5, why: 'unknown tool', message: 'There is no tool named "t". The tools are: u.' }),
  ]);
});

test('a call that cannot be made is told why: its tool, its input, its session', () => {
  const strict = tool({
    name: 't',
    effect: 'read',
    inputSchema: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
    execute: () => null,
  });
  const told = (state: AgentState, bound: Bound): unknown => {
    const wish = decideCalls(state, bound, 1);
    assert.ok(Array.isArray(wish));
    return (wish as readonly Draft[]).map(({ type, data }) => [type, 'why' in data ? data.why : '']);
  };
  assert.deepEqual(told(asked(['none']), boundOf([strict])), [['tool.failed', 'unknown tool']]);
  assert.deepEqual(told(asked(['t']), boundOf([strict])), [['tool.failed', 'bad input']]);
  const forked = the('session.forked', { parent: 'p', at: 5, effects: 'ask' });
  assert.deepEqual(told(asked(['t'], [called('idempotent'), forked]), boundOf([strict])), [['tool.failed', 'forked']]);
  const none = decideCalls(asked(['none']), boundOf([]), 1) as readonly Draft[];
  assert.match(JSON.stringify(none), /There is no tool named \\"none\\". There are no tools\./);
});

test('in a fork that simulates only reads are made, and in one that asks a person is asked for the rest', () => {
  const bound = boundOf([made('look', 'read'), made('put', 'idempotent')]);
  const forked = (effects: EventData['session.forked']['effects']) =>
    decideCalls(asked(['look', 'put'], [the('session.forked', { parent: 'p', at: 4, effects })]), bound, 1);
  const look = the('tool.called', { answer: 4, part: 0, effect: 'read' });
  assert.deepEqual(forked('simulated'), [look, the('tool.returned', { answer: 4, part: 1, output: { simulated: true }, by: 'simulated' })]);
  const put = bound.tools.get('put') as Tool;
  assert.deepEqual(forked('ask'), [look, the('approval.requested', { answer: 4, part: 1, digest: bound.callDigest(put, {}) })]);
  assert.deepEqual(forked('live'), [look, the('tool.called', { answer: 4, part: 1, effect: 'idempotent' })]);
});

test('a grant holds for the tool, schema and input it was given for, and for no other', () => {
  const pay = made('pay', 'irreversible', { needsApproval: () => true });
  const bound = boundOf([pay]);
  const hash = bound.callDigest(pay, {});
  const grantedOf = (given: string) => [
    the('approval.requested', { answer: 4, part: 0, digest: given }),
    the('approval.granted', { approval: 5, digest: given }),
  ];
  const ask = the('approval.requested', { answer: 4, part: 0, digest: hash });
  assert.deepEqual(decideCalls(asked(['pay']), bound, 1), [ask]);
  assert.equal(decideCalls(asked(['pay'], [ask]), bound, 1), 'wait');
  assert.deepEqual(decideCalls(asked(['pay'], grantedOf(hash)), bound, 1), [called('irreversible')]);
  assert.deepEqual(decideCalls(asked(['pay'], grantedOf('other')), bound, 1), [ask]);
  assert.equal((decideCalls(asked(['pay'], grantedOf(hash)), boundOf([]), 1) as readonly Draft[])[0]?.type, 'tool.failed');
});

test('the rule of the agent asks beside that of the tool, and throwing asks', () => {
  const pay = made('pay', 'irreversible');
  const wishOf = (approval: AgentOptions['approval'], one = pay): string | undefined =>
    (decideCalls(asked(['pay'], [], [{ n: 1 }]), boundOf([one], approval === undefined ? {} : { approval }), 1) as readonly Draft[])[0]
      ?.type;
  const fail = (): never => {
    throw new Error('rule');
  };
  assert.equal(wishOf(undefined), 'tool.called');
  assert.equal(
    wishOf((given) => {
      assert.deepEqual(given, { tool: 'pay', effect: 'irreversible', input: { n: 1 } });
      return false;
    }),
    'tool.called',
  );
  assert.equal(
    wishOf(() => true),
    'approval.requested',
  );
  assert.equal(wishOf(fail), 'approval.requested');
  assert.equal(wishOf(undefined, made('pay', 'irreversible', { needsApproval: fail })), 'approval.requested');
  assert.equal(
    wishOf(() => false, made('pay', 'irreversible', { needsApproval: () => true })),
    'approval.requested',
  );
});

test('of equal calls under dedupe one is made, the others wait for it, in this step and in a doubt of an earlier turn', () => {
  const pay = made('pay', 'irreversible', { dedupe: () => 'x' });
  const bound = boundOf([pay]);
  const first = called('irreversible', { dedupe: 'pay x' });
  assert.deepEqual(decideCalls(asked(['pay', 'pay']), bound, 1), [first]);
  assert.equal(decideCalls(asked(['pay', 'pay'], [first]), bound, 1), 'wait');
  const returned = the('tool.returned', { call: 5, output: 'paid' });
  assert.deepEqual(decideCalls(asked(['pay', 'pay'], [first, returned]), bound, 1), [
    the('tool.returned', { answer: 4, part: 1, output: 'paid', by: 'dedupe' }),
  ]);
  const failed = the('tool.failed', { call: 5, why: 'not done', message: 'no' });
  assert.deepEqual(decideCalls(asked(['pay', 'pay'], [first, failed]), bound, 1), [
    the('tool.called', { answer: 4, part: 1, effect: 'irreversible', dedupe: 'pay x' }),
  ]);
  const next = [
    first,
    doubt,
    the('turn.ended', { reason: 'cancelled' }),
    the('message.received', { text: 'again' }),
    the('turn.started', { takes: [8], definition: { ref: 'd', bytes: 1, mediaType: 'm' } }),
    the('model.called', { digest: 'q' }),
    the('model.answered', {
      call: 10,
      parts: [{ type: 'tool_call', id: 'z', name: 'pay', input: {} }],
      usage: { inputTokens: 1, outputTokens: 1 },
      model: null,
    }),
  ];
  assert.equal(decideCalls(asked(['pay'], next), bound, 1), 'wait');
});

test('calls are equal under dedupe by what their input means, and by the input itself where only a promise could tell', () => {
  const parse = (input: Json): { readonly ok: true; readonly value: unknown } => ({ ok: true, value: String(input).trim() });
  const dedupe = (input: unknown): string => JSON.stringify(input);
  const dedupeOf = (more: Partial<Tool>): unknown => {
    const bound = boundOf([made('pay', 'irreversible', { dedupe, ...more })]);
    const [draft] = decideCalls(asked(['pay'], [], [' x ']), bound, 1) as readonly Draft[];
    return draft?.type === 'tool.called' ? draft.data.dedupe : undefined;
  };
  assert.equal(dedupeOf({ parseInput: parse }), 'pay "x"');
  assert.equal(dedupeOf({ parseInput: (input) => Promise.resolve(parse(input)) }), 'pay " x "');
});

test('after a cancel nothing starts: what waits is closed, what runs is awaited, what was lost is settled by its class', () => {
  const bound = boundOf([made('t', 'read')]);
  const before = { answer: 4, part: 0, why: 'cancelled', message: 'The turn was cancelled before this call was made.' };
  const after = (drafts: readonly Draft[], epoch = 1) => decideCalls(asked(['t'], [...drafts, cancel]), bound, epoch);
  assert.deepEqual(after([]), [the('tool.failed', before)]);
  const ask = the('approval.requested', { answer: 4, part: 0, digest: 'h' });
  assert.deepEqual(after([ask]), [the('approval.denied', { approval: 5, why: 'stop' })]);
  assert.deepEqual(after([ask, the('approval.granted', { approval: 5, digest: 'h' })]), [the('tool.failed', before)]);
  assert.equal(after([called('read')]), 'wait');
  assert.deepEqual(after([called('read')], 2), [
    the('tool.failed', { call: 5, why: 'cancelled', message: 'The turn was cancelled while this call ran.' }),
  ]);
  assert.deepEqual(after([called('irreversible')], 2), [the('tool.in_doubt', { call: 5, why: 'cancelled' })]);
  assert.equal(after([called('irreversible'), doubt]), null, 'a doubt holds up no cancelled turn');
  const not = [
    called('irreversible'),
    doubt,
    the('reconcile.called', { call: 5 }),
    the('reconcile.returned', { call: 5, status: 'not-done' }),
  ];
  assert.deepEqual(after(not), [the('tool.failed', { call: 5, why: 'cancelled', message: before.message })]);
});
