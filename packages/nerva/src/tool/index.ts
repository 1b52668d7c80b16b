export { askPerson } from './ask-person.ts';
export { toTools, type PlainTool, type ToolInput } from './convert.ts';
export { runTool, type RunOptions, type ToolFailure, type ToolOutcome } from './run.ts';
export { notDone, tool, type ToolOptions } from './tool.ts';
export type { Reconciled, Tool, ToolContext, ToolEffect } from './types.ts';
