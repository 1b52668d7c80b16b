import { nearestOf, NervaError } from '../core/index.ts';
import {
  anthropic,
  azureOpenai,
  bedrock,
  compatible,
  google,
  modelInfo,
  MODELS,
  ollama,
  openaiChat,
  openaiResponses,
  PROVIDERS,
  type KeyTarget,
  type Model,
} from '../model/index.ts';
import { ollamaUrl } from './ollama-url.ts';

/** The environment of a process, or what stands for it. */
export type Env = Readonly<Record<string, string | undefined>>;

/** A provider that a name may begin with: how it is spoken to, and what of the environment it needs. */
export interface ProviderEntry {
  /** The part of a model's name before the slash. */
  readonly id: string;
  readonly title: string;
  readonly dialect: 'openai-responses' | 'openai-chat' | 'anthropic' | 'google' | 'ollama' | 'bedrock' | 'azure';
  /** Variables of the key, the first that is set; empty where none is needed. */
  readonly keyVariables: readonly string[];
  /** Variables of another address. */
  readonly urlVariables: readonly string[];
  /** Of its own address, which its prices belong to; null where an address does not tell who bills. */
  readonly host: string | null;
  readonly isLocal: boolean;
  readonly verified: 'unverified' | { readonly on: string; readonly by: string };
  /** Whether the environment holds what a call needs. A local server counts as configured only by its address or its answer. */
  readonly isConfigured: (env: Env) => boolean;
  /** Key and address of the environment, for asking what is there. */
  readonly target: (env: Env) => KeyTarget;
  /** Makes the model. @throws MODEL_AUTH naming the variable that is missing; then nothing was sent. */
  readonly make: (model: string, env: Env) => Model;
}

interface Known {
  readonly model: string;
  readonly apiKey?: string;
  readonly baseUrl?: string;
}

