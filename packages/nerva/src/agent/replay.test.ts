import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent, createRuntime, replaySession, type Agent, type AgentOptions, type ReplayReport } from './index.ts';
import type { Json } from '../core/index.ts';
import { memoryStore, type Frame, type Store } from '../log/index.ts';
import { chain, fromFunction, llm, type Policy } from '../policy/index.ts';
import {
  conversationModel,
  cutAtEveryStep,
  recordingTool,
  strictModel,
  testWorld,
  type Effects,
  type TestWorld,
} from '../testing/index.ts';
import { effectsWitness } from '../testing/index.ts';
import { tool, type ToolEffect } from '../tool/index.ts';

const call = (name: string, input = {}): { readonly name: string; readonly input: Record<string, never> } => ({ name, input });
const STEPS = [{ calls: [call('look'), call('put'), call('pay')] }, 'done', { calls: [call('pay')] }, 'after all'];

/** The same definition twice: one that works, and one that throws when anything of it is called live. */
function twins(effects: Effects, options: Partial<AgentOptions> = {}): { readonly live: Agent; readonly dead: Agent } {
  const tools = [
    recordingTool(effects, { name: 'look', effect: 'read' }),
    recordingTool(effects, { name: 'put', effect: 'idempotent', ticks: 1 }),
    recordingTool(effects, { name: 'pay', needsApproval: true, reconciles: true, ticks: 2 }),
  ];
  const model = strictModel(conversationModel(STEPS));
  const alarm = (): never => {
    throw new Error('A replay called something live.');
  };
  const dead = { ...model, call: alarm };
  const given = options.model === undefined ? {} : { model: { ...options.model, call: alarm } };
  return {
    live: createAgent({ name: 'a', model, tools, ...options }),
    dead: createAgent({
      name: 'a',
      model: dead,
      tools: tools.map((one) => ({ ...one, execute: alarm, reconcile: alarm })),
      ...options,
      ...given,
    }),
  };
}

interface Told {
  readonly store: Store;
  readonly world: TestWorld;
  readonly dead: Agent;
}

/** Two turns with tools, an approval and a steering message. */
async function tell(options: Partial<AgentOptions> = {}): Promise<Told> {
  const world = testWorld({ seed: 7, ticking: true });
  const store = memoryStore({ world });
  const { live, dead } = twins(effectsWitness(), options);
  const runtime = createRuntime({ store, world, agents: [live] });
  const session = runtime.session('s', { agent: 'a' });
  for (const [index, text] of ['go', 'again'].entries()) {
    const result = await session.send(text, { id: `m${index}` }).result;
    if (index === 0) await session.send('by the way', { id: 'steer', deliver: 'steer' }).accepted;
    const [pending] = result.pending;
    if (pending !== undefined) await session.respond(pending.id, { decision: 'approve' }).result;
    await runtime.idle();
  }
  return { store, world, dead };
}

const replayed = ({ store, world }: Pick<Told, 'store' | 'world'>, agent: Agent, sid = 's'): Promise<ReplayReport> =>
  replaySession({ store, sid, world, agent });

async function framesOf(store: Store): Promise<readonly Frame[]> {
  return store.read('s');
}

test('the same scenario under the same seed gives the same log, byte for byte', async () => {
  const [one, two] = [await framesOf((await tell()).store), await framesOf((await tell()).store)];
  assert.ok(one.length > 5);
  assert.equal(JSON.stringify(one), JSON.stringify(two));
});

test('a replay makes no live call and finds no divergence', async () => {
  const told = await tell();
  const report = await replayed(told, told.dead);
  assert.deepEqual(report.divergence, null);
  assert.equal(report.isChanged, false);
  assert.ok(report.decisions > 10, `${report.decisions} decisions`);
});

const RULES: Readonly<Record<string, Policy>> = {
  chain: chain(
    fromFunction('some', ({ calls, step }) =>
      calls.length === 0 && step === 0 ? { type: 'call', calls: [{ tool: 'put', input: {} }] } : null,
    ),
    llm(),
  ),
  slow: fromFunction('slow', async ({ calls, step }) => {
    await Promise.resolve();
    return calls.length === 0 ? { type: 'call', calls: [{ tool: 'pay', input: {} }] } : { type: 'answer', text: `after ${step}` };
  }),
  throwing: fromFunction('throwing', ({ step }) => {
    if (step > 0) throw new Error('no more');
    return {
      type: 'call',
      calls: [
        { tool: 'look', input: {} },
        { tool: 'none', input: {} },
      ],
    };
  }),
};

test('a log replays without divergence wherever its processes were cut', async () => {
  const variants: readonly Partial<AgentOptions>[] = [
    {},
    { stepsMax: 2 },
    { budget: { turnMs: 1 } },
    ...Object.values(RULES).map((policy) => ({ policy })),
  ];
  for (const options of variants) {
    await cutAtEveryStep({
      world: () => testWorld({ ticking: true }),
      agents: (effects) => [twins(effects, options).live],
      run: async (runtime) => {
        const session = runtime.session('s', { agent: 'a' });
        const [pending] = (await session.send('go', { id: 'm' }).result).pending;
        if (pending?.type === 'approval') await session.respond(pending.id, { decision: 'approve' }).result;
      },
      outcomeOf: ({ turn }) => turn.last?.reason ?? null,
      check: async ({ store, at }) => {
        const report = await replayed({ store, world: testWorld() }, twins(effectsWitness(), options).dead);
        assert.deepEqual(report.divergence, null, `${at} ${JSON.stringify(options)}`);
      },
    });
  }
});

