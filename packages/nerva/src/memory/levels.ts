import type { EventId } from '../log/index.ts';
import { rounded } from './access.ts';
import type { Entry } from './entries.ts';

/** How far an entry has come: 0 as it was said, 1 taken apart, 2 compared, 3 linked to others, 4 among the blocks. */
export type Level = 0 | 1 | 2 | 3 | 4;

/** What brought an entry to a level: a maker, another entry that it is linked to, or the event that promoted it. */
export interface LevelNote {
  readonly level: Level;
  readonly by: string;
}

/** All that brought an entry further, the lowest level first; empty while it is only as it was said. `promoted`: the event that says so. */
export function levelsOf(entry: Entry, promoted: EventId | null): readonly LevelNote[] {
  const { derived = [], evolved = [] } = entry;
  return [
    ...derived.map(({ by }): LevelNote => ({ level: 1, by })),
    ...evolved.map(({ by }): LevelNote => ({ level: 2, by })),
    ...linksOf(entry).map((id): LevelNote => ({ level: 3, by: id })),
    ...(promoted === null ? [] : [{ level: 4, by: promoted } as const]),
  ];
}

/** The highest. */
export const levelOf = (notes: readonly LevelNote[]): Level => notes.at(-1)?.level ?? 0;

/** What an access counts, by how many links away it was. */
const WEIGHTS = [0.4, 0.3, 0.2, 0.1];
/** Entries looked at: what is linked is mostly little. */
const SEEN_MAX = 100;

/**
 * How much of what an entry hangs together with is drawn on, 0–1: .4 for itself, .3 where anything that it is linked to is, .2 and .1 for
 * what is two and three links away.
 */
export function activationOf(entry: Entry, look: (id: EventId) => Entry | undefined, isActive: (entry: Entry) => boolean): number {
  const seen = new Set<EventId>([entry.id]);
  let [level, sum]: [readonly Entry[], number] = [[entry], 0];
  for (const weight of WEIGHTS) {
    if (level.some(isActive)) sum += weight;
    const next: Entry[] = [];
    for (const id of level.flatMap(linksOf)) {
      if (seen.has(id) || seen.size >= SEEN_MAX) continue;
      seen.add(id);
      const found = look(id);
      if (found !== undefined) next.push(found);
    }
    level = next;
  }
  return rounded(sum);
}

/** What an entry is linked to: what it stands for, what stands for it, and what it was found to follow from, add to or change. */
function linksOf({ supersedes, supersededBy, evolved = [] }: Entry): readonly EventId[] {
  const related = evolved.flatMap(({ relations }) => relations.map(({ to }) => to));
  const ids = [...(supersedes === null ? [] : [supersedes]), ...(supersededBy === null ? [] : [supersededBy.id]), ...related];
  return Array.from(new Set(ids));
}
