import {
  canonicalJson,
  checkOptions,
  checkRange,
  compileSchema,
  NervaError,
  type Json,
  type JsonObject,
  type Parsed,
  type Schema,
  utf8Bytes,
  type World,
} from '../core/index.ts';
import { checkContext, checkFixed, contextJson, sectionMax, type Context, type ContextOptions } from './context-options.ts';
import { meterOf, specsOf, type Meter } from './meter.ts';
import { checkMemories, memoryJson, type MemoryUse } from './memory-options.ts';
import { checkRetry, type Retry } from './retry-options.ts';
import type { BlobRef } from '../log/index.ts';
import { fromAiSdk, isAiSdkModel, thatCan, type AiSdkModel, type Model, type ModelParams, type ToolSpec } from '../model/index.ts';
import type { Policy } from '../policy/index.ts';
import { toTools, type Tool, type ToolEffect, type ToolInput } from '../tool/index.ts';

/** Stops a turn after the step in which it returns true. Contract: pure. */
export type StopWhen = (turn: {
  readonly steps: number;
  readonly calls: readonly { readonly name: string; readonly output: Json }[];
}) => boolean;

/** Which calls wait for a person, beside those whose tool says so. Contract: pure; throwing means yes. */
export type ApprovalRule = (call: {
  readonly tool: string;
  readonly effect: ToolEffect;
  readonly input: Json;
  /** Whose words, beside those of people, the model had read: names of tools, and `memory`. */
  readonly taint: readonly string[];
}) => boolean;

/** Limits on what an agent may spend. A limit on tokens or USD needs `params.maxOutputTokens`, one on USD a priced model. */
export interface Budget {
  readonly turnTokensMax?: number;
  readonly sessionTokensMax?: number;
  readonly turnUsdMax?: number;
  readonly sessionUsdMax?: number;
  /** Time of one turn by the log's clock, waiting for people included. */
  readonly turnMs?: number;
  readonly sessionMs?: number;
  readonly sessionStepsMax?: number;
}

/** What `createAgent` takes. A `model`, a `policy`, or both: the policy is heard first and the model answers when it abstains or says so. */
export interface AgentOptions {
  /** 1–64 of `A-Za-z0-9_.-`: stored with every session. */
  readonly name: string;
  /** A model, or a `LanguageModel` of the AI SDK (v2, v3, v4) as it is. */
  readonly model?: Model | AiSdkModel;
  readonly policy?: Policy;
  readonly instructions?: string;
  readonly tools?: ToolInput;
  readonly params?: ModelParams;
  /** Model calls and policy decisions of one turn, 1–10,000. Default 20. */
  readonly stepsMax?: number;
  readonly stopWhen?: StopWhen | readonly StopWhen[];
  readonly budget?: Budget;
  readonly approval?: ApprovalRule;
  /** The answer must be JSON of this schema; a bad one is sent back to the model. */
  readonly output?: Schema;
  /** How often a bad answer is sent back in one turn, 0–10. Default 2. */
  readonly outputRetriesMax?: number;
  /** Of a tool's result kept in the log, in bytes. More is cut to an excerpt. Default 256 KB. */
  readonly outputBytesMax?: number;
  /** When a model call that failed is made again; false: never. Waits are in the log and outlive the process. */
  readonly retry?: Retry | false;
  /** How the conversation is kept within what the model takes; absent: a turn whose conversation is too long ends in an error. */
  readonly context?: ContextOptions;
  /** What it remembers: blocks of it stand in the prompt, and what a question recalls. Of several memories, 1–8, what is given first gives way last. */
  readonly memory?: MemoryUse | readonly MemoryUse[];
}

/** An agent: a plain, frozen definition. It runs once a runtime has it. */
export interface Agent {
  readonly name: string;
  readonly model: Model | undefined;
  readonly policy: Policy | undefined;
  readonly instructions: string;
  readonly tools: readonly Tool[];
  readonly params: ModelParams;
  readonly stepsMax: number;
  readonly stopWhen: readonly StopWhen[];
  readonly budget: Budget | undefined;
  readonly approval: ApprovalRule | undefined;
  readonly output: Schema | undefined;
  readonly outputRetriesMax: number;
  readonly outputBytesMax: number;
  readonly retry: Required<Retry>;
  readonly context: Context | undefined;
  /** In the order given; empty where it remembers nothing. */
  readonly memory: readonly Required<MemoryUse>[];
}

