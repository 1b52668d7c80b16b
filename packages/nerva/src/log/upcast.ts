import { NervaError, type JsonObject } from '../core/index.ts';
import type { LogEvent } from './event.ts';

/** Lifts the data of one version of an event type to the next. Pure; it is never given an erased event. */
export type Upcast = (data: JsonObject) => JsonObject;

/** Steps by type and by the version they lift from: `{ 'tool.called': { 1: (data) => … } }`. */
export type UpcastSteps = Readonly<Record<string, Readonly<Record<number, Upcast>>>>;

/** Reads events of every release that ever wrote them. */
export interface Upcasters {
  /** Changes when a step or a known version changes: part of a snapshot's key. */
  readonly version: string;
  /**
   * The event in the newest version known, or null: it is unknown here, not critical, and to be skipped.
   * @throws SESSION_READONLY for a critical event of an unknown type or version.
   */
  lift(event: LogEvent): LogEvent | null;
}

/**
 * Upcasters. With `known` (type → newest version), every other type, and every newer version, is unknown; without it each
 * type is known up to where its steps lead, and types without steps at any version.
 * @throws OPTION_INVALID when the steps of a type do not lead without a gap from version 1 to the newest.
 */
export function upcasters(steps: UpcastSteps, known?: Readonly<Record<string, number>>): Upcasters {
  const newest = new Map<string, number>(Object.entries(known ?? {}));
  for (const [type, byVersion] of Object.entries(steps)) {
    const versions = Object.keys(byVersion)
      .map(Number)
      .sort((a, b) => a - b);
    const target = newest.get(type) ?? versions.length + 1;
    const isWhole = versions.length === target - 1 && versions.every((version, index) => version === index + 1);
    if (!isWhole) {
      throw new NervaError(
        'OPTION_INVALID',
        `The upcasters of ${type} lift from ${versions.join(', ')}; expected every version from 1 to ${target - 1}.`,
        { details: { type } },
      );
    }
    newest.set(type, target);
  }
  return { version: versionOf(steps, newest), lift: (event) => lift(event, { steps, newest, isClosed: known !== undefined }) };
}

interface Table {
  readonly steps: UpcastSteps;
  readonly newest: ReadonlyMap<string, number>;
  /** Whether types outside the table are unknown. */
  readonly isClosed: boolean;
}

function lift(event: LogEvent, { steps, newest, isClosed }: Table): LogEvent | null {
  const target = newest.get(event.type) ?? (isClosed ? 0 : event.v);
  if (event.v === target) return event;
  if (event.v > target) {
    if (event.critical !== true) return null;
    const details = { sid: event.sid, seq: event.seq, type: event.type, v: event.v };
    throw new NervaError(
      'SESSION_READONLY',
      `Event ${event.sid}:${event.seq} is ${event.type} version ${event.v} and critical; this release knows it up to version ${target}. Use the release that wrote it.`,
      { details },
    );
  }
  if (event.erased === true) return { ...event, v: target };
  let data = event.data;
  for (let version = event.v; version < target; version++) {
    const step = steps[event.type]?.[version];
    // A known version without steps was never changed in shape.
    if (step !== undefined) data = step(data);
  }
  return { ...event, v: target, data };
}

/** FNV-1a (Fowler, Noll, Vo; public domain) over versions and sources: a cache key, not a seal. */
function versionOf(steps: UpcastSteps, newest: ReadonlyMap<string, number>): string {
  const sources = Object.entries(steps).flatMap(([type, byVersion]) =>
    Object.entries(byVersion).map(([version, step]) => `${type}${version}${String(step)}`),
  );
  const text = [...Array.from(newest, ([type, version]) => `${type}@${version}`), ...sources].sort().join('\n');
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return hash.toString(36);
}
