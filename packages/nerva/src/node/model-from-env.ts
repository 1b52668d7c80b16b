import { NervaError, type Transport } from '../core/index.ts';
import { openaiChat, type Model } from '../model/index.ts';

/** A model and how it was found, for telling the user: `openai/gpt-5 (OPENAI_API_KEY)`. */
export interface FoundModel {
  readonly model: Model;
  readonly took: string;
}

const OLLAMA_URL = 'http://127.0.0.1:11434';
const OPENAI_MODEL = 'gpt-5-mini';
const PROBE_MS = 300;

/**
 * Takes the model that the environment names: `OPENAI_BASE_URL` or `OPENAI_API_KEY` (with `OPENAI_MODEL`), else an Ollama that runs on this machine.
 * The probe of Ollama is the only request made, and only when the environment names nothing.
 * @throws OPTION_INVALID when there is none, saying what to set.
 */
export async function modelFromEnv(options: {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly transport: Transport;
}): Promise<FoundModel> {
  const { OPENAI_API_KEY: apiKey = '', OPENAI_BASE_URL: baseUrl = '', OPENAI_MODEL: model = '' } = options.env;
  if (baseUrl !== '') {
    if (model === '')
      throw new NervaError(
        'OPTION_INVALID',
        'OPENAI_BASE_URL is set, but not OPENAI_MODEL. Set it to the name of a model of that endpoint.',
      );
    const found = openaiChat({ model, baseUrl, ...(apiKey === '' ? {} : { apiKey }) });
    return { model: found, took: `${found.name} at ${withoutUser(baseUrl)} (OPENAI_BASE_URL)` };
  }
  if (apiKey !== '') {
    const found = openaiChat({ model: model === '' ? OPENAI_MODEL : model, apiKey });
    return { model: found, took: `${found.name} (OPENAI_API_KEY)` };
  }
  const names = await ollamaModels(options.transport);
  const name = model === '' ? names[0] : model;
  if (name === undefined || names.length === 0) {
    throw new NervaError(
      'OPTION_INVALID',
      `No model found: set OPENAI_API_KEY, or OPENAI_BASE_URL and OPENAI_MODEL, or start Ollama with a model (none answered at ${OLLAMA_URL}).`,
    );
  }
  const found = openaiChat({ model: name, baseUrl: `${OLLAMA_URL}/v1`, provider: 'ollama' });
  return { model: found, took: `${found.name} (Ollama at ${OLLAMA_URL})` };
}

/** The models that a local Ollama has; none when it does not answer in time or in its own words. */
async function ollamaModels(transport: Transport): Promise<readonly string[]> {
  const limits = { connectMs: PROBE_MS, firstByteMs: PROBE_MS, idleMs: PROBE_MS, totalMs: PROBE_MS, bytesMax: 1024 * 1024 };
  try {
    const answer = await transport.request({ method: 'GET', url: `${OLLAMA_URL}/api/tags`, limits });
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
