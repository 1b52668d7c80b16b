import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent, createRuntime, type Agent, type AgentOptions, type Runtime } from './index.ts';
import { memoryStore } from '../log/index.ts';
import type { ScriptStep } from '../model/index.ts';
import {
  conversationModel,
  cutAtEveryStep,
  recordingTool,
  strictModel,
  testWorld,
  type CutScenario,
  type RecordingTool,
} from '../testing/index.ts';
import { effectsWitness } from '../testing/index.ts';
import type { Tool } from '../tool/index.ts';

async function sendAll(runtime: Runtime, sid: string, texts: readonly string[]): Promise<void> {
  const session = runtime.session(sid, { agent: 'a' });
  for (const [index, text] of texts.entries()) await session.send(text, { id: `m${index}` }).result;
}

const call = (name: string, input = {}): { readonly name: string; readonly input: Record<string, never> } => ({ name, input });
const lawful: CutScenario['check'] = ({ effects, at }) => assert.equal(effects.problem(), null, at);
const agentOf = (steps: readonly (ScriptStep | string)[], options: Partial<AgentOptions> = {}): Agent =>
  createAgent({ name: 'a', model: strictModel(conversationModel(steps)), ...options });

test('an answer cut anywhere, and cut again anywhere in its recovery, is the same answer', async () => {
  const report = await cutAtEveryStep({
    agents: () => [agentOf(['one', 'two'])],
    run: (runtime) => sendAll(runtime, 's', ['hello', 'again']),
    twice: true,
  });
  assert.ok(report.cuts.length >= 8, `${report.cuts.length} cuts`);
  assert.ok(report.runs > 4 * report.cuts.length, `${report.runs} runs`);
  assert.deepEqual(
    report.cuts.filter(({ doubts }) => doubts > 0),
    [],
  );
});

for (const ticks of [0, 3]) {
  const kinds: readonly RecordingTool[] = [
    { name: 'look', effect: 'read', ticks },
    { name: 'put', effect: 'idempotent', ticks },
    { name: 'pay', effect: 'irreversible', ticks, reconciles: true },
  ];
  const steps = [{ calls: kinds.map(({ name }) => call(name)) }, { calls: [call('pay')] }, 'done'];
  const sort = ticks > 0 ? 'asynchronous' : 'synchronous';

  test(`parallel ${sort} calls cut anywhere, also twice, end as the uncut ones when the irreversible ones can be reconciled`, async () => {
    let attemptsMax = 0;
    const report = await cutAtEveryStep({
      agents: (effects) => [agentOf(steps, { tools: kinds.map((kind) => recordingTool(effects, kind)) })],
      run: (runtime) => sendAll(runtime, 's', ['go']),
      check: ({ effects, at }) => {
        assert.equal(effects.problem(), null, at);
        const keys = (name: string): Set<string> => new Set(effects.executions.flatMap((one) => (one.tool === name ? [one.key] : [])));
        assert.deepEqual([keys('put').size, keys('pay').size], [1, 2], `${at}: one key for each call, over all its attempts`);
        attemptsMax = Math.max(attemptsMax, ...effects.executions.map(({ attempt }) => attempt));
      },
      twice: true,
    });
    assert.equal(attemptsMax, 3, 'a call was cut twice');
    assert.ok(report.cuts.some(({ irreversibleOpen }) => irreversibleOpen > 0));
    assert.deepEqual(
      report.cuts.filter(({ doubts }) => doubts > 0),
      [],
    );
  });

  test(`without reconcile exactly the ${sort} irreversible calls that were cut wait in doubt, and a person ends them as the uncut ones`, async () => {
    const report = await cutAtEveryStep({
      agents: (effects) => [agentOf(steps, { tools: kinds.map((kind) => recordingTool(effects, { ...kind, reconciles: false })) })],
      run: (runtime) => sendAll(runtime, 's', ['go']),
      doubt: ({ tool: name }) => ({ decision: 'returned', output: { done: name } }),
      check: lawful,
    });
    assert.deepEqual(
      report.cuts.filter(({ doubts, irreversibleOpen }) => doubts !== irreversibleOpen),
      [],
    );
    assert.ok(report.cuts.some(({ doubts }) => doubts > 0));
  });
}

test('calls that are one call by dedupe touch the world once, wherever they are cut', async () => {
  await cutAtEveryStep({
    agents: (effects) => [
      agentOf([{ calls: [call('pay'), call('pay')] }, { calls: [call('pay')] }, 'done'], {
        tools: [recordingTool(effects, { name: 'pay', dedupe: true, ticks: 2, reconciles: true })],
      }),
    ],
    run: (runtime) => sendAll(runtime, 's', ['go']),
    check: ({ effects, at }) => assert.equal(effects.executions.length, 1, at),
  });
});

test('facts that others append while calls run are taken up: outcomes are kept and nothing is performed again', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const effects = effectsWitness();
  let foreign = 0;
  const disturbing = (name: string): Tool => {
    const inner = recordingTool(effects, { name, ticks: 1 });
    return {
      ...inner,
      execute: async (input, context) => {
        await store.append({
          id: `x${foreign++}`,
          sid: 's',
          expected: 'fact',
          events: [{ type: 'message.received', origin: 'person', data: { text: 'from elsewhere', deliver: 'steer' } }],
        });
        return inner.execute(input, context);
      },
    };
  };
  const runtime = createRuntime({
    store,
    world,
    agents: [
      agentOf([{ calls: [call('pay'), call('ship')] }, { calls: [call('pay')] }, 'done'], {
        tools: [disturbing('pay'), disturbing('ship')],
      }),
    ],
  });
  const result = await runtime.session('s', { agent: 'a' }).send('go').result;
  assert.deepEqual([result.text, effects.executions.length, effects.problem()], ['done', 3, null]);
  const { messages } = await runtime.session('s').at();
  assert.equal(JSON.stringify(messages).split('from elsewhere').length - 1, 3);
});

test('two sessions cut anywhere do not mix', async () => {
  const report = await cutAtEveryStep({
    agents: (effects) => [
      agentOf([{ calls: [call('put')] }, 'done'], { tools: [recordingTool(effects, { name: 'put', effect: 'idempotent', ticks: 1 })] }),
    ],
    run: async (runtime) => {
      await Promise.all([sendAll(runtime, 'left', ['l']), sendAll(runtime, 'right', ['r'])]);
    },
    check: lawful,
  });
  assert.deepEqual(Object.keys(report.outcomes), ['left', 'right']);
});

test('a scenario whose outcome depends on where it is cut is told by session, write and both outcomes', async () => {
  const forgetful = cutAtEveryStep({
    agents: (_effects, process) => [agentOf([process === 0 ? 'first process' : 'another process'])],
    run: (runtime) => sendAll(runtime, 's', ['hello']),
  });
  await assert.rejects(
    forgetful,
    /Session s, cut at write \d+ \((lost|unacknowledged)\), came to another outcome[^]*first process[^]*another process/,
  );
});

test('a run that does not end is told with its cut', async () => {
  const stuck = cutAtEveryStep({
    agents: () => [agentOf(['x'])],
    run: async (runtime) => {
      await sendAll(runtime, 's', ['hello']);
      if (runtime.session('s') !== null) await new Promise(() => undefined);
    },
    runMs: 20,
  });
  await assert.rejects(stuck, /did not end \(uncut, process 0\) within 20 ms/);
});
