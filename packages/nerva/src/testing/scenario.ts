import type { Json } from '../core/index.ts';
import { scriptedModel, type Message, type Model, type ModelRequest, type ScriptedModel, type ScriptStep } from '../model/index.ts';

/**
 * A scripted model that finds its place from the conversation alone (the n-th step follows n answers of a model), so that it goes on in another
 * process where it was. `usage` is given with each answer unless the step has its own.
 */
export function conversationModel(
  steps: readonly (ScriptStep | string)[],
  options: Parameters<typeof scriptedModel>[1] = {},
): ScriptedModel {
  const at = ({ messages }: ModelRequest): ScriptStep | string => {
    const n = messages.filter(({ role, origin }) => role === 'assistant' && origin === 'model').length;
    const step = steps[n] ?? { error: { code: 'MODEL_SCRIPT_ENDED', message: `No step ${n} in the script.` } };
    if (typeof step === 'string') return { text: step, usage: USAGE };
    const calls = step.calls?.map((call, index) => ({ id: `c${n}_${index}`, ...call }));
    return { usage: USAGE, ...step, ...(calls === undefined ? {} : { calls }) };
  };
  return scriptedModel(at, options);
}

const USAGE = { inputTokens: 10, outputTokens: 5 } as const;

/**
 * What a provider would refuse in a request, or null: a call without its result right after it, a result without its call, results out of
 * call order, two results of one call, an empty message, or a conversation that does not begin with a user.
 */
export function requestProblem({ messages }: Pick<ModelRequest, 'messages'>): string | null {
  if (messages.length > 0 && messages[0]?.role !== 'user') return `it begins with a message of the ${messages[0]?.role ?? ''}`;
  for (let index = 0; index < messages.length; index++) {
    const { role, parts } = messages[index] as Message;
    const before = messages[index - 1];
    const asked = before?.role === 'assistant' ? idsOf(before, 'tool_call') : [];
    const given = idsOf(messages[index] as Message, 'tool_result');
    if (parts.length === 0) return `message ${index} is empty`;
    if (role === 'tool' && given.length !== parts.length) return `message ${index} of the tool holds more than results`;
    if (JSON.stringify(asked) !== JSON.stringify(given))
      return `message ${index} answers the calls ${show(given)}, but those asked are ${show(asked)}`;
  }
  const open = messages.at(-1)?.role === 'assistant' ? idsOf(messages.at(-1) as Message, 'tool_call') : [];
  return open.length > 0 ? `the calls ${show(open)} have no result` : null;
}

/** The model, but it rejects what a provider would refuse, with an error that is no outcome to test for. */
export function strictModel(model: Model): Model {
  return {
    ...model,
    call(request, options) {
      const problem = requestProblem(request);
      if (problem !== null) throw new Error(`No provider takes this request: ${problem}.`);
      return model.call(request, options);
    },
  };
}

const show = (value: Json): string => JSON.stringify(value);

function idsOf({ parts }: Message, type: 'tool_call' | 'tool_result'): string[] {
  return parts.flatMap((part) => (part.type === type ? [part.id] : []));
}
