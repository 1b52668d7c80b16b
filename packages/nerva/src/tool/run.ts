import { excerpt, NervaError, type Json, type World } from '../core/index.ts';
import { toOutput } from './output.ts';
import type { Tool, ToolContext } from './types.ts';

/** How one attempt ended. */
export type ToolOutcome =
  | {
      readonly type: 'returned';
      readonly output: Json;
      /** Bytes cut from an output that was too large. */ readonly truncatedBytes?: number;
    }
  | {
      readonly type: 'failed';
      readonly why: ToolFailure;
      /** For the model, at most 2 KB. */
      readonly message: string;
      /** False when `execute` was never called: the effect certainly did not happen. */
      readonly started: boolean;
    };

/** Why an attempt failed. `not done`: the tool says that nothing happened. */
export type ToolFailure = 'threw' | 'timeout' | 'cancelled' | 'not done' | 'bad input' | 'bad output';

/** How an attempt is bounded. */
export interface RunOptions {
  readonly world: Pick<World, 'clock'>;
  /** Of the output as JSON. More is cut to an excerpt. */
  readonly outputBytesMax: number;
  /** How long after an abort the tool's own end is waited for. */
  readonly graceMs: number;
  /** Told the outcome of a call that settled after it was given up. Contract: does not throw. */
  readonly onLate?: (outcome: ToolOutcome) => void;
}

const MESSAGE_BYTES_MAX = 2048;

/**
 * Makes one attempt of a call: parses the input, executes under the tool's timeout, takes the output as JSON.
 * An abort of `context.signal` is passed on; `graceMs` after it or after the timeout the call is given up. A value returned within the grace counts.
 * Never rejects; settles within `timeoutMs + graceMs`. A tool that returns synchronously costs no timer and no listener.
 */
export function runTool(tool: Tool, input: Json, context: ToolContext, options: RunOptions): Promise<ToolOutcome> {
  if (context.signal.aborted) return Promise.resolve(failure('cancelled', 'The call was cancelled before it started.', false));
  const controller = new AbortController();
  const attempt: Attempt = { tool, context: { ...context, signal: controller.signal }, bytesMax: options.outputBytesMax, isStarted: false };
  const outcome = begin(attempt, input);
  return isThenable(outcome) ? bounded(outcome, attempt, { ...options, parent: context.signal, controller }) : Promise.resolve(outcome);
}

interface Attempt {
  readonly tool: Tool;
  readonly context: ToolContext;
  readonly bytesMax: number;
  isStarted: boolean;
}

type Settling = ToolOutcome | Promise<ToolOutcome>;

/** Each step goes on synchronously as long as it can. */
function begin(attempt: Attempt, input: Json): Settling {
  return step(
    () => attempt.tool.parseInput(input),
    (parsed) => (parsed.ok ? execute(attempt, parsed.value) : failure('bad input', parsed.issues, false)),
    (error) => failure('bad input', describe(error), false),
  );
}

function execute(attempt: Attempt, value: unknown): Settling {
  // Parsing may have been asynchronous: what was cancelled meanwhile must not start.
  if (attempt.context.signal.aborted) return failure('cancelled', 'The call was cancelled before it started.', false);
  attempt.isStarted = true;
  return step(
    () => attempt.tool.execute(value, attempt.context),
    (output) => take(attempt, output),
    (error) => (NervaError.is(error, 'TOOL_NOT_DONE') ? failure('not done', error.message, true) : failure('threw', describe(error), true)),
  );
}

function take(attempt: Attempt, output: unknown): Settling {
  const { parseOutput } = attempt.tool;
  const bad = (error: unknown): ToolOutcome => failure('bad output', describe(error), true);
  if (parseOutput === undefined) return step(() => returned(output, attempt.bytesMax), same, bad);
  return step(
    () => parseOutput(output),
    (parsed) => (parsed.ok ? step(() => returned(parsed.value, attempt.bytesMax), same, bad) : failure('bad output', parsed.issues, true)),
    bad,
  );
}

