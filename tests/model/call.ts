import { hash } from 'node:crypto';
import type { Append, AppendResult, EventDraft, SessionInfo, Store } from '../../packages/nerva/src/log/index.ts';
import type { Command, FrameCommand, Place } from './command.ts';

/** A command with every relative term replaced: the same call for every store. */
export type Call = (store: Store) => Promise<unknown>;

/** What relative terms are resolved against, and what later commands refer to. */
export interface Context {
  /** The store whose state decides what `head` or `own` means. */
  readonly reference: Store;
  /** Sent frames, for `appendAgain`. */
  readonly sent: Append[];
  /** Sessions that somebody may drive. */
  readonly driven: Set<string>;
}

/** The milliseconds of a second of a trace. Calls begin at whole seconds; wake-up times never do, so that nothing is due at the same time. */
export const SECOND_MS = 1000;

const CONTENTS = ['', 'a', 'bb', 'a longer content', 'x'.repeat(65)].map((text) => new TextEncoder().encode(text));

/** What frames with `blob` name, put or not. */
const NAMED = hash('sha256', CONTENTS[2] as Uint8Array);

/**
 * The call a command stands for.
 * @param number of the call in its trace: makes new ids, and wake-up times that are not due together.
 */
export async function callOf(
  command: Command,
  context: Context,
  { number, nowMs }: { readonly number: number; readonly nowMs: number },
): Promise<Call> {
  const scoped =
    (call: Call): Call =>
    (store) =>
      call(command.as === 'operator' ? store : store.scope(command.as));
  const moment = { number, nowMs };
  switch (command.do) {
    case 'append': {
      const frame = await frameOf(command, context, moment);
      context.sent.push(frame);
      return scoped((store) => store.append(frame));
    }
    case 'appendBatch': {
      // Of one session: two that become ready at the same time may be claimed in any order.
      const sid = command.frames[0]?.sid ?? 's0';
      const batch: Append[] = [];
      for (const [index, frame] of command.frames.entries())
        batch.push({ ...(await frameOf({ ...frame, sid }, context, moment)), id: `n${number}.${index}` });
      return scoped((store) => store.appendBatch(batch));
    }
    case 'appendAgain': {
      const frame = context.sent[command.which % Math.max(1, context.sent.length)];
      return scoped((store) => (frame === undefined ? Promise.resolve(null) : store.append(frame)));
    }
    case 'appendInvalid': {
      const frame = invalidFrame(await frameOf({ ...BARE, sid: command.sid }, context, moment), command.which);
      return scoped((store) => store.append(frame));
    }
    case 'malformed':
      return scoped(malformedCall(command));
    case 'fork': {
      const { id, sid, events, then } = await frameOf(command, context, moment);
      const { parent } = command;
      const at = (await seqOf(context, parent, command.at)) - 1;
      return scoped((store) => store.fork({ id, sid, parent, at, events, ...(then === undefined ? {} : { then }) }));
    }
    default:
      return scoped(await simpleCall(command, context, moment));
  }
}

type Simple = Exclude<Command, { readonly do: 'append' | 'appendBatch' | 'appendAgain' | 'appendInvalid' | 'malformed' | 'fork' }>;

async function simpleCall(
  command: Simple,
  context: Context,
  { number, nowMs }: { readonly number: number; readonly nowMs: number },
): Promise<Call> {
  switch (command.do) {
    case 'claim': {
      const { owner, countMax, agents } = command;
      return (store) => store.claim({ owner, countMax, leaseMs: 1000, ...(agents === undefined ? {} : { agents }) });
    }
    case 'takeOver':
      return (store) => store.takeOver(command.sid, command.owner);
    case 'renew': {
      const fence = await fenceOf(context, command.sid, command.fence);
      return (store) => store.renew(command.sid, fence, 1000);
    }
    case 'release': {
      const fence = await fenceOf(context, command.sid, command.fence);
      const expected = await seqOf(context, command.sid, command.expected);
      const wakeAtMs = wakeOf(command.wake, { number, nowMs });
      return (store) => store.release(command.sid, fence, { expected, status: command.status, wakeAtMs });
    }
    case 'unquarantine':
      return (store) => store.unquarantine(command.sid);
    case 'putBlob': {
      const { sid, subject } = command;
      const content = CONTENTS[command.which] as Uint8Array;
      return (store) => store.blobs.put(content, { mediaType: 'text/plain', sid, ...(subject === undefined ? {} : { subject }) });
    }
    case 'getBlob': {
      const content = CONTENTS[command.which];
      const ref = content === undefined ? 'unknown' : hash('sha256', content);
      return async (store) => Array.from(await store.blobs.get(ref, command.range));
    }
    case 'sweep':
      return (store) => store.blobs.sweep(nowMs - command.ago * SECOND_MS);
    case 'prune': {
      const { limit } = command;
      return (store) => store.prune({ closedBeforeMs: nowMs - command.ago * SECOND_MS, ...(limit === undefined ? {} : { limit }) });
    }
    case 'delete':
      return (store) => store.delete(command.sid, { cascade: command.cascade });
    case 'scope':
      return async (store) => store.scope(command.tenant).tenant;
    default:
      return readingCall(command, context, number);
  }
}

