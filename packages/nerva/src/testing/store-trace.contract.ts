import assert from 'node:assert/strict';
import type { Append, AppendResult } from '../log/index.ts';
import { note, texts, type Law, type StoreHarness } from './store-harness.ts';

interface ModelSession {
  readonly log: string[];
  readonly facts: Map<string, number>;
  readonly decisions: Map<number, { readonly id: string; readonly count: number }>;
  closed: boolean;
}

/** Random command traces against a model of forty lines: what was acknowledged, and only that, is in the log. */
export function traceLaws(law: Law): void {
  law('any trace of appends ends in the log that the model predicts, through reopening', async (harness) => {
    for (let round = 0; round < 4; round++) await runTrace(harness, `r${round}`);
  });
}

async function runTrace({ store: first, world, reopen }: StoreHarness, prefix: string): Promise<void> {
  let store = first;
  const pick = (count: number): number => Math.floor(world.dice.roll() * count);
  const model = new Map<string, ModelSession>();
  for (let step = 0; step < 150; step++) {
    const sid = `${prefix}.s${pick(4)}`;
    const frame = randomFrame(sid, { model, pick, step });
    const expectedResult = predict(model, frame);
    const result = await store.append(frame).catch((error: unknown) => error as { code: string });
    const label = `step ${step}: ${JSON.stringify(frame)}`;
    assert.deepEqual('ok' in result ? summary(result) : result.code, expectedResult, label);
    if (pick(10) === 0) await world.advance(pick(50));
    if (reopen !== undefined && step % 75 === 74 && prefix === 'r3') store = await reopen();
  }
  for (const [sid, { log }] of model) {
    assert.deepEqual(await texts(store, sid, { limit: 1 + pick(9) }), log);
    assert.equal(await store.head(sid), log.length);
    assert.equal((await store.verify(sid)).ok, true);
    const times = (await store.read(sid)).map(({ atMs }) => atMs);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
      'S4 atMs never decreases',
    );
  }
}

function randomFrame(
  sid: string,
  {
    model,
    pick,
    step,
  }: { readonly model: ReadonlyMap<string, ModelSession>; readonly pick: (count: number) => number; readonly step: number },
): Append {
  const session = model.get(sid);
  const head = session?.log.length ?? 0;
  const closes = session !== undefined && head > 8 && pick(15) === 0;
  const id = pick(5) === 0 ? `f${pick(step + 1)}` : `f${step}`;
  const expected = pick(3) === 0 ? 'fact' : pick(4) === 0 ? pick(head + 2) : head;
  const events = Array.from({ length: 1 + pick(3) }, (_, index) => note(`${step}.${index}`));
  return { id, sid, expected, events, ...(closes ? { then: { status: 'closed' } } : {}) };
}

const summary = (result: AppendResult): string =>
  result.ok ? `${result.seq}…${result.head}${result.repeated ? ' again' : ''}` : `${result.why} at ${result.head}`;

/** What the store must answer; the model takes what it acknowledges. */
function predict(model: Map<string, ModelSession>, { id, sid, expected, events, then }: Append): string {
  const known = model.get(sid);
  if (known === undefined && expected !== 0) return 'SESSION_UNKNOWN';
  const session: ModelSession = known ?? { log: [], facts: new Map(), decisions: new Map(), closed: false };
  const head = session.log.length;
  const seq = expected === 'fact' ? session.facts.get(id) : session.decisions.get(expected)?.id === id ? expected : undefined;
  if (seq !== undefined) return `${seq}…${seq + (session.decisions.get(seq)?.count ?? 0)} again`;
  if (session.closed) return `closed at ${head}`;
  if (expected !== 'fact' && expected !== head) return `conflict at ${head}`;
  model.set(sid, session);
  // Any frame is found at its position by a decision; only facts by their id.
  session.decisions.set(head, { id, count: events.length });
  if (expected === 'fact') session.facts.set(id, head);
  for (const event of events) session.log.push(`${sid}:${session.log.length}:${String(event.data['text'])}`);
  session.closed = then?.status === 'closed';
  return `${head}…${session.log.length}`;
}
