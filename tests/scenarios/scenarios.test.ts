import assert from 'node:assert/strict';
import test from 'node:test';
import { runOnce, type Scenario, type SimReport } from 'nerva/sim';
import { PACKS, REFERENCE } from './index.ts';

/** Seeds until which each fact must have happened. */
const SEEDS = 6;

type Fact = (report: SimReport) => boolean;

/** An event of this type, whose data holds at least these values, is in a log. */
const event =
  (type: string, data: Readonly<Record<string, unknown>> = {}): Fact =>
  ({ logs }) =>
    [...logs.values()].some((log) =>
      log.some((one) => one.type === type && Object.entries(data).every(([key, value]) => one.data[key] === value)),
    );
/** An answer tells of such a wrapper, in such words. */
const via =
  (name: string, words = ''): Fact =>
  ({ logs }) =>
    [...logs.values()].flat().some(({ data: { via: entries } }) => {
      const text = JSON.stringify(entries ?? []);
      return text.includes(`"${name}":`) && text.includes(words);
    });
const ends = (reason: string): Fact => event('turn.ended', { reason });
const counts =
  (type: string, least: number): Fact =>
  ({ logs }) =>
    [...logs.values()].some((log) => log.filter((one) => one.type === type).length >= least);
const visits =
  (point: string, least = 1): Fact =>
  (report) =>
    (report.visits[point] ?? 0) >= least;

