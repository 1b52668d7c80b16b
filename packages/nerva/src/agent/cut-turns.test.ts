import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  createAgent,
  foldAt,
  type Agent,
  type AgentOptions,
  type Answer,
  type RunResult,
  type Runtime,
  type SendOptions,
} from './index.ts';
import { NervaError } from '../core/index.ts';
import type { ScriptStep } from '../model/index.ts';
import { openStore } from '../node/index.ts';
import { chain, fromFunction, llm } from '../policy/index.ts';
import { conversationModel, cutAtEveryStep, recordingTool, strictModel, type CutScenario } from '../testing/index.ts';

const call = (name: string, input = {}): { readonly name: string; readonly input: Record<string, never> } => ({ name, input });
const lawful: NonNullable<CutScenario['check']> = ({ effects, at }) => assert.equal(effects.problem(), null, at);
const agentOf = (steps: readonly (ScriptStep | string)[], options: Partial<AgentOptions> = {}): Agent =>
  createAgent({ name: 'a', model: strictModel(conversationModel(steps)), ...options });
const send = (runtime: Runtime, text: string, options: SendOptions): Promise<RunResult> =>
  runtime.session('s', { agent: 'a' }).send(text, options).result;

/** Answers every approval that waits, the newest first, each in a run of its own. */
async function answerAll(runtime: Runtime, sid: string, answer: (tool: string) => Answer): Promise<void> {
  for (;;) {
    const pending = (await runtime.session(sid).at()).pending.filter(({ type }) => type === 'approval').at(-1);
    if (pending === undefined) return;
    await runtime
      .session(sid)
      .respond(pending.id, answer(pending.tool))
      .result.catch((error: unknown) => {
        if (!NervaError.is(error, 'APPROVAL_SETTLED')) throw error;
      });
  }
}

const ASKING = { name: 'pay', needsApproval: true, reconciles: true, ticks: 1 } as const;

/** A turn that waits for approval of `pay`, then does what `then` says. */
function waiting(
  steps: readonly (ScriptStep | string)[],
  then: (runtime: Runtime, first: RunResult) => Promise<void>,
  more: Partial<CutScenario> = {},
): CutScenario {
  return {
    agents: (effects) => [
      agentOf(steps, { tools: [recordingTool(effects, ASKING), recordingTool(effects, { name: 'look', effect: 'read' })] }),
    ],
    run: async (runtime) => then(runtime, await send(runtime, 'go', { id: 'm0' })),
    check: lawful,
    ...more,
  };
}

const approve = (): Answer => ({ decision: 'approve' });

test('approvals answered in any order, one of them denied, cut anywhere', async () => {
  const tools = ['pay', 'refund', 'ship'];
  const report = await cutAtEveryStep({
    agents: (effects) => [
      agentOf([{ calls: [...tools.map((name) => call(name)), call('look')] }, 'done'], {
        tools: [
          ...tools.map((name) => recordingTool(effects, { ...ASKING, name })),
          recordingTool(effects, { name: 'look', effect: 'read' }),
        ],
      }),
    ],
    run: async (runtime) => {
      await send(runtime, 'go', { id: 'm0' });
      await answerAll(runtime, 's', (name) => (name === 'refund' ? { decision: 'deny', why: 'no' } : { decision: 'approve' }));
    },
    check: (ended) => {
      void lawful(ended);
      assert.ok(!ended.effects.executions.some(({ tool }) => tool === 'refund'), 'denied');
    },
  });
  assert.ok(report.cuts.length > 15);
});

test('a cancelled approval, and the next turn, cut anywhere', async () => {
  await cutAtEveryStep(
    waiting(
      [{ calls: [call('look'), call('pay')] }, 'after'],
      async (runtime, first) => {
        if (first.status === 'waiting') await runtime.session('s').cancel('enough');
        await runtime.idle();
        await send(runtime, 'next', { id: 'm1' });
      },
      { twice: true, check: ({ effects }) => assert.ok(!effects.executions.some(({ tool }) => tool === 'pay')) },
    ),
  );
});

