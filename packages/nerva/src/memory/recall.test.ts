import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { recallIndex, type Passage, type RecallIndex, type RecallOptions, type Shares } from './index.ts';
import { rarity, saturated } from './postings.ts';
import { rankAmong } from './recall.ts';
import { codeOf } from './scene.test.ts';
import { terms } from './words.ts';

/** An index over these texts, with ids `0`, `1`, …; `author: text`. */
function over(texts: readonly string[], options: RecallOptions = { kind: 'conversation' }): RecallIndex {
  const index = recallIndex(options);
  for (const [at, line] of texts.entries()) {
    const [, author = '', text = line] = /^(\w+): (.*)$/s.exec(line) ?? [];
    index.add({ id: String(at), text, author, group: 'g' });
  }
  return index;
}
const ids = (index: RecallIndex, query: string, limit = 10): string =>
  index
    .search(query, { limit })
    .map(({ id }) => id)
    .join(' ');

test('an answer is found by the words of the question before it', () => {
  const talk = ['Ann: Where did you grow up?', 'Bob: In a small village near Graz.', 'Ann: I like tea.', 'Bob: Nice weather today.'];
  assert.equal(ids(over(talk), 'Where did Bob grow up?', 2), '1 0');
  assert.equal(ids(over(talk, { kind: 'documents' }), 'grow up'), '0', 'documents stand for themselves');
});

test('an answer has more of the turn before it than what only follows', () => {
  const index = recallIndex({ kind: 'conversation' });
  for (const [group, first] of Object.entries({ said: 'The lighthouse.', asked: 'The lighthouse?' }))
    for (const [at, text] of [first, 'Fine.'].entries()) index.add({ id: `${group}:${at}`, text, group });
  assert.equal(ids(index, 'lighthouse'), 'said:0 asked:0 asked:1 said:1');
});

test('who is named in a question is preferred, and nobody is left out', () => {
  const talk = ['Ann: I adopted a cat.', 'Cy: Fine.', 'Cy: Sure.', 'Cy: Well.', 'Bob: I adopted a cat.'];
  assert.equal(ids(over(talk), 'Which cat did Bob adopt?', 1), '4');
  assert.equal(ids(over(talk), 'Which cat did Ann adopt?', 1), '0');
  assert.ok(ids(over(talk), 'Which cat did Ann adopt?').includes('4'));
});

test('a question in the first person is about the user', () => {
  const talk = ['assistant: A red bicycle is a good choice.', 'Cy: Fine.', 'Cy: Sure.', 'Cy: Well.', 'user: The bicycle I bought is red.'];
  assert.equal(ids(over(talk), 'What colour is my bicycle?', 1), '4');
});

test('a question about what was answered is about the assistant, and one that asks for more is not', () => {
  const talk = ['user: I bought a red bicycle.', 'Cy: Fine.', 'Cy: Sure.', 'Cy: Well.', 'assistant: A red bicycle is good.'];
  assert.equal(ids(over(talk), 'Which bicycle did you recommend to me?', 1), '4');
  assert.equal(ids(over(talk), 'Can you recommend a bicycle to me?', 1), '0');
});

test('what is near counts: of two turns with the same words the one among others of the question', () => {
  const filler = ['Cy: Fine.', 'Cy: Sure.', 'Cy: Well.', 'Cy: Right.', 'Cy: Good.', 'Cy: Nice.', 'Cy: Aha.', 'Cy: Hm.'];
  const talk = ['Ann: The museum.', ...filler, 'Ann: The museum.', ...filler.slice(0, 4), 'Ann: In Oslo.', ...filler];
  const of = (index: RecallIndex): string => ids(index, 'Which museum in Oslo?', 3);
  assert.equal(of(over(talk)), '14 9 0');
  const without = { near: 0 };
  assert.equal(of(over(talk, { kind: 'conversation', shares: without })), '14 0 9');
});

