import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { JsonObject } from '../core/index.ts';
import { placed, type LogEvent } from '../log/index.ts';
import { Book } from './book.ts';

/** An event by type and data, at a time of its own if it matters. */
type Line = readonly [type: string, data?: JsonObject, atMs?: number];

function eventsOf(lines: readonly Line[]): readonly LogEvent[] {
  return lines.map(([type, data = {}, atMs], seq) => placed({ type, data }, 's1', seq, atMs ?? 1_000 + seq, 1));
}

function lawsBroken(events: readonly LogEvent[], limits: Limits = {}): readonly string[] {
  const broken: string[] = [];
  const book = new Book('s1', limits, (invariant) => broken.push(invariant));
  for (const event of events) book.add(event);
  return [...new Set(broken)];
}

const PAY = { type: 'tool_call', id: 'c1', name: 'pay', input: { amount: 5 } };
const USAGE = { inputTokens: 10, outputTokens: 5 };

/** A turn up to the answer that asks for a payment: 0 created · 1 message · 2 turn · 3 model.called · 4 model.answered. */
const ASKED: readonly Line[] = [
  ['session.created', { agent: 'payer' }],
  ['message.received', { text: 'Pay.' }],
  ['turn.started', { takes: [1] }],
  ['model.called'],
  ['model.answered', { call: 3, parts: [PAY], usage: USAGE }],
];
const STARTED: readonly Line[] = ASKED.slice(0, 3);
const CALL: Line = ['tool.called', { answer: 4, part: 0, effect: 'irreversible' }];
const READ: Line = ['tool.called', { answer: 4, part: 0, effect: 'read' }];
/** … 5 tool.called. */
const CALLED: readonly Line[] = [...ASKED, CALL];
const RETURNED: Line = ['tool.returned', { call: 5, output: null }];
const ENDED: Line = ['turn.ended', { reason: 'answer' }];
const CANCEL: Line = ['cancel.requested'];
const AGAIN: Line = ['tool.called', { answer: 4, part: 0, effect: 'irreversible', again: 5 }];
const NOT_DONE: Line = ['reconcile.returned', { call: 5, status: 'not-done' }];
const ASK: Line = ['approval.requested', { answer: 4, part: 0, digest: 'd' }];
/** A subject is erased while a model is asked. */
const ERASED: readonly Line[] = [
  ['session.created', { subject: 'anna' }],
  ['turn.started'],
  ['model.called'],
  ['subject.erased', { subject: 'anna' }],
];
const fork = (effects: string): Line => ['session.forked', { effects }];

type Limits = ConstructorParameters<typeof Book>[1];

interface Case {
  readonly law: string;
  readonly name: string;
  readonly breaks: readonly Line[];
  /** The same story, told properly. */
  readonly holds: readonly Line[];
  readonly limits?: Limits;
}

