import { closeSync, existsSync, fdatasync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseLedger, type LedgerDraft, type LedgerLine } from './ledger.ts';

/**
 * The outside witness: a bank in a process of its own, with its own ledger. On purpose it has no idempotency: it pays what it is asked.
 *
 * Invariants:
 * - K1 an answer is sent only after its ledger line is on disk (one fdatasync for all requests that wait).
 * - K2 after a fence (key, n) was answered, no payment of that key with attempt ≤ n is ever entered, also after a restart.
 * - K3 a fence says `paid` for every payment entered before it.
 */
export interface Bank {
  readonly url: string;
  /** Stops listening, drops open connections, closes the ledger. Idempotent. */
  close(): Promise<void>;
}

/** What the bank tells its owner about: a payment that is in the ledger and whose answer is kept back (see `POST /hold`). */
export interface Held {
  readonly held: string;
  readonly contender: string;
  /** Which payment of this contender it is, from 1. */
  readonly payment: number;
}

export interface BankOptions {
  readonly ledgerPath: string;
  /** Answers that much later than the ledger's fsync. */
  readonly answerDelayMs?: number;
  readonly onHeld?: (held: Held) => void;
}

const BODY_BYTES_MAX = 65_536;
/** Contenders may stand still for long on a busy machine: that their connection was closed meanwhile is not what is shown here. */
const IDLE_MS = 300_000;

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Opens the bank on a free port of 127.0.0.1. A torn last line of the ledger (power cut, kill) is cut off: it was never answered. */
export async function openBank(options: BankOptions): Promise<Bank> {
  const ledger = openLedger(options.ledgerPath);
  const held = new Map<string, number>();
  const server = createServer({ keepAliveTimeout: IDLE_MS }, (request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (!response.headersSent) send(response, { status: 500, body: { error: String(error) } });
    });
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '', name, verb] = (request.url ?? '/').slice(1).split('/');
    const body = request.method === 'POST' ? await readBody(request) : {};
    if (body === null) return send(response, refusal(400, `the body is not a JSON object of at most ${BODY_BYTES_MAX} bytes`));
    const route = `${request.method} /${path}${name === undefined ? '' : '/:key'}${verb === undefined ? '' : `/${verb}`}`;
    const key = decode(name ?? '');
    if (key === null) return send(response, refusal(400, 'the key in the path is not URL-encoded UTF-8'));
    if (route === 'GET /stats') return send(response, { status: 200, body: ledger.stats() });
    if (route === 'GET /payments/:key') return send(response, { status: 200, body: { key, paid: ledger.isPaid(key) } });
    if (route === 'POST /hold') return send(response, hold(body));
    if (route === 'POST /payments/:key/fence') return send(response, await fence(key, body));
    if (route === 'POST /payments') return enter('payment', body, response);
    if (route === 'POST /closings') return enter('closing', body, response);
    send(response, refusal(404, `no such route: ${request.method} ${request.url}`));
  }

  async function enter(type: 'payment' | 'closing', body: Fields, response: ServerResponse): Promise<void> {
    const draft = parseDraft(type, body);
    if (typeof draft === 'string') return send(response, refusal(400, draft));
    const fenced = ledger.fenceOf(draft.key);
    if (type === 'payment' && draft.attempt <= fenced) {
      return send(response, refusal(409, `attempt ${draft.attempt} of ${draft.key} is fenced (up to ${fenced}); nothing was paid`));
    }
    const line = await ledger.append(draft);
    const payment = ledger.count(draft.contender, 'payment');
    if (type === 'payment' && held.get(draft.contender) !== undefined && payment >= (held.get(draft.contender) ?? 0)) {
      held.delete(draft.contender);
      options.onHeld?.({ held: draft.key, contender: draft.contender, payment });
      return;
    }
    if (options.answerDelayMs) await new Promise((resolve) => setTimeout(resolve, options.answerDelayMs));
    send(response, { status: 201, body: { receipt: line.n } });
  }

  async function fence(key: string, body: Fields): Promise<Answer> {
    const { attempt, contender } = body;
    if (!isCount(attempt) || !isName(contender)) return refusal(400, 'a fence needs {contender, attempt ≥ 1}');
    const paid = ledger.isPaid(key);
    await ledger.append({ type: 'fence', contender, key, attempt, report: '', by: contender, paid });
    return { status: 200, body: { key, paid, fencedUpTo: ledger.fenceOf(key) } };
  }

  function hold(body: Fields): Answer {
    const { contender, payment } = body;
    if (!isName(contender) || !isCount(payment)) return refusal(400, 'a hold needs {contender, payment ≥ 1}');
    held.set(contender, payment);
    return { status: 200, body: { contender, payment } };
  }

  let closing: Promise<void> | null = null;
  async function shut(): Promise<void> {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await ledger.close();
  }

  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => (closing ??= shut()),
  };
}