const OPTIONS = [
  'name',
  'model',
  'policy',
  'instructions',
  'tools',
  'params',
  'stepsMax',
  'stopWhen',
  'budget',
  'approval',
  'output',
  'outputRetriesMax',
  'outputBytesMax',
  'retry',
  'context',
  'memory',
] as const;
const LIMITS = ['turnTokensMax', 'sessionTokensMax', 'turnUsdMax', 'sessionUsdMax', 'turnMs', 'sessionMs', 'sessionStepsMax'] as const;

/**
 * Checks and freezes a definition.
 * @throws OPTION_UNKNOWN, OPTION_INVALID, AGENT_INVALID, TOOL_INVALID, SCHEMA_UNSUPPORTED. Nothing is registered anywhere.
 */
export function createAgent(options: AgentOptions): Agent {
  checkOptions(options, OPTIONS, 'createAgent');
  const { name, policy, params = {}, budget } = options;
  if (typeof name !== 'string' || !/^[A-Za-z0-9_.-]{1,64}$/.test(name)) {
    throw new NervaError(
      'AGENT_INVALID',
      `createAgent: name must be 1–64 of A-Z a-z 0-9 _ . -, ${JSON.stringify(name) ?? 'nothing'} came.`,
    );
  }
  const model = modelOf(name, options.model);
  if (model === undefined && policy === undefined) {
    throw new NervaError(
      'AGENT_INVALID',
      `createAgent: agent "${name}" has neither model nor policy, so nothing can decide. Give one of them.`,
    );
  }
  checkBudget(name, budget, model, params);
  const context = checkContext(name, options.context, model);
  if (context !== undefined) checkPrice(name, budget, context.model);
  const tools = toTools(options.tools ?? []);
  if (tools.length > 0 && model?.capabilities?.tool_use === 0)
    throw new NervaError(
      'AGENT_INVALID',
      `createAgent: agent "${name}" has tools, and ${model.name} cannot call any. ${thatCan('tool_use')}`,
    );
  const { stopWhen = [] } = options;
  const agent: Agent = Object.freeze({
    name,
    model,
    policy,
    instructions: options.instructions ?? '',
    tools,
    params: outputParams(params, options.output),
    stepsMax: checkRange('stepsMax', options.stepsMax ?? 20, 1, 10_000),
    stopWhen: typeof stopWhen === 'function' ? [stopWhen] : stopWhen,
    budget,
    approval: options.approval,
    output: options.output,
    outputRetriesMax: checkRange('outputRetriesMax', options.outputRetriesMax ?? 2, 0, 10),
    outputBytesMax: checkRange('outputBytesMax', options.outputBytesMax ?? 256 * 1024, 1024, 64 * 1024 * 1024),
    retry: checkRetry(options.retry),
    context,
    memory: checkMemories(options.memory),
  });
  if (context !== undefined) checkFixed(context, agent, meterFor(agent, specsOf(tools)));
  return agent;
}

const meterFor = ({ model, context, params }: Agent, specs: readonly ToolSpec[]): Meter =>
  meterOf({ model: model?.name ?? '', countTokens: context?.countTokens, resultsMax: sectionMax(context, 'results'), specs, params });

function modelOf(agent: string, given: Model | AiSdkModel | undefined): Model | undefined {
  if (given === undefined) return undefined;
  if (isAiSdkModel(given)) return fromAiSdk(given);
  if (typeof given === 'object' && (given as unknown) !== null && typeof given.name === 'string' && typeof given.call === 'function')
    return given;
  const came = typeof given === 'string' ? `the text ${JSON.stringify(given)}` : `a ${typeof given}`;
  throw new NervaError(
    'AGENT_INVALID',
    `createAgent: the model of agent "${agent}" is ${came}; give a Model or a LanguageModel of the AI SDK. Names such as "openai/gpt-5" are known to createAgent of 'nerva' and to modelNamed().`,
  );
}

function outputParams(params: ModelParams, output: Schema | undefined): ModelParams {
  return output === undefined ? params : { ...params, outputSchema: compileSchema(output).jsonSchema };
}