const CASES: readonly Case[] = [
  {
    law: 'time never goes back',
    name: 'an event older than the one before',
    breaks: [ASKED[0] as Line, ['message.received', {}, 500]],
    holds: [ASKED[0] as Line, ['message.received', {}, 1_000]],
  },
  {
    law: 'a closed session takes nothing',
    name: 'a message after the end',
    breaks: [ASKED[0] as Line, ['session.closed'], ['message.received']],
    holds: [ASKED[0] as Line, ['message.received'], ['session.closed']],
  },
  {
    law: 'one turn at a time',
    name: 'a turn within a turn',
    breaks: [...STARTED, ['turn.started']],
    holds: [...STARTED, ENDED, ['turn.started']],
  },
  { law: 'one turn at a time', name: 'the end of no turn', breaks: [...STARTED, ENDED, ENDED], holds: [...STARTED, ENDED] },
  { law: 'an approval belongs to a call', name: 'an approval of nothing', breaks: [...STARTED, ASK], holds: [...ASKED, ASK] },
  {
    law: 'an outcome has its intent',
    name: 'a doubt about no call',
    breaks: [...ASKED, ['tool.in_doubt', { call: 5 }]],
    holds: [...CALLED, ['tool.in_doubt', { call: 5 }]],
  },
  {
    law: 'an outcome has its intent',
    name: 'an answer to no question',
    breaks: [...STARTED, ['model.answered', { call: 2, parts: [] }]],
    holds: [...STARTED, ['model.called'], ['model.answered', { call: 3, parts: [] }]],
  },
  { law: 'an outcome has its intent', name: 'a result of no call', breaks: [...ASKED, RETURNED], holds: [...CALLED, RETURNED] },
  {
    law: 'a turn takes messages that are there',
    name: 'a message that never came',
    breaks: [...STARTED.slice(0, 2), ['turn.started', { takes: [0] }]],
    holds: STARTED,
  },
  {
    law: 'a message is taken once',
    name: 'a message taken by two turns',
    breaks: [...STARTED, ENDED, ['turn.started', { takes: [1] }]],
    holds: [...STARTED, ENDED, ['message.received'], ['turn.started', { takes: [4] }]],
  },
  {
    law: 'a cancelled turn ends as cancelled',
    name: 'an answer after a cancel',
    breaks: [...STARTED, CANCEL, ENDED],
    holds: [...STARTED, CANCEL, ['turn.ended', { reason: 'cancelled' }]],
  },
  {
    law: 'a cancelled turn ends as cancelled',
    name: 'a cancel that nobody asked for',
    breaks: [...STARTED, ['turn.ended', { reason: 'cancelled' }]],
    holds: [...STARTED, ['message.received', { deliver: 'interrupt' }], ['turn.ended', { reason: 'cancelled' }]],
  },
  {
    law: 'a turn ends with nothing open',
    name: 'an open call at the end',
    breaks: [...CALLED, ENDED],
    holds: [...CALLED, RETURNED, ENDED],
  },
  {
    law: 'a turn ends with nothing open',
    name: 'an open question at the end',
    breaks: [...STARTED, ['model.called'], ENDED],
    holds: [...STARTED, ['model.called'], ['model.failed', { call: 3 }], ENDED],
  },
  {
    law: 'nothing starts outside a turn',
    name: 'a question before any turn',
    breaks: [...STARTED.slice(0, 2), ['model.called']],
    holds: [...STARTED, ['model.called']],
  },
  {
    law: 'nothing starts after a cancel',
    name: 'a question after a cancel',
    breaks: [...STARTED, CANCEL, ['model.called']],
    holds: [...STARTED, ['model.called'], CANCEL],
  },
  { law: 'nothing starts after a cancel', name: 'a call after a cancel', breaks: [...ASKED, CANCEL, CALL], holds: [...CALLED, CANCEL] },
  {
    law: 'one model call at a time',
    name: 'two questions at once',
    breaks: [...STARTED, ['model.called'], ['model.called']],
    holds: [...STARTED, ['model.called'], ['model.failed', { call: 3 }], ['model.called']],
  },
  {
    law: 'a call is never split from its result',
    name: 'a question while a call is open',
    breaks: [...CALLED, ['model.called']],
    holds: [...CALLED, RETURNED, ['model.called']],
  },
  {
    law: 'a call is never split from its result',
    name: 'a question while a call is in doubt',
    breaks: [...CALLED, ['tool.in_doubt', { call: 5 }], ['model.called']],
    holds: [...CALLED, ['tool.in_doubt', { call: 5 }], RETURNED, ['model.called']],
  },
  {
    law: 'spent and reserved stay within the limit',
    name: 'a reservation beyond the limit of the session',
    limits: { budget: { sessionTokensMax: 100 } },
    breaks: [...STARTED, ['model.called', { reserve: { tokens: 101 } }]],
    holds: [...STARTED, ['model.called', { reserve: { tokens: 100 } }]],
  },
  {
    law: 'spent and reserved stay within the limit',
    name: 'a reservation that the spending before leaves no room for',
    limits: { budget: { turnTokensMax: 100 } },
    breaks: [
      ...STARTED,
      ['model.called', { reserve: { tokens: 90 } }],
      ['model.answered', { call: 3, parts: [], usage: USAGE }],
      ['model.called', { reserve: { tokens: 86 } }],
    ],
    holds: [
      ...STARTED,
      ['model.called', { reserve: { tokens: 90 } }],
      ['model.answered', { call: 3, parts: [], usage: USAGE }],
      ['model.called', { reserve: { tokens: 85 } }],
    ],
  },
  {
    law: 'spent and reserved stay within the limit',
    name: 'a lost question whose reservation is forgotten',
    limits: { budget: { sessionTokensMax: 100 } },
    breaks: [
      ...STARTED,
      ['model.called', { reserve: { tokens: 60 } }],
      ['model.failed', { call: 3, why: 'lost' }],
      ['model.called', { reserve: { tokens: 60 } }],
    ],
    holds: [
      ...STARTED,
      ['model.called', { reserve: { tokens: 60 } }],
      ['model.failed', { call: 3, why: 'error' }],
      ['model.called', { reserve: { tokens: 60 } }],
    ],
  },
  {
    law: 'spent and reserved stay within the limit',
    name: 'a question without a reservation where there is a limit',
    limits: { budget: { sessionTokensMax: 100 } },
    breaks: [...STARTED, ['model.called']],
    holds: [...STARTED, ['model.called', { reserve: { tokens: 1 } }]],
  },
  { law: 'an intent has its proposal', name: 'a call that nobody asked for', breaks: [...STARTED, CALL], holds: CALLED },
  {
    law: 'a call starts once',
    name: 'a call that starts as new a second time',
    breaks: [...CALLED, RETURNED, CALL],
    holds: [...CALLED, RETURNED],
  },
  {
    law: 'a call starts once',
    name: 'a call that is repeated after its outcome',
    breaks: [...ASKED, READ, RETURNED, ['tool.called', { answer: 4, part: 0, effect: 'read', again: 5 }]],
    holds: [...ASKED, READ, ['tool.called', { answer: 4, part: 0, effect: 'read', again: 5 }]],
  },
  {
    law: 'an irreversible call happens at most once',
    name: 'a repetition that nobody looked into',
    breaks: [...CALLED, ['tool.in_doubt', { call: 5 }], AGAIN],
    holds: [...CALLED, ['tool.in_doubt', { call: 5 }], ['reconcile.returned', { call: 5, status: 'not-done' }], AGAIN],
  },
  {
    law: 'approvals are never bypassed',
    name: 'a call that starts before anybody answered',
    breaks: [...ASKED, ASK, CALL],
    holds: [...ASKED, ASK, ['approval.granted', { approval: 5 }], CALL],
  },
  {
    law: 'approvals are never bypassed',
    name: 'a call that starts after a denial, whatever is granted later',
    breaks: [...ASKED, ASK, ['approval.denied', { approval: 5 }], ['approval.granted', { approval: 5 }], CALL],
    holds: [...ASKED, ASK, ['approval.granted', { approval: 5 }], ['approval.denied', { approval: 5 }], CALL],
  },
  {
    law: 'approvals are never bypassed',
    name: 'a call in a fork that must ask',
    breaks: [...ASKED, fork('ask'), CALL],
    holds: [...ASKED, fork('ask'), READ],
  },
  {
    law: 'approvals are never bypassed',
    name: 'a grant of the parent that is used in a fork',
    breaks: [...ASKED, ASK, ['approval.granted', { approval: 5 }], fork('ask'), CALL],
    holds: [...ASKED, fork('ask'), ASK, ['approval.granted', { approval: 6 }], CALL],
  },
  {
    law: 'a fork performs no inherited obligation',
    name: 'an effect in a simulated fork',
    breaks: [...ASKED, fork('simulated'), CALL],
    holds: [...ASKED, fork('live'), CALL],
  },
  {
    law: 'a fork performs no inherited obligation',
    name: 'a call that the parent has under way',
    breaks: [...CALLED, fork('live'), CALL],
    holds: [...ASKED, READ, fork('live'), READ],
  },
  {
    law: 'a verdict holds only while the doubt stands',
    name: 'a verdict on a call that runs',
    breaks: [...CALLED, ['tool.returned', { call: 5, by: 'person' }]],
    holds: [...CALLED, ['tool.in_doubt', { call: 5 }], ['tool.returned', { call: 5, by: 'person' }]],
  },
  {
    law: 'a verdict holds only while the doubt stands',
    name: 'a verdict on a call that was found not done',
    breaks: [...CALLED, ['tool.in_doubt', { call: 5 }], NOT_DONE, ['tool.failed', { call: 5, by: 'person' }]],
    holds: [...CALLED, ['tool.in_doubt', { call: 5 }], CANCEL, NOT_DONE, ['tool.failed', { call: 5, by: 'person' }]],
  },
  {
    law: 'messages are taken in their order',
    name: 'a turn that begins with the newer message',
    breaks: [...STARTED.slice(0, 2), ['message.received'], ['turn.started', { takes: [2] }]],
    holds: [...STARTED.slice(0, 2), ['message.received', { deliver: 'interrupt' }], ['turn.started', { takes: [2] }]],
  },
  {
    law: 'messages are taken in their order',
    name: 'a queued message that joins a question',
    breaks: [...STARTED, ['message.received'], ['model.called', { takes: [3] }]],
    holds: [...STARTED, ['message.received', { deliver: 'steer' }], ['model.called', { takes: [3] }]],
  },
  {
    law: 'steps stay within the limit',
    name: 'a second step of one',
    limits: { stepsMax: 1 },
    breaks: [...CALLED, RETURNED, ['model.called']],
    holds: [...STARTED, ['model.called'], ['model.failed', { call: 3, why: 'lost' }], ['model.called']],
  },
  {
    law: 'steps stay within the limit',
    name: 'a call after one that failed, without a timer between them,',
    limits: { stepsMax: 1 },
    breaks: [...STARTED, ['model.called'], ['model.failed', { call: 3, why: 'error' }], ['model.called']],
    holds: [
      ...STARTED,
      ['model.called'],
      ['model.failed', { call: 3, why: 'error' }],
      ['timer.set'],
      ['timer.fired', { timer: 5 }],
      ['model.called'],
    ],
  },
  {
    law: 'steps stay within the limit',
    name: 'a second step of a session that may have one',
    limits: { budget: { sessionStepsMax: 1 } },
    breaks: [...CALLED, RETURNED, ['model.called']],
    holds: [...CALLED, RETURNED],
  },
  {
    law: 'nothing starts after its time',
    name: 'a question when the time of the turn is over',
    limits: { budget: { turnMs: 100 } },
    breaks: [...STARTED, ['message.received', {}, 1_102], ['model.called', {}, 1_103]],
    holds: [...STARTED, ['message.received', {}, 1_101], ['model.called', {}, 1_103]],
  },
  {
    law: 'what belongs to a subject is sealed',
    name: 'a message of nobody in a session of somebody',
    breaks: [['session.created', { subject: 'anna' }], ['message.received']],
    holds: [['session.created', { subject: 'anna' }]],
  },
  {
    law: 'what belongs to a subject is sealed',
    name: 'an answer with words after its subject was erased',
    breaks: [...ERASED, ['model.answered', { call: 2, parts: [{ type: 'text', text: 'Anna' }] }]],
    holds: [...ERASED, ['model.answered', { call: 2, parts: [] }]],
  },
  {
    law: 'a turn is stopped at its limit',
    name: 'a turn that is stopped a step early',
    limits: { stepsMax: 2 },
    breaks: [...CALLED, RETURNED, ['turn.ended', { reason: 'steps', why: 'stepsMax 2' }]],
    holds: [
      ...CALLED,
      RETURNED,
      ['model.called'],
      ['model.answered', { call: 7, parts: [], usage: USAGE }],
      ['turn.ended', { reason: 'steps', why: 'stepsMax 2' }],
    ],
  },
  {
    law: 'a turn is stopped at its limit',
    name: 'a turn whose time is not over',
    limits: { budget: { turnMs: 500 } },
    breaks: [...STARTED, ['turn.ended', { reason: 'budget', why: 'turnMs 500' }]],
    holds: [...STARTED, ['turn.ended', { reason: 'budget', why: 'turnMs 500' }, 1_600]],
  },
  {
    law: 'a fork performs no inherited obligation',
    name: 'a fork that waits for the timer of its parent',
    breaks: [...STARTED, ['timer.set', { atMs: 5_000 }], fork('live'), ['timer.set', { atMs: 5_000, again: 3 }]],
    holds: [...STARTED, ['timer.set', { atMs: 5_000 }], fork('live'), ['timer.set', { atMs: 5_000 }]],
  },
  {
    law: 'only a cancel cancels',
    name: 'a call that is given up in a turn that goes on',
    breaks: [...CALLED, ['tool.failed', { call: 5, why: 'cancelled' }]],
    holds: [...CALLED, CANCEL, ['tool.failed', { call: 5, why: 'cancelled' }]],
  },
];

