import { NervaError, type Json } from '../core/index.ts';

/** What a fault touches: the columns of the table in docs/faults.md. */
export type FaultArea = 'model' | 'tool' | 'storage' | 'process' | 'clock' | 'network' | 'people' | 'deploy';

/** A place where simulated code meets the world, e.g. `store.append`, `model.call`, `tool.pay`. */
export type Point = string;

interface Row {
  readonly area: FaultArea;
  /** Points at which it can happen: a whole name, or a beginning that ends with a dot. */
  readonly at: readonly string[];
  readonly help: string;
  /** The kind that leads the runtime through the same code: pairs are made of that one. */
  readonly like?: string;
}

// oxlint-disable-next-line max-params -- one row of a table
const row = (area: FaultArea, at: readonly string[], help: string, like?: string): Row => ({
  area,
  at,
  help,
  ...(like === undefined ? {} : { like }),
});
const MODEL = ['model.call'];
const HTTP = ['http.request'];
const TOOL = ['tool.'];
const COMMIT = ['store.append', 'store.fork', 'blobs.put'];
const WORK = ['store.takeOver', 'store.claim', 'store.release'];
const ANY = [...COMMIT, ...WORK, 'policy.evaluate', 'model.call', 'tool.'];
const LOG = ['store.append'];

/** Every kind of fault that the simulator can bring about. A test holds that each of them fires, and docs/faults.md lists them. */
export const FAULTS = {
  'model.limited': row('model', MODEL, '429 that says nothing of when to come back', 'model.unavailable'),
  'model.limited-until': row('model', MODEL, '429 with Retry-After', 'model.unavailable'),
  'model.unavailable': row('model', MODEL, 'the server answers 503'),
  'model.refused': row('model', MODEL, 'connection refused', 'model.unavailable'),
  'model.dns': row('model', MODEL, 'no such host', 'model.unavailable'),
  'model.connect': row('model', MODEL, 'nobody takes the connection in time', 'model.unavailable'),
  'model.stalled': row('model', MODEL, 'the stream stops and stays open', 'model.unavailable'),
  'model.truncated': row('model', MODEL, 'the stream ends in the middle', 'model.unavailable'),
  'model.reset': row('model', MODEL, 'the connection is reset in the middle of the body', 'model.unavailable'),
  'model.overflow': row('model', MODEL, 'the provider says that the context is too long', 'model.unavailable'),
  'model.silent': row('model', MODEL, 'no answer ever, until the caller gives up'),
  'model.slow': row('model', MODEL, 'the answer takes five minutes', 'model.silent'),
  'model.empty': row('model', MODEL, 'an answer without any part'),
  'model.malformed': row('model', MODEL, 'a tool call whose arguments are not JSON'),
  'model.unknown-tool': row('model', MODEL, 'a call of a tool that does not exist'),
  'model.duplicate': row('model', MODEL, 'the same tool call twice in one answer, under one id'),
  'model.garbage': row('model', MODEL, 'something that is no answer at all'),
  'tool.throw': row('tool', TOOL, 'throws before it did anything'),
  'tool.throw-after': row('tool', TOOL, 'does it, then throws'),
  'tool.not-done': row('tool', TOOL, 'says NotDone'),
  'tool.hang': row('tool', TOOL, 'never answers and did nothing'),
  'tool.hang-after': row('tool', TOOL, 'does it and never answers'),
  'tool.slow': row('tool', TOOL, 'takes most of its time limit', 'tool.late'),
  'tool.late': row('tool', TOOL, 'does it and answers after it was given up'),
  'tool.garbage': row('tool', TOOL, 'returns what is not JSON'),
  'tool.oversize': row('tool', TOOL, 'returns 300 KB'),
  'tool.crash': row('tool', TOOL, 'the process dies after the effect and before the result'),
  'store.error': row('storage', [...COMMIT, ...WORK], 'the disk refuses a write'),
  'store.full': row('storage', [...COMMIT, ...WORK], 'the disk is full for a minute'),
  'store.torn': row('storage', COMMIT, 'half of the record reaches the disk and the process dies'),
  'store.unsynced': row('storage', COMMIT, 'the record is written, not synced, and lost when the process dies', 'store.torn'),
  'store.fsync': row('storage', COMMIT, 'fsync fails: the store takes nothing more, and nobody knows whether the record is there'),
  'store.unknown': row('storage', COMMIT, 'the commit succeeds and its answer is lost'),
  'store.late': row('storage', [...COMMIT, ...WORK], 'the answer comes five seconds after the commit'),
  'store.slow': row('storage', COMMIT, 'the disk takes twenty seconds'),
  'store.corrupt': row('storage', LOG, 'a byte of what is stored changes while nobody looks'),
  'store.read': row('storage', ['store.read'], 'a read fails'),
  'process.crash': row('process', ANY, 'dies before the request leaves it'),
  'process.crash-after': row('process', ANY, 'dies after the request took effect and before the answer'),
  'process.pause': row('process', ANY, 'stands still past its lease, then goes on'),
  'process.restart': row('process', LOG, 'is closed cleanly and started again'),
  'process.anarchy': row('process', LOG, 'a second process starts and drives the same sessions'),
  'clock.forward': row('clock', LOG, 'jumps an hour ahead'),
  'clock.back': row('clock', LOG, 'jumps an hour back'),
  'clock.leap': row('clock', LOG, 'repeats a second', 'clock.back'),
  'clock.skew': row('clock', ['process.start'], 'a process starts ten minutes behind'),
  'net.partition': row('network', HTTP, 'the process is cut off from the server for a minute'),
  'net.one-way': row('network', HTTP, 'what the process sends arrives, and nothing comes back for a minute', 'net.slow'),
  'net.drop': row('network', HTTP, 'the request is lost on its way'),
  'net.duplicate': row('network', HTTP, 'the request arrives twice'),
  'net.slow': row('network', HTTP, 'the request takes half a minute'),
  'net.reset': row('network', HTTP, 'the connection is reset before an answer begins'),
  'people.late': row('people', ['person.answer'], 'answers two hours later'),
  'people.twice': row('people', ['person.answer'], 'gives the same answer twice'),
  'people.change': row('people', ['person.answer'], 'says the opposite right after'),
  'people.queue': row('people', LOG, 'a message comes now, to be queued'),
  'people.steer': row('people', LOG, 'a message comes now, to steer'),
  'people.interrupt': row('people', LOG, 'a message comes now, to interrupt'),
  'people.cancel': row('people', LOG, 'somebody cancels now'),
  'deploy.instructions': row('deploy', LOG, 'dies and comes back with other instructions, of its tools too'),
  'deploy.tool-gone': row('deploy', LOG, 'dies and comes back without its last tool'),
  'deploy.approval': row('deploy', LOG, 'dies and comes back with approvals for every call'),
} as const satisfies Readonly<Record<string, Row>>;