test('a turn that only asks is behind one that tells, and one that does both is not', () => {
  const filler = ['Cy: Fine.', 'Cy: Sure.', 'Cy: Well.'];
  const talk = (first: string): readonly string[] => [...filler, first, ...filler, 'Ann: A lighthouse!', ...filler];
  assert.equal(ids(over(talk('Bob: A lighthouse?')), 'lighthouse', 1), '7');
  assert.equal(ids(over(talk('Bob: A lighthouse?'), { kind: 'conversation', shares: { tells: 0 } }), 'lighthouse', 1), '3');
  assert.equal(ids(over(talk('Bob: Is it? A lighthouse.')), 'lighthouse', 1), '3');
});

test('a word that is said where the asked one is meant counts a part of it, and one that begins like it', () => {
  const talk = ['Ann: My dog sleeps.', 'Cy: Fine.', 'Cy: Sure.', 'Cy: Well.', 'Ann: A photographer came.'];
  assert.equal(ids(over(talk), 'Which pet does Ann have?', 1), '0');
  assert.equal(ids(over(talk), 'Who likes photography?', 1), '4');
  assert.equal(ids(over(['Ann: A mentor.', 'Cy: Fine.']), 'mentorship', 1), '0');
  assert.equal(ids(over(['Ann: Contact.', 'Cy: Fine.']), 'continent'), '', 'the beginning alone is not enough');
  assert.equal(ids(over(talk, { kind: 'documents' }), 'Which pet? Who likes photography?'), '', 'documents say what they say');
});

test('words that tell how to answer are not what is looked for', () => {
  const talk = [
    'Ann: An overview of the conversation, in order, was comprehensive.',
    'Cy: Fine.',
    'Cy: Sure.',
    'Cy: Well.',
    'Ann: The garden is done.',
  ];
  const query = 'Can you give me a comprehensive overview of the garden, across our conversations, in order?';
  assert.equal(ids(over(talk), query, 1), '4');
  assert.equal(ids(over(talk), 'Can you give me an overview of our conversation?', 1), '0', 'when there is nothing else, they are');
});

test('a date in a question brings what was said on it or shortly after', () => {
  const index = recallIndex({ kind: 'conversation' });
  const said = (id: string, at: string): void => index.add({ id, text: `The trip was lovely, ${id}.`, atMs: Date.parse(at), group: id });
  said('april', '2023-04-02T10:00Z');
  said('may', '2023-05-09T10:00Z');
  said('later', '2023-09-01T10:00Z');
  assert.equal(ids(index, 'What was said of the trip on 7 May 2023?', 1), 'may');
  index.add({ id: 'other', text: 'Nothing of that kind.', atMs: Date.parse('2023-05-07T10:00Z'), group: 'other' });
  assert.ok(ids(index, 'trip on 7 May 2023').includes('other'), 'also without a word in common');
});

test('any number of passages of one day is looked through', () => {
  const index = recallIndex();
  for (let at = 0; at < 150_000; at++) index.add({ id: String(at), text: 'tea', atMs: Date.parse('2023-05-07T10:00Z') });
  assert.equal(ids(index, 'What was on 7 May 2023?', 2), '0 1');
});

test('what is left out is no measure for the groups of the rest', () => {
  const index = recallIndex({ kind: 'conversation', shares: { asked: 0, before: 0, secondBefore: 0, thirdBefore: 0, behind: 0 } });
  const add = (id: string, text: string, group: string): void => index.add({ id, text, group });
  add('a', 'The apple pie was good.', 'mine');
  add('b', 'Nothing else to say.', 'mine');
  add('secret', 'An apple, an apple, and another apple.', 'theirs');
  add('c', 'Plums and pears.', 'else');
  const [hit, ...others] = index.search('apple', { only: (id) => id !== 'secret' });
  assert.deepEqual([hit?.id, hit?.why.group, others], ['a', 0.25, []]);
});

test('a long passage is found by its best piece', () => {
  const filler = (count: number): string => Array.from({ length: count }, (_, at) => `filler${at % 50}`).join(' ');
  const long = `zeppelin ${filler(300)} the zeppelin landed in Oslo ${filler(300)}`;
  assert.equal(ids(over([`zeppelin ${filler(50)}`, long, filler(90)], { kind: 'documents' }), 'zeppelin Oslo', 1), '1');
});

