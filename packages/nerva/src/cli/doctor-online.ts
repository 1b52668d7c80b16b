import type { CheckOutcome, KeyCheck } from '../model/index.ts';
import { checkProviders, PROVIDER_ENTRIES } from '../node/index.ts';
import type { Context } from './context.ts';
import type { Finding } from './finding.ts';
import { brief } from './output.ts';

/** A check of a provider, for programs with what it found. */
interface OnlineFinding extends Finding {
  readonly provider: string;
  readonly outcome: CheckOutcome;
  readonly models: number | null;
  readonly hasMore: boolean;
  readonly model: KeyCheck['model'];
}

/** Asks the providers that are configured, at most `timeoutMs` each. */
export async function onlineFindings({ world }: Context, timeoutMs: number | undefined): Promise<readonly OnlineFinding[]> {
  const checks = await checkProviders({ world, env: process.env, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  return checks.map(({ says, ...check }) => {
    const isAbsent = check.model !== null && !check.model.isListed;
    const status = STATUS[check.outcome];
    return {
      check: `provider ${check.provider}`,
      status: status === 'ok' && isAbsent ? 'warn' : status,
      found: brief(says, 600),
      do: isAbsent ? 'Mend the name, unless it is another name of one in the list, or in a page that was not read.' : adviceOn(check),
      ...check,
    };
  });
}

const STATUS = {
  ok: 'ok',
  unchecked: 'warn',
  limited: 'warn',
  refused: 'fail',
  unreachable: 'fail',
  'wrong-address': 'fail',
  failed: 'fail',
} as const satisfies Readonly<Record<CheckOutcome, Finding['status']>>;

function adviceOn({ provider, outcome }: Pick<KeyCheck, 'provider' | 'outcome'>): string {
  const entry = PROVIDER_ENTRIES.find(({ id }) => id === provider);
  const [keys, urls] = [entry?.keyVariables ?? [], entry?.urlVariables ?? []].map((names) => names.join(' or ')) as [string, string];
  if (outcome === 'refused') return `Put a key that is valid into ${keys}.`;
  if (outcome === 'unreachable') return `See whether ${urls} is right and the network lets it through; a proxy is named by https_proxy.`;
  if (outcome === 'wrong-address') return `Mend ${urls}: what all paths share, often with /v1 at its end.`;
  if (outcome === 'limited') return 'Wait, and look again.';
  return outcome === 'failed' ? 'Look again later; if it stays, see the status page of the provider.' : '';
}
