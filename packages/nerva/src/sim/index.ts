export { FAULT_KINDS, FAULTS, parsePlan, type Fault, type FaultKind, type Plan } from './faults.ts';
export {
  simMemoryModel,
  type MemoryModelFault,
  type MemoryPrompt,
  type SimMemoryModel,
  type SimMemoryModelOptions,
} from './memory-model.ts';
export { simModel, type Profile, type SimModel, type SimModelOptions } from './model.ts';
export type { Outside } from './ledger.ts';
export { requestProblem } from './request.ts';
export { runOnce, type RunOptions, type SimReport } from './run.ts';
export type { Ended, Invariant, Scenario, Step } from './scenario.ts';
export { explore, type ExploreOptions, type Failure, type Search, type Summary } from './explore.ts';
export { faultLine, planText, stepLine, stepsOf } from './case-text.ts';
export { blaming, checkScenario, checkSteps, isAgent } from './check.ts';
export { planOfSeed, runTwice, simulate, stepsLeft, type Simulated, type SimulateOptions } from './simulate.ts';
export { MODEL_SECRET, MODEL_URL, simServer } from './model-server.ts';
export type { NetworkOptions } from './net.ts';
export type { Meeting, Reply, SimServer, Visit } from './net-http.ts';