test('the last words of a long passage do not pass for a short text', () => {
  const filler = (count: number): string => Array.from({ length: count }, (_, at) => `filler${at}`).join(' ');
  const texts = [`${filler(80)} zeppelin`, `zeppelin ${filler(9)}`, filler(40)];
  assert.equal(ids(over(texts, { kind: 'documents' }), 'zeppelin'), '1 0');
});

test('a score says what it is made of', () => {
  const [hit] = over(['Ann: When? Yesterday.', 'Bob: We sang yesterday.']).search('When did Bob sing?');
  assert.ok(hit !== undefined);
  const { words, near, group, date, author, time, tells } = hit.why;
  assert.equal(hit.id, '1');
  assert.equal(words + near + group + date + author + time + tells, hit.score);
  assert.deepEqual([words, near, date, author > 0, time > 0, tells > 0], [1, 0.3, 0, true, true, true]);
});

test('a feature that is left out counts nothing', () => {
  const none = {
    near: 0,
    group: 0,
    date: 0,
    author: 0,
    user: 0,
    time: 0,
    tells: 0,
    asked: 0,
    before: 0,
    secondBefore: 0,
    thirdBefore: 0,
    behind: 0,
    kin: 0,
    alike: 0,
  };
  const [hit] = over(['Ann: When? Yesterday.', 'Bob: We sang yesterday.'], { kind: 'conversation', shares: none }).search(
    'When did Bob sing?',
  );
  assert.deepEqual(hit?.why, { words: 1, near: 0, group: 0, date: 0, author: 0, time: 0, tells: 0 });
});

test('bad options and texts without end are refused', () => {
  assert.equal(
    codeOf(() => recallIndex({ shares: { group: -1 } })),
    'OPTION_INVALID',
  );
  assert.equal(
    codeOf(() => recallIndex({ shares: { grup: 1 } as never })),
    'OPTION_UNKNOWN',
  );
  assert.equal(
    codeOf(() => recallIndex({ kind: 'x' as never })),
    'OPTION_INVALID',
  );
  const index = over(['a cat']);
  assert.equal(
    codeOf(() => index.search('cat', { limit: 0 })),
    'OPTION_INVALID',
  );
  assert.equal(
    codeOf(() => index.add({ id: '0', text: 'x'.repeat(1_000_001) })),
    'OPTION_INVALID',
  );
  assert.equal(ids(index, 'cat'), '0', 'what was there is there');
  assert.equal(ids(index, ''), '');
  assert.equal(ids(index, 'the and of'), '');
});

const WORDS = ['apple', 'boat', 'cloud', 'dance', 'eagle', 'forest', 'garden', 'house'];
const TEXT = fc.array(fc.constantFrom(...WORDS), { maxLength: 12 }).map((parts) => parts.join(' '));
const LONG = fc.array(fc.constantFrom(...WORDS), { minLength: 100, maxLength: 200 }).map((parts) => parts.join(' '));
const PASSAGE = fc.record({
  id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
  text: fc.oneof({ weight: 4, arbitrary: TEXT }, { weight: 1, arbitrary: LONG }),
  atMs: fc.integer({ min: 0, max: 20 * 86_400_000 }),
  author: fc.constantFrom('ann', 'bob', 'user'),
  group: fc.constantFrom('g', 'h'),
});
const STEP = fc.oneof({ weight: 3, arbitrary: PASSAGE }, { weight: 1, arbitrary: fc.constantFrom('a', 'b', 'c', 'd') });

test('any index that was added to and removed from ranks like one that was made of what is left', () => {
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 40 }), TEXT, fc.constantFrom('conversation', 'documents'), (steps, query, kind) => {
      const [index, left] = [recallIndex({ kind }), new Map<string, Passage>()];
      for (const step of steps) {
        const id = typeof step === 'string' ? step : step.id;
        const wasThere = left.delete(id);
        if (typeof step === 'string') assert.equal(index.remove(id), wasThere);
        else left.set(id, step);
        if (typeof step !== 'string') index.add(step);
        index.search(`garden ${query}`); // what a search tidies up, or remembers, is not seen
      }
      const fresh = recallIndex({ kind });
      for (const passage of left.values()) fresh.add(passage);
      assert.equal(index.size, left.size);
      const asked = `When did my ${query} on 5 January by Ann?`;
      const shown = (from: RecallIndex, limit: number) => from.search(asked, { limit }).map(({ id, score }) => [id, score.toFixed(9)]);
      assert.deepEqual(shown(index, 10), shown(fresh, 10));
    }),
  );
});

