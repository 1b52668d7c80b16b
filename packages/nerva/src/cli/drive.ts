import type { AgentEvent, Run, RunResult, Session, StreamItem } from '../agent/index.ts';
import type { LogEvent } from '../log/index.ts';
import type { Context, ExitCode } from './context.ts';
import { brief, type Output } from './output.ts';
import { pendingLines, standing, summaryOf, VALUE_MAX, type Typist } from './summary.ts';

/** A signal that comes twice within this time is one Ctrl-C: npm hands on what the terminal already sent. */
const ECHO_MS = 500;

/** Prints a run as it happens and how it ended. The first Ctrl-C cancels the turn, a second one ends the process. */
export async function follow(context: Context, session: Session, run: Run, type: Typist): Promise<ExitCode> {
  const { out } = context;
  const stop = onInterrupt(() => {
    if (!out.isJson) out.note('\nCancelling the turn; press Ctrl-C again to stop at once.');
    void session.cancel('interrupted', { by: 'cli' }).catch(() => undefined); // the run's own failure is what is told
  });
  const printer = out.isJson ? jsonPrinter(out) : textPrinter(out);
  try {
    const accepted = await run.accepted;
    if (out.isWatched) out.note(`session ${accepted.sid}`, 'dim');
    for await (const item of run) printer.item(item);
    const result = await run.result;
    printer.end(result);
    if (result.status === 'failed' && !out.isJson) out.note(brief(result.why, 1000));
    if (!out.isJson) tell(out, result, type);
    return exitOf(result);
  } finally {
    stop();
  }
}

/** The exit code that a turn's end stands for. */
export function exitOf({ status }: RunResult): ExitCode {
  if (status === 'answered') return 0;
  if (status === 'waiting') return 3;
  return status === 'cancelled' ? 130 : 1;
}

/** Calls `first` at the first Ctrl-C; the second ends the process, and the log is what is left. @returns how to stop listening. */
export function onInterrupt(first: () => void): () => void {
  let firstMs: number | null = null;
  const listener = (): void => {
    if (firstMs === null) {
      firstMs = performance.now();
      first();
    } else if (performance.now() - firstMs > ECHO_MS) process.exit(130);
  };
  process.on('SIGINT', listener);
  return () => void process.off('SIGINT', listener);
}

function tell(out: Output, result: RunResult, type: Typist): void {
  if (result.status === 'waiting') {
    out.line(result.pending.length === 0 ? 'It waits.' : 'Waiting for a person:');
    for (const line of pendingLines(result.pending, type, 1000)) out.line(line);
  }
  out.note(`session ${result.sid}: ${standing(result)}`, 'dim');
}

interface Printer {
  item(item: StreamItem): void;
  end(result: RunResult): void;
}

/** Exact events and the result; deltas are not exact and are left out. */
function jsonPrinter(out: Output): Printer {
  return {
    item: (item) => item.type === 'event' && out.json(item),
    end: (result) => out.json({ type: 'result', ...result }),
  };
}

/** Answers' text on stdout as it comes, each on lines of its own; what else happens on stderr for who watches. */
function textPrinter(out: Output): Printer {
  let [call, text, isLineOpen] = ['', '', false];
  const endLine = (): void => {
    if (isLineOpen) out.write('\n');
    isLineOpen = false;
  };
  const say = (from: string, more: string): void => {
    if (from !== call) endLine();
    [call, text] = [from, from === call ? text + more : more];
    isLineOpen = !text.endsWith('\n');
    out.write(more);
  };
  const event = (one: AgentEvent): void => {
    const said = answerIn(one);
    // What was streamed has been said.
    if (said !== null && said.call !== call && said.text !== '') say(said.call, said.text);
    if (!out.isWatched || !SHOWN.has(one.type)) return;
    endLine();
    out.note(`  ${one.type} ${summaryOf(one as unknown as LogEvent, VALUE_MAX)}`, 'dim');
  };
  return {
    item(item) {
      if (item.type === 'event') event(item.event);
      else if (item.type === 'delta' && item.delta.type === 'text') say(item.call, item.delta.text);
      else if (item.type === 'reset' && item.call === call) {
        endLine();
        call = '';
        if (out.isWatched) out.note('  the answer broke off; it is asked again', 'dim');
      }
    },
    end({ status, text: answer, output }) {
      const given = answer === '' && output !== null ? JSON.stringify(output) : answer;
      if (status === 'answered' && given !== '' && given !== text) say('result', given);
      endLine();
    },
  };
}

const SHOWN: ReadonlySet<string> = new Set([
  'tool.called',
  'tool.returned',
  'tool.failed',
  'tool.in_doubt',
  'model.failed',
  'output.rejected',
  'approval.requested',
  'policy.decided',
]);

function answerIn(event: AgentEvent): { readonly call: string; readonly text: string } | null {
  if (event.type === 'policy.decided' && event.data.action.type === 'answer')
    return { call: `${event.sid}:${event.seq}`, text: event.data.action.text ?? '' };
  if (event.type !== 'model.answered') return null;
  return {
    call: `${event.sid}:${event.data.call}`,
    text: event.data.parts.map((part) => (part.type === 'text' ? part.text : '')).join(''),
  };
}
