import { daysSince1970, excerpt, nearestOf, NervaError, type ErrorCode, type HttpAnswer, type World } from '../core/index.ts';
import { findModels, modelInfo } from './find.ts';
import { isObject } from './object.ts';

const EXCERPT_LENGTH = 300;
const WAIT_MS_MAX = 86_400_000;

/** Who failed: for the error's text, and for what must not be in it. */
export interface Who {
  readonly name: string;
  readonly secrets: readonly string[];
  readonly world: World;
  /** What an answer is called: `a chat completion`. */
  readonly what: string;
}

/** What a provider said was wrong. */
interface Complaint {
  readonly message: string;
  readonly code: string;
  /** How long to wait, where the body says so. */
  readonly waitMs?: number;
}

/**
 * The failure that an answer of status 400 or more stands for. Never holds a key: `secrets` and whatever looks like one are cut out,
 * because providers quote keys back.
 */
export function failureOf(answer: Pick<HttpAnswer, 'status' | 'headers'>, body: string, who: Who): NervaError {
  const { status, headers } = answer;
  const complaint = complaintOf(body);
  const said = excerpt(redact(complaint.message, who.secrets), EXCERPT_LENGTH);
  const code = codeOf(status, complaint);
  const details: Record<string, unknown> = { status };
  // AWS says the kind of a failure in a header, before a colon.
  const providerCode = complaint.code === '' ? (headers['x-amzn-errortype'] ?? '').replace(/:.*/, '') : complaint.code;
  if (providerCode !== '') details['providerCode'] = excerpt(redact(providerCode, who.secrets), EXCERPT_LENGTH);
  const waitMs = retryAfterMs(headers, who.world.clock.nowMs()) ?? complaint.waitMs;
  if (waitMs !== undefined) details['retryAfterMs'] = waitMs;
  const requestId = headers['x-request-id'] ?? headers['request-id'] ?? headers['x-amzn-requestid'];
  if (requestId !== undefined) details['requestId'] = requestId;
  const verb = code === 'MODEL_GARBAGE' ? `answered with something else than ${who.what}` : (VERBS[code] ?? 'failed');
  const reason = said === '' ? 'it gave no reason' : said;
  return new NervaError(code, `${who.name} ${verb} (HTTP ${status}): ${reason}${adviceOn(answer, complaint, who)}`, { details });
}

/** What to do about it, where the status or the reason shows what is wrong; empty, or what follows the reason. */
function adviceOn({ status, headers }: Pick<HttpAnswer, 'status' | 'headers'>, complaint: Complaint, who: Who): string {
  if (status >= 300 && status < 400) {
    const to = excerpt(redact(headers['location'] ?? '', who.secrets), EXCERPT_LENGTH);
    return `${to === '' ? '' : `. It points to ${to}`}. Redirects are not followed, because the key would go with them: set baseUrl to where the server is.`;
  }
  return isUnknownModel(status, complaint) ? othersThan(who.name) : '';
}

/** How providers say that there is no such model: OpenAI, Azure, Groq, Ollama, Anthropic, Google, Bedrock, DeepSeek, Mistral, OpenRouter. */
function isUnknownModel(status: number, { message, code }: Complaint): boolean {
  if (status !== 404 && status !== 400) return false;
  if (/^(?:model_not_found|DeploymentNotFound)$/.test(code)) return true;
  if (!/model/i.test(message)) return false;
  if (status === 404) return !/^\s*</.test(message);
  return /does not exist|not exist|not found|invalid model\b|model identifier is invalid|not a valid model|unknown model/i.test(message);
}

/** The names nearest to one that the provider does not know; else which of its models are known here. */
function othersThan(name: string): string {
  const provider = name.slice(0, name.indexOf('/'));
  const known = findModels({ providers: [provider] }).map((info) => info.name.slice(provider.length + 1));
  const near: string[] = [];
  if (modelInfo(name) === undefined)
    for (let left = known; near.length < NEAR_MAX; left = left.filter((one) => !near.includes(one))) {
      const next = nearestOf(name.slice(provider.length + 1), left);
      if (next === null) break;
      near.push(next);
    }
  const full = (names: readonly string[]): string => names.map((one) => `${provider}/${one}`).join(', ');
  if (near.length > 0) return `. Did you mean ${full(near)}?`;
  return known.length === 0 || /embed/i.test(name)
    ? '. Which models it has is in its own list.'
    : `. Known of it here: ${full(known.slice(0, KNOWN_MAX))}. All that it has is in its own list.`;
}

