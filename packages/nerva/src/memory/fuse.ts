/**
 * How lists are made one: by ranks; by scores, each as a share of the best of its list; or, as `blend`, by how near a text is and by ranks. All but
 * `blend` say which is better and nothing else; that says how good it is, from 0 to 1.
 */
export type Fusion = (typeof FUSIONS)[number];
/** All of them. */
export const FUSIONS = ['rank', 'weighted', 'add', 'multiply', 'blend'] as const;

/** One list, best first, no id twice. Scores of a list can be compared with each other only. */
export interface Ranked {
  readonly hits: readonly { readonly id: string; readonly score: number }[];
  /** Of `weighted`; the sum of all is 1 by custom. */
  readonly weight: number;
}

/** Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods", 2009. */
const K = 60;

/**
 * One list of several, best first, of equals what stands first in the first list that has it.
 * `rank`: the sum of 1/(60 + rank); `weighted`: of weight · share; `add`: of shares; `multiply`: the product of 1 + share, less 1. What a list
 * does not have has no share in it, and of a score below 0 nobody has one. O(all hits · log).
 */
export function fused(lists: readonly Ranked[], by: Exclude<Fusion, 'blend'>): Ranked['hits'] {
  const scores = new Map<string, number>();
  for (const { hits, weight } of lists) {
    const best = hits.reduce((most, { score }) => Math.max(most, score), 0);
    for (const [at, { id, score }] of hits.entries()) {
      const share = best === 0 ? 0 : Math.max(0, score) / best;
      scores.set(id, joined(scores.get(id) ?? 0, { rank: at + 1, share, weight, by }));
    }
  }
  // A sort is stable, and a map keeps its order.
  return Array.from(scores, ([id, score]) => ({ id, score })).toSorted((one, other) => other.score - one.score);
}

/** Of what nobody can say how near it is. */
const NEAR_UNKNOWN = 0.5;

/**
 * One list of several, best first, of equals the better by rank: of how near each is (below 0 is 0; what is not known, .5) `share`, and the rest of
 * what it has by ranks, as a share of the best. Scores are 0–1. O(all hits · log).
 */
export function blended(
  lists: readonly Ranked[],
  { near, share }: { readonly near: ReadonlyMap<string, number>; readonly share: number },
): Ranked['hits'] {
  const byRank = fused(lists, 'rank');
  const best = byRank[0]?.score ?? 1;
  return byRank
    .map(({ id, score }) => ({ id, score: share * Math.max(0, near.get(id) ?? NEAR_UNKNOWN) + (1 - share) * (score / best) }))
    .toSorted((one, other) => other.score - one.score);
}

function joined(
  before: number,
  {
    rank,
    share,
    weight,
    by,
  }: { readonly rank: number; readonly share: number; readonly weight: number; readonly by: Exclude<Fusion, 'blend'> },
): number {
  if (by === 'rank') return before + 1 / (K + rank);
  if (by === 'multiply') return (1 + before) * (1 + share) - 1;
  return before + (by === 'weighted' ? weight * share : share);
}
