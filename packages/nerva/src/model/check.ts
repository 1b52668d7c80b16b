import { NervaError, type HttpLimits, type HttpRequest, type World } from '../core/index.ts';
import { azureRoot } from './azure.ts';
import { sourceOf, type KeyTarget, type ListSource } from './check-source.ts';
import { endpointOf } from './endpoint.ts';
import { errorBody, mediaTypeOf } from './exchange.ts';
import { failureOf, redact, reportedFailure } from './failure.ts';
import { listedModels, lookUp, type ListedModels } from './model-list.ts';
import { isObject } from './object.ts';

/** How long and how much a check may take. */
export interface CheckOptions {
  readonly world: World;
  readonly signal?: AbortSignal;
  /** Of the whole check. Default 10 000. */
  readonly timeoutMs?: number;
  /** Of an answer. Default 8 MiB. */
  readonly bytesMax?: number;
}

/**
 * `ok`: the list came, and without the key it does not · `refused`: the key, or its account · `unreachable`: no connection (refused, DNS, TLS), none in
 * time, or it broke · `wrong-address`: somebody answers, but has no list of models there · `limited`: too many requests now · `failed`: the server
 * could not answer, or its answer was too large · `unchecked`: nothing can be said about the key without a call to a model.
 */
export type CheckOutcome = 'ok' | 'refused' | 'unreachable' | 'wrong-address' | 'limited' | 'failed' | 'unchecked';

/** What a check found. */
export interface KeyCheck {
  readonly provider: string;
  readonly outcome: CheckOutcome;
  /** The same for people, in a sentence without the key. */
  readonly says: string;
  /** How many models the list has; null when there was none. */
  readonly models: number | null;
  /** Whether there are more, on further pages that were not asked for. */
  readonly hasMore: boolean;
  /** The model that was looked for; null when there was none, or no list with such names. */
  readonly model: { readonly name: string; readonly isListed: boolean; readonly nearest: string | null } | null;
}

const TIMEOUT_MS = 10_000;
const BYTES_MAX = 8 * 1024 * 1024;

/**
 * Whether a provider takes a key: asks it for its list of models, which costs nothing. Where the list comes it is asked for once more without the key:
 * a list that everybody may have says nothing about a key (`unchecked`). Nothing is repeated.
 * @throws OPTION_INVALID for an unknown provider, naming the nearest; CANCELLED. Everything else is an outcome.
 */
export async function checkKey(target: KeyTarget, options: CheckOptions): Promise<KeyCheck> {
  const source = sourceOf(target);
  const { provider } = target;
  if (typeof source === 'string') return found(provider, 'unchecked', source);
  let asked: Asked;
  try {
    asked = askedOf(target, source, options);
  } catch (error) {
    if (!NervaError.is(error, 'OPTION_INVALID')) throw error;
    // Nothing was sent: what is wrong is the key, or else the address.
    return found(provider, error.details['option'] === 'apiKey' ? 'refused' : 'wrong-address', error.message);
  }
  try {
    return await check(target, source, asked);
  } catch (error) {
    if (!NervaError.is(error) || error.code === 'CANCELLED') throw error;
    const outcome = OUTCOMES[error.code] ?? 'failed';
    return found(provider, outcome, redact(error.message, asked.secrets));
  }
}

const OUTCOMES: Readonly<Partial<Record<string, CheckOutcome>>> = {
  MODEL_AUTH: 'refused',
  MODEL_RATE_LIMITED: 'limited',
  HTTP_UNREACHABLE: 'unreachable',
  HTTP_TIMEOUT: 'unreachable',
  HTTP_BROKEN: 'unreachable',
};

/** A request for a list, with and without the key. */
interface Asked {
  readonly world: World;
  readonly request: HttpRequest;
  readonly keyless: HttpRequest | null;
  readonly secrets: readonly string[];
  /** The address, for people. */
  readonly shown: string;
  readonly limits: HttpLimits;
}