/** What each scenario is for: facts that must happen in one of the seeds, undisturbed. */
const REACHES: Readonly<Record<string, readonly Fact[]>> = {
  smallest: [event('tool.returned'), ends('answer')],
  unreconciled: [event('tool.returned')],
  granted: [event('approval.granted'), event('tool.returned')],
  denied: [event('approval.denied'), ends('answer')],
  parallel: [event('tool.called', { effect: 'idempotent' }), event('tool.called', { effect: 'read' })],
  ruled: [event('policy.decided', { policy: 'rules#pay' }), event('tool.returned'), ends('answer')],
  considered: [event('policy.decided', { policy: 'slow' }), event('tool.returned')],
  cancelled: [event('cancel.requested'), event('tool.called'), ends('cancelled')],
  steered: [event('message.received', { deliver: 'steer' }), counts('turn.started', 1), ends('answer')],
  interrupted: [event('message.received', { deliver: 'interrupt' }), ends('cancelled'), ends('answer')],
  closed: [event('session.closed'), ends('cancelled')],
  'fork-asks': [event('session.forked', { effects: 'ask' }), event('approval.granted'), event('tool.returned')],
  'fork-acts': [event('session.forked', { effects: 'live' }), event('tool.returned'), visits('tool.pay')],
  'fork-pretends': [event('session.forked', { effects: 'simulated' }), event('tool.returned', { by: 'simulated' })],
  'fork-inside': [event('tool.failed', { why: 'forked' })],
  watched: [ends('answer')],
  asked: [event('approval.granted', { answer: 'You may.' }), event('tool.returned', { output: 'You may.' })],
  deduped: [event('tool.returned', { by: 'dedupe' })],
  shaped: [event('output.rejected'), ends('answer')],
  budgeted: [event('tool.returned'), ends('budget')],
  'crowd-0-1': [visits('store.release', 4), visits('store.takeOver')],
  'crowd-1-2': [visits('store.release', 2), visits('store.takeOver')],
  'crowd-2-1': [visits('store.release'), event('approval.granted'), event('approval.denied')],
  pair: [visits('process.start', 2), event('approval.granted'), ends('answer')],
  'created-twice': [visits('store.takeOver'), counts('message.received', 2), ends('answer')],
  'created-at-once': [counts('message.received', 3), counts('turn.started', 3), ends('answer')],
  'created-and-paid': [counts('tool.returned', 2), ends('answer')],
  'cancelled-late': [ends('answer')],
  'granted-twice': [event('approval.granted'), event('tool.returned')],
  'refused-twice': [event('approval.denied'), ends('answer')],
  'judged-twice': [event('tool.in_doubt'), event('tool.returned', { by: 'person' })],
  inherited: [visits('process.start', 2), event('model.failed', { why: 'lost' }), ends('answer')],
  rolling: [event('tool.failed', { why: 'timeout' }), event('tool.returned', { by: 'late' }), ends('answer')],
  overtaken: [event('tool.in_doubt', { why: 'crash' }), event('tool.returned', { by: 'late' }), ends('answer')],
  'closed-unaware': [visits('store.takeOver', 2), event('session.closed')],
  'heard-late': [event('tool.in_doubt', { why: 'timeout' }), event('tool.returned', { by: 'person' }), ends('answer')],
  replaced: [visits('process.start', 3), ends('answer')],
  returned: [event('timer.fired'), ends('answer')],
  tainted: [event('approval.granted'), counts('tool.called', 2), ends('answer')],
  unruly: [event('approval.granted'), event('tool.returned')],
  twins: [counts('tool.called', 2), ends('answer')],
  alike: [event('subject.erased'), visits('blobs.put', 2), ends('answer')],
  'born-late': [event('session.forked'), event('subject.erased')],
  rolled: [visits('process.start', 2), event('tool.returned'), ends('answer')],
  followed: [event('tool.returned'), ends('answer')],
  'broken-off': [event('model.failed', { partial: true }), ends('error')],
  flaky: [counts('timer.fired', 2), ends('answer')],
  'fork-retrying': [event('session.forked'), counts('timer.set', 2), ends('answer')],
  uncounted: [event('tool.returned'), ends('budget')],
  doubted: [event('tool.returned', { by: 'person' }), ends('cancelled'), ends('answer')],
  'fork-reading': [event('session.forked'), counts('memory.called', 2), ends('answer')],
  tenants: [(report) => report.logs.has('a-1') && report.logs.has('b-2'), event('tool.returned')],
  storm: [ends('cancelled'), ends('answer'), event('cancel.requested'), event('message.received', { deliver: 'steer' })],
  asking: [event('approval.granted'), event('approval.denied', { why: 'too much' }), event('approval.denied', { why: 'superseded' })],
  closing: [event('session.closed')],
  obedient: [event('tool.returned'), ends('answer')],
  chatty: [event('approval.requested'), event('tool.returned')],
  malformed: [event('tool.failed', { why: 'bad input' }), ends('answer')],
  adversarial: [event('tool.failed', { why: 'unknown tool' }), ends('answer')],
  forms: [event('output.rejected'), ends('answer'), ends('error')],
  repeats: [event('tool.returned', { by: 'dedupe' }), event('tool.called')],
  'turn-tokens': [ends('budget')],
  'session-tokens': [ends('budget'), ends('answer')],
  dollars: [ends('budget'), ends('answer')],
  'step-limits': [ends('steps'), ends('budget')],
  'time-limits': [ends('budget'), ends('answer')],
  compacted: [event('context.called'), counts('context.compacted', 2), ends('answer')],
  dropped: [counts('context.compacted', 2), ends('answer')],
  remembering: [
    counts('memory.told', 2),
    event('memory.derived', { by: 'model@1', failure: null }),
    event('memory.evolved', { by: 'model@1' }),
    event('context.compacted'),
    ends('answer'),
  ],
  sharing: [
    event('memory.called', { memories: 2 }),
    event('memory.recalled', { log: 'scope:team:desk' }),
    counts('memory.told', 4),
    event('context.compacted'),
    ends('answer'),
  ],
  stopping: [event('turn.ended', { reason: 'steps', why: 'stopWhen' })],
  branches: [
    event('session.forked', { effects: 'ask' }),
    event('session.forked', { effects: 'live' }),
    event('tool.returned', { by: 'simulated' }),
  ],
  chained: [
    event('policy.decided', { policy: 'chain/rules#pay' }),
    event('policy.decided', { policy: 'chain/llm' }),
    event('model.answered'),
  ],
  helpless: [ends('error'), event('tool.failed', { why: 'unknown tool' }), ends('answer')],
  bulky: [
    ({ logs }) => [...logs.values()].flat().some(({ type, data }) => type === 'tool.returned' && JSON.stringify(data).includes('"ref":"')),
    ({ logs }) => [...logs.values()].flat().some(({ type, data }) => type === 'tool.returned' && 'truncatedBytes' in data),
  ],
  erased: [event('subject.erased'), visits('blobs.put', 2)],
  secrets: [event('tool.returned')],
  slow: [event('tool.returned')],
  wired: [event('model.answered'), event('tool.returned'), ends('answer')],
  wrapped: [via('group'), via('limit'), via('cache'), event('tool.returned'), ends('answer')],
  twenty: [({ simulatedMs }) => simulatedMs > 3 * 86_400_000, event('approval.granted'), event('approval.denied')],
};

