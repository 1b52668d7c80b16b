import { modelFromEnv, nodeWorld, type Model } from 'nerva';

/** Who decides what the rules leave open: a person, or a model for the first `reportsMax` reports. Plain data: it goes into the job file, keys do not. */
export type Brain =
  | { readonly type: 'person'; readonly note?: string }
  | { readonly type: 'model'; readonly took: string; readonly reportsMax: number };

/**
 * Finds the model that the environment names (OPENAI_BASE_URL, OPENAI_API_KEY) or a running Ollama; without one it is a person.
 * @param reportsMax how many unclear reports may go to the model; the others wait for a person. 0 asks for none.
 */
export async function findBrain(reportsMax: number): Promise<Brain> {
  if (reportsMax === 0) return { type: 'person' };
  try {
    const { took } = await modelFromEnv({ env: process.env, transport: nodeWorld().transport });
    return { type: 'model', took, reportsMax };
  } catch (error) {
    // Without any of the three there simply is none; a base URL that cannot be used is worth a word.
    return process.env['OPENAI_BASE_URL'] ? { type: 'person', note: (error as Error).message } : { type: 'person' };
  }
}

/** The model itself, in the process that asks it. @throws when the environment names none any more. */
export async function openBrain(brain: Brain): Promise<Model | undefined> {
  if (brain.type === 'person') return undefined;
  return (await modelFromEnv({ env: process.env, transport: nodeWorld().transport })).model;
}

/** One plain sentence without its full stop. */
export function describeBrain(brain: Brain): string {
  if (brain.type === 'model') return `decided by rules; of the unclear reports, up to ${brain.reportsMax} go to the model ${brain.took}`;
  const note = brain.note === undefined ? '' : ` (${brain.note})`;
  return `decided by rules, no model${note}; what the rules leave open waits for a person`;
}
