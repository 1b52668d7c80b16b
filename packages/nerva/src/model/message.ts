import type { Json, JsonObject } from '../core/index.ts';
import type { BlobRef, Origin } from '../log/index.ts';

/** A part of a message. */
export type Part = TextPart | ReasoningPart | ToolCallPart | ToolResultPart;

/** What was said. */
export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

/** A model's reasoning. `signature` goes back byte for byte, only to the model that made it. */
export interface ReasoningPart {
  readonly type: 'reasoning';
  readonly text: string;
  readonly signature?: string;
}

/** A model (or a policy) asks for a tool. `id` is the provider's and unique within its message. */
export interface ToolCallPart {
  readonly type: 'tool_call';
  readonly id: string;
  readonly name: string;
  /** Parsed arguments; the raw text (a string) when the model's arguments were not JSON, then `malformed` is true. */
  readonly input: Json;
  readonly malformed?: true;
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

/** One entry of a conversation. `tool` messages hold only results; `assistant` ones text, reasoning and calls. */
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
