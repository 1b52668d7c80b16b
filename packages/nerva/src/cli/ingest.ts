import { UsageError } from './arguments.ts';
import type { Context, ExitCode } from './context.ts';
import { baseOf, knowledgePackage, shortPath, type IngestGiven, type IngestProgress, type IngestReport } from './knowledge.ts';
import { brief, type Output } from './output.ts';

const COMMAND = 'ingest';

/** `nerva ingest`: brings a knowledge base up to date with files and folders. Exit 1 when a file failed. */
export async function ingest(context: Context): Promise<ExitCode> {
  const { out, flags, positionals, world } = context;
  const given = givenBy(context);
  const knowledge = await knowledgePackage(COMMAND);
  const { name, store } = baseOf(context, await context.store('create'));
  const base = await knowledge.openKnowledge({ store, world, name });
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once('SIGINT', interrupt);
  const progress = progressOn(out);
  const options = { ...given, onProgress: progress.tell, signal: stop.signal };
  let failed = 0;
  const tell = (report: IngestReport): void => {
    progress.end();
    failed = report.failed.length;
    tellReport(out, report);
  };
  try {
    if (flags.has('watch')) {
      if (!out.isJson) out.note('Watching until Ctrl-C.', 'dim');
      await knowledge.watch(base, positionals, { ...options, onRound: tell });
      return 0;
    }
    const report = await knowledge.ingest(base, positionals, options);
    tell(report);
    return report.stopped ? 130 : failed > 0 ? 1 : 0;
  } finally {
    process.off('SIGINT', interrupt);
  }
}

const LIMITS: Readonly<Record<string, string>> = {
  'file-bytes': 'fileBytesMax',
  'text-characters': 'textCharactersMax',
  'unpacked-bytes': 'unpackedBytesMax',
  'unpack-ms': 'unpackTimeoutMs',
  files: 'filesMax',
  depth: 'depthMax',
};

function givenBy({ flags }: Context): IngestGiven {
  const encoding = flags.text('encoding');
  if (encoding !== undefined && encoding !== 'windows-1252')
    throw new UsageError(`--encoding takes windows-1252; "${brief(encoding, 80)}" came.`, COMMAND);
  const near = flags.text('near');
  const subject = flags.text('subject');
  const nearDuplicates = near === undefined ? undefined : Number(near);
  if (nearDuplicates !== undefined && !(nearDuplicates >= 0.5 && nearDuplicates <= 1))
    throw new UsageError(`--near takes a number from 0.5 to 1; "${brief(near ?? '', 80)}" came.`, COMMAND);
  const limits = Object.entries(LIMITS).flatMap(([flag, name]) => {
    const value = flags.number(flag, flag === 'depth' ? 0 : 1);
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    gitignore: !flags.has('ignored'),
    links: flags.has('links') ? 'inside' : 'skip',
    limits: Object.fromEntries(limits),
    ...(encoding === undefined ? {} : { encoding }),
    ...(nearDuplicates === undefined ? {} : { nearDuplicates }),
    ...(subject === undefined ? {} : { subject }),
  };
}

/** A line that is written over, on a terminal only; with `--json` a line for each file. */
function progressOn(out: Output): { readonly tell: (progress: IngestProgress) => void; readonly end: () => void } {
  let shownMs = 0;
  let isShown = false;
  return {
    tell({ path, outcome, done, total }) {
      if (out.isJson && outcome !== 'unchanged') out.json({ type: 'file', path, outcome, done, total });
      const nowMs = performance.now();
      if (!out.isWatched || (nowMs - shownMs < 100 && done < total)) return;
      shownMs = nowMs;
      isShown = true;
      process.stderr.write(`\r\u001b[K${done} of ${total}  ${brief(shortPath(path), 60)}`);
    },
    end() {
      if (isShown) process.stderr.write('\r\u001b[K');
      isShown = false;
    },
  };
}

/** Problems that are printed one by one. */
const SHOWN_MAX = 50;

function tellReport(out: Output, report: IngestReport): void {
  if (out.isJson) return out.json({ type: 'ingested', ...report });
  const { added, changed, unchanged, removed, duplicates, chunksWritten, ignored, skipped, failed, stopped } = report;
  for (const { path, code, message } of failed.slice(0, SHOWN_MAX))
    out.note(`${brief(shortPath(path), 200)}: ${code}: ${brief(message, 500)}`, 'red');
  if (failed.length > SHOWN_MAX) out.note(`… and ${failed.length - SHOWN_MAX} more; --json lists all.`, 'red');
  const counts: readonly (readonly [count: number, word: string])[] = [
    [added, 'added'],
    [changed, 'changed'],
    [unchanged, 'unchanged'],
    [removed, 'removed'],
    [failed.length, 'failed'],
    [skipped.length, 'skipped'],
    [ignored, 'ignored'],
  ];
  const said = counts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  const pieces = chunksWritten === 0 ? 'nothing written' : `${chunksWritten} pieces written`;
  const same = duplicates === 0 ? '' : `, ${duplicates} that say the same as another`;
  out.line(`${said.length === 0 ? 'No files' : said.join(', ')}; ${pieces}${same}.`);
  if (stopped) out.note('Stopped; the same command goes on from there.', 'dim');
}
