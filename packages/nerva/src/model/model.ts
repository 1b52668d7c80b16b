import type { Json, JsonObject, World } from '../core/index.ts';
import type { Capabilities } from './capability.ts';
import type { FinishReason, Message, Part, ToolSpec, Usage } from './message.ts';

/**
 * A model that answers. Adapters make one HTTP call per `call` and never retry by themselves.
 * Contract: rejects with a NervaError (MODEL_*, HTTP_*, CONTEXT_TOO_LONG, CANCELLED); settles soon after `signal` aborts.
 */
export interface Model {
  /** `provider/model`, e.g. `openai/gpt-5`. */
  readonly name: string;
  /** Tokens that request and answer may have together; unknown when absent. */
  readonly contextTokensMax?: number;
  /** Unknown when absent, never zero by default. */
  readonly price?: Price;
  /** What it is good for and what its wire carries; unknown when absent, and then nothing is refused before a call. */
  readonly capabilities?: Capabilities;
  call(request: ModelRequest, options: CallOptions): Promise<ModelAnswer>;
}

/** USD per million tokens. What is absent is charged as plain input. */
export interface Price {
  readonly inputUsd: number;
  readonly outputUsd: number;
  readonly cachedInputUsd?: number;
  readonly cacheWriteUsd?: number;
}

/** What a call is given beside the request. */
export interface CallOptions {
  /** Where the adapter gets its transport, clock and digests: a model is made without a world and used in any. */
  readonly world: World;
  readonly signal?: AbortSignal;
  /** When given, the model streams and reports each piece as it comes. Joined, the pieces equal the answer's parts. */
  readonly onDelta?: (delta: Delta) => void;
}

/** A whole request. `messages` is append-only from call to call of one session: adapters may cache by identity of its entries. */
export interface ModelRequest {
  readonly instructions: string;
  readonly messages: readonly Message[];
  readonly tools: readonly ToolSpec[];
  readonly params: ModelParams;
}

/** How to sample. What is absent is left to the provider. */
export interface ModelParams {
  readonly maxOutputTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly toolChoice?: 'auto' | 'none' | 'required' | { readonly tool: string };
  /** False: at most one tool call an answer. */
  readonly parallelToolCalls?: boolean;
  /** How long it may think, where the model can be told. */
  readonly reasoning?: 'none' | 'low' | 'medium' | 'high';
  /** The answer must be JSON of this schema. */
  readonly outputSchema?: JsonObject;
  /** Log-probabilities of so many candidates a token (0: of the sampled one alone), and token ids, kept in `meta` where the wire gives them. */
  readonly logprobs?: number;
  readonly tokenIds?: boolean;
  /** Members of the request body that have no option here, sent to the provider as they are. */
  readonly extra?: JsonObject;
}

/** A whole answer. Plain JSON: it goes into the log as it is. */
export interface ModelAnswer {
  readonly parts: readonly Part[];
  readonly finish: FinishReason;
  readonly usage: Usage;
  /** The version that the provider says it used; null when it does not say. */
  readonly model: string | null;
  /** The provider's id of the answer and whatever else is worth keeping. `notSent` lists what the wire had no place for. */
  readonly meta?: Readonly<Record<string, Json>>;
  /** What stood between caller and provider: which member of a group answered, a cache that did, attempts before this one. Outermost first. */
  readonly via?: readonly JsonObject[];
}

/** A piece of a streamed answer; `index` is the part it belongs to. */
export type Delta =
  | { readonly type: 'text' | 'reasoning'; readonly index: number; readonly text: string }
  | { readonly type: 'tool_call'; readonly index: number; readonly id: string; readonly name: string }
  | { readonly type: 'tool_input'; readonly index: number; readonly text: string };
