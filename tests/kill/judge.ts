import { readFileSync } from 'node:fs';
import { createRuntime, nodeWorld, openStore, type Runtime } from 'nerva';
import { foldAt, outcome } from 'nerva/agent';
import type { Store } from 'nerva/log';
import { killAgent, type Outside } from './agent.ts';
import type { Entry } from './witness.ts';

/** What store and ledger say together. `problems` is empty when every promise held. */
export interface Verdict {
  readonly sessions: number;
  readonly effects: number;
  readonly doubts: number;
  /** Attempts beyond a call's first: reads and idempotent calls cut by a kill. */
  readonly repeats: number;
  readonly problems: readonly string[];
}

const NOTHING: Outside = { effect: () => Promise.resolve(), fence: () => Promise.resolve(true) };

/** Compares the store with the witness's ledger and with runs that were never cut; answers what waits in doubt on the way. */
export async function judge(path: string, ledger: string, isReconciling: boolean): Promise<Verdict> {
  const lines = readFileSync(ledger, 'utf8').trim().split('\n');
  const entries = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Entry);
  const effects = entries.filter((entry) => entry.kind === 'effect');
  const world = nodeWorld();
  const store = await openStore(`file:${path}`, { world });
  const nerva = await createRuntime({ store, world, agents: [killAgent(NOTHING, false)] });
  const sids = await allSessions(store);
  const judged = { doubts: 0, problems: [...ledgerProblems(effects), ...lostSessions(entries, new Set(sids))] };
  const uncut = new Map<string, string>();
  for (const sid of sids) await judgeSession(sid, { store, nerva, uncut, judged, isReconciling });
  await nerva.close();
  await store.close();
  const calls = new Set(effects.map(({ sid, step, effect }) => `${sid} ${step} ${effect}`));
  return { sessions: sids.length, effects: effects.length, repeats: effects.length - calls.size, ...judged };
}

/** No irreversible call twice; one key for all attempts of a call. */
function ledgerProblems(effects: readonly Entry[]): string[] {
  const problems: string[] = [];
  const counts = new Map<string, number>();
  const keys = new Map<string, Set<string>>();
  for (const { sid, step, effect, key = '' } of effects) {
    const call = `${sid} ${step} ${effect}`;
    keys.set(call, (keys.get(call) ?? new Set()).add(key));
    if (effect === 'irreversible') counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const [key, count] of counts) if (count > 1) problems.push(`irreversible call ${key} was executed ${count} times`);
  for (const [call, used] of keys) if (used.size > 1) problems.push(`${call} was made under ${used.size} keys`);
  return problems;
}

const lostSessions = (entries: readonly Entry[], known: ReadonlySet<string>): string[] =>
  entries.filter(({ kind, sid }) => kind === 'accepted' && !known.has(sid)).map(({ sid }) => `accepted session ${sid} is lost`);

interface Court {
  readonly store: Store;
  readonly nerva: Runtime;
  /** Outcomes of uncut runs by their message. */
  readonly uncut: Map<string, string>;
  readonly judged: { doubts: number; readonly problems: string[] };
  readonly isReconciling: boolean;
}

async function judgeSession(sid: string, { store, nerva, uncut, judged, isReconciling }: Court): Promise<void> {
  const verified = await store.verify(sid);
  if (!verified.ok) judged.problems.push(`the chain of ${sid} breaks at ${verified.bad?.seq}`);
  const { pending } = await foldAt(store, sid);
  judged.doubts += pending.length;
  if (isReconciling && pending.length > 0) judged.problems.push(`${sid} waits in doubt in spite of reconcile`);
  for (const { type, why } of pending) if (type !== 'doubt' || why !== 'crash') judged.problems.push(`${sid} waits for ${type}, ${why}`);
  await answerDoubts(nerva, sid);
  const message = `work ${sid.length}`;
  const expected = uncut.get(message) ?? (await uncutOutcome(message));
  uncut.set(message, expected);
  const text = JSON.stringify(outcome((await foldAt(store, sid)).state));
  if (text !== expected) judged.problems.push(difference(sid, text, expected));
}

/** A person sees to each call in doubt and says what it returned. */
async function answerDoubts(nerva: Runtime, sid: string): Promise<void> {
  const session = nerva.session(sid);
  for (;;) {
    const first = (await session.at()).pending[0];
    if (first === undefined) return;
    const { step } = first.input as { readonly step: number };
    await session.respond(first.id, { decision: 'returned', output: { name: 'pay', step } }).result;
  }
}

async function allSessions(store: Store): Promise<string[]> {
  const sids: string[] = [];
  for (let after: string | undefined; ; after = sids.at(-1)) {
    const page = await store.list({ limit: 500, ...(after === undefined ? {} : { after }) });
    if (page.length === 0) return sids;
    sids.push(...page.map(({ sid }) => sid));
  }
}

/** The same message in memory, with nothing that fails. */
async function uncutOutcome(message: string): Promise<string> {
  const nerva = await createRuntime({ store: 'memory:', agents: [killAgent(NOTHING, false)] });
  const session = nerva.session('uncut', { agent: 'killed' });
  await session.send(message).result;
  const text = JSON.stringify(outcome((await session.at()).state));
  await nerva.close();
  return text;
}

/** Where two outcomes part. */
function difference(sid: string, text: string, uncut: string): string {
  let at = 0;
  while (at < text.length && text[at] === uncut[at]) at++;
  const near = (whole: string): string => whole.slice(Math.max(0, at - 40), at + 80);
  return `${sid} did not end as the uncut run: …${near(text)} instead of …${near(uncut)}`;
}
