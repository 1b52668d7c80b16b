import { resolve, sep } from 'node:path';
import { UsageError } from './arguments.ts';
import type { Context, ExitCode } from './context.ts';
import { baseOf, knowledgePackage, shortPath, unknownBase, type FoundPassage } from './knowledge.ts';
import { brief, plain } from './output.ts';

const COMMAND = 'query';
const LIMIT = 5;

/** `nerva query`: finds passages in what was ingested and says where they stand. Changes nothing. */
export async function query(context: Context): Promise<ExitCode> {
  const { out, flags, positionals, world } = context;
  const limit = flags.number('limit', 1) ?? LIMIT;
  if (limit > 100) throw new UsageError(`--limit takes 1 to 100; "${limit}" came.`, COMMAND);
  const [question = ''] = positionals;
  if (question.trim() === '') throw new UsageError('query takes a question.', COMMAND);
  const knowledge = await knowledgePackage(COMMAND);
  const { name, store } = baseOf(context, await context.store('read'));
  const base = await knowledge.openKnowledge({ store, world, name });
  if (base.head === 0) throw unknownBase(name);
  const under = flags.text('under');
  const within = under === undefined ? {} : { under: resolve(under).split(sep).join('/') };
  const { query: id, found } = base.query(question, { limit, ...within });
  if (out.isJson) for (const one of found) out.json({ type: 'found', query: id, ...one });
  else if (found.length === 0) out.line('Nothing fits.');
  else for (const [index, one] of found.entries()) tell(context, one, { question, index });
  return 0;
}

const SHOWN_MAX = 400;
const PATH_MAX = 4_096;

/** How a passage is told. */
interface Telling {
  readonly question: string;
  /** From 0. */
  readonly index: number;
}

function tell({ out, flags }: Context, passage: FoundPassage, { question, index }: Telling): void {
  const { citation, context: headings, text, score } = passage;
  const { path, place, also } = citation;
  const page = place.page === null ? '' : ` (page ${place.page})`;
  // On one line, whatever a file is called: the next would pass for another passage.
  const where = `${brief(shortPath(path), PATH_MAX)}:${place.line}${place.lineEnd === place.line ? '' : `-${place.lineEnd}`}${page}`;
  if (index > 0) out.line();
  out.line(`${out.paint('bold', where)}  ${score.toFixed(2)}`);
  if (headings.length > 0) out.line(out.paint('dim', `  ${brief(headings.join(' › '), 200)}`));
  if (flags.has('full')) for (const line of plain(text).split('\n')) out.line(`  ${line}`);
  else out.line(`  ${brief(fromBestLine(text, question), SHOWN_MAX)}`);
  if (also.length > 0) out.line(out.paint('dim', `  also in ${brief(also.map(shortPath).join(', '), 400)}`));
}

const LETTERS_MIN = 3;
const STEM_LETTERS = 5;

/** A text from the line on that has most of the words of a question; what is before it is left out. */
function fromBestLine(text: string, question: string): string {
  const letters = (of: string): readonly string[] => of.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const wanted = new Set(letters(question).flatMap((word) => (word.length < LETTERS_MIN ? [] : [word.slice(0, STEM_LETTERS)])));
  const lines = text.split('\n');
  let best = { at: 0, count: 0 };
  for (const [at, line] of lines.entries()) {
    const its = new Set(letters(line).map((word) => word.slice(0, STEM_LETTERS)));
    const count = Array.from(wanted).filter((word) => its.has(word)).length;
    if (count > best.count) best = { at, count };
  }
  return `${best.at === 0 ? '' : '… '}${lines.slice(best.at).join('\n')}`;
}