const SHARE = fc.constantFrom<keyof Shares>('near', 'group', 'date', 'author', 'user', 'time', 'tells');

test('any lower limit gives the beginning of the same list, whatever counts most, and shares add up to the score', () => {
  fc.assert(
    fc.property(fc.array(PASSAGE, { minLength: 4, maxLength: 20 }), TEXT, SHARE, (passages, query, share) => {
      const index = recallIndex({ kind: 'conversation', shares: { [share]: 5 } });
      for (const [at, passage] of passages.entries())
        index.add({ ...passage, id: `${at}`, text: at % 2 === 0 ? `${passage.text} today` : `${passage.text}?` });
      const search = (limit: number) => index.search(`When did my ${query} on 5 January by Ann?`, { limit });
      for (const limit of [1, 2, 3]) assert.deepEqual(search(limit), search(1_000).slice(0, limit));
      for (const { score, why } of search(20)) assert.ok(Math.abs(Object.values(why).reduce((sum, one) => sum + one, 0) - score) < 1e-9);
    }),
  );
});

/** BM25 as it is written, over all texts, without an index. */
function bm25(texts: readonly string[], query: string): readonly number[] {
  const bags = texts.map((text) => terms(text));
  const mean = bags.reduce((sum, bag) => sum + bag.length, 0) / bags.length;
  const asked = Array.from(new Set(terms(query)));
  return bags.map((bag) =>
    asked.reduce((sum, term) => {
      const count = bag.filter((one) => one === term).length;
      const holding = bags.filter((one) => one.includes(term)).length;
      const idf = Math.log(1 + (bags.length - holding + 0.5) / (holding + 0.5));
      return sum + (idf * count * 2.2) / (count + 1.2 * (0.25 + (0.75 * bag.length) / mean));
    }, 0),
  );
}

test('any short documents rank as BM25 says, and a lower limit gives the beginning of the same list', () => {
  fc.assert(
    fc.property(fc.array(TEXT, { minLength: 1, maxLength: 15 }), TEXT, fc.integer({ min: 1, max: 5 }), (texts, query, limit) => {
      const index = over(texts, { kind: 'documents' });
      const scores = bm25(texts, query);
      const best = Math.max(...scores);
      const expected = scores
        .map((score, at) => ({ id: String(at), score: score / best }))
        .filter(({ score }) => score > 0)
        .toSorted((one, other) => other.score - one.score || Number(one.id) - Number(other.id));
      const hits = index.search(query, { limit: 1_000 });
      assert.equal(hits.length, expected.length);
      for (const [at, { score }] of hits.entries()) assert.ok(Math.abs(score - (expected[at]?.score ?? NaN)) < 1e-9, `${at}: ${score}`);
      assert.deepEqual(index.search(query, { limit }), hits.slice(0, limit));
    }),
  );
});

test('of some of a whole it is told whether what is left could stand among the best', () => {
  const corpus = { passages: 9, pieces: 9, length: 18, holding: () => 2 };
  const passages = ['plum monday', 'plum pear'].map((text, at) => ({ id: `${at}`, text, stems: terms(text) }));
  const words = rarity(9, 2) * saturated(1, 1);
  const admits = (query: string, limit: number, by: number): boolean => rankAmong(corpus, passages, { query, limit }).admits(by * words);
  assert.deepEqual(
    [0.5, 1, 1.01].map((by) => admits('plum', 1, by)),
    [false, false, true],
    'of equals the older is first, and it was there',
  );
  assert.equal(admits('plum', 3, 0.01), true, 'there is room');
  assert.deepEqual(
    [0.99, 1].map((by) => admits('when plum', 1, by)),
    [false, true],
    'it may say when, and be older',
  );
});
