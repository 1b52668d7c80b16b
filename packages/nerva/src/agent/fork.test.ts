import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent, createRuntime, replaySession, type ForkEffects, type Runtime, type Session } from './index.ts';
import type { Json } from '../core/index.ts';
import { memoryStore, type Store } from '../log/index.ts';
import {
  conversationModel,
  recordingTool,
  requestProblem,
  strictModel,
  testWorld,
  type Effects,
  type TestWorld,
} from '../testing/index.ts';
import { effectsWitness } from '../testing/index.ts';
import { tool, type ToolEffect } from '../tool/index.ts';

const KINDS: Readonly<Record<string, ToolEffect>> = { look: 'read', put: 'idempotent', pay: 'irreversible' };
const call = (name: string): { readonly name: string; readonly input: Record<string, never> } => ({ name, input: {} });
const ALL = { calls: Object.keys(KINDS).map(call) };

interface Stage {
  readonly store: Store;
  readonly world: TestWorld;
  readonly runtime: Runtime;
  readonly parent: Session;
  readonly effects: Effects;
  /** Calls by tool, of all sessions; those of the parent hang until it is let go. */
  readonly made: string[];
}

/** A parent in the middle of three calls that do not end; in any other session the calls end at once. */
async function stage(): Promise<Stage> {
  const [world, effects, made] = [testWorld(), effectsWitness(), [] as string[]];
  const store = memoryStore({ world });
  const tools = Object.entries(KINDS).map(([name, effect]) =>
    tool({
      name,
      effect,
      inputSchema: { type: 'object' },
      execute: (_input, { session, callId }): string | Promise<string> => {
        made.push(`${session.sid} ${name}`);
        return session.sid === 'p' ? new Promise(() => undefined) : `${name} of ${callId.split(':')[0] ?? ''}`;
      },
    }),
  );
  const runtime = createRuntime({
    store,
    world,
    agents: [createAgent({ name: 'a', model: strictModel(conversationModel([ALL, 'done', 'more'])), tools })],
  });
  const parent = runtime.session('p', { agent: 'a' });
  await parent.send('go', { id: 'm' }).accepted;
  await reached(parent, 'tool.called');
  return { store, world, runtime, parent, effects, made };
}

test('a message of a fork is its own, also under the id of the first message of its parent', async () => {
  const { store, world } = await stage();
  const agents = [createAgent({ name: 'a', model: conversationModel(['one', 'two']) })];
  const runtime = createRuntime({ store, world, agents });
  const parent = runtime.session('q', { agent: 'a' });
  await parent.send('go', { id: 'x' }).result;
  const fork = await parent.fork((await parent.info()).head - 1);
  const run = fork.send('again', { id: 'x' });
  assert.deepEqual([(await run.result).text, (await run.accepted).seq > 1], ['two', true]);
  assert.deepEqual(await fork.send('again', { id: 'x' }).accepted, await run.accepted);
});

async function events(
  session: Session,
  type: string,
): Promise<{ readonly seq: number; readonly data: Readonly<Record<string, Json>>; readonly sid: string }[]> {
  const found: { readonly seq: number; readonly data: Readonly<Record<string, Json>>; readonly sid: string }[] = [];
  for await (const event of session.log())
    if (event.type === type) found.push({ seq: event.seq, sid: event.sid, data: event.data as unknown as Readonly<Record<string, Json>> });
  return found;
}

async function reached(session: Session, type: string): Promise<void> {
  while ((await session.info()).head === 0 || (await events(session, type)).length === 0)
    await new Promise((resolve) => setImmediate(resolve));
}

const own = async (session: Session, type: string): Promise<Readonly<Record<string, Json>>[]> =>
  (await events(session, type)).filter(({ sid }) => sid === session.sid).map(({ data }) => data);
const answered = (told: Stage): string[] => told.made.filter((one) => !one.startsWith('p '));

test('a fork with open calls asks its reads anew and closes the others as forked; the parent’s stay open', async () => {
  for (const effects of ['ask', 'live'] as const satisfies ForkEffects[]) {
    const told = await stage();
    const fork = await told.parent.fork((await told.parent.info()).head - 1, { sid: 'f', effects });
    const result = await fork.resume().result;
    assert.equal(result.status, 'answered', result.why);
    assert.deepEqual(answered(told), ['f look']);
    assert.deepEqual(
      (await own(fork, 'tool.failed')).map(({ why }) => why),
      ['forked', 'forked'],
    );
    const { messages } = await fork.at();
    assert.equal(requestProblem({ messages }), null);
    assert.equal((await told.parent.at()).state.tool.slots.filter(({ status }) => status === 'open').length, 3);
  }
});