test('steering, interrupting and queued input while an approval waits, cut anywhere', async () => {
  const steps = [{ calls: [call('look'), call('pay')] }, 'one', 'two'];
  await cutAtEveryStep(
    waiting(
      steps,
      async (runtime) => {
        await send(runtime, 'also this', { id: 'm1', deliver: 'steer' });
        await answerAll(runtime, 's', approve);
      },
      { twice: true },
    ),
  );
  await cutAtEveryStep(
    waiting(steps, async (runtime) => {
      await send(runtime, 'no, that', { id: 'm1', deliver: 'interrupt' });
    }),
  );
  await cutAtEveryStep(
    waiting(steps, async (runtime) => {
      await send(runtime, 'and then', { id: 'm1', deliver: 'queue' });
      await answerAll(runtime, 's', approve);
      await send(runtime, 'and then', { id: 'm1', deliver: 'queue' });
    }),
  );
});

test('a turn that ends at its limit of steps, or after a failure of the model, cut anywhere', async () => {
  const tools: CutScenario['agents'] = (effects) => [
    agentOf([{ calls: [call('look')] }, { calls: [call('look')] }, 'never'], {
      stepsMax: 2,
      tools: [recordingTool(effects, { name: 'look', effect: 'read' })],
    }),
  ];
  const report = await cutAtEveryStep({
    agents: tools,
    run: async (runtime) => void (await send(runtime, 'go', { id: 'm0' })),
    twice: true,
  });
  assert.match(JSON.stringify(report.outcomes), /"reason":"steps"/);
  const failing = await cutAtEveryStep({
    agents: () => [agentOf([{ error: { code: 'MODEL_REFUSED', message: 'no' } }])],
    run: async (runtime) => {
      await send(runtime, 'go', { id: 'm0' });
      await send(runtime, 'again', { id: 'm1' });
    },
    twice: true,
  });
  assert.match(JSON.stringify(failing.outcomes), /MODEL_REFUSED/);
});

test('no cut makes a turn spend more than its budget of tokens', async () => {
  let real = 0;
  await cutAtEveryStep({
    agents: (effects, process) => {
      if (process === 0) real = 0;
      const model = conversationModel(Array.from({ length: 50 }, () => ({ calls: [call('look')] })));
      const counted = { ...model, call: ((request, options) => ((real += 15), model.call(request, options))) satisfies typeof model.call };
      return [
        agentOf([], {
          model: counted,
          params: { maxOutputTokens: 20 },
          budget: { turnTokensMax: 400 },
          tools: [recordingTool(effects, { name: 'look', effect: 'read' })],
          stepsMax: 50,
        }),
      ];
    },
    run: async (runtime) => void (await send(runtime, 'go', { id: 'm0' })),
    outcomeOf: ({ turn }) => turn.last?.reason ?? null,
    check: async ({ store, at }) => {
      const { budget } = (await foldAt(store, 's')).state;
      assert.ok(budget.turn.tokens <= 400 && real <= 400, `${at}: ${budget.turn.tokens} counted, ${real} real`);
      assert.ok(budget.turn.tokens >= real, `${at}: ${budget.turn.tokens} counted, ${real} real`);
    },
  });
});

test('a turn that waits longer than its time ends at the answer, cut anywhere', async () => {
  const report = await cutAtEveryStep({
    agents: (effects) => [
      agentOf([{ calls: [call('pay')] }, 'too late'], { budget: { turnMs: 1000 }, tools: [recordingTool(effects, ASKING)] }),
    ],
    run: async (runtime, world) => {
      await send(runtime, 'go', { id: 'm0' });
      await world.advance(2000);
      await answerAll(runtime, 's', approve);
    },
    check: lawful,
  });
  assert.match(JSON.stringify(report.outcomes), /turnMs 1000/);
});

