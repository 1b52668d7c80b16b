import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent, createRuntime, outcome, type AgentOptions, type Runtime, type Session } from './index.ts';
import { memoryStore, type Store } from '../log/index.ts';
import { fromFunction } from '../policy/index.ts';
import { conversationModel, recordingTool, requestProblem, strictModel, testWorld, type Effects } from '../testing/index.ts';
import { effectsWitness } from '../testing/index.ts';
import { tool } from '../tool/index.ts';

const call = (name: string): { readonly name: string; readonly input: Record<string, never> } => ({ name, input: {} });

interface Stage {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly session: Session;
  readonly effects: Effects;
  readonly world: ReturnType<typeof testWorld>;
}

function stage(options: (effects: Effects) => Omit<AgentOptions, 'name'>, store?: (store: Store) => Store): Stage {
  const world = testWorld();
  const effects = effectsWitness();
  const below = memoryStore({ world });
  const runtime = createRuntime({ store: store?.(below) ?? below, world, agents: [createAgent({ name: 'a', ...options(effects) })] });
  return { store: below, runtime, session: runtime.session('s', { agent: 'a' }), effects, world };
}

/** Never returns, and stops as soon as it is told to. */
const hanging = tool({
  name: 'hang',
  effect: 'read',
  inputSchema: { type: 'object' },
  execute: (_input, { signal }) =>
    new Promise<null>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })),
});

const types = async (session: Session): Promise<string[]> => {
  const found: string[] = [];
  for await (const { type } of session.log()) found.push(type);
  return found;
};

test('a cancel at any frame ends the turn, nothing starts after it, and the next turn works', async () => {
  const kinds = [
    { name: 'look', effect: 'read', ticks: 2 },
    { name: 'put', effect: 'idempotent', ticks: 1 },
    { name: 'pay', ticks: 3 },
  ] as const;
  let reached = 0;
  for (let at = 1; at < 30; at++) {
    let appended = 0;
    const cancels: Promise<void>[] = [];
    const hooked = (store: Store): Store => ({
      ...store,
      append: async (frame) => {
        const result = await store.append(frame);
        if (++appended === at) cancels.push(session.cancel('enough'));
        return result;
      },
    });
    const { session, runtime, effects } = stage(
      (witness) => ({
        model: strictModel(
          conversationModel([
            { calls: kinds.map(({ name }) => call(name)) },
            { calls: [call('pay'), call('look')] },
            'done',
            'next',
            'next',
          ]),
        ),
        tools: kinds.map((kind) => recordingTool(witness, kind)),
      }),
      hooked,
    );
    const first = await session.send('go').result;
    await Promise.all(cancels);
    await runtime.idle();
    const log: { readonly type: string; readonly seq: number }[] = [];
    for await (const event of session.log()) log.push(event);
    const cancel = log.find(({ type }) => type === 'cancel.requested');
    const end = log.find(({ type }) => type === 'turn.ended');
    if (cancel !== undefined && end !== undefined && cancel.seq < end.seq) {
      reached++;
      assert.equal(first.status, 'cancelled', `cancelled after append ${at}`);
      assert.deepEqual(
        log.filter(({ type, seq }) => seq > cancel.seq && (type === 'model.called' || type === 'tool.called')),
        [],
        `after append ${at}`,
      );
    }
    assert.equal(effects.problem(), null);
    const next = await session.send('next').result;
    assert.equal(next.status, 'answered', `after append ${at}: ${next.why}`);
    const { messages } = await session.at();
    assert.equal(requestProblem({ messages }), null);
  }
  assert.ok(reached >= 4, `${reached} cancels came in time`);
});

test('a turn that follows an interrupted one can be cancelled too', async () => {
  const { session, runtime } = stage(() => ({
    model: conversationModel([{ calls: [call('hang')] }, { calls: [call('hang')] }, { calls: [call('hang')] }]),
    tools: [hanging],
  }));
  const first = session.send('one');
  await first.accepted;
  await untilRunning(session, 'tool.called', 1);
  const second = session.send('two', { deliver: 'interrupt' });
  assert.equal((await first.result).status, 'cancelled');
  await untilRunning(session, 'tool.called', 2);
  await session.cancel();
  assert.equal((await second.result).status, 'cancelled');
  await runtime.idle();
});

