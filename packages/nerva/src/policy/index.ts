export { chain } from './chain.ts';
export type { Condition, Operators } from './condition.ts';
export { fromFunction, llm, type FunctionResult } from './function.ts';
export { parseTable, table, type ActionTemplate, type Table, type TableOptions, type TableRow } from './table.ts';
export type { Action, Decided, Explanation, Policy, PolicyView } from './types.ts';
