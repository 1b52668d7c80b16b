import { tool, type Tool, type ToolEffect } from '../tool/index.ts';
import type { Effects } from './cut-effects.ts';

/** A tool whose only effect is seen by a witness. */
export interface RecordingTool {
  readonly name: string;
  /** Default `irreversible`. */
  readonly effect?: ToolEffect;
  /** Touches the world after so many turns of the microtask queue; 0 (default) means synchronously. */
  readonly ticks?: number;
  /** Whether `reconcile` asks the witness. Default false: nobody can tell. */
  readonly reconciles?: boolean;
  readonly needsApproval?: boolean;
  readonly dedupe?: boolean;
}

/** A tool that takes any object, tells the witness and returns `{done: name}`, also when it is reconciled. */
export function recordingTool(effects: Effects, options: RecordingTool): Tool {
  const { name, effect = 'irreversible', ticks = 0, reconciles = false, needsApproval = false, dedupe = false } = options;
  const output = { done: name };
  return tool({
    name,
    inputSchema: { type: 'object' },
    effect,
    needsApproval,
    ...(dedupe ? { dedupe: (input: unknown) => JSON.stringify(input) } : {}),
    ...(reconciles
      ? { reconcile: (_input, { callId }) => (effects.happened(callId) ? { status: 'done', output } : { status: 'not-done' }) }
      : {}),
    execute(_input, context) {
      if (ticks > 0) {
        return later(ticks, () => {
          effects.record(name, effect, context);
          return output;
        });
      }
      effects.record(name, effect, context);
      return output;
    },
  });
}

async function later<T>(ticks: number, act: () => T): Promise<T> {
  for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
  return act();
}
