import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { placed } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { fromFunction, type Policy } from '../policy/index.ts';
import { testWorld } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { compose, isAskedAt, viewOf, type ComposeScene } from './compose.ts';
import { bind, createAgent, type AgentOptions } from './definition.ts';
import { asDrafts, type Draft, type EventData, type EventType } from './events.ts';
import { evolve, initial } from './fold.ts';
import type { AgentState, Facet } from './state.ts';

const the = <T extends EventType>(type: T, data: EventData[T]): Draft => ({ type, data }) as Draft;
/** Event n at 10·n ms, all by epoch 1. */
const folded = (drafts: readonly Draft[], facets: readonly Facet<unknown>[] = []): AgentState =>
  asDrafts(drafts).reduce((state, draft, seq) => evolve(state, placed(draft, 's', seq, 10 * seq, 1), facets), initial('s', facets));

function sceneOf(options: Partial<AgentOptions>, more: Partial<ComposeScene> = {}): ComposeScene {
  const bound = bind(createAgent({ name: 'a', ...options }), testWorld().digest);
  return { bound, facets: [], epoch: 1, nowMs: 1_000, isDraining: false, asked: null, ...more };
}

const model = scriptedModel([]);
const message = the('message.received', { text: 'go' });
const created = the('session.created', { agent: 'a' });
const typesOf = (drafts: readonly Draft[]): string[] => drafts.map(({ type }) => type);
/** A turn of this definition, begun. */
const begun = ({ bound }: ComposeScene): readonly Draft[] => [
  created,
  message,
  the('turn.started', { takes: [1], definition: bound.body }),
];

test('a frame holds the facts and then all that follows from them, up to what must be waited for', () => {
  const scene = sceneOf({ model });
  const { drafts, state, atMs, policy, isActing } = compose(initial('s'), [created, message], scene);
  assert.deepEqual(typesOf(drafts), ['session.created', 'message.received', 'turn.started', 'model.called']);
  assert.deepEqual([state.head, state.nowMs, state.turn.open?.phase, atMs], [4, 1_000, 'model', 1_000]);
  assert.deepEqual([policy, isActing], [null, true]);
  const nothing = compose(state, [], scene);
  assert.deepEqual([nothing.drafts, nothing.isActing, nothing.state], [[], false, state]);
});

test('the time of a frame never goes back behind that of the frame before it', () => {
  const before = folded([created, message]);
  assert.equal(compose(before, [], sceneOf({ model }, { nowMs: 3 })).atMs, 10);
  assert.equal(compose(before, [], sceneOf({ model }, { nowMs: 11 })).atMs, 11);
});

test('while a driver is drained the facts stand alone', () => {
  assert.deepEqual(compose(initial('s'), [created, message], sceneOf({ model }, { isDraining: true })).drafts, [created, message]);
});

test('what starts an effect says so: a call of the model or a tool, a question about a doubt, a timer; an end starts none', () => {
  const look = tool({ name: 'look', effect: 'read', inputSchema: { type: 'object' }, execute: () => 1 });
  const pay = tool({
    name: 'pay',
    inputSchema: { type: 'object' },
    execute: () => 1,
    reconcile: () => ({ status: 'unknown' }),
  });
  const scene = sceneOf({ model, tools: [look, pay] });
  const asked = (name: string): readonly Draft[] => [
    ...begun(scene),
    the('model.called', { digest: 'q' }),
    the('model.answered', {
      call: 3,
      parts: name === '' ? [{ type: 'text', text: 'hi' }] : [{ type: 'tool_call', id: 'x', name, input: {} }],
      usage: { inputTokens: 1, outputTokens: 1 },
      model: null,
    }),
  ];
  const failed = the('model.failed', { call: 3, why: 'error', code: 'X', message: 'no', retry: true });
  const cases: readonly [string, boolean, readonly Draft[]][] = [
    ['model.called', true, begun(scene)],
    ['tool.called', true, asked('look')],
    [
      'reconcile.called',
      true,
      [
        ...asked('pay'),
        the('tool.called', { answer: 4, part: 0, effect: 'irreversible' }),
        the('tool.in_doubt', { call: 5, why: 'threw' }),
      ],
    ],
    ['timer.set', true, [...begun(scene), the('model.called', { digest: 'q' }), failed]],
    ['turn.ended', false, asked('')],
  ];
  for (const [type, isActing, drafts] of cases) {
    const composed = compose(folded(drafts), [], scene);
    assert.deepEqual([typesOf(composed.drafts), composed.isActing], [[type], isActing], type);
  }
});

