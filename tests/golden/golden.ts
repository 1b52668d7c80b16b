import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { canonicalJson, type Json } from '../../packages/nerva/src/core/index.ts';
import { foldAt, outcome, type AgentState } from '../../packages/nerva/src/agent/index.ts';
import { memoryStore, type Frame, type Store } from '../../packages/nerva/src/log/index.ts';
import { testWorld } from '../../packages/nerva/src/testing/index.ts';

/** What a golden log must fold to. */
export interface Expected {
  readonly sid: string;
  readonly events: number;
  /** The same under every reducer version. */
  readonly outcome: Json;
  /** Of the whole state, by REDUCER_VERSION. */
  readonly states: Readonly<Record<string, string>>;
}

/** Where the goldens of a release lie. */
export const folder = (release: string): URL => new URL(`./${release}/`, import.meta.url);

/** The frames of a file, one a line. */
export function framesOf(file: URL): readonly Frame[] {
  return readFileSync(file, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as Frame);
}

/** A store that holds one recorded log and can only be read. */
export function recorded(frames: readonly Frame[], sid: string): Store {
  const last = frames.at(-1) as Frame;
  const head = last.seq + last.events.length;
  return {
    ...memoryStore({ world: testWorld() }),
    head: () => Promise.resolve(head),
    read: (_sid, { after = -1, upto = head - 1 } = {}) => Promise.resolve(frames.filter(({ seq, events }) => seq + events.length - 1 > after && seq <= upto)),
    info: () => Promise.resolve({
      sid, head, agent: agentOf(frames), tenant: last.tenant, status: 'idle', createdMs: 0, atMs: last.atMs, wakeAtMs: null, epoch: last.writer.epoch, attempts: 0,
      hash: last.hash, trace: last.trace, parent: null,
    }),
  };
}

const agentOf = (frames: readonly Frame[]): string => String(frames[0]?.events[0]?.data['agent']);

/** What the current code makes of a log. */
export async function foldedNow(frames: readonly Frame[], sid: string): Promise<{ readonly events: number; readonly outcome: Json; readonly digest: string }> {
  const { state } = await foldAt(recorded(frames, sid), sid);
  return { events: state.head, outcome: plain(outcome(state)), digest: createHash('sha256').update(canonicalJson(stateJson(state))).digest('hex') };
}

const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json;

/** Maps as lists of entries, lists without what they share with others. */
function stateJson(state: AgentState): Json {
  const text = JSON.stringify(state, (_key, value: unknown) => {
    if (value instanceof Map) return [...(value as Map<unknown, unknown>)];
    if (typeof value === 'object' && value !== null && 'shared' in value && 'count' in value) return (value.shared as unknown[]).slice(0, value.count as number);
    return value;
  });
  return JSON.parse(text) as Json;
}
