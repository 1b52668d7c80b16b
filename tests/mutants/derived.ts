import type { World } from 'nerva/core';
import {
  fold,
  memoryProjectionRows,
  projections,
  upcasters,
  type Frame,
  type LogEvent,
  type Projection,
  type Reducer,
  type Sid,
  type Store,
} from 'nerva/log';
import type { Ended, Invariant } from 'nerva/sim';

/** Laws on what is made of logs: snapshots, the feed, projections, lifted events and blobs. */
export const DERIVED: readonly Invariant[] = [
  { name: 'a snapshot changes nothing', check: snapshotsHold },
  { name: 'who comes back to the feed misses nothing', check: ({ store }) => feedHolds(store) },
  { name: 'a projection is what its events say', check: projectionHolds },
  { name: 'an older event is read as the newest', check: liftsHold },
  { name: 'a sweep takes what nothing names', check: sweepHolds },
];

/** Counts events by type. `weight` is what an event counts: another weight is another meaning. */
const counting = (version: string, weight: number): Reducer<Readonly<Record<string, number>>> => ({
  version,
  initial: () => ({}),
  evolve: (state, { type }) => ({ ...state, [type]: (state[type] ?? 0) + weight }),
  freeze: (state) => JSON.stringify(state),
  thaw: (text) => JSON.parse(text) as Readonly<Record<string, number>>,
});

/** Folded with snapshots in two versions, each position is what it is without. */
async function snapshotsHold({ store, logs }: Ended): Promise<string | null> {
  for (const [sid, log] of logs)
    for (const [version, weight] of [
      ['one', 1],
      ['two', 2],
    ] as const)
      for (const upto of [...log.keys(), ...[...log.keys()].reverse()]) {
        const reducer = counting(version, weight);
        const { state } = await fold(store, sid, reducer, { upto, snapshots: { everyEvents: 2 } });
        const plain = log.slice(0, upto + 1).reduce(reducer.evolve, reducer.initial(sid));
        if (JSON.stringify(state) !== JSON.stringify(plain)) return `${sid} at ${upto} in version ${version} is ${JSON.stringify(state)}.`;
      }
  return null;
}

async function feedHolds(store: Store): Promise<string | null> {
  const whole: { readonly cursor: string; readonly frame: Frame }[] = [];
  for await (const entry of store.feed()) whole.push(entry);
  for (const [index, { cursor }] of whole.entries()) {
    const rest: string[] = [];
    for await (const { frame } of store.feed({ after: cursor })) rest.push(frame.id);
    if (
      rest.join() !==
      whole
        .slice(index + 1)
        .map(({ frame }) => frame.id)
        .join()
    )
      return `After ${cursor} it goes on with ${rest.join()}.`;
  }
  return null;
}

const STILL: World['clock'] = {
  nowMs: () => 0,
  sleep: () => Promise.resolve(),
  timer: () => () => undefined,
};

/** Of the events that are each session's own; a projection that reads two frames at a time and comes back. */
async function projectionHolds({ store, logs }: Ended): Promise<string | null> {
  const halting: Store = { ...store, feed: (options) => store.feed({ ...options, limit: 2 }) };
  const counts: Projection = {
    name: 'counts',
    version: 1,
    apply: (rows, { type }) => rows.put(type, String(Number(rows.get(type) ?? 0) + 1)),
  };
  const kept = projections({ store: halting, rows: memoryProjectionRows(), world: { clock: STILL }, list: [counts] });
  const events = [...logs].flatMap(([sid, log]) => log.filter((event) => event.sid === sid));
  for (let frames = 0; frames <= events.length + 2; frames += 2) await kept.catchUp('counts');
  const counted = await kept.read('counts', (rows) => rows.scan().map(({ key, value }) => `${key} ${value}`));
  const plain = [...Map.groupBy(events, ({ type }) => type)].map(([type, all]) => `${type} ${all.length}`).sort();
  return counted.join() === plain.join() ? null : `It says ${counted.join()}; the events are ${plain.join()}.`;
}

async function liftsHold({ store, logs }: Ended): Promise<string | null> {
  const lifts = upcasters({ 'message.received': { 1: (data) => ({ ...data, isLifted: true }) } });
  const reducer: Reducer<number> = {
    version: 1,
    initial: () => 0,
    evolve: (count, { data }) => count + (data['isLifted'] === true ? 1 : 0),
  };
  for (const [sid, log] of logs) {
    const { state } = await fold(store, sid, reducer, { upcasters: lifts });
    const messages = log.filter(({ type }: LogEvent) => type === 'message.received').length;
    if (state !== messages) return `${state} of ${messages} messages of ${sid} were lifted.`;
  }
  return null;
}

async function sweepHolds({ store, logs }: Ended): Promise<string | null> {
  await store.blobs.sweep(Number.MAX_SAFE_INTEGER);
  for (const [sid, log] of logs as ReadonlyMap<Sid, readonly LogEvent[]>)
    for (const [, ref = ''] of JSON.stringify(log).matchAll(/"ref":"([0-9a-f]{64})"/g))
      if ((await store.blobs.get(ref, { start: 0, end: 1 }).catch(() => null)) === null) return `A blob that ${sid} names is gone.`;
  return null;
}