test('a planted change is named by the first event that would be another, with both sides', async () => {
  const told = await tell();
  const look = (effect: ToolEffect): Agent['tools'][number] =>
    tool({ name: 'look', effect, inputSchema: { type: 'object' }, execute: () => null });
  const renamed = twins(effectsWitness()).dead.tools.map((one) => (one.name === 'look' ? look('idempotent') : one));
  const strict = twins(effectsWitness()).dead.tools.map((one) =>
    one.name === 'put'
      ? tool({ name: 'put', effect: 'idempotent', inputSchema: { type: 'object', required: ['x'] }, execute: () => null })
      : one,
  );
  const frames = await framesOf(told.store);
  const first = (type: string): string => {
    for (const { seq, events } of frames) for (const [index, event] of events.entries()) if (event.type === type) return `s:${seq + index}`;
    return '';
  };
  const plants: readonly [string, Agent, string, string][] = [
    ['prompt', { ...told.dead, instructions: 'Be brief.' }, first('model.called'), 'model.called'],
    ['schema of a tool', { ...told.dead, tools: strict }, first('model.called'), 'model.called'],
    ['rule', { ...told.dead, policy: fromFunction('new', () => ({ type: 'answer', text: 'x' })) }, first('model.called'), 'policy.decided'],
    ['effect of a tool', { ...told.dead, tools: renamed }, first('tool.called'), 'tool.called'],
    ['approval', { ...told.dead, approval: ({ tool: name }) => name === 'look' }, first('tool.called'), 'approval.requested'],
    ['limit', { ...told.dead, stepsMax: 1 }, laterCall(frames, 'model.called', 1), 'turn.ended'],
  ];
  for (const [what, agent, at, type] of plants) {
    const { divergence, isChanged } = await replayed(told, agent);
    assert.equal(divergence?.at, at, what);
    assert.equal(divergence?.decided?.type, type, what);
    assert.notEqual(divergence?.recorded, null, what);
    assert.notDeepEqual(divergence?.recorded, divergence?.decided, what);
    assert.equal(isChanged, true, what);
  }
});

function laterCall(frames: readonly Frame[], type: string, skip: number): string {
  const found: string[] = [];
  for (const { seq, events } of frames)
    for (const [index, event] of events.entries()) if (event.type === type) found.push(`s:${seq + index}`);
  return found[skip] ?? '';
}

test('a rule that decides otherwise is named by its decision', async () => {
  const before = fromFunction('rules', ({ calls }) =>
    calls.length === 0 ? { type: 'call', calls: [{ tool: 'look', input: {} }] } : { type: 'answer', text: 'old' },
  );
  const after = fromFunction('rules', ({ calls }) =>
    calls.length === 0 ? { type: 'call', calls: [{ tool: 'look', input: {} }] } : { type: 'answer', text: 'new' },
  );
  const told = await tell({ policy: before });
  assert.equal((await replayed(told, told.dead)).divergence, null);
  const { divergence } = await replayed(told, { ...told.dead, policy: after });
  assert.equal(divergence?.at, laterCall(await framesOf(told.store), 'policy.decided', 1));
  assert.match(JSON.stringify([divergence?.recorded, divergence?.decided]), /"text":"old"[^]*"text":"new"/);
});

test('a changed definition that decides nothing else is told as changed, without divergence', async () => {
  const told = await tell();
  const report = await replayed(told, { ...told.dead, stepsMax: 999 });
  assert.deepEqual([report.divergence, report.isChanged], [null, true]);
});

test('a log that was patched behind the kernel is found by its replay', async () => {
  const { store, world, dead } = await tell();
  const patched = (change: (type: string, data: Readonly<Record<string, Json>>) => Readonly<Record<string, Json>>): Store => ({
    ...store,
    read: async (sid, options) =>
      (await store.read(sid, options)).map((frame) => ({
        ...frame,
        events: frame.events.map((event) => ({ ...event, data: change(event.type, event.data) })),
      })),
  });
  const lied = await replayed(
    { store: patched((type, data) => (type === 'tool.called' ? { ...data, effect: 'read' } : data)), world },
    dead,
  );
  assert.match(JSON.stringify(lied.divergence?.decided), /"idempotent"/);
  assert.match(JSON.stringify(lied.divergence?.recorded), /"read"/);
  const other = await replayed(
    { store: patched((type, data) => (type === 'tool.returned' ? { ...data, output: 'else' } : data)), world },
    dead,
  );
  assert.equal(other.divergence?.recorded?.type, 'model.called');
});

test('a turn that went on after a pause, when its process was closed, replays as it was decided', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const { live, dead } = twins(effectsWitness(), {
    budget: { turnMs: 1000 },
    model: { ...conversationModel([{ calls: [call('wait')] }, 'done']), name: 'm' },
  });
  let release = (): void => undefined;
  const wait = tool({
    name: 'wait',
    effect: 'read',
    inputSchema: { type: 'object' },
    execute: () => new Promise<string>((resolve) => (release = () => resolve('waited'))),
  });
  const withWait = { ...live, tools: [wait] };
  const first = createRuntime({ store, world, agents: [withWait] });
  const session = first.session('s', { agent: 'a' });
  await session.send('go').accepted;
  while (!(await framesOf(store)).some(({ events }) => events.some(({ type }) => type === 'tool.called')))
    await new Promise((resolve) => setImmediate(resolve));
  const closed = first.close();
  await new Promise((resolve) => setImmediate(resolve));
  release();
  await closed;
  await world.advance(5000);
  const second = createRuntime({ store, world, agents: [withWait] });
  await second.start();
  await second.idle();
  assert.notEqual((await second.session('s').at()).last, null, 'a turn that was closed in its middle is taken up by start');
  assert.deepEqual((await replayed({ store, world }, { ...dead, tools: [wait] })).divergence, null);
});
