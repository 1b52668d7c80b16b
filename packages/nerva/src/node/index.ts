export { fileCassette, type FileCassette, type FileCassetteOptions } from './file-cassette.ts';
export { httpTransport, type HttpOptions } from './http.ts';
export { fileKeys, openSqlite, type SqliteOptions, type SqliteStore } from './sqlite/index.ts';
export { modelNamed, PROVIDER_ENTRIES, type Env, type ProviderEntry } from './models.ts';
export { modelFromEnv, type FoundModel } from './model-from-env.ts';
export { nodeWorld, type NodeWorldOptions } from './world.ts';
export { openStore } from './open-store.ts';
export { createAgent, createRuntime, type LooseAgent, type NodeAgentOptions, type NodeRuntimeOptions } from './runtime.ts';
