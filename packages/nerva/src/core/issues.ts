import { excerpt, formatPath } from './text.ts';

/** One check of one value: where it stands, what it found, and how much it may still do. */
export interface Run {
  readonly path: (string | number)[];
  readonly issues: Issue[];
  /** Shared by a run and its trials: the checks made so far. */
  readonly spent: { checks: number };
}

/** Something about a value that does not fit. */
export interface Issue {
  readonly at: string;
  readonly text: string;
  /** What was expected, when `text` says only that and what came: such issues of several forms are joined. */
  readonly expected?: string;
  /** A fixed value differs: the form was not the one meant. */
  readonly isChoice?: boolean;
}

/** A check compiled from one schema: true when the value fits, else the run holds why. */
export type Check = (value: unknown, run: Run) => boolean;

/** Raised when a check would cost too much; never leaves this folder. */
export class Exhausted extends Error {}

const ISSUES_MAX = 8;
const CHECKS_MAX = 1_000_000;
const DEPTH_MAX = 256;

/** A fresh run at the root. */
export function startRun(): Run {
  return { path: [], issues: [], spent: { checks: 0 } };
}

/** A run at the same place whose issues count only if the caller takes them over. */
export function trialOf(run: Run): Run {
  return { path: run.path, issues: [], spent: run.spent };
}

/** Counts checks. @throws Exhausted */
export function spend(run: Run, checks = 1): void {
  run.spent.checks += checks;
  if (run.spent.checks > CHECKS_MAX) throw new Exhausted(`the value needs more than ${CHECKS_MAX} checks`);
}

/** Checks a member of the value. @throws Exhausted below 256 levels. */
export function into(run: Run, key: string | number, value: unknown, check: Check): boolean {
  if (run.path.length >= DEPTH_MAX) throw new Exhausted(`the value is more than ${DEPTH_MAX} levels deep`);
  run.path.push(key);
  const fits = check(value, run);
  run.path.pop();
  return fits;
}

/** Notes that `value` came where `expected` was expected. Returns false for the caller to return. */
export function mismatch(run: Run, value: unknown, expected: string, isChoice = false): false {
  const at = formatPath(run.path);
  run.issues.push({ at, text: `${at}: came ${show(value)}, expected ${expected}`, expected, isChoice });
  return false;
}

/** Notes any other trouble. Returns false for the caller to return. */
export function complain(run: Run, text: string): false {
  const at = formatPath(run.path);
  run.issues.push({ at, text: `${at}: ${text}` });
  return false;
}

/** Whether more issues would not be shown, so that loops over large values may stop. */
export function isFull(run: Run): boolean {
  return run.issues.length > ISSUES_MAX;
}

/** The issues as lines a model can act on: at most 8, then how many more there are at least. */
export function describeIssues(issues: readonly string[]): string {
  const lines = issues.slice(0, ISSUES_MAX).map((line) => excerpt(line, 600));
  if (issues.length > ISSUES_MAX) lines.push(`and at least ${issues.length - ISSUES_MAX} more`);
  return lines.join('\n');
}

/** A value in a few words. Costs the same for a large value as for a small one. */
export function show(value: unknown): string {
  if (typeof value === 'string')
    return excerpt(JSON.stringify(value.slice(0, 200)), 80) + (value.length > 200 ? ` (text of ${value.length})` : '');
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return showObject(value);
  if (value === undefined) return 'nothing';
  return value === null || typeof value === 'number' || typeof value === 'boolean' ? String(value) : `a ${typeof value}`;
}

function showObject(value: object): string {
  const keys: string[] = [];
  for (const key in value) {
    if (keys.length === 6) return `an object with ${keys.join(', ')}, …`;
    keys.push(excerpt(key, 48));
  }
  return keys.length === 0 ? 'an empty object' : `an object with ${keys.join(', ')}`;
}
