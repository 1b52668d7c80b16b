// Works until it is killed: takes up what is open, keeps CONCURRENT sessions in flight, and with --finish starts nothing new and ends when all rest.
import { parseArgs } from 'node:util';
import { createRuntime, nodeWorld } from 'nerva';
import { killAgent, type Outside } from './agent.ts';

const { values } = parseArgs({
  options: {
    store: { type: 'string' },
    witness: { type: 'string' },
    reconcile: { type: 'boolean' },
    thread: { type: 'boolean' },
    finish: { type: 'boolean' },
    prefix: { type: 'string' },
  },
});
const CONCURRENT = 20;
const world = nodeWorld();

async function post(path: string, body: unknown): Promise<{ readonly done?: boolean }> {
  const answer = await world.transport.request({ method: 'POST', url: `${values.witness}${path}`, body: JSON.stringify(body) });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`The witness refused: ${answer.status}`);
  return JSON.parse(text) as { readonly done?: boolean };
}

const outside: Outside = {
  effect: async (effect, step, { session, idempotencyKey, attempt }) =>
    void (await post('/effect', { effect, step, sid: session.sid, key: idempotencyKey, attempt })),
  fence: async ({ idempotencyKey, attempt }) => (await post('/fence', { key: idempotencyKey, attempt })).done === true,
};

const { openSqlite } = await import('nerva/node');
const store = await openSqlite(values.store ?? '', { world, ...(values.thread === true ? { writer: 'thread' as const } : {}) });
const nerva = await createRuntime({ store, world, agents: [killAgent(outside, values.reconcile === true)] });
await nerva.start();
console.log('ready');

if (values.finish === true) {
  await nerva.idle();
  await nerva.close();
  await store.close();
  await world.transport.close();
} else {
  const lane = async (lane: number): Promise<void> => {
    for (let n = 0; ; n++) {
      const sid = `${values.prefix}-${lane}-${n}`;
      const run = nerva.session(sid, { agent: 'killed' }).send(`work ${sid.length}`, { id: 'first' });
      await run.accepted;
      await post('/accepted', { sid });
      await run.result;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT }, (_, index) => lane(index)));
}
