import { NervaError, type Transport } from '../core/index.ts';
import { findModels, type Model } from '../model/index.ts';
import { modelNamed, PROVIDER_ENTRIES, type Env } from './models.ts';
import { ollamaUrl } from './ollama-url.ts';

/** A model and how it was found, for telling the user: `openai/gpt-5 (OPENAI_API_KEY)`. */
export interface FoundModel {
  readonly model: Model;
  readonly took: string;
}

const OPENAI_MODEL = 'gpt-5-mini';
const PROBE_MS = 300;

/**
 * Takes the model that the environment names: `NERVA_MODEL` (`provider/model`), `OPENAI_BASE_URL` with `OPENAI_MODEL`, `OPENAI_API_KEY`, the
 * key of another provider (then its cheapest known model that calls tools), else an Ollama that runs on this machine, or where `OLLAMA_HOST` says.
 * The probe of Ollama is the only request made, and only when the environment names nothing.
 * @throws OPTION_INVALID when there is none, saying what to set.
 */
export async function modelFromEnv(options: { readonly env: Env; readonly transport: Transport }): Promise<FoundModel> {
  const { env } = options;
  const { NERVA_MODEL: named = '', OPENAI_API_KEY: apiKey = '', OPENAI_BASE_URL: baseUrl = '', OPENAI_MODEL: model = '' } = env;
  if (named !== '') return { model: modelNamed(named, { env }), took: `${named} (NERVA_MODEL)` };
  if (baseUrl !== '') {
    if (model === '')
      throw new NervaError(
        'OPTION_INVALID',
        'OPENAI_BASE_URL is set, but not OPENAI_MODEL. Set it to the name of a model of that endpoint.',
      );
    const found = modelNamed(`openai/${model}`, { env });
    return { model: found, took: `${found.name} at ${withoutUser(baseUrl)} (OPENAI_BASE_URL)` };
  }
  if (apiKey !== '') {
    const found = modelNamed(`openai/${model === '' ? OPENAI_MODEL : model}`, { env });
    return { model: found, took: `${found.name} (OPENAI_API_KEY)` };
  }
  return byKey(env) ?? ollamaHere(options.transport, env);
}

/** The first provider whose key is there and of which a model is known. */
function byKey(env: Env): FoundModel | null {
  for (const { id, isConfigured, isLocal, keyVariables } of PROVIDER_ENTRIES) {
    if (isLocal || !isConfigured(env)) continue;
    const [cheapest] = findModels({ providers: [id], needs: { tool_use: 1 } });
    const variable = keyVariables.find((name) => (env[name] ?? '') !== '');
    if (cheapest !== undefined) return { model: modelNamed(cheapest.name, { env }), took: `${cheapest.name} (${variable ?? id})` };
  }
  return null;
}

async function ollamaHere(transport: Transport, env: Env): Promise<FoundModel> {
  const url = ollamaUrl(env);
  const names = await ollamaModels(transport, url);
  const { OPENAI_MODEL: model = '' } = env;
  const name = model === '' ? names[0] : model;
  if (name === undefined || names.length === 0) {
    throw new NervaError(
      'OPTION_INVALID',
      `No model found: set NERVA_MODEL (provider/model), OPENAI_API_KEY or the key of another provider (\`nerva models\` lists them), OPENAI_BASE_URL and OPENAI_MODEL, or start Ollama with a model (none answered at ${withoutUser(url)}).`,
    );
  }
  const found = modelNamed(`ollama/${name}`, { env });
  return { model: found, took: `${found.name} (Ollama at ${withoutUser(url)})` };
}

/** The models that an Ollama has; none when it does not answer in time or in its own words. */
async function ollamaModels(transport: Transport, baseUrl: string): Promise<readonly string[]> {
  const limits = { connectMs: PROBE_MS, firstByteMs: PROBE_MS, idleMs: PROBE_MS, totalMs: PROBE_MS, bytesMax: 1024 * 1024 };
  try {
    const answer = await transport.request({ method: 'GET', url: `${baseUrl}/api/tags`, limits });
    const body = JSON.parse(await answer.text()) as { readonly models?: unknown };
    if (answer.status !== 200 || !Array.isArray(body.models)) return [];
    return body.models.flatMap((entry: unknown) =>
      typeof entry === 'object' && entry !== null && 'name' in entry && typeof entry.name === 'string' ? [entry.name] : [],
    );
  } catch {
    // Whatever listens there is no Ollama for us; the caller says what to set instead.
    return [];
  }
}

function withoutUser(url: string): string {
  return url.replace(/\/\/[^/]*@/, '//').replace(/[?#].*$/s, '');
}