type Reading = Extract<
  Command,
  { readonly do: 'putSnapshot' | 'getSnapshot' | 'info' | 'head' | 'verify' | 'read' | 'list' | 'feed' | 'stats' }
>;

async function readingCall(command: Reading, context: Context, number: number): Promise<Call> {
  switch (command.do) {
    case 'putSnapshot': {
      const seq = (await seqOf(context, command.sid, command.place)) - 1;
      return (store) => store.snapshots.put(command.sid, command.key, seq, `state ${number}`);
    }
    case 'getSnapshot': {
      const upto = (await seqOf(context, command.sid, command.place)) - 1;
      return (store) => store.snapshots.get(command.sid, command.key, upto);
    }
    case 'info':
      return (store) => store.info(command.sid);
    case 'head':
      return (store) => store.head(command.sid);
    case 'verify':
      return (store) => store.verify(command.sid);
    case 'read': {
      const { sid, limit } = command;
      const after = command.after === undefined ? {} : { after: (await seqOf(context, sid, command.after)) - 1 };
      const upto = command.upto === undefined ? {} : { upto: (await seqOf(context, sid, command.upto)) - 1 };
      return (store) => store.read(sid, { ...after, ...upto, ...(limit === undefined ? {} : { limit }) });
    }
    case 'list': {
      const { do: _do, as: _as, ...options } = command;
      return (store) => store.list(options);
    }
    case 'feed': {
      const { types, limit } = command;
      const after = command.after === -2 ? 'x' : command.after === -1 ? '' : String(command.after);
      return (store) => listOf(store.feed({ after, ...(types === undefined ? {} : { types }), ...(limit === undefined ? {} : { limit }) }));
    }
    case 'stats':
      return async (store) => ({ ...(await store.stats()), fileBytes: 0 });
  }
}

/** Notes what a call changed that the store does not show: who may drive a session. */
export function learn(command: Command, value: unknown, context: Context): void {
  if (command.do === 'claim') {
    for (const { info } of value as readonly { readonly info: SessionInfo }[]) context.driven.add(info.sid);
  }
  if (command.do === 'takeOver') context.driven.add(command.sid);
  if ((command.do === 'append' || command.do === 'fork') && (value as AppendResult).ok && command.owner !== undefined)
    context.driven.add(command.sid);
  if (command.do === 'appendBatch') for (const { sid } of command.frames) context.driven.add(sid);
  if (command.do === 'appendAgain') for (const { sid } of context.sent) context.driven.add(sid);
  if (command.do === 'release' && value === true) context.driven.delete(command.sid);
}

const BARE: FrameCommand = { sid: 's0', id: null, expected: 'head', fence: 'none', texts: ['x'], kind: 'note.taken', blob: false, late: 0 };

async function frameOf(
  command: FrameCommand,
  context: Context,
  { number, nowMs }: { readonly number: number; readonly nowMs: number },
): Promise<Append> {
  const { sid, kind, texts, blob, late, status, seen, wake, agent, owner, progress } = command;
  const expected = command.expected === 'fact' ? 'fact' : await seqOf(context, sid, command.expected);
  const events = texts.map((text, index): EventDraft => ({
    type: kind,
    data: { text, ...(blob ? { big: { ref: NAMED, bytes: 2, mediaType: 'text/plain' } } : {}) },
    ...(index === 1 ? { v: 2, critical: true, origin: 'model' } : {}),
    ...(index === 2 ? { subject: 'ada' } : {}),
  }));
  const then = {
    ...(status === undefined ? {} : { status }),
    ...(seen === undefined ? {} : { ifHead: await seqOf(context, sid, seen) }),
    ...(wake === undefined ? {} : { wakeAtMs: wakeOf(wake, { number, nowMs }) }),
    ...(agent === undefined ? {} : { agent }),
    ...(owner === undefined ? {} : { owner }),
    ...(progress === undefined ? {} : { progress }),
    ...(number % 7 === 0 ? { trace: 'root' } : {}),
  };
  return {
    id: command.id ?? `n${number}`,
    sid,
    expected,
    events,
    ...(command.fence === 'none' ? {} : { fence: await fenceOf(context, sid, command.fence) }),
    ...(late === 0 ? {} : { atMs: nowMs + late * 3 * SECOND_MS }),
    ...(number % 3 === 0 ? { by: `user:${number % 2}` } : {}),
    ...(number % 4 === 0 ? { cause: number % 8 === 0 ? `${sid}:0` : 's9:3' } : {}),
    ...(Object.keys(then).length === 0 ? {} : { then }),
  };
}

