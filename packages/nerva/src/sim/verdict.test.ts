import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent } from '../agent/index.ts';
import type { LogEvent, Seq } from '../log/index.ts';
import { tool } from '../tool/index.ts';
import { Audit } from './audit.ts';
import type { Plan } from './faults.ts';
import { Hub } from './hub.ts';
import { Journal } from './journal.ts';
import { simModel } from './model.ts';
import type { SimProcess } from './process.ts';
import type { Scenario } from './scenario.ts';
import { Simulation } from './simulation.ts';

/** An approved payment: what the laws of this file have to look at. */
const paying: Scenario = {
  name: 'paying',
  agents: (outside) => [
    createAgent({
      name: 'payer',
      tools: [
        tool({
          name: 'pay',
          inputSchema: { type: 'object' },
          effect: 'irreversible',
          needsApproval: true,
          reconcile: (_input, { callId }) => (outside.happened(callId) ? { status: 'done', output: 'paid' } : { status: 'not-done' }),
          execute: () => 'paid',
        }),
      ],
      model: simModel({ script: ({ messages }) => (messages.at(-1)?.role === 'tool' ? 'Paid.' : { calls: [{ name: 'pay', input: {} }] }) }),
    }),
  ],
  answer: () => ({ decision: 'approve' }),
  steps: [{ type: 'send', atMs: 10, sid: 's1', text: '«s1» Pay.' }],
};

type Kept = NonNullable<ReturnType<Audit['kept']['get']>>;

/** What is done to what the audit knows, once an event of this type is in the log. */
interface Sabotage {
  readonly law: string;
  readonly name: string;
  readonly at: string;
  readonly faults?: Plan;
  readonly act: (audit: Audit, kept: Kept, seq: Seq) => void;
}

/** The laws that a run of which this was made breaks, and a word of the first. */
async function broken({ at, faults = [], act }: Omit<Sabotage, 'law' | 'name'>): Promise<readonly string[]> {
  const simulation = new Simulation(paying, 1, faults, { isTraced: false, isJudged: true });
  const { audit, hub } = simulation;
  const told = audit.onEvent;
  audit.onEvent = (event: LogEvent, tenant) => {
    told(event, tenant);
    if (event.type === at) act(audit, audit.kept.get(event.sid) as Kept, event.seq);
  };
  // What was made up may be asked for at the end, and is not there.
  await simulation.run({ eventsMax: 10_000, simulatedMs: 86_400_000 }).catch(() => undefined);
  return hub.violations.map(({ invariant }) => invariant);
}

const LOST = 'nothing acknowledged is lost';
const CRASH: Plan = [{ point: 'tool.pay', kind: 'tool.crash', occurrence: 1 }];

const SABOTAGES: readonly Sabotage[] = [
  {
    law: LOST,
    name: 'an event that was acknowledged and is not stored',
    at: 'turn.ended',
    act: (_audit, { book }) => void book.events.push({ ...(book.events.at(-1) as LogEvent), seq: book.events.length }),
  },
  {
    law: LOST,
    name: 'an event that is stored otherwise than it was acknowledged',
    at: 'turn.ended',
    act: (_audit, kept) => void (kept.texts[1] = '{}'),
  },
  {
    law: LOST,
    name: 'a message that was accepted and is in no log',
    at: 'turn.ended',
    act: (audit) => void audit.accepted.set('m9', { sid: 's1', seq: 99 }),
  },
  {
    law: LOST,
    name: 'an event that is gone after a restart',
    at: 'tool.called',
    faults: CRASH,
    act: (_audit, { book }) => void book.events.push({ ...(book.events.at(-1) as LogEvent), seq: book.events.length }),
  },
  {
    law: LOST,
    name: 'a session that is gone after a restart',
    at: 'tool.called',
    faults: CRASH,
    act: (audit, kept) => void audit.kept.set('gone', kept),
  },
  {
    law: 'only who wrote an intent performs it',
    name: 'a call of which somebody else wrote the intent',
    at: 'tool.called',
    act: (_audit, { writers }, seq) => void (writers[seq] = null),
  },
  {
    law: 'intent before effect',
    name: 'a call without an intent',
    at: 'tool.called',
    act: (_audit, { book }, seq) => void book.calls.delete(seq),
  },
  {
    law: 'an answer that was accepted counts',
    name: 'an answer that was accepted and does not count',
    at: 'approval.granted',
    act: (audit, { book }, seq) =>
      void audit.settled.push({ sid: 's1', id: `s1:${book.events[seq]?.data['approval'] as number}`, seq: seq + 1 }),
  },
];

for (const { law, name, ...how } of SABOTAGES) {
  test(`${name} breaks «${law}»`, async () => {
    assert.equal((await broken(how))[0], law);
    assert.deepEqual(await broken({ ...how, act: () => undefined }), []);
  });
}

test('a fork of what is not there breaks «a fork has a parent»', () => {
  const hub = new Hub(1, [], false);
  const fork = { id: 'f', sid: 'child', parent: 'nobody', at: 0, events: [] };
  new Audit(hub, true).forked({} as SimProcess, fork, { ok: true, seq: 1, head: 1, epoch: 0, atMs: 0, hash: '', repeated: false } as never);
  assert.deepEqual(
    hub.violations.map(({ invariant }) => invariant),
    ['a fork has a parent'],
  );
});

test('a changed byte of which opening says nothing breaks «corruption is noticed»', async () => {
  const faults: Plan = [{ point: 'store.append', kind: 'store.corrupt', occurrence: 2 }];
  const nothing = { at: '', faults, act: () => undefined };
  assert.deepEqual(await broken(nothing), []);
  const { corrupt } = Journal.prototype;
  // As if it had changed a byte that no checksum covers.
  Journal.prototype.corrupt = () => () => undefined;
  try {
    assert.deepEqual(await broken(nothing), ['corruption is noticed']);
  } finally {
    Journal.prototype.corrupt = corrupt;
  }
});
