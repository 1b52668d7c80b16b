export { anthropic, type AnthropicOptions } from './anthropic.ts';
export { bedrock, type BedrockOptions } from './bedrock.ts';
export { fromAiSdk, isAiSdkModel, type AiSdkModel, type AiSdkOptions } from './ai-sdk.ts';
export { requestDigest } from './digest.ts';
export type { Embedder, EmbedderOptions, Embedding, EmbedOptions } from './embed.ts';
export { cohereEmbedder, googleEmbedder, ollamaEmbedder, openaiEmbedder, voyageEmbedder } from './embedders.ts';
export { google, type GoogleOptions } from './google.ts';
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
export type { CallOptions, Delta, Model, ModelAnswer, ModelParams, ModelRequest } from './model.ts';
export { ollama, ollamaModels, type OllamaModel, type OllamaOptions } from './ollama.ts';
export { openaiChat, type OpenAiOptions } from './openai.ts';
export { replayModel, type RecordedAnswer } from './replay.ts';
export { azureOpenai, type AzureOptions } from './azure.ts';
export { compatible, PROVIDERS, type CompatibleOptions, type Provider } from './providers.ts';
export type { ChatQuirks } from './dialects/openai-chat-quirks.ts';
export { openaiResponses, type OpenAiResponsesOptions } from './responses.ts';
export { scriptedModel, type Script, type ScriptedModel, type ScriptStep } from './scripted.ts';
export { addUsage, costUsd, totalTokens } from './usage.ts';