const NEAR_MAX = 3;
const KNOWN_MAX = 6;

const VERBS: Partial<Readonly<Record<ErrorCode, string>>> = {
  MODEL_AUTH: 'refused the key; check it and its account',
  MODEL_RATE_LIMITED: 'limits the rate; wait and call again',
  MODEL_REFUSED: 'refused the request; no answer was made',
  CONTEXT_TOO_LONG: 'found the conversation too long; no answer was made',
  MODEL_UNAVAILABLE: 'could not answer',
};

/** A failure that a provider reports inside an answer of status 200 (in a stream, or through a gateway). */
export function reportedFailure(error: unknown, who: Who): NervaError {
  const status = isObject(error) && typeof error['code'] === 'number' && error['code'] >= 400 ? error['code'] : 0;
  const complaint = complaintOf(JSON.stringify({ error }));
  const guess = /rate.?limit|resource_exhausted/i.test(complaint.code)
    ? 429
    : /auth|api_key|permission|billing/i.test(complaint.code)
      ? 401
      : /invalid_|context_length|not_found|too_large|image|policy|mismatch/i.test(complaint.code)
        ? 400
        : 500;
  return failureOf({ status: status === 0 ? guess : status, headers: {} }, JSON.stringify({ error }), who);
}

/** MODEL_GARBAGE with an excerpt of what came. `what` is what was expected: `a chat completion`. */
export function garbage(what: string, why: string, came: unknown): NervaError {
  const text = typeof came === 'string' ? came : shown(came);
  // Before it is cut: half a key does not look like one. What the caller knows to be secret it takes out itself, cut or not.
  const quoted = excerpt(redact(text.slice(0, LOOKED_AT_LENGTH).toWellFormed(), []), GARBAGE_LENGTH);
  const message = `The answer is not ${what}: ${why}. It was dropped. What came: ${quoted}`;
  return new NervaError('MODEL_GARBAGE', message);
}

const GARBAGE_LENGTH = 200;
/** Longer than a key can be that begins in the excerpt. */
const LOOKED_AT_LENGTH = 16_384;

function shown(came: unknown): string {
  try {
    return JSON.stringify(came) ?? String(came);
  } catch (error) {
    if (error instanceof RangeError) return 'something that is nested too deeply';
    throw error;
  }
}

/** `text` without secrets, and without what looks like a key. */
export function redact(text: string, secrets: readonly string[]): string {
  let clean = text;
  // The longest first: one may be the beginning of another.
  for (const secret of secrets.flatMap(spellings).toSorted((a, b) => b.length - a.length)) {
    if (secret.length >= SECRET_LENGTH_MIN) clean = clean.replaceAll(secret, '[key]');
    // An excerpt may have cut it in two.
    for (let length = secret.length - 1; length >= SECRET_LENGTH_MIN; length--)
      clean = clean.replaceAll(`${secret.slice(0, length)}…`, '[key]…');
  }
  return clean
    .replace(/\b(?:sk|pk|key|gsk|xai)-[\w*.-]{6,}/gi, '[key]')
    .replace(KEYS, '[key]')
    .replace(/\bBearer\s+\S+/gi, 'Bearer [key]');
}

/** As it is, and as it stands in JSON. */
function spellings(secret: string): readonly string[] {
  const escaped = JSON.stringify(secret).slice(1, -1);
  return escaped === secret ? [secret] : [secret, escaped];
}

/** What else looks like a key and like nothing else: Google, GitHub, AWS, Slack, and JSON web tokens (bounded, or a hostile text would cost its square). */
const KEYS = /\b(?:AIza[\w-]{30,}|gh[pousr]_\w{30,}|AKIA[0-9A-Z]{16}|xox[abprs]-[\w-]{10,}|eyJ[\w-]{8,2000}\.eyJ[\w-]{8,8000}\.[\w-]{8,})/g;

/** A shorter one is no key, and cutting it out would only garble the message. */
const SECRET_LENGTH_MIN = 4;

