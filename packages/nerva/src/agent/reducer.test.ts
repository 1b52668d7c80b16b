import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Facet } from './index.ts';
import { reducerOf } from './reducer.ts';

const facet = (name: string, version: number): Facet<unknown> => ({ name, version, types: [], initial: null, evolve: (slice) => slice });

test('a state is known by the fold that made it: its release and every facet that was added, with its version', () => {
  const sets = [[], [facet('memory', 1)], [facet('memory', 2)], [facet('team', 1)], [facet('memory', 1), facet('team', 1)]];
  const versions = sets.map((facets) => String(reducerOf(facets).version));
  assert.equal(new Set(versions).size, sets.length);
  assert.ok(versions.every((version) => version.startsWith(versions[0] ?? '?')));
  assert.equal(String(reducerOf([facet('memory', 1)]).version), versions[1], 'the same facets, the same fold');
});
