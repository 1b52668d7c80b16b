import type { ToolContext, ToolEffect } from '../tool/index.ts';

/** One time that a tool touched the world. */
export interface Execution {
  readonly tool: string;
  readonly effect: ToolEffect;
  readonly call: string;
  readonly key: string;
  readonly attempt: number;
  /** Deaths before it. */
  readonly deaths: number;
}

/** The world as the tools of a scenario changed it. It outlives the processes that did. */
export interface Effects {
  readonly executions: readonly Execution[];
  /** To be called by a tool when it touches the world. @returns how often this call did so before. */
  record(tool: string, effect: ToolEffect, context: Pick<ToolContext, 'callId' | 'idempotencyKey' | 'attempt'>): number;
  /** Whether this call touched the world: what a tool's `reconcile` or a person would find out. */
  happened(call: string): boolean;
  /** Called when a process died. */
  died(): void;
  /** What the executions break, or null: an irreversible call that ran twice, a key that changed over attempts or that two calls share. */
  problem(): string | null;
}

/** A world in which nothing happened yet. */
export function effectsWitness(): Effects {
  const executions: Execution[] = [];
  let deaths = 0;
  return {
    executions,
    record(tool, effect, { callId, idempotencyKey, attempt }) {
      const before = executions.filter(({ call }) => call === callId).length;
      executions.push({ tool, effect, call: callId, key: idempotencyKey, attempt, deaths });
      return before;
    },
    happened: (call) => executions.some((one) => one.call === call),
    died: () => void deaths++,
    problem: () => problemOf(executions),
  };
}

function problemOf(executions: readonly Execution[]): string | null {
  const keyOf = new Map<string, string>();
  const callOf = new Map<string, string>();
  const once = new Set<string>();
  for (const { tool, effect, call, key } of executions) {
    if (effect === 'irreversible' && once.has(call)) return `The irreversible call ${call} of ${tool} ran twice.`;
    once.add(call);
    if ((keyOf.get(call) ?? key) !== key) return `The key of call ${call} changed from ${keyOf.get(call)} to ${key}.`;
    if ((callOf.get(key) ?? call) !== call) return `The calls ${callOf.get(key)} and ${call} share the key ${key}.`;
    keyOf.set(call, key);
    callOf.set(key, call);
  }
  return null;
}
