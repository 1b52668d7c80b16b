import type { Json, JsonObject, Parsed } from '../core/index.ts';
import type { EventId, Frame, ReadOptions, Sid } from '../log/index.ts';

/**
 * What calling a tool does to the world. `read`: nothing · `idempotent`: the same as before when repeated with the same key ·
 * `irreversible`: must not happen twice. Undeclared is `irreversible`.
 */
export type ToolEffect = 'read' | 'idempotent' | 'irreversible';

/** What a tool is given beside its input. */
export interface ToolContext {
  /** Aborts on cancel, timeout and shutdown. */
  readonly signal: AbortSignal;
  /** `sid:seq` of the call's intent. */
  readonly callId: EventId;
  /** The same over all attempts of this call, never used by another: `incarnation:sid:seq`. */
  readonly idempotencyKey: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  readonly session: { readonly sid: Sid; readonly tenant: string; readonly agent: string };
  /** What the person who approved the call answered, if it needed approval. */
  readonly approval?: { readonly by: string; readonly answer?: Json };
  /** Whose words, beside those of people, whoever asked for the call had read: names of tools, and `memory`. */
  readonly taint: readonly string[];
  /** Time of the last event before the call. */
  readonly now: { readonly atMs: number };
  /** A page of this session's own log as it is now, oldest first; empty at its end. What was erased has no content. No other log can be read. */
  readonly readLog: (options?: ReadOptions) => Promise<readonly Frame[]>;
}

/** What `reconcile` found out about a call whose outcome was lost. */
export type Reconciled =
  | { readonly status: 'done'; readonly output: Json }
  /** It did not happen and can no longer happen: the call is attempted again. */
  | { readonly status: 'not-done' }
  /** Nobody can tell: the call stays in doubt and waits for a person. */
  | { readonly status: 'unknown' };

/**
 * A tool, normalised. Made by `tool()`, or from a plain object or an AI SDK tool by `toTools`.
 * What takes an input is a method, not a property holding a function: so a tool of any input type is a `Tool`, and lists need no `any`.
 * Contract: such a method is given only what `parseInput` returned.
 */
export interface Tool<I = unknown, O = unknown> {
  readonly name: string;
  readonly description: string;
  readonly effect: ToolEffect;
  /** JSON Schema shown to the model. */
  readonly inputJsonSchema: JsonObject;
  /** Digest-worthy: everything that defines the call, as the model sees it: name, description, schema, effect. */
  readonly definition: JsonObject;
  /** Parses arguments. `issues` is readable by a model. A promise only for asynchronous Standard Schemas. */
  readonly parseInput: (input: Json) => Parsed<I> | Promise<Parsed<I>>;
  readonly parseOutput?: (output: unknown) => Parsed<O> | Promise<Parsed<O>>;
  /** Pure. Throwing means yes. */
  needsApproval(input: I): boolean;
  /** Calls with an equal text in one session are the same call: the later one gets the earlier one's result. */
  dedupe?(input: I): string;
  reconcile?(input: I, context: ToolContext): Promise<Reconciled> | Reconciled;
  /** Until the call is aborted. Default 60,000. */
  readonly timeoutMs: number;
  execute(input: I, context: ToolContext): O | Promise<O>;
}