/** A number that is none where a call takes one. */
function malformedCall({ sid, which, number }: Extract<Command, { readonly do: 'malformed' }>): Call {
  const row = { expected: 0, status: 'idle', wakeAtMs: null } as const;
  const calls: readonly Call[] = [
    (store) => store.claim({ owner: 'ann', countMax: number, leaseMs: 1 }),
    (store) => store.renew(sid, { epoch: number }, 1),
    (store) => store.release(sid, { epoch: number }, row),
    (store) => store.release(sid, { epoch: 1_000_000 }, { ...row, wakeAtMs: number }),
    (store) => store.list({ limit: number }),
    (store) => store.prune({ closedBeforeMs: 0, limit: number }),
    (store) => store.read(sid, { limit: number }),
    (store) =>
      store
        .tail(sid, { after: number - 1 })
        [Symbol.asyncIterator]()
        .next(),
    (store) => store.fork({ id: 'x', sid: 'never', parent: sid, at: number, events: [{ type: 'note.taken', data: {} }] }),
    (store) => listOf(store.feed({ limit: Math.min(number, 0) })),
  ];
  return calls[which] as Call;
}

/** Never due at the same time as another: see `SECOND_MS`. */
function wakeOf(seconds: number | null, { number, nowMs }: { readonly number: number; readonly nowMs: number }): number | null {
  return seconds === null ? null : nowMs + seconds * SECOND_MS + (number % (SECOND_MS - 1)) + 1;
}

/** Each is refused by the check that needs no log. */
function invalidFrame(frame: Append, which: number): Append {
  const event = frame.events[0] as EventDraft;
  const wrong: readonly Partial<Record<keyof Append, unknown>>[] = [
    { id: '' },
    { id: 'ü' },
    { id: 'x'.repeat(65) },
    { expected: -1 },
    { expected: 0.5 },
    { events: [] },
    { events: [{ ...event, type: 'Note' }] },
    { events: [{ ...event, v: 0 }] },
    { events: [{ ...event, data: { n: Number.NaN } }] },
    { events: [{ ...event, data: { deep: undefined } }] },
    { events: [event, { ...event, data: [] }] },
    { events: [{ ...event, data: { text: 'y'.repeat(2100) } }] },
    { atMs: -1 },
    { by: '' },
    { by: 'user:\ud800' },
    { by: 'a\0b' },
    { by: 'x'.repeat(257) },
    { cause: '7' },
    { cause: 's0:07' },
    { cause: '\udfff:1' },
    { then: { trace: '\ud800' } },
    { then: { trace: '' } },
    { then: { agent: '\ud800' } },
    { then: { owner: '' } },
    { then: { wakeAtMs: Number.NaN } },
    { then: { wakeAtMs: 2 ** 60 } },
    { then: { wakeAtMs: 0.5 } },
    { then: { status: 'idle', ifHead: -1 } },
    { fence: { epoch: Number.NaN } },
    { events: [{ ...event, subject: '\ud800' }] },
  ];
  return { ...frame, ...wrong[which] } as Append;
}

async function seqOf({ reference }: Context, sid: string, place: Place): Promise<number> {
  if (place === 'zero') return 0;
  if (place === 'invalid') return -7;
  const head = await reference.head(sid);
  return place === 'head' ? head : place === 'ahead' ? head + 1 : Math.max(0, head - 2);
}

async function fenceOf({ reference }: Context, sid: string, kind: 'own' | 'stale'): Promise<{ readonly epoch: number }> {
  const epoch = await reference.info(sid).then(
    (info) => info.epoch,
    () => 0,
  );
  return { epoch: Math.max(0, kind === 'own' ? epoch : epoch - 1) };
}

/** All that a feed gives. */
export async function listOf<T>(given: AsyncIterable<T>): Promise<readonly T[]> {
  const list: T[] = [];
  for await (const one of given) list.push(one);
  return list;
}