for (const { law, name, breaks, holds, limits } of CASES) {
  test(`${name} breaks «${law}»`, () => {
    assert.deepEqual(lawsBroken(eventsOf(breaks), limits), [law]);
    assert.deepEqual(lawsBroken(eventsOf(holds), limits), []);
  });
}

test('an event that is missing, or that comes twice, breaks «the sequence is dense»', () => {
  const events = eventsOf(STARTED);
  assert.deepEqual(lawsBroken(events), []);
  assert.deepEqual(lawsBroken([events[0], events[2]] as LogEvent[]), ['the sequence is dense', 'a turn takes messages that are there']);
  assert.deepEqual(lawsBroken([events[0], events[1], events[1]] as LogEvent[]), ['the sequence is dense']);
});

test('each law of the book has a story that breaks it', () => {
  const source = readFileSync(new URL('book.ts', import.meta.url), 'utf8');
  const laws = new Set(Array.from(source.matchAll(/\bfail\(\s*'([^']+)'/g), ([, law]) => law));
  assert.ok(laws.size > 15);
  assert.deepEqual(new Set([...CASES.map(({ law }) => law), 'the sequence is dense']), laws);
});

test('a first outcome counts, a later one does not, and neither breaks a law', () => {
  const late: readonly Line[] = [...CALLED, RETURNED, ['tool.failed', { call: 5 }], ENDED];
  const book = new Book('s1', {}, (invariant) => assert.fail(invariant));
  for (const event of eventsOf(late)) book.add(event);
  assert.equal(book.calls.get(5)?.outcome?.type, 'tool.returned');
});

test('the abstract state tells situations apart and not their contents', () => {
  const stateOf = (lines: readonly Line[]): number => {
    const book = new Book('s1', {}, () => undefined);
    for (const event of eventsOf(lines)) book.add(event);
    return book.abstract();
  };
  const stories = [
    STARTED,
    ASKED.slice(0, 4),
    ASKED.slice(0, 2),
    CALLED,
    [...CALLED, ['tool.in_doubt', { call: 5 }] as Line],
    [...ASKED, ASK],
  ];
  assert.equal(new Set(stories.map(stateOf)).size, stories.length);
  const other: readonly Line[] = STARTED.map(([type, data]) => [
    type,
    type === 'message.received' ? { text: 'Something else.' } : (data ?? {}),
  ]);
  assert.equal(stateOf(other), stateOf(STARTED));
});
