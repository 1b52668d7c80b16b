export { openaiMock, type MockAnswer, type MockFault, type MockRequest, type OpenAiMock } from './openai-mock.ts';
export { testWorld, type TestWorld } from './world.ts';
export { memoryKeys } from './keys.ts';
export { storeContract } from './store.contract.ts';
export type { MakeStore, StoreHarness } from './store-harness.ts';
export { projectionRowsContract } from './projection-rows.contract.ts';
