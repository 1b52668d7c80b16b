import type { JsonObject } from '../../core/index.ts';
import type { ModelParams } from '../model.ts';

/** What endpoints of this dialect differ in. What is absent is as OpenAI has it. */
export interface ChatQuirks {
  /** How the limit of output tokens is named. */
  readonly maxTokensField?: 'max_completion_tokens' | 'max_tokens';
  readonly seedField?: 'seed' | 'random_seed';
  /** How a JSON answer is asked for: by schema, as any JSON object with the schema in the prompt, or in the prompt alone. */
  readonly output?: 'schema' | 'object' | 'prompt';
  /** Whether a stream's usage must be asked for. Default true. */
  readonly streamUsage?: boolean;
  /** False: tools are not taken at all, and a request that has some is refused before it is sent. */
  readonly tools?: false;
  /** The word for "some tool must be called". */
  readonly required?: 'required' | 'any';
  /** Which choices of tools the endpoint takes, `tool` being a named one; others are left out and named in `notSent`. Default all. */
  readonly toolChoices?: readonly ('auto' | 'none' | 'required' | 'tool')[];
  /** Which ids of calls are taken: any, or nine letters and digits. Others are made fit, the same for a call and its result. */
  readonly callIds?: 'any' | 'nine';
  /** Parameters that the endpoint refuses; they are left out and named in `notSent`. */
  readonly without?: readonly (keyof ModelParams)[];
  /**
   * Under which name reasoning goes back, to its maker only; absent: not at all. `reasoning_details` is OpenRouter's list, which goes back
   * as it came; `thinking` is a chunk of the content.
   */
  readonly reasoningField?: 'reasoning_content' | 'reasoning' | 'reasoning_details' | 'thinking';
  /** Whether a turn that called tools must have the field even when there is nothing to put in. */
  readonly needsReasoning?: boolean;
  /**
   * How thinking is asked for: OpenAI's `reasoning_effort`, an object `thinking` that switches it on and off, that object and the effort,
   * OpenRouter's object `reasoning`, or not at all.
   */
  readonly effort?: 'reasoning_effort' | 'thinking' | 'thinking_effort' | 'reasoning' | 'none';
  /** Words for levels of thinking that have another name here; null where there is none, and then the level is named in `notSent`. */
  readonly efforts?: Readonly<Partial<Record<NonNullable<ModelParams['reasoning']>, string | null>>>;
  /** How log-probabilities are asked for: by a flag and a count, or by the count alone. */
  readonly logprobs?: 'flag' | 'count';
  /** Which files a user message may hold. Default images, documents and sounds as OpenAI has them. */
  readonly files?: 'all' | 'images' | 'none';
  /** Members that every request has unless `params.extra` says otherwise. */
  readonly body?: JsonObject;
  /** Path of the endpoint. Default `/chat/completions`. */
  readonly path?: string;
}
