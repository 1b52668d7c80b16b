import type { Agent, Answer, Deliver, ForkEffects, Pending } from '../agent/index.ts';
import type { Json } from '../core/index.ts';
import type { KeyPort, LogEvent, Sid, Store, StoreLimits } from '../log/index.ts';
import type { Outside } from './ledger.ts';
import type { NetworkOptions } from './net.ts';
import type { SimServer } from './net-http.ts';

/** Something that somebody outside does. Steps are data, so that a failing workload can be made smaller. */
export type Step =
  | {
      readonly type: 'send';
      /** Ms after the start. */
      readonly atMs: number;
      readonly sid: Sid;
      readonly text?: string;
      readonly data?: Json;
      readonly deliver?: Deliver;
      /** Default the scenario's first agent. */
      readonly agent?: string;
      readonly tenant?: string;
      readonly subject?: string;
      /** Who sends reads along until the run is over. */
      readonly isFollowed?: boolean;
      /** Whom it is told: the process that has lived longest is 0. Default the newest. */
      readonly process?: number;
    }
  | { readonly type: 'cancel' | 'close' | 'watch'; readonly atMs: number; readonly sid: Sid; readonly tenant?: string }
  | {
      readonly type: 'fork';
      readonly atMs: number;
      readonly sid: Sid;
      readonly tenant?: string;
      /** The fork's own id. */
      readonly as: Sid;
      /** 0: at the first event, 1: at the last one. */
      readonly at: number;
      readonly effects: ForkEffects;
      /** What is sent to the fork then. */
      readonly text: string;
    }
  | { readonly type: 'erase'; readonly atMs: number; readonly subject: string }
  /** The newest process dies at once, or is closed in peace. Another is started where none is left. */
  | { readonly type: 'crash' | 'restart'; readonly atMs: number };

/** What an invariant of a scenario's own sees when all has come to rest. */
export interface Ended {
  readonly store: Store;
  readonly outside: Outside;
  /** The events of each session, inherited ones included. */
  readonly logs: ReadonlyMap<Sid, readonly LogEvent[]>;
  /** Everything that is on the simulated disk, as text. */
  readonly disk: string;
}

/** A law of the scenario's own. */
export interface Invariant {
  readonly name: string;
  /** Looked at when all has come to rest. @returns what is wrong, or null. */
  check(ended: Ended): string | null | Promise<string | null>;
}

/** What is simulated: agents, what people do with them, and what must hold. */
export interface Scenario {
  readonly name: string;
  /** The agents, or how to make them for one run: what they find in the outside world is theirs to keep in `outside.kept`. */
  readonly agents: readonly Agent[] | ((outside: Outside) => readonly Agent[]);
  /** What people do, or how the seed chooses it. */
  readonly steps: readonly Step[] | ((seed: number) => readonly Step[]);
  /** What a person says when asked. Default: approves two of three, and says of a call in doubt what really happened. */
  readonly answer?: (pending: Pending, outside: Outside, roll: number) => Answer;
  readonly invariants?: readonly Invariant[];
  readonly limits?: Partial<StoreLimits>;
  /** Keys of subjects, made anew for each run. */
  readonly keys?: () => KeyPort;
  /**
   * True: models speak HTTP over the simulated network, and faults of models are brought about there. A simulated model becomes the
   * brain of a server at `http://model.sim/v1`, and the real OpenAI adapter asks it; any other model is left as it is.
   */
  readonly isWired?: boolean;
  /** Of a wired scenario: more machines that answer HTTP. One named `model.sim` takes the place of the server of models. */
  readonly servers?: readonly SimServer[];
  /** Of a wired scenario. */
  readonly network?: NetworkOptions;
  /** Processes that drive at the same time, 1–8, default 1. People talk to the last one. One that dies is replaced only when none is left. */
  readonly processes?: number;
  /** Of the runtime. */
  readonly idleMax?: number;
  readonly resumeMax?: number;
}
