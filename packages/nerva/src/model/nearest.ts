import { canonicalJson, excerpt, formatPath, NervaError, type Json } from '../core/index.ts';
import type { ModelRequest } from './model.ts';

/** The order in which two requests are compared: what is said once comes before what grows. */
const FIELDS = ['instructions', 'tools', 'params', 'messages'] as const;
const SIDE_BYTES = 160;

/** The first place where two values differ; an absent side is undefined. */
interface Difference {
  readonly path: readonly (string | number)[];
  readonly recorded: Json | undefined;
  readonly asked: Json | undefined;
}

/** What a tape says of a request that is not on it: the nearest recorded one and the first difference, both sides. */
export function divergence(
  name: string,
  asked: { readonly request: ModelRequest; readonly digest: string },
  records: readonly (ModelRequest | null)[],
): NervaError {
  const { request, digest } = asked;
  const missing = `${name} has no recorded answer for the request ${digest} (${request.messages.length} messages)`;
  const nearest = nearestOf(request, records);
  const found = nearest === null ? null : firstDifference(records[nearest] as ModelRequest, request);
  if (found === null) return new NervaError('REPLAY_DIVERGED', `${missing}. No live call was made.`, { details: { digest } });
  const path = formatPath(found.path);
  const [was, is] = [shown(found.recorded), shown(found.asked)];
  const message = `${missing}. The nearest one is entry ${Number(nearest) + 1} of ${records.length}; they first differ at ${path}: ${was} was recorded, ${is} is asked. No live call was made; record it anew if the change is meant.`;
  return new NervaError('REPLAY_DIVERGED', message, { details: { digest, nearest, path, recorded: was, asked: is } });
}

function shown(side: Json | undefined): string {
  return side === undefined ? 'nothing' : excerpt(canonicalJson(side), SIDE_BYTES);
}

/** The record that has most in common: equal messages from the start, then equal instructions, tools and parameters, then an equal length. */
function nearestOf(request: ModelRequest, records: readonly (ModelRequest | null)[]): number | null {
  let best: { readonly index: number; readonly score: number } | null = null;
  const asked = request.messages.map(text);
  for (let index = 0; index < records.length; index++) {
    const recorded = records[index];
    if (recorded === undefined || recorded === null) continue;
    let score = recorded.messages.length === asked.length ? 0.5 : 0;
    for (const field of ['instructions', 'tools', 'params'] as const) if (text(recorded[field]) === text(request[field])) score++;
    for (let at = 0; at < asked.length && at < recorded.messages.length && text(recorded.messages[at]) === asked[at]; at++) score++;
    if (best === null || score > best.score) best = { index, score };
  }
  return best?.index ?? null;
}

/** Both were made plain, so equal text is equal content. */
const text = (value: unknown): string => JSON.stringify(value);

function firstDifference(recorded: ModelRequest, asked: ModelRequest): Difference | null {
  for (const field of FIELDS) {
    const found = differing(recorded[field] as unknown as Json, asked[field] as unknown as Json, [field]);
    if (found !== null) return found;
  }
  return null;
}

function differing(recorded: Json | undefined, asked: Json | undefined, path: readonly (string | number)[]): Difference | null {
  if (recorded === asked) return null;
  const isPair = typeof recorded === 'object' && typeof asked === 'object' && recorded !== null && asked !== null;
  if (!isPair || Array.isArray(recorded) !== Array.isArray(asked)) return { path, recorded, asked };
  const [left, right] = [recorded, asked] as [Readonly<Record<string, Json>>, Readonly<Record<string, Json>>];
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const found = differing(left[key], right[key], [...path, Array.isArray(asked) ? Number(key) : key]);
    if (found !== null) return found;
  }
  return null;
}
