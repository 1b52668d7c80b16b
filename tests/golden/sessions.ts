/**
 * The sessions whose logs are kept as goldens, and the agents that wrote them. A golden of a release is never rewritten, so an agent
 * here may not change what it decides: add another session instead.
 */
import { createAgent, createRuntime, type Agent, type Runtime } from '../../packages/nerva/src/agent/index.ts';
import { memoryStore, type Frame } from '../../packages/nerva/src/log/index.ts';
import { NervaError } from '../../packages/nerva/src/core/index.ts';
import { openMemory } from '../../packages/nerva/src/memory/index.ts';
import type { ModelRequest, ScriptStep } from '../../packages/nerva/src/model/index.ts';
import { chain, llm, table } from '../../packages/nerva/src/policy/index.ts';
import { conversationModel, testWorld, type TestWorld } from '../../packages/nerva/src/testing/index.ts';
import { askPerson, notDone, tool } from '../../packages/nerva/src/tool/index.ts';

/** A session that is kept. */
export interface Golden {
  /** The same as it was when the log was written, in all that decides. */
  readonly agent: (process?: number) => Agent;
  /** What is done. @returns the session to keep, when it is not `s`. */
  readonly play: (stage: Stage) => Promise<string>;
}

interface Stage {
  readonly runtime: Runtime;
  readonly world: TestWorld;
  /** Another process on the same store, the first one gone. */
  readonly restart: () => Runtime;
}

const ANY = { type: 'object' } as const;
const call = (name: string, input: object = {}): { readonly name: string; readonly input: never } => ({ name, input: input as never });
const calls = (...all: readonly ReturnType<typeof call>[]): ScriptStep => ({ calls: all });
const until = async (isTrue: () => Promise<boolean>): Promise<void> => {
  while (!(await isTrue())) await new Promise((resolve) => setImmediate(resolve));
};