type Fields = Readonly<Record<string, unknown>>;

const isName = (value: unknown): value is string => typeof value === 'string' && value.length > 0 && value.length <= 512;
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1;
const isAmount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value > 0;

function parseDraft(type: 'payment' | 'closing', body: Fields): LedgerDraft | string {
  const { contender, key, attempt, report, by, to, amountUsd } = body;
  if (!isName(contender) || !isName(key) || !isName(report) || !isName(by))
    return 'contender, key, report and by must be texts of 1 to 512 characters';
  if (!isCount(attempt)) return 'attempt must be a whole number from 1';
  if (type === 'closing') return { type, contender, key, attempt, report, by };
  if (!isName(to)) return 'to must be a text of 1 to 512 characters';
  if (!isAmount(amountUsd)) return `amountUsd must be a number above 0, not ${JSON.stringify(amountUsd)}`;
  return { type, contender, key, attempt, report, by, to, amountUsd };
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function refusal(status: number, error: string): Answer {
  return { status, body: { error } };
}

function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
}

async function readBody(request: IncomingMessage): Promise<Fields | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
  }
  if (bytes > BODY_BYTES_MAX) return null;
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
  } catch {
    return null;
  }
}

/** The file behind the bank. What `append` enters is seen by `isPaid` at once and acknowledged only when it is on disk (K1, K3). */
function openLedger(path: string) {
  const { lines, bytes } = parseLedger(existsSync(path) ? readFileSync(path) : new Uint8Array());
  const file = openSync(path, 'a+', 0o600);
  ftruncateSync(file, bytes);
  fsyncSync(file);
  const paid = new Set<string>();
  const fences = new Map<string, number>();
  const counts = new Map<string, number>();
  let n = 0;
  let waiting: { text: string; settle: (error: Error | null) => void }[] = [];
  let flushing: Promise<void> | null = null;
  let broken: Error | null = null;
  lines.forEach(note);

  function note(line: LedgerLine): void {
    n = Math.max(n, line.n);
    const counter = `${line.contender} ${line.type}`;
    counts.set(counter, (counts.get(counter) ?? 0) + 1);
    if (line.type === 'payment') paid.add(line.key);
    if (line.type === 'fence') fences.set(line.key, Math.max(fences.get(line.key) ?? 0, line.attempt));
  }

  function append(draft: LedgerDraft): Promise<LedgerLine> {
    const line = { n: n + 1, atMs: Date.now(), ...draft } satisfies LedgerLine;
    note(line);
    return new Promise((resolve, reject) => {
      waiting.push({ text: `${JSON.stringify(line)}\n`, settle: (error) => (error ? reject(error) : resolve(line)) });
      flushing ??= flush();
    });
  }

  async function flush(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      // After a failed write or fsync nobody knows what is on disk: nothing more is acknowledged.
      broken ??= await writeDurably(batch.map((entry) => entry.text).join(''));
      for (const entry of batch) entry.settle(broken);
    }
    flushing = null;
  }

  function writeDurably(text: string): Promise<Error | null> {
    try {
      const data = Buffer.from(text);
      for (let written = 0; written < data.length;) written += writeSync(file, data, written);
    } catch (error) {
      return Promise.resolve(error as Error);
    }
    return new Promise((resolve) => fdatasync(file, resolve));
  }

  return {
    append,
    isPaid: (key: string) => paid.has(key),
    fenceOf: (key: string) => fences.get(key) ?? 0,
    count: (contender: string, type: string) => counts.get(`${contender} ${type}`) ?? 0,
    stats: () => ({ lines: n, ...Object.fromEntries(counts) }),
    close: async () => {
      await flushing;
      closeSync(file);
    },
  };
}

if (import.meta.main) {
  const [ledgerPath, answerDelayMs = '0'] = process.argv.slice(2);
  if (ledgerPath === undefined) throw new Error('usage: bank.ts <ledger file> [answer delay in ms]');
  const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  const bank = await openBank({ ledgerPath, answerDelayMs: Number(answerDelayMs), onHeld: say });
  say({ url: bank.url, pid: process.pid });
  // The owner's end of this pipe closes when it dies, however it dies: no bank is left behind.
  process.stdin.resume().once('end', () => process.exit(0));
}
