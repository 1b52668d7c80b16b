export { openaiMock, type MockAnswer, type MockFault, type MockRequest, type OpenAiMock } from './openai-mock.ts';
export { testWorld, type TestWorld } from './world.ts';
export { memoryKeys } from './keys.ts';
export { storeContract } from './store.contract.ts';
export type { MakeStore, StoreHarness } from './store-harness.ts';
export { projectionRowsContract } from './projection-rows.contract.ts';
export { cutAtEveryStep, type Cut, type CutReport, type CutScenario } from './cut.ts';
export type { Effects, Execution } from './cut-effects.ts';
export { conversationModel, requestProblem } from './scenario.ts';
