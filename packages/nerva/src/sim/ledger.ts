import type { Seq, Sid } from '../log/index.ts';
import type { ToolEffect } from '../tool/index.ts';
import type { Hub } from './hub.ts';

/** One time that a tool touched the simulated world. */
export interface Execution {
  readonly tool: string;
  readonly effect: ToolEffect;
  /** `sid:seq`. */
  readonly call: string;
  readonly key: string;
  readonly attempt: number;
  readonly atMs: number;
}

/** What an agent's tools and people find in the outside world. It outlives every process. */
export interface Outside {
  /** Everything that tools did, oldest first. */
  readonly executions: readonly Execution[];
  /** Whether a call took effect. If not, it never will: what is still on its way is turned back. What `reconcile` may ask. */
  happened(call: string): boolean;
  /** Values of the scenario's own that outlive processes, e.g. a bank's accounts. */
  readonly kept: Map<string, unknown>;
}

/** The outside world of one run, and the laws of effects. */
export class Ledger implements Outside {
  readonly executions: Execution[] = [];
  readonly kept = new Map<string, unknown>();
  readonly #hub: Hub;
  readonly #byCall = new Map<string, Execution[]>();
  readonly #callOfKey = new Map<string, string>();
  readonly #revokedMs = new Map<string, number>();

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** A property: whoever gets an `Outside` may take it apart. */
  readonly happened = (call: string): boolean => {
    if (this.#byCall.has(call)) return true;
    this.#revokedMs.set(call, this.#hub.scheduler.nowMs);
    return false;
  };

  /** Whether what was sent then still arrives: where somebody was told that the call did not happen, only later attempts do. */
  arrives(call: string, sentMs: number): boolean {
    return sentMs > (this.#revokedMs.get(call) ?? -Infinity);
  }

  of(call: string): readonly Execution[] {
    return this.#byCall.get(call) ?? [];
  }

  /** An effect takes place now. */
  record(execution: Execution): void {
    const { tool, effect, call, key } = execution;
    const hub = this.#hub;
    hub.trace.note(`effect ${tool} ${call}`, hub.scheduler.nowMs);
    const before = this.#byCall.get(call) ?? [];
    if (effect === 'irreversible' && before.length > 0)
      hub.violated('an irreversible call happens at most once', `${tool} ${call} ran twice.`);
    const first = before[0];
    if (first !== undefined && first.key !== key)
      hub.violated('a key is stable over attempts', `The key of ${call} changed from ${first.key} to ${key}.`);
    const other = this.#callOfKey.get(key);
    if (other !== undefined && other !== call)
      hub.violated('a key belongs to one call', `The calls ${other} and ${call} share the key ${key}.`);
    this.#callOfKey.set(key, call);
    this.#byCall.set(call, [...before, execution]);
    this.executions.push(execution);
  }
}

/** The session and position of a call's id. */
export function placeOf(call: string): { readonly sid: Sid; readonly seq: Seq } {
  const at = call.lastIndexOf(':');
  return { sid: call.slice(0, at), seq: Number(call.slice(at + 1)) };
}