test('a policy that takes its time is asked once in each step, and its opinion is of that step', async () => {
  let count = 0;
  const policy = fromFunction('slow', async () => ({ type: 'answer', text: `${++count}` }));
  const scene = sceneOf({ policy });
  const { drafts, policy: asked, isActing } = compose(folded(begun(scene)), [], scene);
  assert.deepEqual([drafts, asked?.turn, asked?.step, isActing], [[], 2, 0, true]);
  assert.deepEqual((await asked?.decided)?.type, 'policy.decided');
  const again = compose(folded(begun(scene)), [], { ...scene, asked });
  assert.deepEqual([again.drafts, again.policy, again.isActing, count], [[], null, false, 1], 'it is waited for');
  const elsewhere = compose(folded(begun(scene)), [], { ...scene, asked: { turn: 2, step: 1, decided: Promise.resolve(message) } });
  assert.equal(elsewhere.policy?.step, 0);
});

test('an opinion counts only in the turn and step it was asked in, and in none that was cancelled', () => {
  const scene = sceneOf({ model });
  const decided = Promise.resolve(message);
  const at = (drafts: readonly Draft[], turn: number, step: number): boolean =>
    isAskedAt(folded(drafts), { turn, step, decided }, scene.bound);
  assert.equal(at(begun(scene), 2, 0), true);
  assert.equal(at(begun(scene), 1, 0), false, 'another turn');
  assert.equal(at(begun(scene), 2, 1), false, 'another step');
  assert.equal(at([...begun(scene), the('cancel.requested', { why: 'stop' })], 2, 0), false, 'cancelled');
  assert.equal(at([...begun(scene), the('cancel.requested', { why: 'stop' })], 1, 1), false);
  assert.equal(at([...begun(scene), the('turn.ended', { reason: 'error' })], 2, 0), false, 'over');
  const steer = the('message.received', { text: 'rather', deliver: 'steer' });
  assert.equal(at([...begun(scene), steer], 2, 0), false, 'steered');
  const alone = sceneOf({ policy: fromFunction('p', () => null) });
  assert.equal(
    isAskedAt(folded([...begun(alone), steer]), { turn: 2, step: 0, decided }, alone.bound),
    true,
    'where there is no model it waits',
  );
});

/** A facet that wants a note as long as there are fewer than so many. */
const noting = (countMax: number): Facet<unknown> => ({
  name: 'notes',
  version: 1,
  types: ['note.taken'],
  initial: 0,
  evolve: (count) => (count as number) + 1,
  decide: ({ more }) => ((more['notes'] as number) < countMax ? [{ type: 'note.taken', data: {} } as never] : null),
});

test('a facet that was added is heard where the built-in ones want nothing', () => {
  const facets = [noting(3)];
  const { drafts, state } = compose(initial('s', facets), [created], sceneOf({ model }, { facets }));
  assert.deepEqual(typesOf(drafts), ['session.created', 'note.taken', 'note.taken', 'note.taken']);
  assert.equal(state.more['notes'], 3);
  const working = compose(initial('s', facets), [created, message], sceneOf({ model }, { facets }));
  assert.deepEqual(typesOf(working.drafts).slice(2), ['turn.started', 'model.called'], 'but not while a call is waited for');
});

test('two facets that were added keep a slice each', () => {
  const facets = [noting(1), { ...noting(0), name: 'others', types: ['other.taken'] }];
  const other = { type: 'other.taken', data: {} } as never;
  const { state } = compose(initial('s', facets), [created, other], sceneOf({ model }, { facets }));
  assert.deepEqual(state.more, { notes: 1, others: 1 });
});

test('a facet that never comes to rest is a bug that is told, not a hang', () => {
  const facets = [noting(Infinity)];
  assert.throws(
    () => compose(initial('s', facets), [created], sceneOf({ model }, { facets })),
    /A2 deciding comes to rest \(session s at \d+\)/,
  );
});

test('before its first turn there is nothing for a policy to see', () => {
  assert.deepEqual(viewOf(initial('s')), { input: { text: '', data: null }, calls: [], messages: [], step: 0, nowMs: 0 });
});

test('whatever a policy throws ends the turn with the code it has, or as a policy that is wrong', () => {
  const thrown = (error: unknown): string | undefined => {
    const policy: Policy = {
      name: 'rules',
      definition: {},
      evaluate: () => {
        throw error;
      },
    };
    const scene = sceneOf({ policy });
    const [ended] = compose(folded(begun(scene)), [], scene).drafts;
    return ended?.type === 'turn.ended' && ended.data.reason === 'error' ? ended.data.why : undefined;
  };
  assert.equal(thrown(new Error('no rule')), 'POLICY_INVALID: policy rules threw: no rule');
  assert.equal(thrown('no rule'), 'POLICY_INVALID: policy rules threw: no rule');
  assert.equal(thrown(undefined), 'POLICY_INVALID: policy rules threw: undefined');
  assert.equal(thrown(new NervaError('MODEL_REFUSED', 'no rule')), 'MODEL_REFUSED: policy rules threw: no rule');
  assert.equal(thrown(new Error('x'.repeat(1_000))), `POLICY_INVALID: policy rules threw: ${'x'.repeat(500)}`);
});
