import { nearestOf, NervaError } from '../core/index.ts';
import type { ChatQuirks } from './dialects/openai-chat-quirks.ts';
import { endpointOf, type EndpointOptions } from './endpoint.ts';
import type { ModelList } from './model-list.ts';
import type { Model } from './model.ts';
import { chatModel } from './openai.ts';

/** A provider, or a server, that speaks OpenAI's chat completions. */
export interface Provider {
  /** The part of a model's name before the slash. */
  readonly id: string;
  readonly title: string;
  readonly baseUrl: string;
  /** Environment variables that hold the key, the first that is set; none where no key is needed. */
  readonly keyVariables: readonly string[];
  /** Environment variables that hold another base URL. */
  readonly urlVariables: readonly string[];
  readonly quirks: ChatQuirks;
  /** Quirks of some of its models, by a pattern of their names; they come over those of the provider, the later over the earlier. */
  readonly models?: readonly { readonly pattern: string; readonly quirks: ChatQuirks }[];
  /** Where its models are listed for who has a key; absent: at `/models`, null: nowhere that would tell something about the key. */
  readonly list?: ModelList | null;
  /** Runs on your own machines. */
  readonly isLocal: boolean;
  /** Whether somebody called it with this row, and when. */
  readonly verified: 'unverified' | { readonly on: string; readonly by: string };
  /** Where the facts come from. */
  readonly docs: string;
  /** When that page, or what else is named, was read or is dated. */
  readonly source: string;
}

const READ = 'read in November 2026';

/** Efforts of an endpoint that knows thinking on and off by words of its own. */
const NONE_OR_HIGH = { low: null, medium: null } as const;

/**
 * Providers and servers that speak OpenAI's chat completions, with what they do otherwise. Nothing here was tried against the service: the
 * rows say where each fact is published.
 */
