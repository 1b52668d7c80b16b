import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { chain, fromFunction, llm, table, type Action, type Decided, type Policy, type PolicyView } from './index.ts';

const view = (data: PolicyView['input']['data'] = null, more: Partial<PolicyView> = {}): PolicyView => ({
  input: { text: '', data },
  calls: [],
  messages: [],
  step: 0,
  nowMs: 0,
  ...more,
});
const isInvalid = (text: string | RegExp) => (error: unknown) => {
  assert.ok(NervaError.is(error, 'POLICY_INVALID'), String(error));
  assert.match(error.message, typeof text === 'string' ? new RegExp(text) : text);
  return true;
};
const answer: Action = { type: 'answer', text: 'yes' };

test('a function decides with an action, with a reason, or abstains', async () => {
  const evaluate = (result: unknown): Decided | null | Promise<Decided | null> => fromFunction('f', () => result as null).evaluate(view());
  assert.equal(evaluate(null), null);
  assert.deepEqual(evaluate(answer), { action: answer, policy: 'f', why: 'The function decided.' });
  assert.deepEqual(evaluate({ action: answer, why: 'So.', propensity: 0.25 }), {
    action: answer,
    policy: 'f',
    why: 'So.',
    propensity: 0.25,
  });
  assert.deepEqual(await evaluate(Promise.resolve(answer)), { action: answer, policy: 'f', why: 'The function decided.' });
});

test('what a function returns is checked', async () => {
  const cases: [unknown, string][] = [
    [undefined, 'undefined'],
    ['answer', 'string'],
    [{ type: 'shout' }, 'none of answer, call, model'],
    [{ type: 'answer' }, 'needs text or output'],
    [{ type: 'answer', text: 5 }, 'text is text'],
    [{ type: 'answer', text: 'x', calls: [] }, 'no field "calls"'],
    [{ type: 'model', model: 'x' }, 'no field "model"'],
    [{ type: 'call', calls: [] }, 'at least one'],
    [{ type: 'call', calls: [{ input: {} }] }, 'calls\\[0\\] needs the name'],
    [{ type: 'call', calls: [{ tool: 'a' }] }, 'needs an input'],
    [{ type: 'call', calls: [{ tool: 'a', input: {}, id: 1 }] }, 'no field "id"'],
    [{ type: 'call', calls: [{ tool: 'a', input: { at: new Date(0) } }] }, 'Date'],
    [{ action: null }, 'is an object'],
    [{ action: answer, propensity: 0 }, 'propensity 0'],
    [{ action: answer, propensity: 1.5 }, 'propensity 1.5'],
    [{ action: answer, propensity: NaN }, 'propensity NaN'],
  ];
  for (const [result, text] of cases) assert.throws(() => fromFunction('f', () => result as null).evaluate(view()), isInvalid(text));
  await assert.rejects(
    async () => fromFunction('f', () => Promise.resolve({ type: 'shout' } as never)).evaluate(view()),
    isInvalid('none of'),
  );
});

test('the definition of a function is its source, so another function is another definition', () => {
  const definition = (decide: () => null): unknown => fromFunction('f', decide).definition['source'];
  assert.notEqual(
    definition(() => null),
    definition(() => JSON.parse('null') as null),
  );
});

test('a bad name is refused', () => {
  for (const name of ['', 'a/b', 'a#b', 'a b', 'x'.repeat(65), 5, undefined])
    assert.throws(() => fromFunction(name as string, () => null), isInvalid('name'));
  assert.throws(() => fromFunction('f', 5 as never), isInvalid('takes a function'));
});

test('the first of a chain that does not abstain decides, and the record names the way to it', async () => {
  const none = fromFunction('none', () => null);
  const later = fromFunction('later', async () => Promise.resolve(null));
  const rules = table({
    name: 'rules',
    rows: [
      { name: 'ask', when: { vip: true }, then: 'abstain', why: 'A VIP talks to the model.' },
      { name: 'yes', when: { ok: true }, then: answer },
    ],
  });
  const all = chain(none, rules, later, llm());
  const decided = all.evaluate(view({ ok: true }));
  assert.deepEqual(decided, { action: answer, policy: 'chain/rules#yes', why: 'Matched: ok = true.' });
  const asked = await all.evaluate(view({ vip: true, ok: true }));
  assert.deepEqual(asked, {
    action: { type: 'model' },
    policy: 'chain/llm',
    why: 'The model is asked. rules abstained at row "ask": A VIP talks to the model. Matched: vip = true.',
  });
  assert.deepEqual((await chain(none, chain(later, llm())).evaluate(view()))?.policy, 'chain/chain/llm');
  assert.equal(chain(none).evaluate(view()), null);
  assert.equal(await chain(later, none).evaluate(view()), null);
});

test('a policy after the one that decided is not asked', async () => {
  const never: Policy = { ...llm(), name: 'never', evaluate: () => assert.fail('it was asked') };
  assert.ok(chain(llm(), never).evaluate(view()));
  assert.ok(
    await chain(
      fromFunction('f', async () => Promise.resolve(answer)),
      never,
    ).evaluate(view()),
  );
});

test('an empty chain and two policies of one name are refused', () => {
  assert.throws(() => chain(), isInvalid('at least one'));
  assert.throws(
    () =>
      chain(
        llm(),
        fromFunction('f', () => null),
        llm(),
      ),
    isInvalid('"llm"'),
  );
});

test('the definition of a chain holds those of its policies', () => {
  const source = JSON.stringify(
    chain(
      fromFunction('f', () => null),
      llm(),
    ).definition,
  );
  assert.equal(
    source,
    '{"type":"chain","policies":[{"name":"f","definition":{"type":"function","name":"f","source":"() => null"}},{"name":"llm","definition":{"type":"llm"}}]}',
  );
});

test('types: an action is one of three, told apart by its type', () => {
  const text = (action: Action): string => {
    // @ts-expect-error before the type is known there are no calls
    void action.calls;
    return action.type === 'call' ? (action.calls[0]?.tool ?? '') : action.type === 'answer' ? (action.text ?? '') : '';
  };
  // @ts-expect-error an answer makes no calls
  const mixed: Action = { type: 'answer', calls: [] };
  // @ts-expect-error no such action
  void (() => fromFunction('f', () => ({ type: 'shout' })));
  assert.equal(text(answer) + mixed.type, 'yesanswer');
});
