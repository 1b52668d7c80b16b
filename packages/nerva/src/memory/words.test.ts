import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { porter } from './porter.ts';
import { stemOf, terms, words } from './words.ts';

test('a word is brought to its stem by Porter’s rules', () => {
  // The examples of his paper, step by step.
  const cases: Readonly<Record<string, string>> = {
    caresses: 'caress',
    ponies: 'poni',
    ties: 'ti',
    caress: 'caress',
    cats: 'cat',
    feed: 'feed',
    agreed: 'agre',
    plastered: 'plaster',
    bled: 'bled',
    motoring: 'motor',
    sing: 'sing',
    conflated: 'conflat',
    troubled: 'troubl',
    sized: 'size',
    hopping: 'hop',
    tanned: 'tan',
    falling: 'fall',
    hissing: 'hiss',
    fizzed: 'fizz',
    failing: 'fail',
    filing: 'file',
    happy: 'happi',
    sky: 'sky',
    relational: 'relat',
    conditional: 'condit',
    rational: 'ration',
    valenci: 'valenc',
    digitizer: 'digit',
    radicalli: 'radic',
    differentli: 'differ',
    vileli: 'vile',
    analogousli: 'analog',
    vietnamization: 'vietnam',
    predication: 'predic',
    operator: 'oper',
    feudalism: 'feudal',
    decisiveness: 'decis',
    hopefulness: 'hope',
    callousness: 'callous',
    formaliti: 'formal',
    sensitiviti: 'sensit',
    sensibiliti: 'sensibl',
    triplicate: 'triplic',
    formative: 'form',
    formalize: 'formal',
    electriciti: 'electr',
    electrical: 'electr',
    hopeful: 'hope',
    goodness: 'good',
    revival: 'reviv',
    allowance: 'allow',
    inference: 'infer',
    airliner: 'airlin',
    gyroscopic: 'gyroscop',
    adjustable: 'adjust',
    defensible: 'defens',
    irritant: 'irrit',
    replacement: 'replac',
    adjustment: 'adjust',
    dependent: 'depend',
    adoption: 'adopt',
    homologou: 'homolog',
    communism: 'commun',
    activate: 'activ',
    angulariti: 'angular',
    homologous: 'homolog',
    effective: 'effect',
    bowdlerize: 'bowdler',
    probate: 'probat',
    rate: 'rate',
    cease: 'ceas',
    controll: 'control',
    roll: 'roll',
  };
  for (const [word, stem] of Object.entries(cases)) assert.equal(porter(word), stem, word);
});

test('what is no lower-case English word stays as it is', () => {
  for (const word of ['a', 'is', '2023', 'übung', 'naïve', 'x1s', '東京s']) assert.equal(porter(word), word);
});

test('words of any script come without accents, in order; what tells nothing is left out of the terms', () => {
  assert.deepEqual(words("Zoë's café — 2nd FLOOR, naïve!"), ['zoe', 'cafe', '2nd', 'floor', 'naive']);
  assert.deepEqual(terms('Where did she go? She went to the dancers’ studio in 2023.'), ['go', 'go', 'dancer', 'studio', '2023']);
  assert.deepEqual(terms('Москва 東京 x 7'), ['москва', '東', '京', '東京', '7']);
  assert.deepEqual(terms(''), []);
});

test('scripts without spaces are found by each two letters, and Han by each character', () => {
  assert.deepEqual(terms('2023年に東京で'), ['2023', '年', 'に', '東', '京', '東京', 'で']);
  assert.deepEqual(terms('デジタルカメラ').slice(-2), ['カメ', 'メラ']);
  const shared = (one: string, other: string): number => terms(one).filter((term) => terms(other).includes(term)).length;
  for (const [question, answer, none] of [
    ['猫の名前は何ですか', '私の黒猫はタマといいます', '朝は紅茶を飲みます'],
    ['我的猫叫什么名字', '我养了一只猫', '天气好'],
    ['서울은', '서울에서 만났다', '부산으로 갔다'],
    ['แมวของฉันชื่ออะไร', 'ฉันเลี้ยงแมวตัวหนึ่ง', 'พรุ่งนี้'],
  ] as const)
    assert.ok(shared(question, answer) > shared(question, none), question);
  assert.notDeepEqual(terms('कि'), terms('का'), 'a vowel is no accent');
  assert.notDeepEqual(terms('か'), terms('が'));
  assert.deepEqual(terms('שָׁלוֹם'), terms('שלום'));
});

test('irregular forms meet at their base', () => {
  assert.deepEqual(['bought', 'children', 'mum', 'written'].map(stemOf), ['buy', 'child', 'mother', 'write'].map(stemOf));
});

test('any text has terms, the same each time, and no term is empty', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const found = terms(text);
      assert.deepEqual(terms(text), found);
      assert.ok(found.every((term) => term !== ''));
    }),
  );
});

test('clipped words of chats and nouns of irregular verbs have the stem of the whole', () => {
  const pairs = {
    fam: 'family',
    fest: 'festival',
    biz: 'business',
    vids: 'videos',
    bday: 'birthday',
    gf: 'girlfriend',
    veggies: 'vegetables',
  };
  for (const [clipped, whole] of Object.entries(pairs)) assert.equal(stemOf(clipped), stemOf(whole));
  for (const [noun, verb] of Object.entries({ decision: 'decided', speech: 'spoke', loss: 'lost', solution: 'solving' }))
    assert.equal(stemOf(noun), stemOf(verb));
});