export const PROVIDERS: readonly Provider[] = [
  {
    id: 'groq',
    title: 'Groq',
    baseUrl: 'https://api.groq.com/openai/v1',
    keyVariables: ['GROQ_API_KEY'],
    urlVariables: ['GROQ_BASE_URL'],
    // Thinking is shown apart only when asked for; `raw` leaves it in the text. Which models think differs, and so do their words for it.
    // Usage comes with the last chunk unasked, under `x_groq`.
    quirks: {
      streamUsage: false,
      output: 'object',
      files: 'images',
      effort: 'none',
      reasoningField: 'reasoning',
      without: ['logprobs', 'tokenIds'],
    },
    models: [
      {
        pattern: '^qwen/',
        quirks: {
          body: { reasoning_format: 'parsed' },
          effort: 'reasoning_effort',
          efforts: { low: 'default', medium: 'default', high: 'default' },
        },
      },
      { pattern: '^openai/gpt-oss', quirks: { effort: 'reasoning_effort', efforts: { none: null }, output: 'schema' } },
    ],
    isLocal: false,
    verified: 'unverified',
    docs: 'https://console.groq.com/docs/reasoning',
    source: `${READ}; reasoning goes back with calls: github.com/vercel/ai/issues/7860; unsupported fields: console.groq.com/docs/openai`,
  },
  {
    id: 'deepseek',
    title: 'DeepSeek',
    baseUrl: 'https://api.deepseek.com',
    keyVariables: ['DEEPSEEK_API_KEY'],
    urlVariables: ['DEEPSEEK_BASE_URL'],
    // Reasoning of a turn that called tools must go back in each request after it, empty too; that of other turns is ignored there.
    quirks: {
      output: 'object',
      files: 'none',
      effort: 'thinking_effort',
      reasoningField: 'reasoning_content',
      needsReasoning: true,
      without: ['tokenIds'],
    },
    isLocal: false,
    verified: 'unverified',
    docs: 'https://api-docs.deepseek.com/guides/thinking_mode',
    source: `${READ}; an empty field: github.com/deepseek-ai/deepseek-harness/discussions/739`,
  },
  {
    id: 'xai',
    title: 'xAI',
    baseUrl: 'https://api.x.ai/v1',
    keyVariables: ['XAI_API_KEY'],
    urlVariables: ['XAI_BASE_URL'],
    // The provider recommends its Responses API, which gives reasoning back: `openaiResponses({provider: 'xai', baseUrl})`.
    quirks: { maxTokensField: 'max_completion_tokens', files: 'images', without: ['tokenIds'] },
    models: [{ pattern: '^grok-4\\.20', quirks: { effort: 'none' } }],
    isLocal: false,
    verified: 'unverified',
    docs: 'https://docs.x.ai/developers/model-capabilities/text/comparison',
    source: `${READ}; models without an effort: release notes of @ai-sdk/xai 4.0.8`,
  },
  {
    id: 'mistral',
    title: 'Mistral',
    baseUrl: 'https://api.mistral.ai/v1',
    keyVariables: ['MISTRAL_API_KEY'],
    urlVariables: ['MISTRAL_BASE_URL'],
    // Usage comes with the last chunk unasked.
    quirks: {
      seedField: 'random_seed',
      required: 'any',
      callIds: 'nine',
      streamUsage: false,
      files: 'images',
      reasoningField: 'thinking',
      effort: 'none',
      without: ['logprobs', 'tokenIds'],
    },
    models: [{ pattern: '^mistral-small-(?:latest|26)', quirks: { effort: 'reasoning_effort', efforts: NONE_OR_HIGH } }],
    isLocal: false,
    verified: 'unverified',
    docs: 'https://docs.mistral.ai/api/',
    source: `${READ}; ids of calls: mistral-common, validator.py; efforts: release notes of @ai-sdk/mistral 4.0.0-beta.8`,
  },
  {
    id: 'together',
    title: 'Together AI',
    baseUrl: 'https://api.together.ai/v1',
    keyVariables: ['TOGETHER_API_KEY', 'TOGETHER_AI_API_KEY'],
    urlVariables: ['TOGETHER_BASE_URL'],
    quirks: { files: 'images', logprobs: 'count', without: ['tokenIds'] },
    isLocal: false,
    verified: 'unverified',
    docs: 'https://docs.together.ai/docs/inference/openai-compatibility',
    source: READ,
  },
  {
    id: 'fireworks',
    title: 'Fireworks AI',
    baseUrl: 'https://api.fireworks.ai/inference/v1',
    keyVariables: ['FIREWORKS_API_KEY'],
    urlVariables: ['FIREWORKS_BASE_URL'],
    quirks: { files: 'images', reasoningField: 'reasoning_content', without: ['tokenIds'] },
    isLocal: false,
    verified: 'unverified',
    docs: 'https://docs.fireworks.ai/guides/reasoning',
    source: READ,
  },
  {
    id: 'openrouter',
    title: 'OpenRouter',
    baseUrl: 'https://openrouter.ai/api/v1',
    keyVariables: ['OPENROUTER_API_KEY'],
    urlVariables: ['OPENROUTER_BASE_URL'],
    quirks: { effort: 'reasoning', reasoningField: 'reasoning_details', without: ['tokenIds'] },
    // `/models` is open to everybody. "List models filtered by user provider preferences", openrouter.ai/docs/api/api-reference, read in November 2026.
    list: { path: '/models/user', hasVariants: true },
    isLocal: false,
    verified: 'unverified',
    docs: 'https://openrouter.ai/docs/use-cases/reasoning-tokens',
    source: READ,
  },
  {
    id: 'cohere',
    title: 'Cohere (compatibility API)',
    baseUrl: 'https://api.cohere.ai/compatibility/v1',
    keyVariables: ['COHERE_API_KEY', 'CO_API_KEY'],
    urlVariables: ['COHERE_BASE_URL'],
    quirks: {
      files: 'images',
      efforts: NONE_OR_HIGH,
      toolChoices: ['auto', 'none', 'required'],
      without: ['logprobs', 'parallelToolCalls', 'tokenIds'],
    },
    // "List Models", docs.cohere.com/v1/reference/list-models, read in November 2026.
    list: { path: '/v1/models?page_size=1000', off: '/compatibility/v1' },
    isLocal: false,
    verified: 'unverified',
    docs: 'https://docs.cohere.com/docs/compatibility-api',
    source: READ,
  },
  {
    id: 'cerebras',
    title: 'Cerebras',
    baseUrl: 'https://api.cerebras.ai/v1',
    keyVariables: ['CEREBRAS_API_KEY'],
    urlVariables: ['CEREBRAS_BASE_URL'],
    quirks: { maxTokensField: 'max_completion_tokens', files: 'images', without: ['tokenIds'] },
    isLocal: false,
    verified: 'unverified',
    docs: 'https://inference-docs.cerebras.ai/resources/openai',
    source: READ,
  },
  {
    id: 'nebius',
    title: 'Nebius Token Factory',
    baseUrl: 'https://api.tokenfactory.nebius.com/v1',
    keyVariables: ['NEBIUS_API_KEY'],
    urlVariables: ['NEBIUS_BASE_URL'],
    quirks: { files: 'images', without: ['tokenIds'] },
    isLocal: false,
    verified: 'unverified',
    docs: 'https://docs.tokenfactory.nebius.com/api-reference/introduction',
    source: READ,
  },
  {
    id: 'zhipu',
    title: 'Zhipu (Z.AI)',
    // In China: https://open.bigmodel.cn/api/paas/v4
    baseUrl: 'https://api.z.ai/api/paas/v4',
    keyVariables: ['ZAI_API_KEY', 'ZHIPU_API_KEY', 'ZHIPUAI_API_KEY'],
    urlVariables: ['ZHIPU_BASE_URL', 'ZAI_BASE_URL'],
    quirks: {
      output: 'object',
      files: 'images',
      streamUsage: false,
      toolChoices: ['auto'],
      effort: 'thinking',
      reasoningField: 'reasoning_content',
      without: ['seed', 'logprobs', 'parallelToolCalls', 'tokenIds'],
    },
    // None by hexdocs.pm/agentic/Agentic.LLM.Provider.Zai.html, read in November 2026.
    list: null,
    isLocal: false,
    verified: 'unverified',
    docs: 'https://docs.z.ai/guides/capabilities/thinking-mode',
    source: `${READ}; what is not taken: java.agentscope.io/v2/en/integration/model/glm`,
  },
  {
    id: 'moonshot',
    title: 'Moonshot (Kimi)',
    // In China: https://api.moonshot.cn/v1
    baseUrl: 'https://api.moonshot.ai/v1',
    keyVariables: ['MOONSHOT_API_KEY', 'KIMI_API_KEY'],
    urlVariables: ['MOONSHOT_BASE_URL'],
    quirks: {
      maxTokensField: 'max_completion_tokens',
      output: 'object',
      files: 'images',
      effort: 'none',
      without: ['seed', 'logprobs', 'tokenIds'],
    },
    models: [
      {
        // They think unless told otherwise; then a forced tool is refused, and so is a call without its reasoning. Sampling is fixed.
        pattern: '^kimi-',
        quirks: {
          effort: 'thinking',
          reasoningField: 'reasoning_content',
          needsReasoning: true,
          toolChoices: ['auto', 'none'],
          without: ['temperature', 'topP', 'seed', 'logprobs', 'tokenIds'],
        },
      },
      { pattern: '^kimi-k3', quirks: { effort: 'reasoning_effort', efforts: { none: null, medium: null } } },
    ],
    isLocal: false,
    verified: 'unverified',
    docs: 'https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model',
    source: `${READ}; forced tools: github.com/AstrBotDevs/AstrBot/issues/7805 (2026-04-25); reasoning: github.com/n8n-io/n8n/issues/29142 (2026-04-26); sampling: java.agentscope.io/v2/en/integration/model/kimi`,
  },
  {
    id: 'perplexity',
    title: 'Perplexity',
    baseUrl: 'https://api.perplexity.ai',
    keyVariables: ['PERPLEXITY_API_KEY', 'PPLX_API_KEY'],
    urlVariables: ['PERPLEXITY_BASE_URL'],
    quirks: {
      tools: false,
      streamUsage: false,
      files: 'images',
      efforts: { none: null },
      without: ['stop', 'seed', 'logprobs', 'parallelToolCalls', 'tokenIds'],
    },
    // Of what chat completions take there is none: docs of LibreChat, "Perplexity"; docs.perplexity.ai has one of its router. Read in November 2026.
    list: null,
    isLocal: false,
    verified: 'unverified',
    docs: 'https://docs.perplexity.ai/api-reference/chat-completions-post',
    source: `docs.getbifrost.ai/providers/supported-providers/perplexity, ${READ}`,
  },
  {
    id: 'nvidia',
    title: 'NVIDIA',
    baseUrl: 'https://integrate.api.nvidia.com/v1',
    keyVariables: ['NVIDIA_API_KEY', 'NIM_API_KEY'],
    urlVariables: ['NVIDIA_BASE_URL'],
    quirks: { files: 'images', without: ['tokenIds'] },
    isLocal: false,
    verified: 'unverified',
    docs: 'https://build.nvidia.com/',
    source: READ,
  },
  {
    id: 'huggingface',
    title: 'Hugging Face Inference Providers',
    baseUrl: 'https://router.huggingface.co/v1',
    keyVariables: ['HF_TOKEN', 'HUGGINGFACE_API_KEY'],
    urlVariables: ['HF_BASE_URL'],
    quirks: { files: 'images', without: ['tokenIds'] },
    list: { path: '/models', hasVariants: true },
    isLocal: false,
    verified: 'unverified',
    docs: 'https://huggingface.co/docs/inference-providers/index',
    source: READ,
  },
  {
    id: 'github',
    title: 'GitHub Models',
    baseUrl: 'https://models.github.ai/inference',
    keyVariables: ['GITHUB_MODELS_TOKEN', 'GITHUB_TOKEN'],
    urlVariables: ['GITHUB_MODELS_BASE_URL'],
    quirks: { files: 'images', without: ['tokenIds'] },
    // The catalog is at an address of its own, and open (github.blog/changelog/2025-05-15-github-models-api-now-available).
    list: null,
    isLocal: false,
    verified: 'unverified',
    docs: 'https://github.blog/changelog/2025-05-15-github-models-api-now-available',
    source: '2025-05-15 and 2025-07-17 (changelog)',
  },
  {
    id: 'vllm',
    title: 'vLLM',
    baseUrl: 'http://127.0.0.1:8000/v1',
    keyVariables: ['VLLM_API_KEY'],
    urlVariables: ['VLLM_BASE_URL'],
    quirks: {},
    isLocal: true,
    verified: 'unverified',
    docs: 'https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html',
    source: READ,
  },
  {
    id: 'lmstudio',
    title: 'LM Studio',
    baseUrl: 'http://127.0.0.1:1234/v1',
    keyVariables: ['LMSTUDIO_API_KEY'],
    urlVariables: ['LMSTUDIO_BASE_URL'],
    quirks: { files: 'images', without: ['tokenIds'] },
    isLocal: true,
    verified: 'unverified',
    docs: 'https://lmstudio.ai/docs/developer/openai-compat',
    source: READ,
  },
  {
    id: 'llamacpp',
    title: 'llama.cpp server',
    baseUrl: 'http://127.0.0.1:8080/v1',
    keyVariables: ['LLAMA_API_KEY'],
    urlVariables: ['LLAMACPP_BASE_URL'],
    quirks: { without: ['tokenIds'] },
    isLocal: true,
    verified: 'unverified',
    docs: 'https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md',
    source: READ,
  },
];

