import { outcome, createRuntime, foldAt, type Agent, type AgentState, type Answer, type Pending, type Runtime } from '../agent/index.ts';
import { canonicalJson, type Json } from '../core/index.ts';
import { eventsOf, memoryStore, type LogEvent, type Store } from '../log/index.ts';
import { effectsWitness, type Effects } from './cut-effects.ts';
import { mortalStore, type Death, type MortalStore } from './cut-store.ts';
import { testWorld, type TestWorld } from './world.ts';

/** What is cut. Everything is made anew for each run, so that runs do not see each other. */
export interface CutScenario {
  /**
   * What one process registers. Nothing of it survives a cut: a model must answer from the request alone.
   * Tools report to `effects` what they did to the world, which does survive. `process` counts from 0.
   */
  readonly agents: (effects: Effects, process: number) => readonly Agent[];
  /**
   * What the callers do, until they have what they want. Contract: may be run again on what an earlier run left: messages carry
   * ids, sessions have fixed sids, and an answer that was already given (APPROVAL_SETTLED) is fine.
   */
  readonly run: (runtime: Runtime, world: TestWorld) => Promise<void>;
  readonly world?: () => TestWorld;
  /** Default a memory store. */
  readonly store?: (world: TestWorld) => Store | Promise<Store>;
  /** Opens again what a dead process left. Default: the same handle, its claims given up. */
  readonly reopen?: (store: Store, world: TestWorld) => Store | Promise<Store>;
  /** Called with each store when its run is over. */
  readonly close?: (store: Store) => void | Promise<void>;
  /** What a person says of a call in doubt. Absent: a doubt is left waiting. */
  readonly doubt?: (pending: Pending, effects: Effects) => Answer;
  /** What must be equal. Default `outcome`. */
  readonly outcomeOf?: (state: AgentState) => unknown;
  /** Called after each run, cut or not, with its store: for laws of your own. */
  readonly check?: (ended: { readonly store: Store; readonly effects: Effects; readonly at: string }) => void | Promise<void>;
  /** Also cuts the recovery, at every pair of points: quadratic. Default false. */
  readonly twice?: boolean;
  /** Real time that one process may take. Default 20,000. */
  readonly runMs?: number;
}

/** One cut, and what was found after it. */
export interface Cut extends Death {
  /** The write it died in, e.g. `append` or `blobs.put`. */
  readonly write: string;
  /** Irreversible calls whose intent was durable and whose outcome was not. */
  readonly irreversibleOpen: number;
  /** Calls that waited in doubt after the recovery. */
  readonly doubts: number;
}

/** What `cutAtEveryStep` did. All outcomes were equal: else it throws. */
export interface CutReport {
  readonly writes: number;
  readonly runs: number;
  /** Single cuts, in order; double ones only count as runs. */
  readonly cuts: readonly Cut[];
  /** By session: what every run came to. */
  readonly outcomes: Readonly<Record<string, unknown>>;
}

/**
 * Runs a scenario uncut, then again for each write and both ways to die in it, each time going on in a new runtime on what
 * is left, and compares what every session came to. A run goes on in two ways: callers first, or `start()` first.
 * @throws Error naming the session, the cut and both outcomes, or the cut after which a run did not end.
 */
export async function cutAtEveryStep(scenario: CutScenario): Promise<CutReport> {
  const whole = await live(scenario, []);
  const cuts: Cut[] = [];
  let runs = 1;
  for (const mode of ['lost', 'unacknowledged'] as const) {
    for (let at = 1; ; at++) {
      const first = await live(scenario, [{ at, mode }], at % 2 === 0);
      if (first.cut === null) break;
      runs++;
      compare(whole.outcomes, first, { at, mode });
      cuts.push({ at, mode, ...first.cut, doubts: first.doubts });
      for (let again = 1; scenario.twice === true; again++) {
        const deaths: Death[] = [
          { at, mode },
          { at: again, mode: (at + again) % 2 === 0 ? 'lost' : 'unacknowledged' },
        ];
        const second = await live(scenario, deaths, again % 2 === 0);
        if (second.deaths < 2) break;
        runs++;
        compare(whole.outcomes, second, deaths[0] as Death, deaths[1]);
      }
    }
  }
  return { writes: whole.writes, runs, cuts, outcomes: whole.outcomes };
}

interface Life {
  readonly outcomes: Readonly<Record<string, unknown>>;
  readonly logs: Readonly<Record<string, readonly LogEvent[]>>;
  readonly writes: number;
  readonly deaths: number;
  readonly doubts: number;
  readonly cut: { readonly write: string; readonly irreversibleOpen: number } | null;
}

/** One life of a scenario: as many processes as deaths, and one that is let live. */
async function live(scenario: CutScenario, deaths: readonly Death[], startsFirst = false): Promise<Life> {
  const world = scenario.world?.() ?? testWorld();
  const effects = effectsWitness();
  let store = await (scenario.store?.(world) ?? memoryStore({ world }));
  const at = deaths.map((death) => `${death.mode} ${death.at}`).join(', then ') || 'uncut';
  let cut: Life['cut'] = null;
  let died = 0;
  let writes = 0;
  try {
    for (let process = 0; ; process++) {
      const mortal = mortalStore(store, deaths[process] ?? null);
      const ended = await oneProcess(scenario, { mortal, world, effects, process, at, startsFirst: startsFirst && process > 0 });
      writes += mortal.writes();
      if (ended === null) break;
      died++;
      effects.died();
      cut ??= { write: ended, irreversibleOpen: irreversibleOpen(await logsOf(store)) };
      store = await (scenario.reopen ?? reopened)(store, world);
    }
    const doubts = await settle(scenario, { store, world, effects, at });
    await scenario.check?.({ store, effects, at });
    const logs = await logsOf(store);
    const outcomes: Record<string, unknown> = {};
    for (const sid of Object.keys(logs).sort()) outcomes[sid] = (scenario.outcomeOf ?? outcome)((await foldAt(store, sid)).state);
    return { outcomes, logs, writes, deaths: died, doubts, cut };
  } finally {
    await scenario.close?.(store);
  }
}

