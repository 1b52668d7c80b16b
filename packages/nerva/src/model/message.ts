import type { Json, JsonObject } from '../core/index.ts';
import type { BlobRef, Origin } from '../log/index.ts';

/** A part of a message. */
export type Part = TextPart | ReasoningPart | FilePart | ToolCallPart | ToolResultPart;

/** What only the maker of a part can read (signatures, encrypted reasoning, ids of items): it goes back byte for byte, to `by` and to nobody else. */
export interface Echo {
  /** Name of the model that made it, as in `Model.name`. */
  readonly by: string;
  readonly data: JsonObject;
}

/** What was said. */
export interface TextPart {
  readonly type: 'text';
  readonly text: string;
  readonly citations?: readonly Citation[];
  readonly echo?: Echo;
}

/** Where a statement of a model comes from, as the provider says. */
export interface Citation {
  readonly url?: string;
  readonly title?: string;
  /** The words of the source. */
  readonly quote?: string;
  /** Of the text that it stands behind: from `start` up to `end`, in UTF-16 units. */
  readonly start?: number;
  readonly end?: number;
}

/** A model's reasoning, as far as it is shown. The text may be empty where the provider keeps it sealed in `echo`. */
export interface ReasoningPart {
  readonly type: 'reasoning';
  readonly text: string;
  readonly echo?: Echo;
}

/** An image, a document or a sound: bytes in base64, a blob that becomes them before a request is made, or an address that the provider fetches. */
export interface FilePart {
  readonly type: 'file';
  /** `image/png`, `application/pdf`, `audio/wav` … */
  readonly mediaType: string;
  readonly name?: string;
  readonly data: string | BlobRef | { readonly url: string };
}

/** A model (or a policy) asks for a tool. `id` is the provider's and unique within its message. */
export interface ToolCallPart {
  readonly type: 'tool_call';
  readonly id: string;
  readonly name: string;
  /** Parsed arguments; the raw text (a string) when the model's arguments were not JSON, then `malformed` is true. */
  readonly input: Json;
  readonly malformed?: true;
  readonly echo?: Echo;
}

/** What a tool gave back. */
export interface ToolResultPart {
  readonly type: 'tool_result';
  /** The provider's id of the call. */
  readonly id: string;
  readonly name: string;
  /** Result or error text; large content stands as a blob reference until the request is made. */
  readonly output: Json | BlobRef;
  readonly isError?: true;
}

/** One entry of a conversation. `tool` messages hold only results; `assistant` ones text, reasoning and calls; `user` ones text and files. */
export interface Message {
  readonly role: 'user' | 'assistant' | 'tool';
  readonly parts: readonly Part[];
  /** Where the content comes from. Only `person` and `system` are trusted. */
  readonly origin: Origin;
}

/** Tokens of one call, totals inclusive: `inputTokens` counts cached ones too. null means not reported, never zero. */
export interface Usage {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedInputTokens?: number;
  /** Written to the provider's cache; a part of `inputTokens`. */
  readonly cacheWriteTokens?: number;
  readonly reasoningTokens?: number;
}

/** Why a model stopped. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'other';

/** A tool as the model is told of it. */
export interface ToolSpec {
  readonly name: string;
  readonly description: string;
  /** JSON Schema. */
  readonly inputSchema: JsonObject;
}