/** Facts that need a fault. */
const DISTURBED: readonly {
  readonly name: string;
  readonly point: string;
  readonly kind:
    | 'tool.crash'
    | 'tool.hang-after'
    | 'tool.late'
    | 'people.change'
    | 'people.twice'
    | 'process.pause'
    | 'model.unavailable'
    | 'model.stalled';
  readonly facts: readonly Fact[];
}[] = [
  { name: 'smallest', point: 'tool.pay', kind: 'tool.crash', facts: [event('tool.in_doubt'), event('tool.returned', { by: 'reconcile' })] },
  {
    name: 'unreconciled',
    point: 'tool.pay',
    kind: 'tool.crash',
    facts: [event('tool.in_doubt'), event('tool.returned', { by: 'person' })],
  },
  { name: 'unreconciled', point: 'tool.pay', kind: 'tool.hang-after', facts: [event('tool.in_doubt', { why: 'timeout' })] },
  { name: 'parallel', point: 'tool.note', kind: 'tool.crash', facts: [event('tool.called', { why: 'crash' })] },
  { name: 'wrapped', point: 'model.call', kind: 'model.unavailable', facts: [via('failures', 'MODEL_UNAVAILABLE'), via('breaker')] },
  { name: 'wrapped', point: 'model.call', kind: 'model.stalled', facts: [via('failures', 'HTTP_TIMEOUT')] },
  { name: 'granted', point: 'person.answer', kind: 'people.change', facts: [event('approval.granted')] },
  { name: 'granted-twice', point: 'person.answer', kind: 'people.change', facts: [event('approval.granted'), event('approval.denied')] },
  {
    name: 'judged-twice',
    point: 'person.answer',
    kind: 'people.twice',
    facts: [event('tool.returned', { by: 'person' }), visits('store.takeOver', 2)],
  },
  {
    name: 'returned',
    point: 'store.append',
    kind: 'process.pause',
    facts: [visits('process.start', 2), ends('answer')],
  },
];

const ALL = [...REFERENCE, ...PACKS];
const named = (name: string): Scenario => ALL.find((scenario) => scenario.name === name) ?? assert.fail(`There is no scenario ${name}.`);

test('every scenario says what it is for, and no two share a name', () => {
  assert.deepEqual(ALL.map(({ name }) => name).toSorted(), Object.keys(REACHES).toSorted());
});

for (const scenario of ALL)
  test(`undisturbed, ${scenario.name} breaks nothing, is the same twice and does what it is for`, async () => {
    const facts = new Set(REACHES[scenario.name]);
    assert.ok(facts.size > 0);
    for (let seed = 1; seed <= SEEDS && (seed === 1 || facts.size > 0); seed++) {
      const report = await runOnce(scenario, { seed });
      assert.deepEqual(report.violations, [], `seed ${seed}`);
      for (const fact of facts) if (fact(report)) facts.delete(fact);
      if (seed === 1) assert.equal((await runOnce(scenario, { seed })).hash, report.hash);
    }
    assert.deepEqual(
      [...facts].map((fact) => REACHES[scenario.name]?.indexOf(fact)),
      [],
      'facts that happened in no seed',
    );
  });

for (const { name, point, kind, facts } of DISTURBED)
  test(`${name} with ${kind} reaches what only that fault shows`, async () => {
    const report = await runOnce(named(name), { faults: [{ point, kind, occurrence: 1 }] });
    assert.deepEqual(report.violations, []);
    facts.forEach((fact, index) => assert.ok(fact(report), `fact ${index} did not happen`));
  });

test('reference scenarios stay small enough for all pairs of faults', async () => {
  for (const scenario of REFERENCE) {
    const { visits: seen } = await runOnce(scenario);
    assert.ok((seen['store.append'] ?? 0) <= 8, `${scenario.name}: ${seen['store.append'] ?? 0} appends`);
  }
});