/** By the name of their file. */
export const GOLDENS: Readonly<Record<string, Golden>> = {
  answers: {
    agent: () => createAgent({ name: 'answers', instructions: 'Be brief.', model: conversationModel(['Hello.', { reasoning: 'Which one?', text: 'Rome.' }, { text: 'And so', finish: 'length' }]) }),
    play: async ({ runtime }) => {
      const session = runtime.session('s', { agent: 'answers' });
      await session.send('Hi', { id: 'm1' }).result;
      await session.send({ question: 'Which city?' }, { by: 'ann' }).result;
      await session.send('Go on').result;
      await session.close('done');
      return 's';
    },
  },
  tools: {
    agent: () =>
      createAgent({
        name: 'tools',
        stepsMax: 6,
        model: conversationModel([
          calls(call('look', { city: 'Rome' }), call('look', { city: 5 }), call('lok'), call('long'), call('book', { seat: 1 }), call('book', { seat: 1 }), call('full')),
          calls(call('book', { seat: 1 }), call('throws')),
          'done',
        ]),
        tools: [
          tool({ name: 'look', effect: 'read', inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }, execute: ({ city }) => Promise.resolve({ city, sky: 'blue' }) }),
          tool({ name: 'long', effect: 'read', inputSchema: ANY, execute: () => 'long '.repeat(8_000) }),
          tool({ name: 'book', effect: 'idempotent', inputSchema: { type: 'object', properties: { seat: { type: 'integer' } }, required: ['seat'] }, dedupe: ({ seat }) => String(seat), execute: () => Promise.resolve({ ticket: 1 }) }),
          tool({ name: 'full', inputSchema: ANY, execute: () => { throw notDone('Sold out.'); } }),
          tool({ name: 'throws', effect: 'read', inputSchema: ANY, execute: () => Promise.reject(new Error('no route')) }),
        ],
      }),
    play: async ({ runtime }) => (await runtime.session('s', { agent: 'tools' }).send('go').result, 's'),
  },
  approvals: {
    agent: () =>
      createAgent({
        name: 'approvals',
        model: conversationModel([calls(call('pay', { to: 'ann' }), call('pay', { to: 'bob' }), call('ask_person', { question: 'Which colour?' })), 'paid', calls(call('pay', { to: 'eve' })), 'stopped']),
        tools: [tool({ name: 'pay', inputSchema: { type: 'object', properties: { to: { type: 'string' } }, required: ['to'] }, needsApproval: true, execute: ({ to }) => ({ to }) }), askPerson()],
      }),
    play: async ({ runtime }) => {
      const session = runtime.session('s', { agent: 'approvals' });
      const { pending } = await session.send('pay').result;
      await session.respond(pending[1]?.id ?? 's:0', { decision: 'deny', why: 'too much' }).result;
      await session.respond(pending[2]?.id ?? 's:0', { decision: 'approve', answer: 'blue' }, { by: 'ann' }).result;
      await session.respond(pending[0]?.id ?? 's:0', { decision: 'approve' }).result;
      await session.send('pay eve').result;
      await session.send('stop', { deliver: 'interrupt' }).result;
      return 's';
    },
  },
  doubts: {
    agent: () =>
      createAgent({
        name: 'doubts',
        model: conversationModel([calls(call('pay', { how: 'throws' })), 'one', calls(call('pay', { how: 'hangs' })), 'two', calls(call('pay', { how: 'hangs' }), call('slow')), 'three']),
        tools: [
          tool({ name: 'pay', inputSchema: { type: 'object', properties: { how: { type: 'string' } }, required: ['how'] }, timeoutMs: 1_000, execute: ({ how }) => (how === 'throws' ? Promise.reject(new Error('socket hang up')) : new Promise<string>(() => undefined)) }),
          tool({ name: 'slow', effect: 'read', inputSchema: ANY, execute: () => new Promise<string>(() => undefined) }),
        ],
      }),
    play: async ({ runtime, world }) => {
      const session = runtime.session('s', { agent: 'doubts' });
      const doubt = (await session.send('throws').result).pending[0];
      await session.respond(doubt?.id ?? 's:0', { decision: 'returned', output: { paid: 1 } }).result;
      const hung = session.send('hangs');
      await until(async () => (await session.at()).state.tool.slots.length > 0);
      await world.advance(7_000);
      const late = (await hung.result).pending[0];
      await session.respond(late?.id ?? 's:0', { decision: 'failed', message: 'The bank never saw it.' }).result;
      const cancelled = session.send('again');
      await until(async () => (await session.at()).state.tool.slots.length > 1);
      await session.cancel('enough');
      for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
      await world.advance(7_000);
      await cancelled.result;
      const left = (await session.at()).pending[0];
      await session.respond(left?.id ?? 's:0', { decision: 'returned', output: { paid: 3 } }).accepted;
      await session.send('and now?').result;
      return 's';
    },
  },
  restart: {
    agent: () => {
      let isFirst = true;
      return createAgent({
        name: 'restart',
        model: conversationModel([calls(call('read'), call('put'), call('pay'), call('wire')), 'done']),
        tools: (['read', 'put', 'pay', 'wire'] as const).map((name) =>
          tool({
            name,
            effect: ({ read: 'read', put: 'idempotent', pay: 'irreversible', wire: 'irreversible' } as const)[name],
            inputSchema: ANY,
            ...(name === 'pay' ? { reconcile: () => ({ status: 'done', output: { paid: 1 } }) as const } : {}),
            execute: (_input, { attempt }) => {
              if (name === 'wire') isFirst = false;
              return attempt > 1 || !isFirst ? Promise.resolve({ attempt }) : new Promise<never>(() => undefined);
            },
          }),
        ),
      });
    },
    play: async ({ runtime, restart }) => {
      runtime.session('s', { agent: 'restart' }).send('go');
      await until(async () => (await runtime.store.head('s')) > 0 && (await runtime.session('s').at()).state.tool.count === 4);
      const session = restart().session('s');
      await session.resume().result;
      for (const { id } of (await session.at()).pending) await session.respond(id, { decision: 'returned', output: { wired: true } }).result;
      return 's';
    },
  },
  rules: {
    agent: () =>
      createAgent({
        name: 'rules',
        model: conversationModel(['I do not know.', 'Heard.']),
        policy: chain(
          table({
            name: 'desk',
            rows: [
              { name: 'look', when: { $text: 'look' }, then: 'abstain' },
              { name: 'small', when: { amount: { lt: 100 } }, then: { type: 'answer', output: { approved: true } }, why: 'Small sums are paid.' },
            ],
          }),
          llm(),
        ),
      }),
    play: async ({ runtime }) => {
      const session = runtime.session('s', { agent: 'rules' });
      await session.send({ amount: 5 }).result;
      await session.send({ amount: 500 }).result;
      await session.send('look').result;
      return 's';
    },
  },
  limits: {
    agent: () =>
      createAgent({
        name: 'limits',
        model: conversationModel(['no', '{"n": "x"}', '{"n": 7}', 'no', 'no', 'no'], { price: { inputUsd: 1, outputUsd: 10 } }),
        output: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
        params: { maxOutputTokens: 100 },
        budget: { sessionTokensMax: 20_000, sessionStepsMax: 6, turnUsdMax: 1 },
      }),
    play: async ({ runtime }) => {
      const session = runtime.session('s', { agent: 'limits' });
      for (const text of ['one', 'two', 'three']) await session.send(text).result;
      return 's';
    },
  },
  changes: {
    agent: (process = 0) =>
      createAgent({
        name: 'changes',
        stepsMax: 20 + process,
        model: conversationModel([calls(call('wire')), 'done', { text: 'too late', delayMs: 3_600_000 }]),
        tools: [tool({ name: 'wire', inputSchema: ANY, reconcile: () => ({ status: 'unknown' }), execute: () => new Promise<never>(() => undefined) })],
      }),
    play: async ({ runtime, restart }) => {
      runtime.session('s', { agent: 'changes' }).send('go');
      await until(async () => (await runtime.store.head('s')) > 0 && (await runtime.session('s').at()).state.tool.count === 1);
      const session = restart().session('s');
      const { pending } = await session.resume().result;
      await session.respond(pending[0]?.id ?? 's:0', { decision: 'returned', output: { wired: true } }).result;
      const slow = session.send('slow');
      await slow.accepted;
      await session.cancel('enough');
      await slow.result;
      return 's';
    },
  },
  failures: {
    // As its release had it: there were no retries.
    agent: () => createAgent({ name: 'failures', retry: false, model: conversationModel([{ error: { code: 'MODEL_RATE_LIMITED', message: 'Slow down.' } }]) }),
    play: async ({ runtime }) => (await runtime.session('s', { agent: 'failures' }).send('go').result, 's'),
  },
  erasure: {
    agent: () => createAgent({ name: 'erasure', model: conversationModel([calls(call('look')), 'never asked']), tools: [tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => new Promise<string>(() => undefined) })] }),
    play: async ({ runtime, world }) => {
      const run = runtime.session('s', { agent: 'erasure', subject: 'ada' }).send('look');
      await until(async () => (await runtime.store.head('s')) >= 6);
      await runtime.store.append({ id: 'erase.ada', sid: 's', expected: 'fact', events: [{ type: 'subject.erased', data: { subject: 'ada' } }] });
      const session = runtime.session('s');
      void session.cancel().catch(() => undefined);
      for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
      await world.advance(7_000);
      await run.result;
      return 's';
    },
  },
  retries: {
    agent: (process = 0) =>
      createAgent({ name: 'retries', model: conversationModel([process === 0 ? { error: { code: 'MODEL_UNAVAILABLE', message: 'Try later.' } } : 'here']) }),
    play: async ({ runtime, world, restart }) => {
      runtime.session('s', { agent: 'retries' }).send('go');
      const isSleeping = async (count: number) => (await runtime.store.head('s')) >= count && (await runtime.session('s').at()).state.timer.open.length > 0;
      await until(() => isSleeping(6));
      await world.advance(1_200);
      await until(() => isSleeping(9));
      const { result } = restart().session('s').resume();
      await until(() => isSleeping(10));
      await world.advance(3_000);
      await result;
      return 's';
    },
  },
  context: {
    agent: () => {
      const talk = { name: 'talk', call: ({ messages }: ModelRequest) => Promise.resolve({ parts: [{ type: 'text', text: `Yes, ${messages.length}.` }], finish: 'stop', usage: { inputTokens: 9, outputTokens: 2 }, model: 'talk-1' } as const) };
      const sums = { name: 'sums', call: ({ messages }: ModelRequest) => (JSON.stringify(messages).includes('three') ? Promise.reject(new NervaError('MODEL_REFUSED', 'Not that.')) : Promise.resolve({ parts: [{ type: 'text', text: 'They spoke.' }], finish: 'stop', usage: { inputTokens: 7, outputTokens: 2 }, model: null } as const)) };
      return createAgent({ name: 'context', model: talk, context: { turnsMax: 2, tokensMax: 300, model: sums } });
    },
    play: async ({ runtime }) => {
      const session = runtime.session('s', { agent: 'context' });
      for (const text of ['one', 'two', 'three', 'four', 'five', 'six '.repeat(200)]) await session.send(text).result;
      return 's';
    },
  },
  memory: {
    agent: (process = 0) =>
      createAgent({
        name: 'memory',
        model: conversationModel(['Hello, Ada.', 'In Linz.', 'I forgot.']),
        memory: { of: ({ store, world }) => (process === 0 ? openMemory({ store, world, scope: 'user:ada' }) : Promise.reject(new NervaError('STORE_CLOSED', 'It is gone.'))), recall: 1 },
      }),
    play: async ({ runtime, world, restart }) => {
      const memory = await openMemory({ store: runtime.store, world, scope: 'user:ada' });
      await memory.setBlock({ label: 'me', type: 'persona', text: 'A clerk.', isReadOnly: true });
      await memory.setBlock({ label: 'human', type: 'human', text: 'Ada.' });
      await memory.remember('Ada lives in Linz.');
      const session = runtime.session('s', { agent: 'memory' });
      await session.send('Who am I?').result;
      await session.send('Where do I live?').result;
      await restart().session('s').send('And now?').result;
      return 's';
    },
  },
  memories: {
    agent: (process = 0) =>
      createAgent({
        name: 'memories',
        model: conversationModel(['Hello, Ada.', 'In Linz.', 'I forgot.']),
        context: { turnsMax: 1, strategy: 'drop' },
        memory: [
          { of: ({ store, world }) => openMemory({ store, world, scope: 'user:ada' }), recall: 2 },
          { of: ({ store, world }) => (process === 0 ? openMemory({ store, world, scope: 'team:desk' }) : Promise.reject(new NervaError('STORE_CLOSED', 'It is gone.'))), recall: 1 },
        ],
      }),
    play: async ({ runtime, world, restart }) => {
      const [own, team] = await Promise.all(['user:ada', 'team:desk'].map((scope) => openMemory({ store: runtime.store, world, scope })));
      for (const [name, memory] of [['Ada', own], ['The desk', team]] as const) {
        await memory?.setBlock({ label: 'me', type: 'persona', text: `Kind to ${name}.`, isReadOnly: true });
        await memory?.setBlock({ label: 'notes', text: `${name}.` });
        await memory?.remember(`${name} is in Linz.`);
      }
      const session = runtime.session('s', { agent: 'memories' });
      await session.send('Who am I?').result;
      await session.send('Who is in Linz?').result;
      await restart().session('s').send('And now?').result;
      return 's';
    },
  },
  fork: {
    agent: () =>
      createAgent({
        name: 'fork',
        model: conversationModel([calls(call('look'), call('pay')), 'done', 'more']),
        tools: [tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => 'seen' }), tool({ name: 'pay', inputSchema: ANY, execute: () => Promise.resolve('paid') })],
      }),
    play: async ({ runtime }) => {
      const session = runtime.session('s', { agent: 'fork' });
      await session.send('go').result;
      const forked = await session.fork(4, { sid: 'f' });
      const { pending } = await forked.resume().result;
      await forked.respond(pending[0]?.id ?? 'f:0', { decision: 'approve' }).result;
      await forked.send('more').result;
      return 'f';
    },
  },
};

/** Plays a session anew. @returns its frames, those it shares with a parent included. */
export async function played({ agent, play }: Golden): Promise<readonly Frame[]> {
  const world = testWorld();
  const store = memoryStore({ world });
  let processes = 0;
  const make = (): Runtime => createRuntime({ store, world, agents: [agent(processes++)] });
  const runtime = make();
  const sid = await play({ runtime, world, restart: make });
  await new Promise((resolve) => setImmediate(resolve));
  const frames: Frame[] = [];
  for await (const frame of runtime.session(sid).frames()) frames.push(frame);
  return frames;
}
