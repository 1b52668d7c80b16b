import { nearestOf, NervaError } from '../core/index.ts';
import { ANTHROPIC_URL, ANTHROPIC_VERSION } from './anthropic.ts';
import type { EndpointDefaults } from './endpoint.ts';
import { GOOGLE_URL } from './google.ts';
import { ANTHROPIC_LIST, azureList, GOOGLE_LIST, OLLAMA_LIST, OPENAI_LIST, type ModelList } from './model-list.ts';
import { OLLAMA_URL } from './ollama.ts';
import { OPENAI_URL } from './openai.ts';
import { PROVIDERS } from './providers.ts';

/** Whose key is checked. */
export interface KeyTarget {
  /** The part of a model's name before the slash. */
  readonly provider: string;
  /** Never shown, also not where the server repeats it. */
  readonly apiKey?: string;
  /** Default: the provider's own. */
  readonly baseUrl?: string;
  /** Azure's, in place of `baseUrl`. */
  readonly resource?: string;
  /** Azure's. */
  readonly apiVersion?: string;
  /** Sent too; names in lower case. Their values are kept out of what is said. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A model, as the provider names it, that is looked for in its list. */
  readonly model?: string;
}

/** How a provider is asked for its list of models. */
export interface ListSource {
  readonly defaults: EndpointDefaults;
  readonly list: ModelList;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How a provider is asked, or why it is not. @throws OPTION_INVALID for an unknown one, naming the nearest. */
export function sourceOf({ provider, apiVersion }: KeyTarget): ListSource | string {
  switch (provider) {
    case 'openai':
    case 'openai.chat':
      return { defaults: { provider, baseUrl: OPENAI_URL }, list: OPENAI_LIST };
    case 'anthropic':
      return {
        defaults: { provider, baseUrl: ANTHROPIC_URL, authorize: (key) => ({ 'x-api-key': key }) },
        list: ANTHROPIC_LIST,
        headers: { 'anthropic-version': ANTHROPIC_VERSION },
      };
    case 'google':
      return { defaults: { provider, baseUrl: GOOGLE_URL, authorize: (key) => ({ 'x-goog-api-key': key }) }, list: GOOGLE_LIST };
    case 'ollama':
      return { defaults: { provider, baseUrl: OLLAMA_URL }, list: OLLAMA_LIST };
    case 'azure':
      return {
        defaults: { provider, baseUrl: 'https://my-resource.openai.azure.com', authorize: (key) => ({ 'api-key': key }) },
        list: azureList(apiVersion),
      };
    case 'bedrock':
      // ListFoundationModels is another service's, for which an account that may call models needs a permission of its own.
      return 'its key cannot be checked without a call: to list models takes another permission than to call them';
    default:
      return compatibleSource(provider);
  }
}

function compatibleSource(provider: string): ListSource | string {
  const row = PROVIDERS.find(({ id }) => id === provider);
  if (row === undefined) {
    const near = nearestOf(provider, [...OWN, ...PROVIDERS.map(({ id }) => id)]);
    throw new NervaError(
      'OPTION_INVALID',
      `There is no provider "${provider.slice(0, 80)}"${near === null ? '' : `; did you mean "${near}"?`}`,
    );
  }
  if (row.list === null) return 'its key cannot be checked without a call: it has no list of models for who has one';
  return { defaults: { provider, baseUrl: row.baseUrl }, list: row.list ?? OPENAI_LIST };
}

const OWN = ['openai', 'anthropic', 'google', 'ollama', 'azure', 'bedrock'];
