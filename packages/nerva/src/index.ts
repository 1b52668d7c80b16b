export { NervaError, type ErrorCode, type Json } from './core/index.ts';
export { createAgent, createRuntime as createRuntimeOn, type Agent, type Run, type RunResult, type Runtime, type Session, type StreamItem } from './agent/index.ts';
