export {
  type Agent,
  type AgentOptions,
  type Answer,
  type Pending,
  type Run,
  type RunResult,
  type Runtime,
  type Session,
  type StreamItem,
} from './agent/index.ts';
export { NervaError, type ErrorCode, type Json } from './core/index.ts';
export {
  anthropic,
  fromAiSdk,
  google,
  modelGroup,
  ollama,
  openaiChat,
  openaiResponses,
  scriptedModel,
  withBreaker,
  withCache,
  withLimits,
  withTimeouts,
  type Model,
} from './model/index.ts';
export { checkProvider, checkProviders, createAgent, createRuntime, modelFromEnv, modelNamed, nodeWorld, openStore } from './node/index.ts';
export { chain, fromFunction, llm, table, type Policy } from './policy/index.ts';
export { askPerson, notDone, tool, type Tool, type ToolContext } from './tool/index.ts';