interface Process {
  readonly mortal: MortalStore;
  readonly world: TestWorld;
  readonly effects: Effects;
  readonly process: number;
  readonly at: string;
  readonly startsFirst: boolean;
}

/** @returns the write it died in, or null when it lived to the end. */
async function oneProcess(scenario: CutScenario, { mortal, world, effects, process, at, startsFirst }: Process): Promise<string | null> {
  const runtime = createRuntime({ store: mortal.store, world, agents: scenario.agents(effects, process) });
  const whole = async (): Promise<null> => {
    if (startsFirst) await runtime.start();
    await scenario.run(runtime, world);
    if (!startsFirst && process > 0) await runtime.start();
    await runtime.idle();
    return null;
  };
  return within(scenario.runMs ?? 20_000, Promise.race([mortal.died, whole()]), `The run did not end (${at}, process ${process})`);
}

/** Answers what is in doubt, as a person would, in a process of its own. @returns how many calls were. */
async function settle(
  scenario: CutScenario,
  { store, world, effects, at }: { readonly store: Store; readonly world: TestWorld; readonly effects: Effects; readonly at: string },
): Promise<number> {
  let doubts = 0;
  const runtime = createRuntime({ store: (await reopened(store, world), store), world, agents: scenario.agents(effects, -1) });
  for (const { sid } of await store.list()) {
    for (const pending of (await foldAt(store, sid)).pending) {
      if (pending.type !== 'doubt') continue;
      doubts++;
      if (scenario.doubt !== undefined) await runtime.session(sid).respond(pending.id, scenario.doubt(pending, effects)).accepted;
    }
  }
  if (doubts === 0) return 0;
  await within(scenario.runMs ?? 20_000, runtime.idle(), `After the doubts were answered, the run did not end (${at})`);
  if (scenario.doubt !== undefined)
    await within(scenario.runMs ?? 20_000, scenario.run(runtime, world), `After the doubts were answered, the callers did not end (${at})`);
  await runtime.idle();
  return doubts;
}

/** What opening a store does to the claims of a process that is gone: nobody holds them any more. */
async function reopened(store: Store, _world: TestWorld): Promise<Store> {
  for (const { sid, epoch, head, status, wakeAtMs } of await store.list()) {
    if (status !== 'closed' && status !== 'quarantined') await store.release(sid, { epoch }, { expected: head, status, wakeAtMs });
  }
  return store;
}

async function logsOf(store: Store): Promise<Readonly<Record<string, readonly LogEvent[]>>> {
  const logs: Record<string, readonly LogEvent[]> = {};
  for (const { sid } of await store.list()) {
    const events: LogEvent[] = [];
    for (let page = await store.read(sid); page.length > 0; page = await store.read(sid, { after: events.length - 1 }))
      events.push(...page.flatMap(eventsOf));
    logs[sid] = events;
  }
  return logs;
}

function irreversibleOpen(logs: Readonly<Record<string, readonly LogEvent[]>>): number {
  let count = 0;
  for (const [sid, events] of Object.entries(logs)) {
    const open = new Set<unknown>();
    for (const { type, data, seq, sid: holder } of events) {
      if (type === 'tool.called' && data['effect'] === 'irreversible' && holder === sid) open.add(data['again'] ?? seq);
      if (type === 'tool.returned' || type === 'tool.failed' || type === 'session.forked') open.delete(data['call']);
    }
    count += open.size;
  }
  return count;
}

// oxlint-disable-next-line max-params -- two outcomes and where
function compare(whole: Life['outcomes'], found: Life, death: Death, again?: Death): void {
  const where = `cut at write ${death.at} (${death.mode})${again === undefined ? '' : `, then at write ${again.at} of the recovery (${again.mode})`}`;
  for (const sid of new Set([...Object.keys(whole), ...Object.keys(found.outcomes)])) {
    const [expected, came] = [whole[sid], found.outcomes[sid]];
    if (expected !== undefined && came !== undefined && canonicalJson(plain(expected)) === canonicalJson(plain(came))) continue;
    const log = (found.logs[sid] ?? [])
      .map(({ seq, type, epoch, data }) => `${seq} ${type} (epoch ${epoch}) ${JSON.stringify(data)}`)
      .join('\n');
    throw new Error(
      `Session ${sid}, ${where}, came to another outcome.\nuncut: ${JSON.stringify(expected)}\ncut:   ${JSON.stringify(came)}\n${log}`,
    );
  }
}

const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value)) as Json;

async function within<T>(ms: number, running: Promise<T>, message: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => (timer = setTimeout(() => reject(new Error(`${message} within ${ms} ms.`)), ms)));
  try {
    return await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
  }
}
