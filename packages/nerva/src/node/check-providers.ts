import { nearestOf, NervaError } from '../core/index.ts';
import { checkKey, type CheckOptions, type KeyCheck } from '../model/index.ts';
import { PROVIDER_ENTRIES, type Env, type ProviderEntry } from './models.ts';

/** How keys of the environment are checked. */
export interface CheckProviderOptions extends CheckOptions {
  /** Default: that of the process. */
  readonly env?: Env;
}

/**
 * Whether a provider takes the key that the environment has for it, by asking for its list of models; and whether the model that `NERVA_MODEL`
 * (or `OPENAI_MODEL`) names is in it.
 * @throws MODEL_AUTH when the environment lacks what a call needs, naming the variables; OPTION_INVALID for an unknown provider; CANCELLED.
 */
export async function checkProvider(provider: string, options: CheckProviderOptions): Promise<KeyCheck> {
  const { env = process.env } = options;
  const entry = PROVIDER_ENTRIES.find(({ id }) => id === provider);
  if (entry === undefined) {
    const near = nearestOf(
      provider,
      PROVIDER_ENTRIES.map(({ id }) => id),
    );
    throw new NervaError(
      'OPTION_INVALID',
      `There is no provider "${provider.slice(0, 80)}"${near === null ? '.' : `; did you mean "${near}"?`}`,
    );
  }
  if (!entry.isLocal && !entry.isConfigured(env)) {
    const { keyVariables, urlVariables } = entry;
    const needed = provider === 'azure' || provider === 'bedrock' ? [...keyVariables, ...urlVariables] : keyVariables;
    throw new NervaError('MODEL_AUTH', `${provider}: the environment lacks its key (${needed.join(', ')}). Nothing was sent.`, {
      details: { variables: needed },
    });
  }
  return checkEntry(entry, env, options);
}

/**
 * The same for every provider that the environment configures, and for an Ollama that runs where it is looked for, in the order of `nerva models`;
 * at most `parallelMax` (default 8) at a time.
 * @throws CANCELLED.
 */
export async function checkProviders(options: CheckProviderOptions & { readonly parallelMax?: number }): Promise<readonly KeyCheck[]> {
  const { env = process.env, parallelMax = PARALLEL_MAX } = options;
  const entries = PROVIDER_ENTRIES.filter((entry) => entry.id === 'ollama' || (entry.id !== 'openai.chat' && entry.isConfigured(env)));
  const checks = new Map<string, KeyCheck>();
  const waiting = entries.values();
  // Each takes the next as soon as it is done.
  const work = async (): Promise<void> => {
    for (const entry of waiting) checks.set(entry.id, await checkEntry(entry, env, options));
  };
  await Promise.all(Array.from({ length: Math.max(1, parallelMax) }, work));
  return entries.flatMap((entry) => {
    const check = checks.get(entry.id);
    return check === undefined || (check.outcome !== 'ok' && check.outcome !== 'unchecked' && !entry.isConfigured(env)) ? [] : [check];
  });
}

const PARALLEL_MAX = 8;

function checkEntry(entry: ProviderEntry, env: Env, options: CheckOptions): Promise<KeyCheck> {
  const model = modelOf(entry.id, env);
  return checkKey({ ...entry.target(env), ...(model === undefined ? {} : { model }) }, options);
}

/** The model of this provider that the environment names. */
function modelOf(id: string, { NERVA_MODEL: named = '', OPENAI_MODEL: openai = '' }: Env): string | undefined {
  // Both names of OpenAI are one provider, with one list.
  const prefix = [`${id}/`, ...(id === 'openai' ? ['openai.chat/'] : [])].find((one) => named.startsWith(one));
  if (prefix !== undefined && named.length > prefix.length) return named.slice(prefix.length);
  return (id === 'openai' || id === 'openai.chat') && named === '' && openai !== '' ? openai : undefined;
}
