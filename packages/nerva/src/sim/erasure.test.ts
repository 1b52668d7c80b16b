import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent } from '../agent/index.ts';
import { NervaError } from '../core/index.ts';
import type { KeyPort } from '../log/index.ts';
import { tool } from '../tool/index.ts';
import { simModel } from './model.ts';
import { runOnce, type SimReport } from './run.ts';
import type { Scenario } from './scenario.ts';

const STREET = 'Quellenstrasse 17';
const LAW = 'an erased subject leaves no byte';

/** Keys that hide what they seal and forget what they must; a test says what they do otherwise. */
function keys(flaw: Partial<KeyPort> = {}): KeyPort {
  const destroyed = new Set<string>();
  return {
    seal(subject, text) {
      if (destroyed.has(subject)) throw new NervaError('SUBJECT_ERASED', `The key of ${subject} was destroyed.`);
      return Buffer.from(text).toString('base64');
    },
    open: (subject, sealed) => (destroyed.has(subject) ? null : Buffer.from(sealed, 'base64').toString()),
    destroy: (subject) => void destroyed.add(subject),
    ...flaw,
  };
}

/** Ann asks for something long, is forked and erased; then somebody writes to her again. Bob lives on. */
const scenario = (flaw: Partial<KeyPort> = {}): Scenario => ({
  name: 'erasure',
  keys: () => keys(flaw),
  agents: [
    createAgent({
      name: 'adviser',
      tools: [
        tool({
          name: 'address',
          inputSchema: { type: 'object', properties: {} },
          effect: 'read',
          execute: (_input, { session }) => ({ street: session.sid === 'bob' ? '' : STREET.repeat(1_300) }),
        }),
      ],
      model: simModel({ script: ({ messages }) => (messages.length === 1 ? { calls: [{ name: 'address', input: {} }] } : 'I know it.') }),
    }),
  ],
  steps: [
    { type: 'send', atMs: 10, sid: 'ann', subject: 'ann', text: `I live at ${STREET}.` },
    { type: 'send', atMs: 20, sid: 'bob', subject: 'bob', text: 'I live anywhere.' },
    { type: 'fork', atMs: 60_000, sid: 'ann', as: 'ann2', at: 1, effects: 'simulated', text: 'Go on.' },
    { type: 'erase', atMs: 600_000, subject: 'ann' },
    { type: 'send', atMs: 700_000, sid: 'ann', text: 'Are you there?' },
  ],
});

const messagesOf = ({ violations }: SimReport): string => {
  assert.ok(violations.length > 0);
  assert.deepEqual([...new Set(violations.map(({ invariant }) => invariant))], [LAW]);
  return violations.map(({ message }) => message).join('\n');
};

test('a session whose subject was erased folds, replays up to what is gone, and nothing of it is left', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { violations, logs, visits } = await runOnce(scenario(), { seed });
    assert.deepEqual(violations, []);
    assert.ok((visits['blobs.put'] ?? 0) > 1, 'the long answer is a blob');
    for (const sid of ['ann', 'ann2'])
      assert.equal(logs.get(sid)?.filter(({ type }) => type === 'subject.erased').length, 1, `${sid} says that somebody was erased`);
    assert.ok(logs.get('bob')?.every(({ type }) => type !== 'subject.erased'));
  }
});

test('keys that forget nothing leave events and blobs that can be read, and the fold holds what was said', async () => {
  const said = messagesOf(await runOnce(scenario({ destroy: () => undefined })));
  assert.match(said, /Session ann: message\.received 1 of ann can still be read/);
  assert.match(said, /Session ann2: message\.received 1 of ann can still be read/);
  assert.match(said, /A blob of ann can still be read/);
  assert.match(said, /The fold of ann still holds "I live at Quellenstrasse 17\."/);
});

test('what was never hidden is still on the disk', async () => {
  const forgotten = new Set<string>();
  const said = messagesOf(
    await runOnce(
      scenario({
        seal: (_subject, text) => text,
        open: (subject, sealed) => (forgotten.has(subject) ? null : sealed),
        destroy: (subject) => void forgotten.add(subject),
      }),
    ),
  );
  assert.match(said, /^The disk still holds "I live at Quellenstrasse 17\."/m);
  assert.doesNotMatch(said, /can still be read/);
});