/** A kind of fault. */
export type FaultKind = keyof typeof FAULTS;

/** All kinds, in the order of the table. */
export const FAULT_KINDS = Object.keys(FAULTS) as readonly FaultKind[];

/** One fault: at the `occurrence`-th visit of `point` in a run, from 1. */
export interface Fault {
  readonly point: Point;
  readonly kind: FaultKind;
  readonly occurrence: number;
}

/** The faults of a run: data that can be enumerated, written down and made smaller. */
export type Plan = readonly Fault[];

/** The kinds that can happen at a point. */
export function kindsAt(point: Point): readonly FaultKind[] {
  let known = byPoint.get(point);
  if (known === undefined) {
    known = FAULT_KINDS.filter((kind) => FAULTS[kind].at.some((at) => (at.endsWith('.') ? point.startsWith(at) : at === point)));
    byPoint.set(point, known);
  }
  return known;
}

/** Whether the kind stands for others in pairs, or for itself. */
export function isDistinct(kind: FaultKind): boolean {
  const { like }: Row = FAULTS[kind];
  return like === undefined;
}

const byPoint = new Map<Point, readonly FaultKind[]>();

/**
 * Reads a plan that was written as JSON.
 * @throws OPTION_INVALID naming the entry: an unknown kind, a kind that cannot happen at its point, or an occurrence below 1.
 */
export function parsePlan(given: Json): Plan {
  if (!Array.isArray(given)) throw wrong('a plan is a list of {point, kind, occurrence}', given);
  return given.map((entry: Json, index) => {
    const { point, kind, occurrence } = (entry ?? {}) as Readonly<Record<string, Json>>;
    if (typeof kind !== 'string' || !Object.hasOwn(FAULTS, kind)) throw wrong(`entry ${index} has no known kind`, entry);
    if (typeof point !== 'string' || !kindsAt(point).includes(kind as FaultKind))
      throw wrong(`entry ${index}: ${kind} cannot happen at this point, only at ${FAULTS[kind as FaultKind].at.join(', ')}`, entry);
    if (!Number.isSafeInteger(occurrence) || (occurrence as number) < 1)
      throw wrong(`entry ${index}: occurrence counts visits from 1`, entry);
    return { point, kind: kind as FaultKind, occurrence: occurrence as number };
  });
}

function wrong(why: string, came: Json): NervaError {
  return new NervaError('OPTION_INVALID', `faults: ${why}; ${JSON.stringify(came).slice(0, 200)} came. Nothing was run.`);
}
