import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent, createRuntime, type AgentEvent, type AgentOptions, type Runtime, type Session } from './index.ts';
import { memoryStore, type Store } from '../log/index.ts';
import type { ModelRequest } from '../model/index.ts';
import {
  conversationModel,
  recordingTool,
  strictModel,
  testWorld,
  type Effects,
  type RecordingTool,
  type TestWorld,
} from '../testing/index.ts';
import { effectsWitness } from '../testing/index.ts';
import { mortalStore } from '../testing/index.ts';
import { tool } from '../tool/index.ts';

const call = (name: string): { readonly name: string; readonly input: Record<string, never> } => ({ name, input: {} });

interface Life {
  readonly world: TestWorld;
  readonly store: Store;
  readonly effects: Effects;
  /** A runtime of a process that dies at its `at`-th append. */
  process(
    options: Partial<AgentOptions>,
    at?: number,
  ): { readonly runtime: Runtime; readonly session: Session; readonly died: Promise<string> };
}

function life(steps: Parameters<typeof conversationModel>[0]): Life {
  const [world, effects] = [testWorld(), effectsWitness()];
  const store = memoryStore({ world });
  return {
    world,
    store,
    effects,
    process(options, at) {
      const { store: handle, died } = mortalStore(store, at === undefined ? null : { at, mode: 'unacknowledged' });
      const runtime = createRuntime({
        store: handle,
        world,
        agents: [createAgent({ name: 'a', model: strictModel(conversationModel(steps)), ...options })],
      });
      return { runtime, session: runtime.session('s', { agent: 'a' }), died };
    },
  };
}

async function logOf(session: Session): Promise<AgentEvent[]> {
  const events: AgentEvent[] = [];
  for await (const event of session.log()) events.push(event);
  return events;
}

const typesAfter = (events: readonly AgentEvent[], seq: number): string[] =>
  events.filter((event) => event.seq > seq).map(({ type }) => type);

test('a prompt that changed under an open model call: configured first, the call lost, the model asked anew with the new prompt', async () => {
  const { process } = life(['hello']);
  const first = process({ instructions: 'old' }, 2); // blobs.put, then the first frame
  void first.session.send('go', { id: 'm' });
  await first.died;
  const requests: ModelRequest[] = [];
  const model = conversationModel(['hello']);
  const second = process({
    instructions: 'new',
    model: { ...model, call: (request, options) => (requests.push(request), model.call(request, options)) },
  });
  const result = await second.session.send('go', { id: 'm' }).result;
  assert.deepEqual([result.text, result.steps], ['hello', 1]);
  assert.deepEqual(
    requests.map(({ instructions }) => instructions),
    ['new'],
  );
  const events = await logOf(second.session);
  const called = events.find(({ type }) => type === 'model.called')?.seq ?? -1;
  assert.deepEqual(typesAfter(events, called), ['session.configured', 'model.failed', 'model.called', 'model.answered', 'turn.ended']);
});

test('what is open is finished under the class that was recorded, also when its tool is gone or declares another one', async () => {
  const cases: readonly [RecordingTool | null, RecordingTool | null, string, string][] = [
    [{ name: 't', effect: 'read' }, null, 'tool.failed', 'unknown tool'],
    [{ name: 't', effect: 'idempotent' }, null, 'tool.failed', 'unknown tool'],
    [{ name: 't', effect: 'irreversible' }, null, 'tool.in_doubt', 'crash'],
    [{ name: 't', effect: 'irreversible' }, { name: 't', effect: 'read' }, 'tool.in_doubt', 'crash'],
    [{ name: 't', effect: 'read' }, { name: 't', effect: 'irreversible' }, 'tool.called', 'crash'],
  ];
  for (const [before, after, type, why] of cases) {
    const { process, effects } = life([{ calls: [call('t')] }, 'done']);
    const first = process({ tools: before === null ? [] : [recordingTool(effects, { ...before, ticks: 1 })] }, 3);
    void first.session.send('go', { id: 'm' });
    await first.died;
    const second = process({ tools: after === null ? [] : [recordingTool(effects, after)] });
    await second.session.send('go', { id: 'm' }).result;
    const events = await logOf(second.session);
    const intent = events.find((event) => event.type === 'tool.called')?.seq ?? -1;
    const [configured, next] = events.filter(({ seq }) => seq > intent);
    assert.equal(configured?.type, 'session.configured');
    assert.equal(next?.type, type);
    assert.match(JSON.stringify(next?.data), new RegExp(`"why":"${why}"`));
  }
});

test('a grant for a tool whose schema changed is asked again before it is called, and one for a tool that is gone is not', async () => {
  for (const isGone of [false, true]) {
    const { process, effects } = life([{ calls: [call('pay')] }, 'done']);
    const first = process({ tools: [recordingTool(effects, { name: 'pay', needsApproval: true })] });
    const [pending] = (await first.session.send('go', { id: 'm' }).result).pending;
    const changed = tool({
      name: 'pay',
      inputSchema: { type: 'object', properties: { to: { type: 'string' } } },
      needsApproval: true,
      execute: (_input, context) => effects.record('pay', 'irreversible', context),
    });
    const second = process({ tools: isGone ? [] : [changed] });
    const result = await second.session.respond(pending?.id ?? 'x:0', { decision: 'approve' }).result;
    if (isGone) {
      assert.deepEqual([result.text, effects.executions.length], ['done', 0]);
      continue;
    }
    assert.deepEqual([result.status, effects.executions.length], ['waiting', 0]);
    assert.notEqual(result.pending[0]?.digest, pending?.digest);
    assert.equal((await second.session.respond(result.pending[0]?.id ?? 'x:0', { decision: 'approve' }).result).text, 'done');
    assert.equal(effects.executions.length, 1);
  }
});

test('a definition that changes between turns is named by the next turn, without a word in between', async () => {
  const { process } = life(['one', 'two']);
  await process({ instructions: 'old' }).session.send('go', { id: 'm0' }).result;
  const { session } = process({ instructions: 'new' });
  await session.send('go', { id: 'm1' }).result;
  const events = await logOf(session);
  assert.ok(!events.some(({ type }) => type === 'session.configured'));
  const digests = events.flatMap((event) => (event.type === 'turn.started' ? [JSON.stringify(event.data.definition)] : []));
  assert.equal(new Set(digests).size, 2);
});