/** Every provider by the part before the slash: the dialects of their own, then those that speak OpenAI's chat completions. */
export const PROVIDER_ENTRIES: readonly ProviderEntry[] = [
  own('openai', 'OpenAI', {
    dialect: 'openai-responses',
    host: 'api.openai.com',
    keys: ['OPENAI_API_KEY'],
    urls: ['OPENAI_BASE_URL'],
    // Another address is a compatible server, and those know chat completions.
    make: (known, env) => (known.baseUrl === undefined ? openaiResponses(known) : openaiChat(optionalKey(known, env, 'OPENAI_API_KEY'))),
    isKeyless: (env) => isSet(env['OPENAI_BASE_URL']),
  }),
  own('openai.chat', 'OpenAI, chat completions', {
    dialect: 'openai-chat',
    host: 'api.openai.com',
    keys: ['OPENAI_API_KEY'],
    urls: ['OPENAI_BASE_URL'],
    make: (known) => openaiChat({ ...known, provider: 'openai' }),
    isKeyless: (env) => isSet(env['OPENAI_BASE_URL']),
  }),
  own('anthropic', 'Anthropic', {
    dialect: 'anthropic',
    host: 'api.anthropic.com',
    keys: ['ANTHROPIC_API_KEY'],
    urls: ['ANTHROPIC_BASE_URL'],
    make: (known) => anthropic(known),
  }),
  own('google', 'Google Gemini', {
    dialect: 'google',
    host: 'generativelanguage.googleapis.com',
    keys: ['GOOGLE_GENERATIVE_AI_API_KEY', 'GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    urls: ['GOOGLE_BASE_URL'],
    make: (known) => google(known),
  }),
  {
    ...own('ollama', 'Ollama', {
      dialect: 'ollama',
      host: null,
      keys: ['OLLAMA_API_KEY'],
      urls: ['OLLAMA_BASE_URL', 'OLLAMA_HOST'],
      make: (known, env) => ollama({ ...known, baseUrl: ollamaUrl(env) }),
      isKeyless: () => true,
    }),
    isLocal: true,
    isConfigured: (env) => isSet(first(env, ['OLLAMA_BASE_URL', 'OLLAMA_HOST'])),
    target: (env) => ({ ...targetOf('ollama', env, ['OLLAMA_API_KEY'], []), baseUrl: ollamaUrl(env) }),
  },
  {
    id: 'azure',
    title: 'Azure OpenAI',
    dialect: 'azure',
    keyVariables: ['AZURE_OPENAI_API_KEY', 'AZURE_API_KEY'],
    urlVariables: ['AZURE_OPENAI_ENDPOINT', 'AZURE_RESOURCE_NAME'],
    host: null,
    isLocal: false,
    verified: 'unverified',
    isConfigured: (env) =>
      isSet(first(env, ['AZURE_OPENAI_API_KEY', 'AZURE_API_KEY'])) && isSet(first(env, ['AZURE_OPENAI_ENDPOINT', 'AZURE_RESOURCE_NAME'])),
    target: ({ AZURE_RESOURCE_NAME: resource, AZURE_OPENAI_API_VERSION: apiVersion, ...env }) => ({
      ...targetOf('azure', env, ['AZURE_OPENAI_API_KEY', 'AZURE_API_KEY'], ['AZURE_OPENAI_ENDPOINT']),
      ...(isSet(resource) ? { resource } : {}),
      ...(isSet(apiVersion) ? { apiVersion } : {}),
    }),
    make(deployment, env) {
      const { AZURE_OPENAI_ENDPOINT: baseUrl, AZURE_RESOURCE_NAME: resource, AZURE_OPENAI_API_VERSION: apiVersion } = env;
      if (!isSet(baseUrl) && !isSet(resource)) throw missing('azure', ['AZURE_OPENAI_ENDPOINT', 'AZURE_RESOURCE_NAME']);
      return azureOpenai({
        deployment,
        apiKey: keyOf('azure', env, ['AZURE_OPENAI_API_KEY', 'AZURE_API_KEY']),
        ...(isSet(baseUrl) ? { baseUrl } : { resource: resource ?? '' }),
        ...(isSet(apiVersion) ? { apiVersion } : {}),
      });
    },
  },
  {
    id: 'bedrock',
    title: 'AWS Bedrock',
    dialect: 'bedrock',
    keyVariables: ['AWS_BEARER_TOKEN_BEDROCK', 'AWS_ACCESS_KEY_ID'],
    urlVariables: ['AWS_REGION', 'AWS_DEFAULT_REGION'],
    host: null,
    isLocal: false,
    verified: 'unverified',
    isConfigured: (env) =>
      isSet(first(env, ['AWS_REGION', 'AWS_DEFAULT_REGION'])) &&
      (isSet(env['AWS_BEARER_TOKEN_BEDROCK']) || (isSet(env['AWS_ACCESS_KEY_ID']) && isSet(env['AWS_SECRET_ACCESS_KEY']))),
    target: () => ({ provider: 'bedrock' }),
    make(model, env) {
      const region = first(env, ['AWS_REGION', 'AWS_DEFAULT_REGION']);
      if (region === undefined) throw missing('bedrock', ['AWS_REGION']);
      const {
        AWS_BEARER_TOKEN_BEDROCK: apiKey,
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        AWS_SESSION_TOKEN: sessionToken,
      } = env;
      if (isSet(apiKey)) return bedrock({ model, region, apiKey });
      if (!isSet(accessKeyId) || !isSet(secretAccessKey))
        throw missing('bedrock', ['AWS_BEARER_TOKEN_BEDROCK', 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY']);
      return bedrock({ model, region, credentials: { accessKeyId, secretAccessKey, ...(isSet(sessionToken) ? { sessionToken } : {}) } });
    },
  },
  ...PROVIDERS.map(({ id, title, baseUrl, keyVariables, urlVariables, isLocal, verified }): ProviderEntry => {
    const entry = own(id, title, {
      dialect: 'openai-chat',
      host: hostOf(baseUrl),
      keys: keyVariables,
      urls: urlVariables,
      make: (known) => compatible(id, known),
      isKeyless: () => isLocal || keyVariables.length === 0,
    });
    return {
      ...entry,
      isLocal,
      verified,
      isConfigured: isLocal ? (env) => isSet(first(env, [...urlVariables, ...keyVariables])) : entry.isConfigured,
    };
  }),
];

/**
 * A model by its name, `provider/model`: `openai/gpt-5-mini`, `anthropic/claude-sonnet-4-5`, `google/gemini-2.5-flash`, `ollama/llama3.2`,
 * `groq/openai/gpt-oss-120b`. Key and address come from the environment when it is first called: an agent can be defined, replayed and
 * tested without them. Price, context and capabilities are those of the registry; what it does not know stays unknown, and so does the price where
 * the environment names another address when the model is named: give one by `{ ...model, price }`.
 * @throws OPTION_INVALID for a name without a provider, or of an unknown one, naming the nearest.
 */
export function modelNamed(name: string, options: { readonly env?: Env } = {}): Model {
  const slash = name.indexOf('/');
  const [id, model] = [name.slice(0, slash), name.slice(slash + 1)];
  const entry = PROVIDER_ENTRIES.find((one) => one.id === id);
  if (slash <= 0 || model.trim() === '' || entry === undefined) throw unknown(name, slash > 0 ? id : null);
  const { price: known, contextTokensMax, capabilities } = modelInfo(name) ?? {};
  const { baseUrl } = entry.target(options.env ?? process.env);
  const price = baseUrl === undefined || entry.host === null || entry.host === hostOf(baseUrl) ? known : undefined;
  let made: Model | null = null;
  return {
    name,
    ...(price === undefined ? {} : { price }),
    ...(contextTokensMax === undefined ? {} : { contextTokensMax }),
    ...(capabilities === undefined ? {} : { capabilities }),
    call: async (request, callOptions) => (made ??= entry.make(model, options.env ?? process.env)).call(request, callOptions),
  };
}

function unknown(name: string, id: string | null): NervaError {
  const ids = PROVIDER_ENTRIES.map((entry) => entry.id);
  const near = id === null ? nearestModel(name) : nearestOf(id, ids);
  const meant = id === null ? near : `${near}/${name.slice(id.length + 1)}`;
  const hint = near === null ? '' : ` Did you mean "${meant}"?`;
  return new NervaError(
    'OPTION_INVALID',
    `${JSON.stringify(name.slice(0, 100))} names no model: expected "provider/model".${hint} Providers: ${ids.join(', ')}.`,
    { details: { name: name.slice(0, 100) } },
  );
}

/** Of a name without a provider: the known model that is called so, or nearly. */
function nearestModel(name: string): string | null {
  const near = nearestOf(
    name,
    MODELS.map((info) => info.name.slice(info.name.indexOf('/') + 1)),
  );
  return near === null ? null : (MODELS.find((info) => info.name.endsWith(`/${near}`))?.name ?? null);
}

function own(
  id: string,
  title: string,
  row: {
    readonly dialect: ProviderEntry['dialect'];
    readonly host: string | null;
    readonly keys: readonly string[];
    readonly urls: readonly string[];
    readonly make: (known: Known, env: Env) => Model;
    /** Where a call needs no key. */
    readonly isKeyless?: (env: Env) => boolean;
  },
): ProviderEntry {
  const isKeyless = row.isKeyless ?? (() => false);
  return {
    id,
    title,
    dialect: row.dialect,
    keyVariables: row.keys,
    urlVariables: row.urls,
    host: row.host,
    isLocal: false,
    verified: 'unverified',
    isConfigured: (env) => isKeyless(env) || isSet(first(env, row.keys)),
    target: (env) => targetOf(id, env, row.keys, row.urls),
    make(model, env) {
      const baseUrl = first(env, row.urls);
      const apiKey = isKeyless(env) ? first(env, row.keys) : keyOf(id, env, row.keys);
      return row.make(
        { model, ...(apiKey === undefined ? {} : { apiKey }), ...(baseUrl === undefined ? {} : { baseUrl: urlOf(baseUrl) }) },
        env,
      );
    },
  };
}

function targetOf(provider: string, env: Env, keys: readonly string[], urls: readonly string[]): KeyTarget {
  const [apiKey, baseUrl] = [first(env, keys), first(env, urls)];
  return { provider, ...(apiKey === undefined ? {} : { apiKey }), ...(baseUrl === undefined ? {} : { baseUrl: urlOf(baseUrl) }) };
}

function hostOf(url: string): string | null {
  return URL.parse(url)?.host ?? null;
}

/** A host and port alone will do. */
const urlOf = (given: string): string => (/^https?:\/\//.test(given) ? given : `http://${given}`);

const isSet = (value: string | undefined): value is string => value !== undefined && value !== '';

function first(env: Env, names: readonly string[]): string | undefined {
  return names.map((name) => env[name]).find(isSet);
}

function keyOf(id: string, env: Env, names: readonly string[]): string {
  const key = first(env, names);
  if (key === undefined) throw missing(id, names);
  return key;
}

function optionalKey(known: Known, env: Env, name: string): Known {
  return isSet(env[name]) ? { ...known, apiKey: env[name] } : known;
}

function missing(id: string, names: readonly string[]): NervaError {
  return new NervaError('MODEL_AUTH', `${id}: set ${names.join(' or ')} in the environment. Nothing was sent.`, {
    details: { variables: names },
  });
}