function codeOf(status: number, { message, code }: Complaint): ErrorCode {
  // Waiting does not bring money.
  if (status === 401 || status === 403 || status === 402 || code === 'insufficient_quota' || code === 'API_KEY_INVALID')
    return 'MODEL_AUTH';
  if (status === 400 && /credit balance is too low/i.test(message)) return 'MODEL_AUTH';
  if (status === 429) return 'MODEL_RATE_LIMITED';
  // Ollama says it with status 500 as well, and in a stream with none. Asking again would not make it shorter.
  if (status >= 400 && TOO_LONG.test(message)) return 'CONTEXT_TOO_LONG';
  // 424: Bedrock's model failed while it worked.
  if (status >= 500 || status === 408 || status === 409 || status === 424) return 'MODEL_UNAVAILABLE';
  if (status < 400) return 'MODEL_GARBAGE';
  return code === 'context_length_exceeded' ? 'CONTEXT_TOO_LONG' : 'MODEL_REFUSED';
}

/** How the common servers say it: OpenAI and vLLM, xAI, Moonshot, Cerebras, llama.cpp, Anthropic, Bedrock, Google, Ollama. */
const TOO_LONG =
  /maximum (?:context|prompt) length|exceeded model token limit|reduce the length of the messages|context length exceeded|exceeds? (?:the )?(?:available |maximum )?context|longer than the context|(?:prompt|input) is too long|input token count.* exceeds/i;

function complaintOf(body: string): Complaint {
  try {
    const parsed: unknown = JSON.parse(body);
    // Some endpoints wrap the whole in a list.
    const first: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
    const error = isObject(first) ? (first['error'] ?? first) : first;
    if (typeof error === 'string') return { message: error, code: '' };
    if (isObject(error)) {
      const code = [error['code'], error['type'], error['status']].find((value) => typeof value === 'string');
      const message = error['message'] ?? error['Message'] ?? error['detail'];
      return { message: typeof message === 'string' ? message : body, code: code ?? '', ...detailsOf(error['details']) };
    }
  } catch {
    // Not JSON: a proxy's page. Its text is all there is to quote.
  }
  return { message: body, code: '' };
}

/** Google's error model (google.rpc.Status, https://cloud.google.com/apis/design/errors): a reason (ErrorInfo) and how long to wait (RetryInfo). */
function detailsOf(details: unknown): { readonly code?: string; readonly waitMs?: number } {
  if (!Array.isArray(details)) return {};
  const found: { code?: string; waitMs?: number } = {};
  for (const detail of details as readonly unknown[]) {
    if (!isObject(detail)) continue;
    if (typeof detail['reason'] === 'string') found.code = detail['reason'];
    const delay = /^(\d+(?:\.\d+)?)s$/.exec(String(detail['retryDelay']));
    if (delay !== null) found.waitMs = Math.min(Math.ceil(Number(delay[1]) * 1000), WAIT_MS_MAX);
  }
  return found;
}

/** `retry-after-ms`, or `retry-after` in seconds or as a date (RFC 9110, 10.2.3); at most a day; undefined when absent or unreadable. */
export function retryAfterMs(headers: Readonly<Record<string, string>>, nowMs: number): number | undefined {
  const given = headers['retry-after-ms'] === undefined ? (headers['retry-after'] ?? '') : String(Number(headers['retry-after-ms']) / 1000);
  const ms = /^\d+(\.\d+)?$/.test(given.trim()) ? Number(given) * 1000 : httpDateMs(given) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, Math.ceil(ms)), WAIT_MS_MAX);
}

const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec';

/** An IMF-fixdate in ms since 1970, NaN for anything else. */
function httpDateMs(text: string): number {
  const match = /^\w{3}, (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/.exec(text.trim());
  const month = match === null ? -1 : MONTHS.indexOf(match[2] as string) / 3;
  if (match === null || !Number.isInteger(month) || month < 0) return Number.NaN;
  const [day, year, hour, minute, second] = [1, 3, 4, 5, 6].map((index) => Number(match[index])) as [
    number,
    number,
    number,
    number,
    number,
  ];
  return ((daysSince1970({ year, month: month + 1, day }) * 24 + hour) * 60 + minute) * 60_000 + second * 1000;
}
