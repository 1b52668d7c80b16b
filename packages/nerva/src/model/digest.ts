import { canonicalJson, type Json, type World } from '../core/index.ts';
import type { ToolSpec } from './message.ts';
import type { ModelParams, ModelRequest } from './model.ts';
import { rolling } from './rolling.ts';

type Digest = World['digest'];

const START = '';
const chain = rolling<string, Digest>(START, (state, message, digest) => digest(`${state}${JSON.stringify(message)}`));
const heads = new WeakMap<readonly ToolSpec[], { readonly instructions: string; readonly params: ModelParams; readonly digest: string }>();

/**
 * 64 hex digits that stand for a whole request: equal requests have equal digests. The order of keys counts in messages (the log keeps it) and
 * not in tools and parameters (a program may write them in any).
 * A chain over the messages and then the head (instructions, tools, parameters). A conversation that grew costs only its new messages.
 * Messages, tools and parameters are taken as immutable.
 */
export function requestDigest(request: ModelRequest, digest: Digest): string {
  return digest(`${chain(request.messages, digest)}${headDigest(request, digest)}`);
}

function headDigest({ instructions, tools, params }: ModelRequest, digest: Digest): string {
  const known = heads.get(tools);
  if (known !== undefined && known.instructions === instructions && known.params === params) return known.digest;
  const fresh = digest(canonicalJson(plain({ instructions, tools, params })));
  heads.set(tools, { instructions, params, digest: fresh });
  return fresh;
}

/** These types hold only JSON; an interface with optional members cannot say so. */
function plain(value: unknown): Json {
  return value as Json;
}