/** What `compatible` takes. */
export interface CompatibleOptions extends Omit<EndpointOptions, 'provider'> {
  /** What differs from the provider's row. */
  readonly quirks?: ChatQuirks;
}

/**
 * A model of a provider in the table.
 * @throws OPTION_INVALID for an unknown provider, naming the nearest, an empty model name or a malformed URL.
 */
export function compatible(id: string, options: CompatibleOptions): Model {
  const provider = PROVIDERS.find((row) => row.id === id);
  if (provider === undefined) {
    const near = nearestOf(
      id,
      PROVIDERS.map((row) => row.id),
    );
    throw new NervaError(
      'OPTION_INVALID',
      `There is no provider "${id.slice(0, 80)}"${near === null ? '' : `; did you mean "${near}"?`} Known are ${PROVIDERS.map((row) => row.id).join(', ')}. For any other, give openaiChat its baseUrl.`,
    );
  }
  const endpoint = endpointOf({ ...options, provider: id }, { provider: id, baseUrl: provider.baseUrl });
  return chatModel(endpoint, options.model, { ...quirksOf(provider, options.model), ...options.quirks });
}

/** What is different about one model of a provider. Elsewhere than at OpenAI the output limit is `max_tokens`, which all know, unless the row says otherwise. */
export function quirksOf({ quirks, models = [] }: Provider, model: string): ChatQuirks {
  const more = models.filter(({ pattern }) => new RegExp(pattern).test(model));
  return more.reduce<ChatQuirks>((all, row) => ({ ...all, ...row.quirks }), { maxTokensField: 'max_tokens', ...quirks });
}
