import { NervaError } from '../core/index.ts';
import { RELEASE } from '../log/index.ts';
import { approve, deny } from './answer.ts';
import { readArguments, UsageError } from './arguments.ts';
import { compare, fork } from './branch.ts';
import type { CommandName } from './commands.ts';
import { processContext, type Context, type ExitCode } from './context.ts';
import { doctor } from './doctor.ts';
import { commandHelp, mainHelp, usageLine } from './help.ts';
import { ingest } from './ingest.ts';
import { replay, sessions, show } from './inspect.ts';
import { memory } from './memory.ts';
import { models } from './models.ts';
import { plain, processOutput, type Output } from './output.ts';
import { proxy } from './proxy.ts';
import { query } from './query.ts';
import { resume, run } from './run.ts';
import { sim } from './sim.ts';
import { close, prune, release, remove, stats, verify } from './upkeep.ts';

const RUN: Readonly<Record<CommandName, (context: Context) => Promise<ExitCode>>> = {
  run,
  sessions,
  show,
  resume,
  fork,
  diff: compare,
  replay,
  verify,
  approve,
  deny,
  stats,
  models,
  doctor,
  proxy,
  sim,
  memory,
  ingest,
  query,
  close,
  release,
  prune,
  delete: remove,
};

/** What may keep the process alive after the command is done (a connection that an agent's file opened) is given this long. */
const LINGER_MS = 500;

/**
 * The `nerva` command. Failures are told on stderr in a line or two.
 * @param argv what follows the command's name.
 * @returns the exit code. @throws what is a bug, with its stack.
 */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  goToCaller();
  process.on('SIGINT', leave);
  const out = processOutput(argv.includes('--json'));
  let context: Context | null = null;
  try {
    const typed = readArguments(argv);
    if (typed.kind === 'version') return say(out, RELEASE);
    if (typed.kind === 'help') return say(out, (typed.command === null ? mainHelp() : commandHelp(typed.command)).trimEnd());
    context = processContext(out, typed.flags, typed.positionals);
    const code = await RUN[typed.command](context);
    await context.close();
    return code;
  } catch (error) {
    await context?.close().catch(() => undefined); // the first failure is the one to tell
    return fail(out, error);
  } finally {
    process.off('SIGINT', leave);
    setTimeout(() => process.exit(), LINGER_MS).unref();
  }
}

/** Ctrl-C where nothing has to be cancelled: nobody else listens. */
function leave(): void {
  if (process.listenerCount('SIGINT') === 1) process.exit(130);
}

/** `npm run nerva` starts in the package; what was typed is meant from where it was typed. */
function goToCaller(): void {
  const from = process.env['INIT_CWD'];
  if (process.env['npm_lifecycle_event'] === 'nerva' && from !== undefined && from !== '') process.chdir(from);
}

function say(out: Output, text: string): ExitCode {
  out.line(text);
  return 0;
}

function fail(out: Output, error: unknown): ExitCode {
  if (error instanceof UsageError) {
    if (out.isJson) out.note(JSON.stringify({ type: 'error', code: 'USAGE', message: error.message, usage: usageLine(error.command) }));
    else out.note(`${plain(error.message)}\n${usageLine(error.command)}`);
    return 2;
  }
  if (!NervaError.is(error)) throw error;
  const { code, kind, retry, message, details } = error;
  if (out.isJson) out.note(JSON.stringify({ type: 'error', code, kind, retry, message, details }));
  else out.note(`${code}: ${plain(message)}`);
  return code === 'STORE_LOCKED' ? 4 : 1;
}
