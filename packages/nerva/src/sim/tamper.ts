import { replaySession, type Agent } from '../agent/index.ts';
import type { World } from '../core/index.ts';
import { frameHash, type Frame, type LogEvent, type Store } from '../log/index.ts';
import type { Hub } from './hub.ts';

/** Who looks whether a change of the record is seen. */
interface Tampering {
  readonly hub: Hub;
  /** Computes digests. */
  readonly world: World;
}

/** No field of a frame can be changed unseen. */
export function judgeCovered({ hub, world }: Tampering, frame: Frame | undefined): void {
  if (frame === undefined) return;
  const { events, hash: _hash, ...envelope } = frame;
  const payload = JSON.stringify(events).padEnd(COVERED_BYTES);
  const plain = frameHash(world, '', envelope, payload);
  const others: Readonly<Record<string, string>> = {
    previous: frameHash(world, 'other', envelope, payload),
    payload: frameHash(world, '', envelope, `${payload} `),
    ...Object.fromEntries(
      Object.keys(OTHER).map((field) => [field, frameHash(world, '', { ...envelope, [field]: OTHER[field] }, payload)]),
    ),
  };
  for (const [field, hash] of Object.entries(others))
    if (hash === plain) hub.violated('the chain covers every field', `The ${field} of a frame can be changed, and its hash is the same.`);
}

const COVERED_BYTES = 5_000;
/** Of each field of an envelope a value that no frame of a run has. */
const OTHER: Readonly<Record<string, unknown>> = {
  id: 'other',
  sid: 'other',
  seq: -1,
  count: -1,
  atMs: -1,
  writer: { incarnation: 'other', epoch: -1, release: 'other' },
  by: 'other',
  tenant: 'other',
  cause: 'other:1',
  trace: 'other',
  fact: null,
};

/** What was changed in the record is what a replay names. */
export async function judgeTampered(
  { hub, world }: Tampering,
  { log, store }: { readonly log: readonly LogEvent[]; readonly store: Store },
  agent: Agent,
): Promise<void> {
  const changed = log.find(({ type, erased }) => type === 'model.called' && erased !== true);
  if (changed === undefined) return;
  const sid = log[0]?.sid ?? '';
  const tampered: Store['read'] = async (...asked) =>
    (await store.read(...asked)).map((frame) => ({
      ...frame,
      events: frame.events.map((event, index) =>
        frame.seq + index === changed.seq ? { ...event, data: { ...event.data, digest: 'of something else' } } : event,
      ),
    }));
  const { divergence } = await replaySession({ store: { ...store, read: tampered }, sid, world, agent });
  if (divergence === null) hub.violated('a replay names what differs', `Session ${sid}: what is changed at ${changed.seq} is not seen.`);
}
