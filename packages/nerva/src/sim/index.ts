export { FAULT_KINDS, FAULTS, parsePlan, type Fault, type FaultKind, type Plan } from './faults.ts';
export { simModel, type Profile, type SimModel, type SimModelOptions } from './model.ts';
export type { Outside } from './ledger.ts';
export { requestProblem } from './request.ts';
export { runOnce, type RunOptions, type SimReport } from './run.ts';
export type { Ended, Invariant, Scenario, Step } from './scenario.ts';
export { explore, type ExploreOptions, type Failure, type Search, type Summary } from './explore.ts';
