/** Who decides what the rules leave open: a person, or a model behind an OpenAI-compatible API. The key stays in the environment. */
export type Brain =
  | { readonly type: 'person'; readonly note?: string }
  | { readonly type: 'model'; readonly baseUrl: string; readonly model: string; readonly from: string; readonly reportsMax: number };

const OPENAI_URL = 'https://api.openai.com/v1';
const OPENAI_MODEL = 'gpt-5-mini';
const OLLAMA_URL = 'http://127.0.0.1:11434';
const PROBE_MS = 1_000;

/**
 * Takes the first of: OPENAI_BASE_URL (any compatible server), OPENAI_API_KEY, an Ollama that runs here; else a person.
 * OPENAI_MODEL names the model; without it a compatible server's or Ollama's first one is taken.
 * @param reportsMax how many unclear reports may go to the model; the others wait for a person. 0 asks no model.
 */
export async function findBrain(environment: Readonly<Record<string, string | undefined>>, reportsMax: number): Promise<Brain> {
  if (reportsMax === 0) return { type: 'person' };
  const named = environment['OPENAI_MODEL'];
  const baseUrl = environment['OPENAI_BASE_URL']?.replace(/\/+$/, '');
  const key = environment['OPENAI_API_KEY'];
  if (baseUrl) {
    const model = named ?? (await firstName(`${baseUrl}/models`, 'data', 'id', key));
    if (model !== undefined) return { type: 'model', baseUrl, model, from: 'OPENAI_BASE_URL', reportsMax };
    return { type: 'person', note: `OPENAI_BASE_URL is set, but ${baseUrl}/models named no model; set OPENAI_MODEL` };
  }
  if (key) return { type: 'model', baseUrl: OPENAI_URL, model: named ?? OPENAI_MODEL, from: 'OPENAI_API_KEY', reportsMax };
  const ollamaUrl = ollamaHost(environment['OLLAMA_HOST']);
  const local = await firstName(`${ollamaUrl}/api/tags`, 'models', 'name');
  if (local === undefined) return { type: 'person' };
  return { type: 'model', baseUrl: `${ollamaUrl}/v1`, model: named ?? local, from: `Ollama at ${ollamaUrl}`, reportsMax };
}

/** One plain sentence for the first lines of the output. */
export function describeBrain(brain: Brain): string {
  const note = brain.type === 'person' && brain.note !== undefined ? ` (${brain.note})` : '';
  if (brain.type === 'person') return `decided by rules, no model${note}; what the rules leave open waits for a person`;
  return `decided by rules; up to ${brain.reportsMax} unclear reports go to the model ${brain.model} (${brain.from}, ${brain.baseUrl})`;
}

function ollamaHost(host: string | undefined): string {
  if (!host) return OLLAMA_URL;
  const url = host.includes('://') ? host : `http://${host}`;
  return url.replace('0.0.0.0', '127.0.0.1').replace(/\/+$/, '').replace(/^(http:\/\/[^/:]+)$/, '$1:11434');
}

/** The first name in a list that a server gives; undefined when it does not answer with one in time. */
async function firstName(url: string, list: string, field: string, key?: string): Promise<string | undefined> {
  try {
    const headers: Record<string, string> = key ? { authorization: `Bearer ${key}` } : {};
    const answer = await fetch(url, { headers, signal: AbortSignal.timeout(PROBE_MS) });
    const body = (await answer.json()) as Readonly<Record<string, readonly Readonly<Record<string, unknown>>[] | undefined>>;
    const name = answer.ok ? body[list]?.[0]?.[field] : undefined;
    return typeof name === 'string' ? name : undefined;
  } catch {
    return undefined;
  }
}
