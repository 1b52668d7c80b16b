import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DerivedItem, ItemType } from './derived.ts';
import { readDerivation } from './derived-read.ts';
import { byRules, extract } from './extract.ts';

/** A Friday. */
const NOW = Date.UTC(2026, 10, 27, 12);
const found = (text: string, type: ItemType): readonly DerivedItem[] => extract(text, NOW).filter((item) => item.type === type);
const names = (text: string, type: ItemType): readonly string[] => found(text, type).map(({ name }) => name);

test('a text names people: each once, by the longest form of the name, and a pronoun is none', () => {
  const people = (text: string): readonly string[] => names(text, 'person');
  assert.deepEqual(people('Ada lives in Graz. She likes tea, and Ada Lovelace met Bob.'), ['Ada Lovelace', 'Bob']);
  assert.deepEqual(people('Yesterday I met Dr. Smith, my sister Zuzanna and Jean-Luc’s wife.'), ['Smith', 'Zuzanna', 'Jean-Luc']);
  assert.deepEqual(people('Ada, ADA and ada: Ada. Tell Ludwig van Beethoven that Mr. O’Brien lives here.'), ['Ada', 'O’Brien']);
  assert.deepEqual(people('He said that They know. Who lives there? Everyone likes it. I told You. It lives. She is 5 years old.'), []);
  assert.deepEqual(people('Google said so in May. Mark my words: the Show likely starts. Graz is a city. NASA lives.'), []);
  assert.deepEqual(people('Anna Maier and Anna Huber know Anna.'), ['Anna Maier', 'Anna Huber', 'Anna'], 'it may be either');
});

test('a text names dates, which are those of the calendar as seen from the moment it was said', () => {
  const days = (text: string): readonly string[] => found(text, 'date').map(({ name, from, until }) => `${name} ${from} ${until}`);
  const rows: readonly (readonly [string, string])[] = [
    ['yesterday', '2026-11-26 2026-11-26 2026-11-27'],
    ['the day before yesterday', '2026-11-25 2026-11-25 2026-11-26'],
    ['Tomorrow', '2026-11-28 2026-11-28 2026-11-29'],
    ['last Friday', '2026-11-20 2026-11-20 2026-11-21'],
    ['next Friday', '2026-12-04 2026-12-04 2026-12-05'],
    ['by Friday', '2026-11-27 2026-11-27 2026-11-28'],
    ['last Thursday', '2026-11-26 2026-11-26 2026-11-27'],
    ['this week', '2026-11-23 2026-11-23 2026-11-30'],
    ['last month', '2026-10 2026-10-01 2026-11-01'],
    ['next year', '2027 2027-01-01 2028-01-01'],
    ['3 weeks ago', '2026-11-06 2026-11-06 2026-11-07'],
    ['in two months', '2027-01-27 2027-01-27 2027-01-28'],
    ['in three months', '2027-02-27 2027-02-27 2027-02-28'],
    ['a year ago', '2025-11-27 2025-11-27 2025-11-28'],
    ['in May', '2026-05 2026-05-01 2026-06-01'],
    ['last December', '2025-12 2025-12-01 2026-01-01'],
    ['next May', '2027-05 2027-05-01 2027-06-01'],
    ['7 May 2023', '2023-05-07 2023-05-07 2023-05-08'],
    ['May 7th', '2026-05-07 2026-05-07 2026-05-08'],
    ['2023-05-07', '2023-05-07 2023-05-07 2023-05-08'],
    ['7.5.2023', '2023-05-07 2023-05-07 2023-05-08'],
    ['since 2022', '2022 2022-01-01 2023-01-01'],
    ['29 February 2024', '2024-02-29 2024-02-29 2024-03-01'],
  ];
  for (const [text, day] of rows) assert.deepEqual(days(`It was, she says, ${text}.`), [day], text);
  for (const text of [
    '5/7/2023',
    '31 February 2023',
    'on Friday',
    'it may rain',
    'room 2022',
    'in 2022 metres',
    'the second',
    'a 2023-05-07-b',
    'yesterdays',
  ])
    assert.deepEqual(days(text), [], text);
  const seen = extract('It will be in December.', Date.UTC(2026, 0, 5));
  assert.equal(seen[0]?.name, '2025-12', 'said in January, it is the last one');
});

test('a text names quantities with their units, and what may mean more than one is none', () => {
  const told = (text: string): readonly (string | number | undefined)[] =>
    found(text, 'quantity').flatMap(({ value, unit }) => [value, unit]);
  assert.deepEqual(told('5 km in 25 minutes for $1,200.50, at -5 °C'), [5, 'km', 25, 'min', 1200.5, 'USD', -5, '°C']);
  assert.deepEqual(told('€2 million, 5k USD, 3 thousand euros, 10% off, 90 km/h'), [
    2e6,
    'EUR',
    5000,
    'USD',
    3000,
    'EUR',
    10,
    '%',
    90,
    'km/h',
  ]);
  assert.deepEqual(told('1,5 km; 3-4 kg; 5 kmx; v2 kg; 1.2.3 kg; 5; 5 years ago; 12:30 h'), []);
});

test('a text says what somebody likes, by whole words, and neither a wish nor a question is that', () => {
  const told = (text: string): readonly string[] =>
    found(text, 'preference').map(({ who, sentiment, name }) => `${who} ${sentiment} ${name}`);
  assert.deepEqual(told('I really like strong coffee, but I hate mornings. Ada prefers short answers because she is busy.'), [
    'I likes strong coffee',
    'I dislikes mornings',
    'Ada prefers short answers',
  ]);
  assert.deepEqual(told("I don't like rain. My favourite colour is green. I can’t stand noise! Bob doesn't like fish."), [
    'I dislikes rain',
    'I likes green',
    'I dislikes noise',
    'Bob dislikes fish',
  ]);
  assert.deepEqual(
    told(
      'I likely go. I would like tea. Do I like tea? What do I like to do? If I like tea, I buy it. I like it. She likes tea. I love you.',
    ),
    [],
  );
});

