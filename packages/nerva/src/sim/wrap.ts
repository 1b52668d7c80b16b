import type { Agent } from '../agent/index.ts';
import { NervaError } from '../core/index.ts';
import type { Model, ModelAnswer } from '../model/index.ts';
import type { Policy } from '../policy/index.ts';
import { notDone, type Tool, type ToolContext } from '../tool/index.ts';
import type { Audit } from './audit.ts';
import { failureOf, MODEL_FAILURES, MODEL_ODDITIES, oddAnswer } from './failures.ts';
import type { Hub } from './hub.ts';
import { wiredModel } from './model-server.ts';
import { seeded } from './model.ts';
import type { Request, SimProcess, Supervisor } from './process.ts';

/** The definition that a process was started with. */
export type Deploy = 'same' | 'instructions' | 'tool-gone' | 'approval';

/** What agents are wrapped in. */
export interface Wrapping {
  readonly hub: Hub;
  readonly audit: Audit;
  readonly process: SimProcess;
  readonly supervisor: Supervisor;
  readonly graceMs: number;
  /** True: the model speaks HTTP over the simulated network, where the faults of models are brought about. */
  readonly isWired: boolean;
}

/** The agent as a simulated process has it: the same definition, its model and tools behind the simulated outside. */
export function wrapAgent(agent: Agent, deploy: Deploy, wrapping: Wrapping): Agent {
  const changed = deployed(agent, deploy);
  return Object.freeze({
    ...changed,
    policy: agent.policy === undefined ? undefined : wrapPolicy(agent.policy, wrapping),
    model: agent.model === undefined ? undefined : wrapModel(agent.model, agent.name, wrapping),
    tools: changed.tools.map((tool) => wrapTool(tool, wrapping)),
  });
}

const EDITION = ' (second edition)';

/** What a call was granted for is not this tool any more. */
function described(tool: Tool): Tool {
  const description = `${tool.description}${EDITION}`;
  return { ...tool, description, definition: { ...tool.definition, description } };
}

function deployed(agent: Agent, deploy: Deploy): Agent {
  switch (deploy) {
    case 'instructions':
      return { ...agent, instructions: `${agent.instructions}${EDITION}`, tools: agent.tools.map(described) };
    case 'tool-gone':
      return { ...agent, tools: agent.tools.slice(0, -1) };
    case 'approval':
      return { ...agent, approval: () => true };
    default:
      return agent;
  }
}

const POLICY_MS = 500;

/** A policy that gives a promise takes its time; one that answers at once does so here too. */
function wrapPolicy(policy: Policy, { hub, process }: Wrapping): Policy {
  return {
    ...policy,
    evaluate(view) {
      const decided = policy.evaluate(view);
      if (!(decided instanceof Promise)) return decided;
      decided.catch(() => undefined); // it may throw before it is waited for
      return process.ask('policy.evaluate', () => ({
        latencyMs: (0.5 + hub.roll('policy', hub.trace.visits.get('policy.evaluate'))) * POLICY_MS * hub.knobs.pace,
        serve: () => decided,
      }));
    },
  };
}

const MODEL_MS = 2_000;
const SLOW_MODEL_MS = 300_000;

function wrapModel(model: Model, agent: string, { hub, audit, process, isWired }: Wrapping): Model {
  const inner = isWired ? wiredModel(model, agent) : seeded(model, hub.seed);
  return {
    ...model,
    call(request, options) {
      audit.asks(process, request);
      if (isWired) return inner.call(request, options);
      const asked = process.ask<ModelAnswer>('model.call', (due): Request<ModelAnswer> => {
        const roll = hub.roll('model', hub.trace.visits.get('model.call'));
        if (hub.due(due, ['model.silent']) !== null) return { latencyMs: null, serve: () => inner.call(request, options) };
        const slowMs = hub.due(due, ['model.slow']) === null ? 0 : SLOW_MODEL_MS;
        const failure = hub.due(due, MODEL_FAILURES);
        const odd = hub.due(due, MODEL_ODDITIES);
        const serve = async (): Promise<ModelAnswer> => {
          if (failure !== null) throw failureOf(failure);
          const answer = await inner.call(request, options);
          return odd === null ? answer : oddAnswer(odd, answer);
        };
        return { latencyMs: slowMs + (0.5 + roll) * MODEL_MS * hub.knobs.pace, isExternal: true, serve };
      });
      return options.signal === undefined ? asked : untilAborted(asked, options.signal);
    },
  };
}