test('an answer that is sent back until it fits its schema, cut anywhere', async () => {
  const report = await cutAtEveryStep({
    agents: () => [
      agentOf(['no json', '{"n":"x"}', '{"n":1}'], { output: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } }),
    ],
    run: async (runtime) => void (await send(runtime, 'go', { id: 'm0' })),
    twice: true,
  });
  assert.match(JSON.stringify(report.outcomes), /"output":\{"n":1\}/);
});

test('rules alone, rules before a model and a policy that thinks, cut anywhere', async () => {
  const rules = fromFunction('rules', ({ calls, step }) => {
    if (calls.length === 0)
      return {
        type: 'call',
        calls: [
          { tool: 'look', input: {} },
          { tool: 'pay', input: {} },
        ],
      };
    return calls.length < 3
      ? { type: 'call', calls: [{ tool: 'look', input: {} }] }
      : { type: 'answer', text: `after ${step}`, output: { steps: step } };
  });
  const some = fromFunction('some', ({ calls, step }) =>
    calls.length === 0 && step === 0 ? { type: 'call', calls: [{ tool: 'look', input: {} }] } : null,
  );
  const slow = fromFunction('slow', async ({ calls, step }) => {
    await Promise.resolve();
    return calls.length === 0 ? { type: 'call', calls: [{ tool: 'pay', input: {} }] } : { type: 'answer', text: `after ${step}` };
  });
  const steps = [{ calls: [call('look')] }, 'done'];
  for (const [name, options] of Object.entries({
    rules: { policy: rules },
    chain: { policy: chain(some, llm()), model: strictModel(conversationModel(steps)) },
    abstaining: { policy: some, model: strictModel(conversationModel(steps)) },
    slow: { policy: slow },
  })) {
    const report = await cutAtEveryStep({
      agents: (effects) => [
        createAgent({
          name: 'a',
          ...options,
          tools: [
            recordingTool(effects, { name: 'look', effect: 'read' }),
            recordingTool(effects, { name: 'pay', ticks: 1, reconciles: true }),
          ],
        }),
      ],
      run: async (runtime) => void (await send(runtime, 'go', { id: 'm0' })),
      check: lawful,
      twice: true,
    });
    assert.ok(report.cuts.length > 0 && JSON.stringify(report.outcomes).includes('"reason":"answer"'), name);
  }
});

test('a fork made at the end of a turn lives on by itself, cut anywhere', async () => {
  const report = await cutAtEveryStep(
    waiting([{ calls: [call('look')] }, 'done', 'more'], async (runtime) => {
      if ((await runtime.store.head('f')) === 0)
        await runtime.session('s').fork((await runtime.store.head('s')) - 1, { sid: 'f', effects: 'live' });
      await Promise.all([send(runtime, 'here', { id: 'm1' }), runtime.session('f').send('there', { id: 'm1' }).result]);
    }),
  );
  assert.match(JSON.stringify(report.outcomes['f']), /there/);
  assert.doesNotMatch(JSON.stringify(report.outcomes['f']), /"here"/);
});

test('the same holds on SQLite, opened again after each cut', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'nerva-cut-'));
  let count = 0;
  const paths = new WeakMap<object, string>();
  const open = async (
    path: string,
    world: Parameters<NonNullable<CutScenario['store']>>[0],
  ): Promise<Awaited<ReturnType<typeof openStore>>> => {
    const store = await openStore(`file:${path}`, { world });
    paths.set(store, path);
    return store;
  };
  const onDisk: Partial<CutScenario> = {
    store: (world) => open(join(directory, `${count++}.db`), world),
    reopen: async (store, world) => {
      await store.close();
      return open(paths.get(store) ?? '', world);
    },
    close: (store) => store.close(),
  };
  try {
    const steps = [{ calls: [call('look'), call('pay')] }, 'done'];
    const report = await cutAtEveryStep(waiting(steps, (runtime) => answerAll(runtime, 's', approve), onDisk));
    assert.ok(report.cuts.some(({ irreversibleOpen }) => irreversibleOpen > 0));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