test('a fork in the middle of a model call asks the model anew, as the same step', async () => {
  const told = await stage();
  const [first] = await events(told.parent, 'model.called');
  const fork = await told.parent.fork(first?.seq ?? -1, { sid: 'f', effects: 'live' });
  const result = await fork.resume().result;
  assert.equal(result.status, 'answered', result.why);
  assert.equal(result.steps, 2);
  assert.deepEqual(answered(told), ['f look', 'f put', 'f pay']);
});

test('a fork born to ask asks a person for each call that is not a read, one that simulates makes none of them', async () => {
  const told = await stage();
  const [first] = await events(told.parent, 'model.called');
  const asking = await told.parent.fork(first?.seq ?? -1, { sid: 'ask' });
  const { pending } = await asking.resume().result;
  assert.deepEqual(
    pending.map(({ tool: name }) => name),
    ['put', 'pay'],
  );
  assert.deepEqual(answered(told), ['ask look']);
  const [put, pay] = pending;
  await asking.respond(put?.id ?? 'x:0', { decision: 'deny' }).result;
  assert.equal((await asking.respond(pay?.id ?? 'x:0', { decision: 'approve' }).result).status, 'answered');
  assert.deepEqual(answered(told), ['ask look', 'ask pay']);
  const simulated = await told.parent.fork(first?.seq ?? -1, { sid: 'sim', effects: 'simulated' });
  assert.equal((await simulated.resume().result).status, 'answered');
  assert.deepEqual(answered(told), ['ask look', 'ask pay', 'sim look']);
  assert.equal((await own(simulated, 'tool.returned')).filter(({ by }) => by === 'simulated').length, 2);
  for (const sid of ['ask', 'sim'])
    assert.deepEqual(
      (
        await replaySession({
          store: told.store,
          sid,
          world: told.world,
          agent: createAgent({
            name: 'a',
            model: conversationModel([]),
            tools: Object.entries(KINDS).map(([name, effect]) => tool({ name, effect, inputSchema: { type: 'object' }, execute: () => 0 })),
          }),
        })
      ).divergence,
      null,
      sid,
    );
});

test('a grant in the parent does not count in a fork, nor one in the fork in the parent', async () => {
  const [world, effects] = [testWorld(), effectsWitness()];
  const store = memoryStore({ world });
  const runtime = createRuntime({
    store,
    world,
    agents: [
      createAgent({
        name: 'a',
        model: strictModel(conversationModel([{ calls: [call('pay')] }, 'done'])),
        tools: [recordingTool(effects, { name: 'pay', needsApproval: true })],
      }),
    ],
  });
  const parent = runtime.session('p', { agent: 'a' });
  const [asked] = (await parent.send('go').result).pending;
  const before = await parent.fork((await parent.info()).head - 1, { sid: 'before', effects: 'live' });
  assert.equal((await before.resume().result).status, 'answered', 'what was asked in the parent is closed here');
  assert.deepEqual(
    (await own(before, 'tool.failed')).map(({ why }) => why),
    ['forked'],
  );
  assert.equal((await parent.at()).pending.length, 1);
  await parent.respond(asked?.id ?? 'x:0', { decision: 'approve' }).result;
  const [granted] = await events(parent, 'approval.granted');
  const after = await parent.fork(granted?.seq ?? -1, { sid: 'after', effects: 'live' });
  const result = await after.resume().result;
  assert.deepEqual([result.status, result.pending.length], ['waiting', 1], 'asked again');
  assert.equal(effects.executions.length, 1);
});

test('a message to a fork is its own, also under an id that the parent’s first message had', async () => {
  const told = await stage();
  const [first] = await events(told.parent, 'model.called');
  const fork = await told.parent.fork(first?.seq ?? -1, { sid: 'f', effects: 'live' });
  await fork.send('for the fork', { id: 'm' }).accepted;
  assert.equal((await own(fork, 'message.received')).length, 1);
  assert.equal((await events(told.parent, 'message.received')).length, 1);
});

test('a fork at any event goes on to an answer whose every request a provider takes', async () => {
  const told = await stage();
  const { head } = await told.parent.info();
  for (let seq = 1; seq < head; seq++) {
    for (const effects of ['live', 'simulated'] as const) {
      const fork = await told.parent.fork(seq, { sid: `f${seq}${effects}`, effects });
      const result = await fork.resume().result;
      assert.equal(result.status, 'answered', `at ${seq}: ${result.status} ${result.why}`);
    }
  }
});