/** What was asked, or CANCELLED as soon as the signal says so. */
function untilAborted<T>(asked: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new NervaError('CANCELLED', 'The simulated call was aborted.'));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    asked.then(resolve, reject);
  });
}

const TOOL_MS = 200;
const LATE_MS = 10_000;
/** More than an agent takes, one for all runs. */
const OVERSIZE = Object.freeze({ text: 'x'.repeat(300_000) });

function wrapTool(tool: Tool, wrapping: Wrapping): Tool {
  const { audit, hub, process } = wrapping;
  return {
    ...tool,
    needsApproval: (input) => tool.needsApproval(input),
    ...(tool.dedupe === undefined ? {} : { dedupe: (input: unknown) => tool.dedupe?.(input) ?? '' }),
    ...(tool.reconcile === undefined
      ? {}
      : {
          reconcile: (input: unknown, context: ToolContext) =>
            process.ask(`reconcile.${tool.name}`, () => ({
              latencyMs: (0.5 + hub.roll('reconcile', hub.trace.visits.get(`reconcile.${tool.name}`))) * TOOL_MS * hub.knobs.pace,
              answerMs: 1,
              serve: async () => {
                const found = await tool.reconcile?.(input, context);
                if (found?.status === 'done') audit.gave(context.callId, found.output);
                return found as never;
              },
            })),
        }),
    execute: (input, context) => execute(tool, input, context, wrapping),
  };
}

// oxlint-disable-next-line max-params -- a call and its surroundings
function execute(tool: Tool, input: unknown, context: ToolContext, wrapping: Wrapping): unknown {
  const { hub, audit, process, graceMs } = wrapping;
  const point = `tool.${tool.name}`;
  const sentMs = hub.scheduler.nowMs;
  const act = (): unknown => {
    audit.executes(process, tool, input, context);
    const output = tool.execute(input, context);
    if (!(output instanceof Promise)) audit.gave(context.callId, output);
    else
      output.then(
        (value) => audit.gave(context.callId, value),
        () => undefined,
      );
    return output;
  };
  if (hub.knobs.isToolSync && !process.isDead && hub.isQuietAt(point)) return (hub.visit(point), act());
  const answer = process.ask<unknown>(point, (due): Request<unknown> => {
    const kind = hub.due(due, TOOL_FAULTS);
    const latencyMs =
      (0.2 + hub.roll(point, hub.trace.visits.get(point))) * TOOL_MS * hub.knobs.pace + (kind === 'tool.slow' ? tool.timeoutMs * 0.8 : 0);
    const answerMs = kind === 'tool.hang-after' ? null : kind === 'tool.late' ? tool.timeoutMs + graceMs + LATE_MS : 1;
    const serve = (): unknown => {
      if (hub.knobs.isToolPolite && context.signal.aborted) throw notDone('The call was cancelled before anything happened.');
      if (!audit.ledger.arrives(context.callId, sentMs)) throw notDone('The call was turned back.');
      if (kind === 'tool.throw') throw new Error('The simulated tool threw.');
      if (kind === 'tool.not-done') throw notDone('The simulated tool did nothing.');
      const output = act();
      if (kind === 'tool.crash') wrapping.supervisor.crash(process, kind);
      if (kind === 'tool.throw-after') throw new Error('The simulated tool threw after it had done it.');
      if (kind === 'tool.garbage') return () => output;
      if (kind === 'tool.oversize') {
        audit.gave(context.callId, OVERSIZE);
        return OVERSIZE;
      }
      return output;
    };
    return { latencyMs: kind === 'tool.hang' ? null : latencyMs, answerMs, isExternal: true, serve };
  });
  const { ended } = audit.runs(process, context);
  void answer.then(ended, ended);
  void answer.then(
    (value) => typeof value === 'function' || audit.answered(process, context.callId), // a function is no answer that can be kept
    () => undefined,
  );
  return answer;
}

const TOOL_FAULTS = [
  'tool.throw',
  'tool.throw-after',
  'tool.not-done',
  'tool.hang',
  'tool.hang-after',
  'tool.slow',
  'tool.late',
  'tool.garbage',
  'tool.oversize',
  'tool.crash',
] as const;