test('a call in doubt when its turn is cancelled has a result in the prompt of the next turn, and its outcome is told later', async () => {
  const failing = tool({ name: 'pay', inputSchema: { type: 'object' }, execute: () => Promise.reject(new Error('who knows')) });
  const { session, runtime } = stage((effects) => ({
    model: strictModel(conversationModel([{ calls: [call('look'), call('pay')] }, 'next', 'told'])),
    tools: [failing, recordingTool(effects, { name: 'look', effect: 'read' })],
  }));
  const [doubt] = (await session.send('go').result).pending;
  await session.cancel();
  await runtime.idle();
  const next = await session.send('next').result;
  assert.deepEqual([next.status, next.text], ['answered', 'next'], next.why);
  await session.respond(doubt?.id ?? 'x:0', { decision: 'returned', output: 'paid after all' }).accepted;
  assert.equal((await session.send('and?').result).text, 'told');
  assert.match(JSON.stringify((await session.at()).messages), /whose outcome was unknown, returned \\"paid after all/);
});

async function untilRunning(session: Session, type: string, count: number): Promise<void> {
  while ((await types(session)).filter((one) => one === type).length < count) await new Promise((resolve) => setImmediate(resolve));
}

test('a policy that thinks for ever holds up neither the cancelled turn, nor the next, nor closing', async () => {
  let asked = 0;
  const policy = fromFunction('slow', ({ input }) => {
    asked++;
    return input.text === 'hang' ? new Promise(() => undefined) : { type: 'answer', text: 'quick' };
  });
  const { session, runtime, world } = stage(() => ({ policy }));
  const first = session.send('hang');
  await first.accepted;
  await session.cancel();
  assert.equal((await first.result).status, 'cancelled');
  assert.equal((await session.send('quick').result).text, 'quick');
  await runtime.idle();
  assert.equal(asked, 2);
  void session.send('hang').accepted;
  while (asked < 3) await new Promise((resolve) => setImmediate(resolve));
  const closed = runtime.close();
  await new Promise((resolve) => setImmediate(resolve));
  await world.advance(10_000);
  await closed;
});

test('steering an agent without a model is taken up as its next turn', async () => {
  const policy = fromFunction('rules', ({ calls, input }) =>
    calls.length === 0 && input.text === 'go'
      ? { type: 'call', calls: [{ tool: 'pay', input: {} }] }
      : { type: 'answer', text: `said ${input.text}` },
  );
  const { session, runtime } = stage((effects) => ({ policy, tools: [recordingTool(effects, { name: 'pay', needsApproval: true })] }));
  const first = session.send('go');
  const [pending] = (await first.result).pending;
  await session.send('more', { deliver: 'steer' }).accepted;
  assert.equal((await session.respond(pending?.id ?? 'x:0', { decision: 'approve' }).result).text, 'said go');
  await runtime.idle();
  assert.equal((await session.at()).last?.text, 'said more');
});

test('a session that waits does not come nearer to quarantine by input that it cannot use yet, however often its process dies', async () => {
  const { session, store, world } = stage((effects) => ({
    model: conversationModel([{ calls: [call('pay')] }, 'paid', 'later']),
    tools: [recordingTool(effects, { name: 'pay', needsApproval: true })],
  }));
  const [pending] = (await session.send('go', { id: 'm0' }).result).pending;
  await session.send('later', { id: 'm1' }).accepted;
  assert.equal((await store.info('s')).status, 'waiting', 'nothing is to be done');
  for (let deaths = 0; deaths < 8; deaths++) {
    const { head, epoch, status } = await store.info('s');
    await store.release('s', { epoch }, { expected: head, status, wakeAtMs: null }); // what opening a dead process's store does
    const effects = effectsWitness();
    const runtime = createRuntime({
      store,
      world,
      agents: [
        createAgent({
          name: 'a',
          model: conversationModel([{ calls: [call('pay')] }, 'paid', 'later']),
          tools: [recordingTool(effects, { name: 'pay', needsApproval: true })],
        }),
      ],
    });
    await runtime.start();
    await runtime.idle();
    if (deaths < 7) continue;
    assert.equal((await runtime.session('s').respond(pending?.id ?? 'x:0', { decision: 'approve' }).result).text, 'paid');
    await runtime.idle();
    assert.equal(outcome((await runtime.session('s').at()).state).last?.text, 'later');
  }
});
