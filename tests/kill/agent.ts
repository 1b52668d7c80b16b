import { createAgent, scriptedModel, tool } from 'nerva';
import type { Agent } from 'nerva/agent';
import type { ToolContext } from 'nerva/tool';

/** Model calls with tools in one session. */
export const STEPS = 4;

const INPUT = { type: 'object', properties: { step: { type: 'integer' } }, required: ['step'], additionalProperties: false } as const;

/** What a tool does outside: given by the worker (HTTP to the witness) or by a run without kills (nothing). */
export interface Outside {
  effect(effect: string, step: number, context: ToolContext): Promise<void>;
  fence(context: ToolContext): Promise<boolean>;
}

/**
 * An agent whose every session goes the same way: STEPS times three parallel calls, one of each effect class, and then an answer.
 * With `isReconciling`, the irreversible tool can tell what became of a call.
 */
export function killAgent(outside: Outside, isReconciling: boolean): Agent {
  const model = scriptedModel((request) => {
    const step = request.messages.filter((message) => message.role === 'tool').length;
    if (step >= STEPS) return `done after ${step} steps`;
    return { calls: ['look', 'put', 'pay'].map((name) => ({ name, input: { step }, id: `${name}-${step}` })) };
  });
  const effect = (name: string, kind: 'read' | 'idempotent') =>
    tool({
      name,
      description: `A ${kind} call.`,
      inputSchema: INPUT,
      effect: kind,
      execute: async ({ step }, context) => {
        await outside.effect(kind, step, context);
        return { name, step };
      },
    });
  const pay = tool({
    name: 'pay',
    description: 'An irreversible call.',
    inputSchema: INPUT,
    effect: 'irreversible',
    execute: async ({ step }, context) => {
      await outside.effect('irreversible', step, context);
      return { name: 'pay', step };
    },
    ...(isReconciling
      ? {
          reconcile: async ({ step }: { readonly step: number }, context: ToolContext) =>
            (await outside.fence(context))
              ? ({ status: 'done', output: { name: 'pay', step } } as const)
              : ({ status: 'not-done' } as const),
        }
      : {}),
  });
  return createAgent({
    name: 'killed',
    model,
    instructions: 'Go on.',
    tools: [effect('look', 'read'), effect('put', 'idempotent'), pay],
    stepsMax: 50,
  });
}
