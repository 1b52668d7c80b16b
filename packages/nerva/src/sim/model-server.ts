import { openaiChat, type Model, type ModelAnswer } from '../model/index.ts';
import { diceOf, type SimDice } from './dice.ts';
import { MODEL_ODDITIES, oddAnswer, type ModelOddity } from './failures.ts';
import type { FaultKind } from './faults.ts';
import { askedOf, completionOf, streamOf, type Asked } from './model-wire.ts';
import { seeded } from './model.ts';
import type { Meeting, Reply, SimServer, Visit } from './net-http.ts';

/** Where the simulated server of models is. */
export const MODEL_URL = 'http://model.sim/v1';

/** The key that it asks for, and that must be found nowhere else. */
export const MODEL_SECRET = 'sk-simulated-c0ffee-f00d-5eca1';

const THINK_MS = 2_000;
const SLOW_MS = 300_000;
const TOKEN_MS = 20;
const PIECES_MAX = 24;
/** Slow tokens still come oftener than any client's idle limit. */
const SLOW_PIECES_MIN = 8;

/**
 * A server that speaks OpenAI's chat completions, whole and streamed, and answers what `brain` says for the name of a model.
 * It refuses what a provider refuses, and brings about the faults of area model on the wire.
 */
export function simServer(brain: Model | ((name: string) => Model | undefined), secret: string = MODEL_SECRET): SimServer {
  const brainOf = typeof brain === 'function' ? brain : (): Model => brain;
  return { host: 'model.sim', point: 'model.call', meet: (visit) => meet(visit, brainOf, secret) };
}

/** The real adapter in place of a simulated model, which becomes the server's brain; any other model as it is. */
export function wiredModel(model: Model, agent: string): Model {
  if (!('withSeed' in model)) return model;
  // Under its own name, so that a definition is the same over the wire.
  return { ...model, call: openaiChat({ provider: 'sim', model: agent, baseUrl: MODEL_URL, apiKey: MODEL_SECRET }).call };
}

const UNMET = { 'model.refused': 'refused', 'model.dns': 'dns', 'model.connect': 'connect-timeout' } as const;
const BROKEN = ['model.stalled', 'model.truncated', 'model.reset'] as const;

interface Saying {
  readonly status: number;
  readonly message: string;
  readonly code: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a provider says when it does not answer, as `http-shapes.ts` has it. */
const SAYINGS = {
  'model.limited': { status: 429, message: 'Slow down', code: 'rate_limit_exceeded' },
  'model.limited-until': { status: 429, message: 'Slow down', code: 'rate_limit_exceeded', headers: { 'retry-after': '2' } },
  'model.unavailable': { status: 503, message: 'Overloaded', code: 'unavailable' },
  'model.overflow': { status: 400, message: "This model's maximum context length is 8192 tokens", code: 'context_length_exceeded' },
} as const satisfies Partial<Readonly<Record<FaultKind, Saying>>>;

function meet(visit: Visit, brainOf: (name: string) => Model | undefined, secret: string): Meeting {
  const { hub, due, request } = visit;
  const n = hub.trace.visits.get('model.call') ?? 0;
  const dice = diceOf(hub.seed, `wire ${n}`);
  const first = <K extends FaultKind>(kinds: readonly K[]): K | null => hub.due(due, kinds);
  const afterMs = (0.5 + dice.roll()) * THINK_MS * hub.knobs.pace;
  const isSilent = first(['model.silent']) !== null;
  const unmet = first(Object.keys(UNMET) as (keyof typeof UNMET)[]);
  const saying = first(Object.keys(SAYINGS) as (keyof typeof SAYINGS)[]);
  const broken = first(BROKEN);
  const odd = first(MODEL_ODDITIES);
  const slowMs = first(['model.slow']) === null ? 0 : SLOW_MS;
  const answer = async (): Promise<Reply | null> => {
    if (isSilent) return null;
    if (request.headers?.['authorization'] !== `Bearer ${secret}`)
      return complaint({ status: 401, message: 'Incorrect API key', code: 'invalid_api_key' });
    if (saying !== null) return { ...complaint(SAYINGS[saying]), afterMs };
    const asked =
      request.method === 'POST' && request.url.endsWith('/v1/chat/completions') ? askedOf(String(request.body)) : 'no such page';
    const model = typeof asked === 'string' ? undefined : brainOf(asked.model);
    if (typeof asked === 'string' || model === undefined) {
      const problem = typeof asked === 'string' ? asked : `no model is called ${asked.model}`;
      hub.violated('a provider takes each request', `The server of models refused a request: ${problem}.`);
      return complaint({ status: 400, message: problem, code: 'invalid_request_error' });
    }
    const given = await seeded(model, hub.seed).call(asked.request, { world: visit.world });
    const whole = odd === 'model.garbage' ? garbage(asked, dice, secret) : { ...encoded(asked, given, odd), status: 200 };
    const bytes = new TextEncoder().encode(whole.body);
    const end = ENDS[broken ?? (asked.isStream ? 'stream' : 'whole')];
    return {
      status: 200,
      headers: { 'content-type': whole.type },
      afterMs,
      pieces: piecesOf(broken === null ? bytes : bytes.subarray(0, bytes.length >> 1), dice, slowMs),
      // What is sent in one piece says how long it is, so that its client knows that it was cut.
      end: broken === 'model.truncated' && !asked.isStream ? 'reset' : end,
    };
  };
  return { ...(unmet === null ? {} : { fails: UNMET[unmet] }), answer };
}

const ENDS = { 'model.stalled': 'open', 'model.truncated': 'end', 'model.reset': 'reset', stream: 'end', whole: 'end' } as const;

function encoded(
  { isStream, model }: Asked,
  given: ModelAnswer,
  odd: ModelOddity | null,
): { readonly body: string; readonly type: string } {
  const answer = odd === null ? given : oddAnswer(odd, given);
  return isStream
    ? { body: streamOf(answer, model), type: 'text/event-stream' }
    : { body: completionOf(answer, model), type: 'application/json' };
}

/** What is no chat completion. Some quote the key, as proxies do. */
function garbage({ isStream }: Asked, dice: SimDice, secret: string): { readonly body: string; readonly type: string } {
  return dice.pick([
    { body: '{"choices":[]}', type: 'application/json' },
    { body: `<html>Welcome, Bearer ${secret}!</html>`, type: isStream ? 'text/html' : 'application/json' },
    { body: isStream ? 'data: {"choices":[{\n\n' : '{"choices":[', type: isStream ? 'text/event-stream' : 'application/json' },
  ]);
}

function complaint({ status, message, code, headers = {} }: Saying): Reply {
  const bytes = new TextEncoder().encode(JSON.stringify({ error: { message, type: 'error', code } }));
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    afterMs: 1,
    pieces: [{ bytes, afterMs: 0 }],
    end: 'end',
  };
}

/** Bytes cut anywhere, also inside a character. */
function piecesOf(bytes: Uint8Array, dice: SimDice, slowMs: number): Reply['pieces'] {
  const count = Math.min(bytes.length, (slowMs > 0 ? SLOW_PIECES_MIN : 1) + dice.below(PIECES_MAX));
  const cuts = Array.from({ length: count - 1 }, () => 1 + dice.below(bytes.length - 1)).sort((a, b) => a - b);
  const ends = [...new Set(cuts), bytes.length];
  return ends.map((end, index) => ({
    bytes: bytes.subarray(ends[index - 1] ?? 0, end),
    afterMs: TOKEN_MS * dice.roll() + slowMs / ends.length,
  }));
}