function checkBudget(name: string, budget: Budget | undefined, model: Model | undefined, params: ModelParams): void {
  if (budget === undefined) return;
  checkOptions(budget, LIMITS, 'createAgent: budget');
  for (const limit of LIMITS) if (budget[limit] !== undefined) checkRange(`budget.${limit}`, budget[limit], 0, Number.MAX_SAFE_INTEGER);
  const isCounted = budget.turnTokensMax ?? budget.sessionTokensMax ?? budget.turnUsdMax ?? budget.sessionUsdMax;
  if (isCounted !== undefined && model !== undefined && params.maxOutputTokens === undefined) {
    throw new NervaError(
      'AGENT_INVALID',
      `createAgent: agent "${name}" limits tokens or USD, so the worst case of a call must be known: give params.maxOutputTokens.`,
    );
  }
  if (model !== undefined) checkPrice(name, budget, model);
}

function checkPrice(name: string, budget: Budget | undefined, model: Model): void {
  if ((budget?.turnUsdMax ?? budget?.sessionUsdMax) !== undefined && model.price === undefined) {
    throw new NervaError(
      'AGENT_INVALID',
      `createAgent: agent "${name}" limits USD, but the price of ${model.name} is unknown. Give the model a price.`,
    );
  }
}

/** An agent made ready for one world: digests computed, schemas compiled. */
export interface Bound {
  readonly agent: Agent;
  /** Of the whole definition. */
  readonly digest: string;
  /** The definition as JSON, what `digest` is the digest of. */
  readonly definition: JsonObject;
  /** The definition's blob: a store must have it before a turn names it. */
  readonly body: BlobRef;
  /** Its content: canonical JSON, so that its digest is the definition's. */
  readonly content: string;
  readonly tools: ReadonlyMap<string, Tool>;
  readonly specs: readonly ToolSpec[];
  readonly meter: Meter;
  readonly hash: World['digest'];
  /** Of what a person is shown: tool, schema and input. */
  callDigest(tool: Tool, input: Json): string;
  /** The answer's text as JSON of the output schema. */
  parseOutput(text: string): Parsed<Json>;
}

/** Binds a definition. */
export function bind(agent: Agent, hash: World['digest']): Bound {
  const definition = describe(agent);
  const content = canonicalJson(definition);
  const digest = hash(content);
  const compiled = agent.output === undefined ? null : compileSchema(agent.output);
  const specs = specsOf(agent.tools);
  return {
    agent,
    definition,
    content,
    body: { ref: digest, bytes: utf8Bytes(content), mediaType: 'application/json' },
    hash,
    digest,
    tools: new Map(agent.tools.map((tool) => [tool.name, tool])),
    specs,
    meter: meterFor(agent, specs),
    callDigest: (tool, input) => hash(canonicalJson({ tool: tool.definition, input })),
    parseOutput(text) {
      let value: Json;
      try {
        value = JSON.parse(text) as Json;
      } catch {
        return { ok: false, issues: 'It is not JSON.' };
      }
      const parsed = compiled?.parse(value) ?? { ok: true as const, value };
      if (parsed instanceof Promise) return { ok: false, issues: 'The output schema validates asynchronously, which answers cannot.' };
      return parsed.ok ? { ok: true, value: parsed.value as Json } : parsed;
    },
  };
}

/** Everything that changes what the agent does, as JSON. Functions stand by their source text. */
function describe(agent: Agent): JsonObject {
  const text = (value: unknown): string => String(value);
  return {
    name: agent.name,
    model: agent.model?.name ?? null,
    policy: agent.policy === undefined ? null : { name: agent.policy.name, definition: agent.policy.definition },
    instructions: agent.instructions,
    tools: agent.tools.map((tool) => tool.definition),
    params: agent.params as JsonObject,
    stepsMax: agent.stepsMax,
    stopWhen: agent.stopWhen.map(text),
    budget: (agent.budget ?? null) as JsonObject | null,
    approval: agent.approval === undefined ? null : text(agent.approval),
    outputRetriesMax: agent.outputRetriesMax,
    outputBytesMax: agent.outputBytesMax,
    retry: { ...agent.retry },
    // Absent where there is none: the digest of a definition that knows nothing of it stays as it was.
    ...(agent.context === undefined ? {} : { context: contextJson(agent.context) }),
    ...memoryJson(agent.memory),
  };
}
