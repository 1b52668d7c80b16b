import { faultLine, planText, stepLine, stepsOf, type Failure, type Summary } from '../sim/index.ts';
import type { Context } from './context.ts';
import { brief, plain, type Output } from './output.ts';
import { typist } from './summary.ts';

const EVERY_MS = 200;
/** Lines that tell the coverage of a search by time. */
const SAMPLES = 20;
const LINES_MAX = 25;
const LINE_MAX = 160;

/** Tells how far a search is: a line that changes on a terminal, and in a search by time what was seen when. */
export class Progress {
  readonly #out: Output;
  readonly #wholeMs: number | null;
  readonly #startMs = performance.now();
  #shownMs = 0;
  #samples = 0;

  /** @param wholeMs how long the search will take, null when that is not known. */
  constructor(out: Output, wholeMs: number | null) {
    this.#out = out;
    this.#wholeMs = wholeMs;
    if (wholeMs !== null && !out.isJson) out.line('   seconds       runs  situations');
  }

  /** Ms since the start. */
  get ms(): number {
    return performance.now() - this.#startMs;
  }

  /** A run ended. */
  ran(summary: Summary): void {
    const { ms } = this;
    if (this.#wholeMs !== null && ms >= ((this.#samples + 1) * this.#wholeMs) / SAMPLES) this.#sample(summary);
    if (!this.#out.isWatched || ms - this.#shownMs < EVERY_MS) return;
    this.#shownMs = ms;
    process.stderr.write(`\r${number(summary.runs)} runs, ${number(summary.states.size)} situations, ${seconds(ms)} s\u001b[K`);
  }

  /** The search is over. */
  end(summary: Summary | null): void {
    if (this.#shownMs > 0) process.stderr.write('\r\u001b[K');
    if (this.#wholeMs !== null && summary !== null && this.#samples < SAMPLES) this.#sample(summary);
  }

  #sample({ runs, states }: Summary): void {
    const { ms } = this;
    this.#samples = this.#wholeMs === null ? 0 : Math.max(this.#samples + 1, Math.floor((ms / this.#wholeMs) * SAMPLES));
    if (this.#out.isJson) this.#out.json({ type: 'coverage', seconds: Number(seconds(ms)), runs, states: states.size });
    else this.#out.line(`${seconds(ms).padStart(10)} ${number(runs).padStart(10)} ${number(states.size).padStart(11)}`);
  }
}

/** How a search went. */
export interface Went {
  /** The first and the last seed. */
  readonly seeds: readonly [number, number];
  readonly isTwice: boolean;
  /** Null when it was one case. */
  readonly ms: number | null;
  readonly isInterrupted: boolean;
}

/** What a search did. */
export function tellSummary(out: Output, summary: Summary, { seeds, isTwice, ms, isInterrupted }: Went): void {
  const { scenario, runs, simulatedMs, steps, events, fired, states, hash, failures } = summary;
  const perSecond = ms === null ? null : Math.round((runs / ms) * 1000);
  const isHeld = failures.length === 0;
  if (out.isJson) {
    const more = { simulatedMs: Math.round(simulatedMs), steps, events, fired, states: states.size, hash: (hash >>> 0).toString(16) };
    return out.json({
      type: 'summary',
      scenario,
      runs,
      seeds,
      isTwice,
      isHeld,
      isInterrupted,
      ms: ms === null ? null : Math.round(ms),
      perSecond,
      ...more,
    });
  }
  const took = ms === null ? '' : ` in ${seconds(ms)} s (${perSecond ?? 0} a second)`;
  const [first, last] = seeds;
  const under = first === last ? `seed ${first}` : `seeds ${first} to ${last}`;
  out.line(
    `${plain(scenario)}: ${number(runs)} run${runs === 1 ? '' : 's'}${isTwice ? ', each twice' : ''}, ${under}${took === '' ? '' : `,${took}`}`,
  );
  out.line(`simulated: ${span(simulatedMs)}, ${number(events)} events in logs, ${number(states.size)} situations`);
  const kinds = Object.entries(fired).sort(([one], [other]) => (one < other ? -1 : 1));
  out.line(`faults: ${kinds.length === 0 ? 'none' : kinds.map(([kind, count]) => `${kind} ${count}`).join(' · ')}`);
  if (isHeld) out.line(`${out.paint('green', 'held')}: every invariant${isInterrupted ? ', as far as it came' : ''}`);
}

/** Where the sessions of a failing run are. */
export interface Kept {
  readonly store: string;
  /** The case. */
  readonly file: string;
  /** Why they could not be written, or null. */
  readonly why: string | null;
  /** Whether the case could. */
  readonly isCase: boolean;
  readonly sids: readonly string[];
  /** Whether the steps are all those of the scenario. */
  readonly isWhole: boolean;
}

/** What broke, the smallest case of it, and how to run it again. */
export function tellFailure(
  { out, flags }: Context,
  told: { readonly failure: Failure; readonly lines: readonly string[]; readonly kept: Kept; readonly words: readonly string[] },
): void {
  const { failure, lines, kept, words } = told;
  const { invariant, message, report, scenario, found, runs } = failure;
  const { seed, plan } = report;
  const steps = stepsOf(scenario, seed);
  // The store of the simulation is named here and not by --store.
  const type = typist({ ...flags, text: () => undefined, texts: () => [] });
  const again = kept.isWhole
    ? type('sim', ...words, '--seed', String(seed), '--faults', planText(plan))
    : type('sim', ...words, '--case', kept.file);
  const shows = kept.why === null ? kept.sids.map((sid) => type('show', sid, '--store', `file:${kept.store}`)) : [];
  if (out.isJson) {
    const { store, file } = kept;
    return out.json({
      type: 'violation',
      scenario: scenario.name,
      invariant,
      message,
      seed,
      plan,
      steps,
      again,
      store,
      file,
      why: kept.why,
      shows,
      found,
    });
  }
  out.line();
  out.line(`${out.paint('red', 'broken')}: ${plain(invariant)}`);
  out.line(`  ${plain(message).replaceAll('\n', '\n  ')}`);
  out.line();
  const shrunk =
    runs === 0
      ? ''
      : ` (found with seed ${found.seed} and ${found.plan.length} fault${found.plan.length === 1 ? '' : 's'}, made smaller in ${runs} runs)`;
  out.line(`the smallest case${shrunk}: seed ${seed}`);
  if (plan.length === 0) out.line('  no fault is needed');
  for (const fault of plan) out.line(`  fault  ${faultLine(fault)}`);
  for (const step of steps) out.line(`  step   ${brief(stepLine(step), LINE_MAX)}`);
  out.line();
  tellTrace(out, lines, LINES_MAX);
  out.line();
  if (!kept.isWhole && !kept.isCase) {
    out.line(`the case, to be put into ${plain(kept.file)}:`);
    out.line(`  ${JSON.stringify({ scenario: scenario.name, seed, faults: plan, steps })}`);
  }
  out.line('again:');
  out.line(`  ${again}`);
  if (kept.why === null) out.line(`its session${shows.length === 1 ? '' : 's'}:`);
  else out.note(`Its sessions could not be written to ${kept.store}: ${plain(kept.why)}`);
  for (const line of shows) out.line(`  ${line}`);
}

/** What happened in a run, the last `linesMax` lines of it. */
export function tellTrace(out: Output, lines: readonly string[], linesMax: number): void {
  if (out.isJson) {
    for (const line of lines.slice(-linesMax)) out.json({ type: 'trace', line });
    return;
  }
  const shown = linesMax === Infinity ? lines : lines.slice(-linesMax);
  out.line(`what happened${shown.length < lines.length ? ` (the last ${shown.length} of ${lines.length} lines)` : ''}, in ms:`);
  for (const line of shown) out.line(brief(line, linesMax === Infinity ? Infinity : LINE_MAX));
}

const number = (value: number): string => value.toLocaleString('en-US');
const seconds = (ms: number): string => (ms / 1000).toFixed(1);

function span(ms: number): string {
  const hours = ms / 3_600_000;
  return hours >= 48 ? `${number(Math.round(hours / 24))} days` : `${hours.toFixed(1)} hours`;
}
