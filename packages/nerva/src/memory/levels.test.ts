import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventId } from '../log/index.ts';
import type { Entry } from './entries.ts';
import { activationOf, levelOf, levelsOf } from './levels.ts';

const SID: string = 'scope:s';
const idOf = (at: number): EventId => `${SID}:${at}`;
function entryOf(at: number, more: Partial<Entry> = {}): Entry {
  return {
    id: idOf(at),
    text: `text ${at}`,
    name: `text ${at}`,
    kind: 'note',
    tags: [],
    importance: 0.5,
    validMs: 0,
    invalidMs: null,
    recordedMs: 0,
    supersedes: null,
    supersededBy: null,
    endings: [],
    source: null,
    forgottenMs: null,
    ...more,
  };
}
const derived = [{ by: 'rules@1', items: [], relations: [], failure: null }];
const related = (...ats: readonly number[]) => [
  { by: 'rules@1', relations: ats.map((at) => ({ to: idOf(at), relation: 'extend' as const, confidence: 0.7 })) },
];

test('a level says how far an entry has come, and by whom', () => {
  const levels = (entry: Entry, promoted: EventId | null = null) => {
    const notes = levelsOf(entry, promoted);
    return [levelOf(notes), ...notes.map(({ level, by }) => `${level} ${by}`)];
  };
  assert.deepEqual(
    [
      levels(entryOf(1)),
      levels(entryOf(1, { derived })),
      levels(entryOf(1, { derived, evolved: related() })),
      levels(entryOf(1, { derived, evolved: related(2), supersedes: idOf(3) })),
      levels(entryOf(1, { derived }), idOf(9)),
    ],
    [
      [0],
      [1, '1 rules@1'],
      [2, '1 rules@1', '2 rules@1'],
      [3, '1 rules@1', '2 rules@1', '3 scope:s:3', '3 scope:s:2'],
      [4, '1 rules@1', '4 scope:s:9'],
    ],
  );
});

test('activation is .4 for itself, and .3, .2 and .1 for what is one, two and three links away, each once', () => {
  // 1 – 2 – 3 – 4 – 5, and 1 – 6
  const entries = [
    entryOf(1, { evolved: related(2, 6) }),
    entryOf(2, { evolved: related(1, 3) }),
    entryOf(3, { supersedes: idOf(4) }),
    entryOf(4, { supersededBy: { id: idOf(3), recordedMs: 0 }, evolved: related(5) }),
    entryOf(5),
    entryOf(6),
  ];
  const look = (id: EventId): Entry | undefined => entries.find((entry) => entry.id === id);
  const activation = (...active: readonly number[]) =>
    activationOf(entries[0] as Entry, look, ({ id }) => active.some((at) => idOf(at) === id));
  assert.deepEqual(
    [
      activation(),
      activation(1),
      activation(2),
      activation(2, 6),
      activation(3),
      activation(4),
      activation(5),
      activation(1, 2, 3, 4, 5, 6),
    ],
    [0, 0.4, 0.3, 0.3, 0.2, 0.1, 0, 1],
  );
});

test('links that go round, or lead nowhere, end', () => {
  const round = [entryOf(1, { evolved: related(2, 7) }), entryOf(2, { evolved: related(1) })];
  assert.equal(
    activationOf(
      round[0] as Entry,
      (id) => round.find((entry) => entry.id === id),
      () => true,
    ),
    0.7,
  );
});
