import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent, type Agent, type Runtime } from './index.ts';
import { NervaError } from '../core/index.ts';
import { conversationModel, cutAtEveryStep, requestProblem, type CutScenario, type Effects } from '../testing/index.ts';
import { tool, type Tool, type ToolEffect } from '../tool/index.ts';

const ANY = { type: 'object' } as const;

interface Kind {
  readonly name: string;
  readonly effect: ToolEffect;
  readonly isAsync?: boolean;
  readonly reconciles?: boolean;
  readonly needsApproval?: boolean;
}

/** A tool that tells the witness and returns its own name. */
function recording(effects: Effects, { name, effect, isAsync = false, reconciles = false, needsApproval = false }: Kind): Tool {
  const output = { done: name };
  return tool({
    name,
    inputSchema: ANY,
    effect,
    needsApproval,
    ...(reconciles ? { reconcile: (_input: unknown, { callId }: { readonly callId: string }) => (effects.happened(callId) ? { status: 'done', output } as const : { status: 'not-done' } as const) } : {}),
    execute: (_input, context) => {
      if (isAsync) {
        return Promise.resolve().then(() => {
          effects.record(name, effect, context);
          return output;
        });
      }
      effects.record(name, effect, context);
      return output;
    },
  });
}

async function sendAll(runtime: Runtime, sid: string, texts: readonly string[]): Promise<void> {
  const session = runtime.session(sid, { agent: 'a' });
  for (const [index, text] of texts.entries()) await session.send(text, { id: `m${index}` }).result;
}

const call = (name: string): { readonly name: string; readonly input: Record<string, never> } => ({ name, input: {} });
const lawful: CutScenario['check'] = ({ effects, at }) => assert.equal(effects.problem(), null, at);

function valid(agent: Omit<Parameters<typeof createAgent>[0], 'name'>): Agent {
  const { model } = agent;
  if (model === undefined) return createAgent({ name: 'a', ...agent });
  const checked: typeof model = {
    ...model,
    call: (request, options) => {
      assert.equal(requestProblem(request), null);
      return model.call(request, options);
    },
  };
  return createAgent({ name: 'a', ...agent, model: checked });
}

test('an answer cut anywhere is the same answer', async () => {
  const report = await cutAtEveryStep({
    agents: () => [valid({ model: conversationModel(['one', 'two']) })],
    run: (runtime) => sendAll(runtime, 's', ['hello', 'again']),
    twice: true,
  });
  assert.ok(report.cuts.length >= 8, `${report.cuts.length} cuts`);
  assert.deepEqual(report.cuts.filter(({ doubts }) => doubts > 0), []);
});

for (const isAsync of [false, true]) {
  const kinds: readonly Kind[] = [
    { name: 'look', effect: 'read', isAsync },
    { name: 'put', effect: 'idempotent', isAsync },
    { name: 'pay', effect: 'irreversible', isAsync, reconciles: true },
  ];
  const steps = [{ calls: kinds.map(({ name }) => call(name)) }, { calls: [call('pay')] }, 'done'];

  test(`parallel ${isAsync ? 'asynchronous' : 'synchronous'} calls cut anywhere end as the uncut ones when the irreversible ones can be reconciled`, async () => {
    const report = await cutAtEveryStep({
      agents: (effects) => [valid({ model: conversationModel(steps), tools: kinds.map((kind) => recording(effects, kind)) })],
      run: (runtime) => sendAll(runtime, 's', ['go']),
      check: lawful,
      twice: true,
    });
    assert.ok(report.cuts.some(({ irreversibleOpen }) => irreversibleOpen > 0));
    assert.deepEqual(report.cuts.filter(({ doubts }) => doubts > 0), []);
  });

  test(`without reconcile exactly the ${isAsync ? 'asynchronous' : 'synchronous'} irreversible calls that were cut wait in doubt, and a person ends them as the uncut ones`, async () => {
    const report = await cutAtEveryStep({
      agents: (effects) => [valid({ model: conversationModel(steps), tools: kinds.map((kind) => recording(effects, { ...kind, reconciles: false })) })],
      run: (runtime) => sendAll(runtime, 's', ['go']),
      doubt: ({ tool: name }) => ({ decision: 'returned', output: { done: name } }),
      check: lawful,
    });
    assert.deepEqual(report.cuts.filter(({ doubts, irreversibleOpen }) => doubts !== irreversibleOpen), []);
    assert.ok(report.cuts.some(({ doubts }) => doubts > 0));
  });
}