function askedOf(target: KeyTarget, { defaults, list, headers }: ListSource, options: CheckOptions): Asked {
  const { signal, timeoutMs = TIMEOUT_MS, bytesMax = BYTES_MAX, world } = options;
  const common = { ...headers, ...target.headers };
  const { provider, apiKey } = target;
  const baseUrl = provider === 'azure' ? azureRoot(target) : target.baseUrl;
  const given = { provider, headers: common, ...(baseUrl === undefined ? {} : { baseUrl }), ...(apiKey === undefined ? {} : { apiKey }) };
  const endpoint = endpointOf({ ...given, model: 'models' }, defaults);
  const { baseUrl: root, secrets = [] } = endpoint;
  const url = (list.off !== undefined && root.endsWith(list.off) ? root.slice(0, -list.off.length) : root) + list.path;
  const limits = { connectMs: timeoutMs, firstByteMs: timeoutMs, idleMs: timeoutMs, totalMs: timeoutMs, bytesMax };
  const plain: HttpRequest = { method: 'GET', url, limits, ...(signal === undefined ? {} : { signal }) };
  // The headers of the dialect are no secrets.
  const hidden = secrets.filter((secret) => !Object.values(headers ?? {}).includes(secret));
  return {
    world,
    request: { ...plain, headers: endpoint.headers ?? {} },
    keyless: (apiKey ?? '').trim() === '' ? null : { ...plain, headers: common },
    secrets: hidden,
    shown: redact(url.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//'), hidden).slice(0, SHOWN_LENGTH),
    limits,
  };
}

const SHOWN_LENGTH = 200;

async function check(target: KeyTarget, { list }: ListSource, asked: Asked): Promise<KeyCheck> {
  const { provider, model: name } = target;
  const { world, secrets, shown } = asked;
  const who = { name: provider, secrets, world, what: 'a list of models' };
  const startMs = world.clock.nowMs();
  const answer = await world.transport.request(asked.request);
  const { status } = answer;
  if (status === 404 || status === 405 || status === 410) {
    answer.discard();
    return found(provider, 'wrong-address', `there is no list of models at ${shown} (HTTP ${status})`);
  }
  if (status !== 200) {
    const failure = failureOf(answer, await errorBody(answer), who);
    if (status >= 300 && status < 400) return found(provider, 'wrong-address', failure.message);
    throw failure;
  }
  const text = await answer.text();
  const value = parsed(text);
  if (isObject(value) && (isObject(value['error']) || typeof value['error'] === 'string')) throw reportedFailure(value['error'], who);
  const listed = listedModels(value);
  if (listed === null) {
    const isPage = /html/i.test(mediaTypeOf(answer)) || /^\s*</.test(text);
    return found(provider, 'wrong-address', `${shown} answers with ${isPage ? 'a page' : 'something else'}, not with a list of models`);
  }
  const leftMs = asked.limits.totalMs - Math.max(0, world.clock.nowMs() - startMs);
  const isOpen = asked.keyless !== null && leftMs > 0 && (await isAnswered(asked.keyless, leftMs, world));
  return tell(target, listed, {
    outcome: isOpen ? 'unchecked' : 'ok',
    how: isOpen
      ? 'its list is open to everybody, so whether it takes the key cannot be told without a call'
      : asked.keyless === null
        ? 'it answers without a key'
        : 'it takes the key',
    model: name === undefined || list.isOther === true ? null : { name, ...withoutKey(lookUp(name, listed.names, list), secrets) },
  });
}

function tell(
  { provider }: KeyTarget,
  { names, isWhole }: ListedModels,
  { outcome, how, model }: Pick<KeyCheck, 'outcome' | 'model'> & { readonly how: string },
): KeyCheck {
  const count = `${names.length}${isWhole ? '' : ' or more'} model${names.length === 1 && isWhole ? '' : 's'}`;
  const near = model === null || model.nearest === null ? '' : `; the nearest is ${model.nearest}`;
  const about = model === null ? '' : model.isListed ? `, ${model.name} among them` : `, ${model.name} not among them${near}`;
  return { provider, outcome, says: `${how}: ${count}${about}`, models: names.length, hasMore: !isWhole, model };
}

/** A server may well repeat a key as the name of a model. */
function withoutKey({ isListed, nearest }: ReturnType<typeof lookUp>, secrets: readonly string[]): ReturnType<typeof lookUp> {
  return { isListed, nearest: nearest === null ? null : redact(nearest, secrets) };
}

/** Whether a request gets what it asks for; what fails in any way does not. */
async function isAnswered(request: HttpRequest, leftMs: number, { transport }: World): Promise<boolean> {
  const limits = { ...request.limits, connectMs: leftMs, firstByteMs: leftMs, idleMs: leftMs, totalMs: leftMs };
  try {
    const answer = await transport.request({ ...request, limits });
    answer.discard();
    return answer.status === 200;
  } catch (error) {
    if (!NervaError.is(error) || error.code === 'CANCELLED') throw error;
    // The list came with the key; that it does not come without is what was to be seen.
    return false;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    return undefined;
  }
}

function found(provider: string, outcome: CheckOutcome, says: string): KeyCheck {
  return { provider, outcome, says, models: null, hasMore: false, model: null };
}
