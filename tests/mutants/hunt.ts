import { spawn } from 'node:child_process';
import path from 'node:path';
import type { Plan } from 'nerva/sim';
import type { Mutant } from './mutant.ts';
import { ROOT, sandbox, type Sandbox } from './sandbox.ts';
import type { Way } from './search.ts';

/** What a search came to. */
export type Found =
  | {
      readonly isFound: true;
      readonly scenario: string;
      /** The law that broke first. */
      readonly invariant: string;
      readonly message: string;
      readonly way: Way;
      /** The smallest case: its faults, seed and number of steps (null: the seed chooses them). */
      readonly plan: Plan;
      readonly seed: number;
      readonly steps: number | null;
      /** Until it was found; second runs of one case, and those that made it small, are not counted. */
      readonly runs: number;
      readonly ms: number;
    }
  | { readonly isFound: false; readonly why: string; readonly runs: number; readonly ms: number };

/** A case that is about to be run. */
export interface Tried {
  readonly isFound: null;
  readonly scenario: string;
  readonly seed: number;
  readonly plan: Plan;
  readonly way: Way;
  readonly runs: number;
  readonly ms: number;
}

/** A planted bug and what became of it. */
export interface Hunted {
  readonly mutant: Mutant;
  readonly found: Found;
}

/** How bugs are searched for. */
export interface HuntOptions {
  /** Of the processor, for one search; making a case small may take it a little further. */
  readonly budgetMs: number;
  /** Processes at a time. */
  readonly workers: number;
  readonly onFound?: (hunted: Hunted) => void;
}

/** What a failing case may have at most to count as small. */
export const FAULTS_MAX = 3;
/** Of one search, when nobody says otherwise: most bugs take a few seconds, a few need pairs of faults. */
export const BUDGET_MS = 150_000;
/** A run takes some ms, and to make a case small some seconds: a process that says nothing for so long hangs. */
const SILENT_MS = 120_000;

/** Plants each bug in a copy of the sources and searches it, each in a process of its own. In the order given. */
export async function hunt(mutants: readonly Mutant[], { budgetMs, workers, onFound }: HuntOptions): Promise<readonly Hunted[]> {
  const hunted = new Map<Mutant, Hunted>();
  const queue = [...mutants];
  const work = async (box: Sandbox): Promise<void> => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      box.plant(mutant);
      const result = { mutant, found: await search(budgetMs, [box.mutated, box.sound]) };
      hunted.set(mutant, result);
      onFound?.(result);
    }
  };
  const boxes = Array.from({ length: Math.min(workers, mutants.length) }, sandbox);
  try {
    await Promise.all(boxes.map(work));
  } finally {
    for (const box of boxes) box.remove();
  }
  return mutants.flatMap((mutant) => hunted.get(mutant) ?? []);
}

/** The same search in the sources as they are, in which nothing is excused: what it finds is a bug of the kernel, or of a law. */
export async function huntSound(budgetMs: number): Promise<Found> {
  const box = sandbox();
  try {
    return await search(budgetMs, [box.sound]);
  } finally {
    box.remove();
  }
}

function search(budgetMs: number, folders: readonly string[]): Promise<Found> {
  const child = path.join(ROOT, 'tests/mutants/child.ts');
  const flags = ['--conditions=nerva-source', '--disable-warning=ExperimentalWarning'];
  const running = spawn(process.execPath, [...flags, child, String(budgetMs), ...folders], { stdio: ['ignore', 'pipe', 'pipe'] });
  let isSilent = false;
  const silence = setTimeout(() => {
    isSilent = true;
    running.kill('SIGKILL');
  }, SILENT_MS);
  let [last, rest, errors] = ['', '', ''];
  running.stdout.on('data', (text: Buffer) => {
    silence.refresh();
    const lines = (rest + text.toString()).split('\n');
    rest = lines.pop() ?? '';
    last = lines.at(-1) ?? last;
  });
  running.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  return new Promise((resolve) => {
    running.on('close', (code) => {
      clearTimeout(silence);
      const told = last.startsWith('{') ? (JSON.parse(last) as Found | Tried) : null;
      if (told !== null && told.isFound !== null && code === 0) return resolve(told);
      if (told?.isFound === null && isSilent) return resolve(hung(told));
      const why = `the process died (${code ?? 'killed'}): ${errors.slice(-1_000)}`;
      resolve({ isFound: false, why, runs: 0, ms: 0 });
    });
  });
}

/** A run that starves its process breaks a law too. Its case is told as it was tried. */
function hung({ scenario, seed, plan, way, runs, ms }: Tried): Found {
  const message = `The run never gives the process back: nothing came of it for ${SILENT_MS} ms.`;
  if (plan.length > FAULTS_MAX) return { isFound: false, why: `hangs with ${plan.length} faults (${scenario}, seed ${seed})`, runs, ms };
  return { isFound: true, scenario, invariant: 'every run ends', message, way, plan, seed, steps: null, runs, ms };
}
