import { nearestOf } from '../core/index.ts';
import { VERSION } from './find.ts';
import { isObject } from './object.ts';

/** Where a provider lists its models. */
export interface ModelList {
  /** Added to the provider's address. */
  readonly path: string;
  /** Taken off the end of the address before, where the list is not part of what is compatible. */
  readonly off?: string;
  /** What stands behind a colon says how a model is served (`:free`, `:groq`), and its name may stand in the list without it. */
  readonly hasVariants?: boolean;
  /** The names in the list are not those that are called: deployments have their own. */
  readonly isOther?: boolean;
}

/** OpenAI's, and what those that speak like it have unless their row says otherwise ("List models", developers.openai.com/api/reference, read in November 2026). */
export const OPENAI_LIST: ModelList = { path: '/models' };
/** "List Models", platform.claude.com/docs/en/api/models-list, read in November 2026: a page holds at most 1000. */
export const ANTHROPIC_LIST: ModelList = { path: '/models?limit=1000' };
/** "models.list", ai.google.dev/api/rest/v1beta/models/list, read in November 2026: a page holds at most 1000. */
export const GOOGLE_LIST: ModelList = { path: '/models?pageSize=1000' };
/** "List Local Models", docs/api.md of github.com/ollama/ollama, read in November 2026. */
export const OLLAMA_LIST: ModelList = { path: '/api/tags' };

/**
 * Azure's: models that could be deployed, by the key of a resource. "Models", learn.microsoft.com/rest/api/microsoft-foundry/azureopenai/models, and
 * with a dated version "Models - List", learn.microsoft.com/rest/api/azureopenai/models/list, both read in November 2026.
 */
export function azureList(apiVersion: string | undefined): ModelList {
  const query = apiVersion === undefined || apiVersion === 'v1' ? '' : `?api-version=${encodeURIComponent(apiVersion)}`;
  return { path: `/openai${/^\d/.test(apiVersion ?? '') ? '' : '/v1'}/models${query}`, isOther: true };
}

/** What a list holds. */
export interface ListedModels {
  readonly names: readonly string[];
  /** Whether there are no further pages. */
  readonly isWhole: boolean;
}

/** Reads a list of models in any of the forms that providers give it; null when it is none. */
export function listedModels(value: unknown): ListedModels | null {
  const fields = isObject(value) ? value : {};
  const list: unknown = Array.isArray(value) ? value : 'data' in fields ? fields['data'] : fields['models'];
  // An Ollama without models may write null.
  if (list === null && 'models' in fields) return { names: [], isWhole: true };
  if (!Array.isArray(list)) return null;
  const names = list.flatMap((entry: unknown) => {
    const name: unknown = isObject(entry) ? (entry['id'] ?? entry['name']) : undefined;
    // Google's have the name of the collection before them.
    return typeof name === 'string' && name.length <= NAME_LENGTH_MAX ? [name.replace(/^models\//, '')] : [];
  });
  if (names.length === 0 && list.length > 0) return null;
  const next = fields['nextPageToken'] ?? fields['next_page_token'];
  return { names, isWhole: fields['has_more'] !== true && (typeof next !== 'string' || next === '') };
}

const NAME_LENGTH_MAX = 200;

/** Whether a model is in a list, and when not, which is nearest. Names without the date of their version count: providers list the dated one. */
export function lookUp(model: string, names: readonly string[], { hasVariants = false }: Pick<ModelList, 'hasVariants'> = {}): Looked {
  const bare = model.replace(/-latest$/, '');
  const spellings = new Set([model, `${model}:latest`, ...(hasVariants ? [model.replace(/:[^:/]*$/, '')] : [])]);
  if (names.some((name) => spellings.has(name) || name.replace(VERSION, '') === bare)) return { isListed: true, nearest: null };
  // Whoever lists more than anybody has must not be given time for it.
  const byBare = new Map(names.slice(0, COMPARED_MAX).map((name) => [name.replace(VERSION, ''), name]));
  const near = nearestOf(bare, [...byBare.keys()]);
  return { isListed: false, nearest: near === null ? null : (byBare.get(near) ?? null) };
}

/** Whether a model is in a list, and when not, which is nearest to its name. */
export interface Looked {
  readonly isListed: boolean;
  readonly nearest: string | null;
}

const COMPARED_MAX = 5_000;
