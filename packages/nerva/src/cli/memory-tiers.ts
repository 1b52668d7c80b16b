import type { Memory, Standing, Suggestion } from '../memory/index.ts';
import type { Context, ExitCode } from './context.ts';
import { time } from './output.ts';

type Row = readonly [string, string];

/** `nerva memory tend`: reads what a session was told, and decides which entries stand among the blocks. */
export async function tendMemory({ out }: Context, memory: Memory, session: string): Promise<ExitCode> {
  const done = await memory.tend({ sessions: [session] });
  if (out.isJson) {
    out.json({ type: 'tended', sid: memory.sid, ...done });
    return 0;
  }
  const { accesses, promoted, evicted, rejected } = done;
  for (const id of promoted) out.line(`${id} stands among the blocks from now on`);
  for (const { id, why } of evicted) out.line(`${id} does not any more: ${WHY[why]}; it is found as before`);
  out.line(`${accesses} accesses noted, ${promoted.length} promoted, ${evicted.length} evicted, ${rejected.length} without room`);
  return 0;
}

const WHY: Readonly<Record<Awaited<ReturnType<Memory['tend']>>['evicted'][number]['why'], string>> = {
  gone: 'it does not hold any more',
  idle: 'nobody asked for it for long',
  budget: 'others needed its place',
  removed: 'it was removed',
};

/** Where an entry stands, for `nerva memory why`. */
export function standingRows({ count, lastMs, importance, score, promotedBy, level, activation }: Standing): readonly Row[] {
  return [
    ['drawn on', `${importance.toFixed(2)}: ${count} ${count === 1 ? 'time' : 'times'}, the last ${time(lastMs)}`],
    ['score', `${score.toFixed(2)}, from 0.75 on it is promoted`],
    ['among blocks', promotedBy === null ? 'no' : `since ${promotedBy}`],
    ['level', `${level} of 4: ${LEVELS[level]}`],
    ['activation', activation.toFixed(1)],
  ];
}

const LEVELS = ['as it was said', 'taken apart', 'compared', 'linked to others', 'among the blocks'] as const;

/** What the accesses suggest, for `nerva memory stats`. */
export function suggestionRows(suggestions: readonly Suggestion[]): readonly Row[] {
  return suggestions.map(({ type, kinds, share }) => ['suggestion', SAYS[type](kinds.join(' and '), `${(100 * share).toFixed(0)} %`)]);
}

const SAYS: Readonly<Record<Suggestion['type'], (kinds: string, share: string) => string>> = {
  join: (kinds, share) =>
    `${kinds} are asked for within an hour of each other in ${share} of the accesses of the rarer: make them one kind`,
  merge: (kinds, share) => `${kinds} have ${share} of the accesses together: merge them`,
  split: (kinds, share) => `${kinds} has ${share} of the accesses: split it`,
};
