import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { createAgent } from '../agent/index.ts';
import { NervaError, type Json } from '../core/index.ts';
import { tool } from '../tool/index.ts';
import { FAULT_KINDS, FAULTS, kindsAt, parsePlan, type FaultKind, type Plan } from './faults.ts';
import { runOnce, type SimReport } from './run.ts';
import { simModel } from './model.ts';
import type { Scenario } from './scenario.ts';

/** A scenario that comes to every place: an approved payment, over the wire and not, a person, a reader. */
const everywhere = (isWired: boolean): Scenario => ({
  name: isWired ? 'everywhere, wired' : 'everywhere',
  isWired,
  agents: (outside) => [
    createAgent({
      name: 'payer',
      tools: [
        tool({
          name: 'pay',
          inputSchema: { type: 'object', properties: { amount: { type: 'integer' } }, required: ['amount'] },
          effect: 'irreversible',
          needsApproval: true,
          reconcile: (_input, { callId }) =>
            outside.happened(callId) ? { status: 'done', output: { paid: true } } : { status: 'not-done' },
          execute: () => ({ paid: true }),
        }),
      ],
      model: simModel({
        script: ({ messages }) => (messages.at(-1)?.role === 'tool' ? 'Paid.' : { calls: [{ name: 'pay', input: { amount: 5 } }] }),
      }),
    }),
  ],
  answer: (pending, outside) => {
    if (pending.type === 'approval') return { decision: 'approve' };
    return outside.happened(pending.id) ? { decision: 'returned', output: { seen: true } } : { decision: 'failed' };
  },
  steps: [
    { type: 'watch', atMs: 5, sid: 's1' },
    { type: 'send', atMs: 10, sid: 's1', text: '«s1» Pay five.' },
  ],
});

/** What happened in a run, without the notes that a fault struck: one that is counted and does nothing did not fire. */
function happened({ lines, logs }: SimReport): readonly unknown[] {
  return [lines.filter((line) => !Object.hasOwn(FAULTS, line.trimStart().split('  ')[1] ?? '')), logs];
}

/** The run of a plan of one fault of this kind, wherever it first makes a difference; null where it never does. */
async function struck(scenario: Scenario, calm: SimReport, kind: FaultKind): Promise<SimReport | null> {
  for (const [point, visits] of Object.entries(calm.visits)) {
    if (!kindsAt(point).includes(kind)) continue;
    for (let occurrence = 1; occurrence <= visits; occurrence++) {
      const report = await runOnce(scenario, { faults: [{ point, kind, occurrence }], isTraced: true });
      if ((report.fired[kind] ?? 0) === 0) continue;
      assert.deepEqual(report.violations, [], `${kind}: ${JSON.stringify(report.plan)}`);
      if (!isDeepStrictEqual(happened(report), happened(calm))) return report;
    }
  }
  return null;
}

for (const isWired of [false, true]) {
  test(`every kind of fault fires in a run${isWired ? ' over the wire' : ''}, changes it, and no law breaks`, async () => {
    const scenario = everywhere(isWired);
    const calm = await runOnce(scenario, { isTraced: true });
    assert.deepEqual(calm.violations, []);
    const missing: string[] = [];
    for (const kind of FAULT_KINDS) {
      if ((await struck(scenario, calm, kind)) === null) missing.push(kind);
    }
    // Without the wire there is no network to fail.
    assert.deepEqual(missing, isWired ? [] : FAULT_KINDS.filter((kind) => FAULTS[kind].area === 'network'));
  });
}

test('a fault strikes at its visit and at no other, and none strikes that is not in the plan', async () => {
  const calm = await runOnce(everywhere(false));
  assert.deepEqual(calm.fired, {});
  const { fired, visits } = await runOnce(everywhere(false), { faults: [{ point: 'model.call', kind: 'model.empty', occurrence: 2 }] });
  assert.deepEqual(fired, { 'model.empty': 1 });
  assert.ok((visits['model.call'] ?? 0) >= 2);
  const never = await runOnce(everywhere(false), { faults: [{ point: 'model.call', kind: 'model.empty', occurrence: 99 }] });
  assert.deepEqual(never.fired, {});
  assert.equal(never.hash, calm.hash);
});

test('a point takes the kinds of its whole name or of its beginning', () => {
  assert.ok(kindsAt('tool.pay').includes('tool.hang'));
  assert.ok(kindsAt('store.append').includes('people.cancel'));
  assert.ok(!kindsAt('store.append').includes('tool.hang'));
  assert.ok(!kindsAt('model.called').includes('model.empty'));
  assert.deepEqual(kindsAt('nowhere'), []);
  assert.deepEqual(kindsAt('my.tool.pay'), []);
});

test('each kind says where it strikes and what it does, and those like another name one that stands for itself', () => {
  for (const kind of FAULT_KINDS) {
    const row: { readonly at: readonly string[]; readonly help: string; readonly like?: string } = FAULTS[kind];
    assert.ok(row.at.length > 0 && row.help !== '', kind);
    if (row.like === undefined) continue;
    assert.ok(Object.hasOwn(FAULTS, row.like), `${kind} is like ${row.like}`);
    assert.ok(!('like' in FAULTS[row.like as FaultKind]), `${kind} is like ${row.like}, which is like another`);
  }
});

test('a plan that was written down is read as it was', () => {
  const plan: Plan = [
    { point: 'model.call', kind: 'model.reset', occurrence: 1 },
    { point: 'tool.pay', kind: 'tool.crash', occurrence: 12 },
  ];
  assert.deepEqual(parsePlan(JSON.parse(JSON.stringify(plan)) as Json), plan);
  assert.deepEqual(parsePlan([]), []);
});

for (const [name, given, says] of [
  ['what is no list', { point: 'model.call' }, /a plan is a list/],
  ['an entry that is null', [null], /entry 0 has no known kind/],
  ['an unknown kind', [{ point: 'model.call', kind: 'model.angry', occurrence: 1 }], /entry 0 has no known kind.*model\.angry/],
  ['a name from a prototype', [{ point: 'model.call', kind: 'toString', occurrence: 1 }], /entry 0 has no known kind/],
  [
    'a kind at a point where it cannot happen',
    [{ point: 'store.append', kind: 'tool.hang', occurrence: 1 }],
    /tool\.hang cannot happen.*tool\./,
  ],
  ['a missing point', [{ kind: 'tool.hang', occurrence: 1 }], /cannot happen/],
  ['occurrence 0', [{ point: 'model.call', kind: 'model.empty', occurrence: 0 }], /occurrence counts visits from 1/],
  ['half an occurrence', [{ point: 'model.call', kind: 'model.empty', occurrence: 1.5 }], /occurrence counts visits from 1/],
  ['a second entry that is wrong', [{ point: 'model.call', kind: 'model.empty', occurrence: 1 }, 5], /entry 1/],
] as const satisfies readonly (readonly [string, unknown, RegExp])[]) {
  test(`a plan with ${name} is refused and says which`, () => {
    assert.throws(
      () => parsePlan(given as unknown as Json),
      (error) => NervaError.is(error, 'OPTION_INVALID') && says.test(error.message),
    );
  });
}