function returned(output: unknown, bytesMax: number): ToolOutcome {
  return { type: 'returned', ...toOutput(output, bytesMax) };
}

function same(outcome: ToolOutcome): ToolOutcome {
  return outcome;
}

/** `make`, then `next` with its value or `fail` with what it threw; at once unless it gave a promise. `next` must not throw. */
function step<T>(make: () => T | Promise<T>, next: (value: T) => Settling, fail: (error: unknown) => ToolOutcome): Settling {
  try {
    const made = make();
    if (isThenable(made)) return settle(made, next, fail);
    return next(made);
  } catch (error) {
    return fail(error);
  }
}

async function settle<T>(made: PromiseLike<T>, next: (value: T) => Settling, fail: (error: unknown) => ToolOutcome): Promise<ToolOutcome> {
  let value: T;
  try {
    value = await made;
  } catch (error) {
    return fail(error);
  }
  return next(value);
}

interface Bounds extends RunOptions {
  readonly parent: AbortSignal;
  readonly controller: AbortController;
}

/** Waits for an asynchronous attempt, but not for ever. */
function bounded(running: Promise<ToolOutcome>, attempt: Attempt, bounds: Bounds): Promise<ToolOutcome> {
  const { world, graceMs, onLate, parent, controller } = bounds;
  return new Promise((resolve) => {
    let isOver = false;
    let stopped: 'timeout' | 'cancelled' | null = null;
    let stopTimer = (): void => undefined;
    const finish = (outcome: ToolOutcome): void => {
      isOver = true;
      stopTimer();
      parent.removeEventListener('abort', cancel);
      resolve(outcome);
    };
    const stop = (why: 'timeout' | 'cancelled'): void => {
      if (stopped !== null || isOver) return;
      stopped = why;
      controller.abort(
        new NervaError(
          'CANCELLED',
          why === 'timeout' ? `The tool took more than ${attempt.tool.timeoutMs} ms.` : 'The call was cancelled.',
        ),
      );
      stopTimer();
      stopTimer = world.clock.timer(graceMs, () => {
        if (!isOver) finish(stoppedOutcome(why, attempt, `It did not stop within ${graceMs} ms, so its end is unknown.`));
      });
    };
    const cancel = (): void => stop('cancelled');
    void running.then((outcome) => {
      if (isOver) onLate?.(outcome);
      else if (stopped !== null && outcome.type === 'failed' && (outcome.why === 'threw' || outcome.why === 'cancelled'))
        finish(stoppedOutcome(stopped, attempt, outcome.message));
      else finish(outcome);
    });
    // The tool itself may have caused the abort before it returned its promise.
    if (parent.aborted) return cancel();
    parent.addEventListener('abort', cancel, { once: true });
    stopTimer = world.clock.timer(attempt.tool.timeoutMs, () => stop('timeout'));
  });
}

function stoppedOutcome(why: 'timeout' | 'cancelled', { tool, isStarted }: Attempt, detail: string): ToolOutcome {
  const what = why === 'timeout' ? `${tool.name} took more than ${tool.timeoutMs} ms and was aborted.` : `${tool.name} was cancelled.`;
  return failure(why, `${what} ${detail}`, isStarted);
}

function failure(why: ToolFailure, message: string, started: boolean): ToolOutcome {
  return { type: 'failed', why, message: excerpt(message.toWellFormed(), MESSAGE_BYTES_MAX), started };
}

function describe(error: unknown): string {
  try {
    if (!(error instanceof Error)) return `It threw ${typeof error === 'string' ? error : (JSON.stringify(error) ?? typeof error)}`;
    return error.name === 'Error' || error.name === 'NervaError'
      ? String(error.message)
      : `${String(error.name)}: ${String(error.message)}`;
  } catch {
    // An error whose own text throws.
    return 'It threw something that cannot be shown.';
  }
}

function isThenable<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
