import { NervaError } from '../core/index.ts';
import { CAPABILITIES, type Capabilities } from './capability.ts';
import type { Price } from './model.ts';
import { MODELS, type ModelInfo } from './models.ts';
import { needsOf, taskOf, type Task } from './task.ts';

/** What models are looked for. */
export interface ModelQuery {
  /** Least strengths. A model whose strength in one is unknown does not meet it. */
  readonly needs?: Capabilities;
  /** Parts of names before the slash. Default: any. */
  readonly providers?: readonly string[];
  /** Default `MODELS`. */
  readonly models?: readonly ModelInfo[];
}

/**
 * Models that are known to meet all needs, the cheapest first, those of unknown price last.
 * @throws OPTION_INVALID for a capability that does not exist, or a strength that is not 0–4.
 */
export function findModels({ needs = {}, providers, models = MODELS }: ModelQuery): readonly ModelInfo[] {
  checkNeeds(needs);
  return models
    .filter(({ name, capabilities }) => (providers?.includes(providerOf(name)) ?? true) && unmetNeeds(capabilities, needs) === 0)
    .toSorted((a, b) => blended(a.price) - blended(b.price) || (a.name < b.name ? -1 : 1));
}

/**
 * The cheapest model that is known to be good at what the prompt asks for, and at `needs` beside it.
 * @returns the task and the model; null when none is known to be.
 */
export function pickModel(prompt: string, query: ModelQuery = {}): { readonly task: Task; readonly model: ModelInfo } | null {
  const task = taskOf(prompt);
  const [model] = findModels({ ...query, needs: both(needsOf(task), query.needs ?? {}) });
  return model === undefined ? null : { task, model };
}

/** A sentence that names models which are known to be able to do it, the cheapest first; for refusals. */
export function thatCan(capability: keyof Capabilities): string {
  const names = findModels({ needs: { [capability]: 1 } })
    .slice(0, NAMED_MAX)
    .map(({ name }) => name);
  return names.length === 0 ? `No model is known here that can (${capability}).` : `Models that can (${capability}): ${names.join(', ')}.`;
}

const NAMED_MAX = 4;

/** What is known of a model, by its name with or without the date of its version; undefined when nothing is. */
export function modelInfo(name: string, models: readonly ModelInfo[] = MODELS): ModelInfo | undefined {
  return models.find((info) => info.name === name) ?? models.find((info) => info.name === name.replace(VERSION, ''));
}

/** The date of a version at the end of a name: `-20250929`, `-2026-04-23`. */
export const VERSION = /-(?:\d{8}|\d{4}-\d{2}-\d{2})$/;

/** The known models with one’s own: rows under a known name replace the members that they have, others are added. `asOf` and `source` are the user’s. */
export function modelsWith(
  own: readonly (Pick<ModelInfo, 'name'> & Partial<ModelInfo>)[],
  models: readonly ModelInfo[] = MODELS,
): readonly ModelInfo[] {
  const byName = new Map(models.map((info) => [info.name, info]));
  for (const row of own) {
    const known = byName.get(row.name) ?? { capabilities: {}, asOf: '', source: 'given by the program' };
    byName.set(row.name, { ...known, ...row, capabilities: { ...known.capabilities, ...row.capabilities } });
  }
  return [...byName.values()];
}

/** How far a model is from what is needed: 0 when it is known to meet all; an unknown strength counts 1, one that is too low 2. */
export function unmetNeeds(capabilities: Capabilities | undefined, needs: Capabilities): number {
  let unmet = 0;
  for (const [name, least] of Object.entries(needs) as [keyof Capabilities, number][]) {
    const strength = capabilities?.[name];
    if (strength === undefined) unmet += least === 0 ? 0 : 1;
    else if (strength < least) unmet += 2;
  }
  return unmet;
}

/** The higher of both needs, each. */
function both(a: Capabilities, b: Capabilities): Capabilities {
  const all: Record<string, number> = { ...a };
  for (const [name, least] of Object.entries(b)) all[name] = Math.max(all[name] ?? 0, least);
  return all as Capabilities;
}

/** Most calls of agents read more than they write; three to one is a rule of thumb, for an order and not for a bill. */
const INPUT_SHARE = 0.75;

function blended(price: Price | undefined): number {
  return price === undefined ? Number.MAX_VALUE : price.inputUsd * INPUT_SHARE + price.outputUsd * (1 - INPUT_SHARE);
}

const providerOf = (name: string): string => name.slice(0, name.indexOf('/'));
const NAMES: ReadonlySet<string> = new Set([...CAPABILITIES, 'documents', 'audio']);

function checkNeeds(needs: Capabilities): void {
  for (const [name, least] of Object.entries(needs) as [string, unknown][]) {
    if (NAMES.has(name) && (least === 0 || least === 1 || least === 2 || least === 3 || least === 4)) continue;
    const known = NAMES.has(name) ? 'a strength is 0, 1, 2, 3 or 4' : `known are ${[...NAMES].join(', ')}`;
    throw new NervaError('OPTION_INVALID', `findModels: needs has ${name}: ${String(least)}; ${known}.`, { details: { name } });
  }
}
