export type { FinishReason, Message, Part, ReasoningPart, TextPart, ToolCallPart, ToolResultPart, ToolSpec, Usage } from './message.ts';
export type { CallOptions, Delta, Model, ModelAnswer, ModelParams, ModelRequest } from './model.ts';
