import { scriptedModel, type Model, type ModelRequest, type ScriptedModel, type ScriptStep } from '../model/index.ts';
import { requestProblem } from '../sim/index.ts';

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
