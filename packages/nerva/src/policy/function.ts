import { NervaError } from '../core/index.ts';
import { checkAction, checkPolicyName } from './action.ts';
import type { Action, Decided, Policy, PolicyView } from './types.ts';

/** What a policy function may return: an action, one with its reason and propensity, or null to abstain. */
export type FunctionResult = Action | { readonly action: Action; readonly why?: string; readonly propensity?: number } | null;

/**
 * A policy from a function. Its definition is its source text: what it closes over is not seen, so let it depend on the view alone.
 * Contract: `decide` is pure. What it returns is checked at every step; the policy throws POLICY_INVALID when it is no action.
 * @throws POLICY_INVALID for a bad name.
 */
export function fromFunction(name: string, decide: (view: PolicyView) => FunctionResult | Promise<FunctionResult>): Policy {
  checkPolicyName(name);
  if (typeof decide !== 'function')
    throw new NervaError('POLICY_INVALID', `Policy "${name}" takes a function; a ${typeof decide} came. No policy was made.`);
  return Object.freeze({
    name,
    definition: Object.freeze({ type: 'function', name, source: decide.toString() }),
    evaluate: (view: PolicyView) => {
      const result = decide(view);
      return result instanceof Promise ? result.then((settled) => decided(name, settled)) : decided(name, result);
    },
  });
}

/** The policy that always asks the agent's model: the last of a chain, as a rule. */
export function llm(): Policy {
  return Object.freeze({
    name: 'llm',
    definition: Object.freeze({ type: 'llm' }),
    evaluate: () => ({ action: { type: 'model' } as const, policy: 'llm', why: 'The model is asked.' }),
  });
}

function decided(name: string, result: FunctionResult): Decided | null {
  if (result === null) return null;
  if (typeof result !== 'object')
    throw new NervaError(
      'POLICY_INVALID',
      `Policy "${name}" returned ${typeof result}; an action, or null to abstain, was expected. Nothing was done.`,
    );
  if ('type' in result) return { action: checkAction(result, `Policy "${name}"`), policy: name, why: 'The function decided.' };
  const { action, why = 'The function decided.', propensity } = result;
  if (propensity !== undefined && !(propensity > 0 && propensity <= 1)) {
    throw new NervaError(
      'POLICY_INVALID',
      `Policy "${name}" returned the propensity ${propensity}; above 0 and at most 1 was expected. Nothing was done.`,
    );
  }
  return { action: checkAction(action, `Policy "${name}"`), policy: name, why, ...(propensity !== undefined && { propensity }) };
}
