import { NervaError } from '../core/index.ts';
import type { Decided, Policy, PolicyView } from './types.ts';

/**
 * Asks policies in order: the first that does not abstain decides. Its name in the record is `chain/` and its own;
 * the reason also tells why those before it abstained, where they can say.
 * @throws POLICY_INVALID for an empty chain, or two policies of one name: the record could not tell them apart.
 */
export function chain(...policies: readonly Policy[]): Policy {
  if (policies.length === 0) throw new NervaError('POLICY_INVALID', 'A chain needs at least one policy. No policy was made.');
  const names = policies.map((policy) => policy.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new NervaError('POLICY_INVALID', `Two policies of a chain are named "${twice}". Rename one. No policy was made.`);
  return Object.freeze({
    name: 'chain',
    definition: Object.freeze({ type: 'chain', policies: policies.map(({ name, definition }) => ({ name, definition })) }),
    evaluate: (view: PolicyView) => ask(policies, 0, view),
  });
}

/** Stays synchronous as long as the policies are. */
function ask(policies: readonly Policy[], from: number, view: PolicyView): Decided | null | Promise<Decided | null> {
  for (let i = from; i < policies.length; i++) {
    const result = policies[i]?.evaluate(view) ?? null;
    if (result instanceof Promise) {
      return result.then((decided) => (decided === null ? ask(policies, i + 1, view) : named(decided, policies.slice(0, i), view)));
    }
    if (result !== null) return named(result, policies.slice(0, i), view);
  }
  return null;
}

function named(decided: Decided, before: readonly Policy[], view: PolicyView): Decided {
  const reasons = before.flatMap((policy) => {
    const row = policy.explain?.(view).rows.find(({ matched }) => matched);
    return row === undefined ? [] : [` ${policy.name} abstained at row "${row.row}": ${row.why}`];
  });
  return { ...decided, policy: `chain/${decided.policy}`, why: decided.why + reasons.join('') };
}
