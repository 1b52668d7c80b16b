export { anthropic, type AnthropicOptions } from './anthropic.ts';
export { bedrock, type BedrockOptions } from './bedrock.ts';
export type { AwsCredentials } from './sigv4.ts';
export { fromAiSdk, isAiSdkModel, type AiSdkModel, type AiSdkOptions } from './ai-sdk.ts';
export { withBreaker, type BreakerOptions } from './breaker.ts';
export { withCache, type CacheOptions } from './cache.ts';
export { checkKey, type CheckOptions, type CheckOutcome, type KeyCheck } from './check.ts';
export type { KeyTarget } from './check-source.ts';
export { CAPABILITIES, type Capabilities, type Capability } from './capability.ts';
export { requestDigest } from './digest.ts';
export type { Embedder, EmbedderOptions, Embedding, EmbedOptions } from './embed.ts';
export { embedder, type EmbedderProvider } from './embedders.ts';
export { findModels, modelInfo, modelsWith, pickModel, thatCan, type ModelQuery } from './find.ts';
export { google, type GoogleOptions } from './google.ts';
export { modelGroup, type GroupOptions } from './group.ts';
export type { Order, Strategy } from './group-order.ts';
export { limiter, withLimits, type LimitOptions } from './limits.ts';
export type {
  Citation,
  Echo,
  FilePart,
  FinishReason,
  Message,
  Part,
  ReasoningPart,
  TextPart,
  ToolCallPart,
  ToolResultPart,
  ToolSpec,
  Usage,
} from './message.ts';
export type { ModelList } from './model-list.ts';
export { MODELS, type ModelInfo } from './models.ts';
export type { CallOptions, Delta, Model, ModelAnswer, ModelParams, ModelRequest, Price } from './model.ts';
export { ollama, ollamaModels, type OllamaModel, type OllamaOptions } from './ollama.ts';
export { answerKey, readChatRequest, type ChatMessage, type ChatRequest } from './chat-request.ts';
export { ChatReader, type ChatOutcome, type ChatReaderOptions } from './chat-reader.ts';
export { openaiChat, type OpenAiOptions } from './openai.ts';
export { replayModel, type RecordedAnswer, type ReplayModel, type ReplayOptions } from './replay.ts';
export { cassetteLine, readCassette, type CassetteEntry, type CassetteError } from './cassette.ts';
export { recordModel, type CassetteSink, type RecordOptions } from './record.ts';
export { azureOpenai, type AzureOptions } from './azure.ts';
export { compatible, PROVIDERS, type CompatibleOptions, type Provider } from './providers.ts';
export type { ChatQuirks } from './dialects/openai-chat-quirks.ts';
export { openaiResponses, type OpenAiResponsesOptions } from './responses.ts';
export { scriptedModel, type Script, type ScriptedModel, type ScriptStep } from './scripted.ts';
export { taskOf, type Task } from './task.ts';
export { withTimeouts, type TimeoutOptions } from './timeouts.ts';
export { costUsd, totalTokens } from './usage.ts';
export { answerUsd } from './wrap.ts';