test('a text says what its speaker will do, and by when; not what they will not', () => {
  const told = (text: string): readonly string[] => found(text, 'commitment').map(({ name, from }) => `${name} | ${from ?? ''}`);
  assert.deepEqual(
    told('I will send the report by Friday, but I have to call Bob tomorrow. I’ll pay. I must finish it until 3 December.'),
    ['send the report by Friday | 2026-11-27', 'call Bob tomorrow | 2026-11-28', 'pay | ', 'finish it until 3 December | 2026-12-03'],
  );
  assert.deepEqual(
    told('I will not go. I will be late. If I have to leave. Do I have to pay? Will I go? I have to admit it. The show must go on.'),
    [],
  );
});

test('what is found stands where it says, in the order of the text', () => {
  const text = 'My friend Ada 👩‍🚀 ran 5 km yesterday. I like tea.';
  const items = extract(text, NOW);
  assert.deepEqual(
    items.map(({ type, start, end }) => [type, text.slice(start ?? 0, end ?? 0)]),
    [
      ['person', 'Ada'],
      ['quantity', '5 km'],
      ['date', 'yesterday'],
      ['preference', 'tea'],
    ],
  );
});

test('what is said is sure from .9 on, and what only follows from .5 to .8', () => {
  const sure = (text: string): readonly string[] => byRules(text, NOW).items.map(({ type, confidence }) => `${type} ${confidence}`);
  assert.deepEqual(sure('My sister Zuzanna ran 5 km yesterday. I like tea. I will call Bob.'), [
    'person 0.9',
    'quantity 1',
    'date 1',
    'preference 0.9',
    'commitment 0.9',
    'person 0.8',
  ]);
  assert.deepEqual([sure('Linda and the sea.'), sure('Nothing of interest.')], [['person 0.8'], ['note 0.5']]);
});

test('a text of more than 100,000 bytes is refused, and of more than 50 items the first 50 are there', () => {
  assert.deepEqual(extract('x'.repeat(100_000), NOW), []);
  assert.throws(() => extract('x'.repeat(100_001), NOW), { code: 'MEMORY_TOO_LARGE' });
  const many = Array.from({ length: 60 }, (_, at) => `${at + 1} km`).join(', ');
  assert.deepEqual(
    extract(many, NOW).map(({ value }) => value),
    Array.from({ length: 50 }, (_, at) => at + 1),
  );
});

test('a name that is too long is none, and keeps nothing else out', () => {
  const word = `A${'b'.repeat(30)}`;
  const name = Array.from({ length: 3 }, () => `${word}-${word}-${word}`).join(' ');
  assert.deepEqual(
    extract(`My sister ${name} ran 5 km.`, NOW).map(({ type }) => type),
    ['quantity'],
  );
});

test('something is made of each text: where nothing is found, or it is too large, a note', () => {
  assert.deepEqual(byRules('Nothing of interest.', NOW), {
    by: 'rules@1',
    items: [{ type: 'note', name: 'Note: Nothing of interest.', start: null, end: null, confidence: 0.5 }],
    relations: [],
    failure: null,
  });
  const { items, failure } = byRules('ü'.repeat(50_001), NOW);
  assert.deepEqual([items[0]?.name, failure], [`Note: ${'ü'.repeat(50)}`, 'MEMORY_TOO_LARGE']);
});

const WORDS = fc.constantFrom(
  ...'Ada Lovelace Bob she I like will have to hate prefer by Friday tomorrow yesterday 5 km 1,000 $ € 7 May 2023 in last my sister Dr. . , ? \n 👩‍🚀 é ’s - 9999 31 0 ago days'.split(
    ' ',
  ),
);
const TEXT = fc.oneof(
  fc.array(WORDS, { maxLength: 40 }).map((parts) => parts.join(' ')),
  fc.string({ unit: 'binary', maxLength: 200 }),
);

test('any text gives what a log takes, each thing once, where it stands, the same again', () => {
  fc.assert(
    fc.property(TEXT, fc.integer({ min: -8.64e15, max: 8.64e15 }), (text, nowMs) => {
      const made = byRules(text, nowMs);
      assert.deepEqual(readDerivation(JSON.parse(JSON.stringify(made)) as typeof made & Record<string, unknown>, text.length), made);
      assert.deepEqual(byRules(text, nowMs), made);
      const keys = made.items.map(({ type, name, who }) => [type, name.toLowerCase(), who].join());
      assert.equal(new Set(keys).size, keys.length);
      for (const { type, name, start, end } of made.items)
        if (start !== null && ['person', 'preference', 'commitment'].includes(type)) assert.equal(text.slice(start, end ?? 0), name);
    }),
    { numRuns: 1_000 },
  );
});

test('a text that is made to take long does not', () => {
  const parts = [
    'A',
    'Ada ',
    'I like ',
    '1,',
    'I will ',
    'in ',
    '1',
    'Aa-',
    'my sister ',
    '$1',
    ' ',
    '1 ',
    'May ',
    'Ada van ',
    'if I like a ',
    'Ab ',
  ];
  for (const part of parts) {
    const text = part.repeat(Math.floor(100_000 / part.length));
    const beginMs = performance.now();
    extract(text, NOW);
    const tookMs = performance.now() - beginMs;
    assert.ok(tookMs < 2_000, `${JSON.stringify(part)} took ${tookMs.toFixed(0)} ms`);
  }
});
