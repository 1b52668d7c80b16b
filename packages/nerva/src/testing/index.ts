export { anthropicMessagesMock, anthropicMock } from './anthropic-mock.ts';
export { bedrockConverseMock, bedrockMock, eventMessage } from './bedrock-mock.ts';
export { MOCK_ACCOUNT } from './bedrock-signature.ts';
export { embeddingMock, embeddingMocks, mockVector, type EmbeddingProvider } from './embedding-mock.ts';
export { googleContentMock, googleMock } from './google-mock.ts';
export { ollamaChatMock, ollamaMock } from './ollama-mock.ts';
export { openaiChatMock, openaiMock } from './openai-mock.ts';
export { compatibleChatMock } from './compatible-mock.ts';
export { responsesMock, responsesMockDialect, type ResponsesMock, type ResponsesMockDialect } from './responses-mock.ts';
export {
  wireMock,
  type MockAnswer,
  type MockDialect,
  type MockFault,
  type MockRequest,
  type WireMock,
  type WireMockOptions,
} from './wire-mock.ts';
export { testWorld, type TestWorld } from './world.ts';
export { memoryKeys } from './keys.ts';
export { modelContract } from './model.contract.ts';
export { modelSubjects } from './model-subjects.ts';
export type { HttpFeatures, HttpSubject, ModelFeatures, ModelSubject, Opened, OpenOptions, PortSubject } from './model-harness.ts';
export { storeContract } from './store.contract.ts';
export type { MakeStore, StoreHarness } from './store-harness.ts';
export { projectionRowsContract } from './projection-rows.contract.ts';
export { memoryIndexContract, type IndexHarness } from './memory-index.contract.ts';
export { cutAtEveryStep, type Cut, type CutReport, type CutScenario } from './cut.ts';
export { effectsWitness, type Effects, type Execution } from './cut-effects.ts';
export { mortalStore } from './cut-store.ts';
export { requestProblem } from '../sim/index.ts';
export { conversationModel, strictModel } from './scenario.ts';
export { recordingTool, type RecordingTool } from './scenario-tools.ts';
