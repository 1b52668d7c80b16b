import { NervaError, type ErrorCode, type Json } from '../core/index.ts';
import type { FinishReason, Part, Usage } from './message.ts';
import type { CallOptions, Delta, Model, ModelAnswer, ModelRequest } from './model.ts';

/** One answer of a scripted model. `parts` stands for all of `reasoning`, `text` and `calls`. */
export interface ScriptStep {
  readonly reasoning?: string;
  readonly text?: string;
  /** An absent id becomes `call_<n>_<index>`, n being the number of the model call. */
  readonly calls?: readonly { readonly name: string; readonly input: Json; readonly id?: string }[];
  readonly parts?: readonly Part[];
  /** Rejects with this instead. */
  readonly error?: NervaError | { readonly code: ErrorCode; readonly message: string };
  /** Waits by the world's clock first. */
  readonly delayMs?: number;
  /** Default `tool_calls` when there are calls, else `stop`. */
  readonly finish?: FinishReason;
  /** Default unknown. */
  readonly usage?: Usage;
}

/** Answers in order, or a function of the request and the number of the call, from 0. A string is short for `{text}`. */
export type Script =
  | readonly (ScriptStep | string)[]
  | ((request: ModelRequest, n: number) => ScriptStep | string | Promise<ScriptStep | string>);

/** A scripted model and what it was asked. */
export interface ScriptedModel extends Model {
  /** What was asked, oldest first; only the first `requestsMax`. The lists in it are copies. */
  readonly requests: readonly ModelRequest[];
  /** How often it was asked. */
  readonly callCount: number;
}

const REQUESTS_MAX = 1_000;

/**
 * A model that answers what a script says: for tests, examples and simulation. It never touches the network.
 * With `onDelta` it streams word by word.
 * @throws MODEL_SCRIPT_ENDED (on call) when the list is used up.
 */
export function scriptedModel(
  script: Script,
  options: {
    readonly name?: string;
    readonly price?: Model['price'];
    readonly contextTokensMax?: number;
    readonly requestsMax?: number;
  } = {},
): ScriptedModel {
  const { name = 'scripted/model', requestsMax = REQUESTS_MAX } = options;
  const requests: ModelRequest[] = [];
  let count = 0;
  return {
    name,
    ...(options.price === undefined ? {} : { price: options.price }),
    ...(options.contextTokensMax === undefined ? {} : { contextTokensMax: options.contextTokensMax }),
    requests,
    get callCount() {
      return count;
    },
    async call(request, { world, signal, onDelta }) {
      refuseAborted(signal, name);
      const n = count++;
      if (requests.length < requestsMax) requests.push({ ...request, messages: [...request.messages] });
      const given = typeof script === 'function' ? await script(request, n) : script[n];
      if (given === undefined) {
        throw new NervaError(
          'MODEL_SCRIPT_ENDED',
          `${name} was asked for answer ${n + 1}, but its script has ${n}. Add one, or stop asking.`,
        );
      }
      const step = typeof given === 'string' ? { text: given } : given;
      if (step.delayMs !== undefined) await world.clock.sleep(step.delayMs, signal === undefined ? {} : { signal });
      refuseAborted(signal, name);
      if (step.error !== undefined) throw step.error instanceof Error ? step.error : new NervaError(step.error.code, step.error.message);
      const answer = answerOf(step, n, name);
      if (onDelta !== undefined) streamParts(answer.parts, onDelta);
      return answer;
    },
  };
}

/** Reports parts as a stream would: text and arguments in pieces. Joined, the pieces equal the parts. */
export function streamParts(parts: readonly Part[], onDelta: NonNullable<CallOptions['onDelta']>): void {
  for (let index = 0; index < parts.length; index++) for (const delta of deltasOf(parts[index] as Part, index)) onDelta(delta);
}

function deltasOf(part: Part, index: number): Delta[] {
  if (part.type === 'tool_result' || part.type === 'file') return [];
  if (part.type !== 'tool_call') return words(part.text).map((text) => ({ type: part.type, index, text }));
  const input = part.malformed === true ? String(part.input) : JSON.stringify(part.input);
  return [
    { type: 'tool_call', index, id: part.id, name: part.name },
    ...words(input).map((text) => ({ type: 'tool_input', index, text }) as const),
  ];
}

function words(text: string): string[] {
  return text.match(/\S+\s*|\s+/g) ?? [];
}

function answerOf(step: ScriptStep, n: number, name: string): ModelAnswer {
  const parts: Part[] = step.parts === undefined ? [] : [...step.parts];
  if (step.parts === undefined) {
    if (step.reasoning !== undefined) parts.push({ type: 'reasoning', text: step.reasoning });
    if (step.text !== undefined) parts.push({ type: 'text', text: step.text });
    (step.calls ?? []).forEach((call, index) =>
      parts.push({ type: 'tool_call', id: call.id ?? `call_${n}_${index}`, name: call.name, input: call.input }),
    );
  }
  const finish = step.finish ?? (parts.some((part) => part.type === 'tool_call') ? 'tool_calls' : 'stop');
  return { parts, finish, usage: step.usage ?? { inputTokens: null, outputTokens: null }, model: name };
}

function refuseAborted(signal: AbortSignal | undefined, name: string): void {
  if (signal?.aborted === true) throw new NervaError('CANCELLED', `The call of ${name} was aborted. No answer was used up after that.`);
}
