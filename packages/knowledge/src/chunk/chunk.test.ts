import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { codeChunks, csvChunks, fixedChunks, jsonChunks, markdownOutline, sectionChunks, semanticChunks, type Span } from './index.ts';
import { sectionsOf } from '../headings.ts';

/** What each chunker promises of any text. */
function holds(text: string, spans: readonly Span[], sizeMax: number): void {
  let end = 0;
  let whole = '';
  for (const span of spans) {
    assert(span.start <= end && span.end > end, `${span.start}–${span.end} does not go on from ${end}`);
    assert(span.end - span.start <= sizeMax, `${span.end - span.start} are more than ${sizeMax}`);
    whole += text.slice(end, span.end);
    end = span.end;
    if (text.isWellFormed()) assert(text.slice(span.start, span.end).isWellFormed(), 'half a code point');
  }
  assert.equal(whole, text);
}

const markdown = (text: string, limits = {}): readonly Span[] => sectionChunks(text, sectionsOf(markdownOutline(text).headings), limits);

const words = fc.constantFrom(
  'word ',
  'a ',
  '😀',
  '.',
  '. ',
  '\n',
  '\n\n',
  '\r\n',
  '# ',
  '## x\n',
  '```\n',
  '---\n',
  '"',
  ',',
  ';',
  'ß',
  '漢字',
  'def f():\n',
  '{',
  '}',
  '\ud800',
  ' ',
);
const texts = fc.oneof(
  fc.array(words, { maxLength: 200 }).map((all) => all.join('')),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
);
const limits = fc
  .tuple(fc.integer({ min: 4, max: 120 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([sizeMax, overlap, sizeMin]) => ({
    sizeMax,
    overlap: Math.floor((overlap * sizeMax) / 2),
    sizeMin: Math.floor((sizeMin * sizeMax) / 2),
  }));

const CHUNKERS: Readonly<Record<string, (text: string, limits: { readonly sizeMax: number }) => readonly Span[]>> = {
  fixed: fixedChunks,
  semantic: semanticChunks,
  markdown,
  python: (text, all) => codeChunks(text, 'python', all),
  javascript: (text, all) => codeChunks(text, 'javascript', all),
  java: (text, all) => codeChunks(text, 'java', all),
  c: (text, all) => codeChunks(text, 'c', all),
  generic: (text, all) => codeChunks(text, null, all),
  csv: (text, all) => csvChunks(text, ',', all),
  json: jsonChunks,
};
for (const [name, chunk] of Object.entries(CHUNKERS))
  test(`any text that is cut by ${name} is whole again without the overlaps, in pieces within the limit that split no code point`, () =>
    fc.assert(
      fc.property(texts, limits, (text, all) => holds(text, chunk(text, all), all.sizeMax)),
      { numRuns: 400 },
    ));

test('an overlap is never longer than was asked for, and is there where a piece goes on', () => {
  const text = 'word '.repeat(2_000);
  const spans = semanticChunks(text);
  for (const [index, { start }] of spans.entries()) {
    const before = spans[index - 1];
    if (before !== undefined) assert(before.end - start > 150 && before.end - start <= 200, `${before.end - start}`);
  }
  assert.deepEqual(
    fixedChunks(text)
      .slice(0, 2)
      .map(({ start, end }) => [start, end]),
    [
      [0, 1_000],
      [800, 1_800],
    ],
  );
});

test('pieces end with a paragraph, else with a sentence, and the last is no crumb', () => {
  const sentence = 'This is a sentence of forty characters ok. ';
  const paragraph = `${sentence.repeat(20).trim()}\n\n`;
  const text = paragraph.repeat(5) + 'The end.';
  for (const { start, end } of semanticChunks(text, { overlap: 0 })) {
    assert(end === text.length || text.slice(0, end).endsWith('\n\n'), JSON.stringify(text.slice(end - 20, end)));
    assert(end - start >= 100);
  }
  const long = sentence.repeat(200);
  for (const { end } of semanticChunks(long, { overlap: 0 }))
    assert.equal(text.slice(0, end).length === 0 ? '' : long.slice(end - 2, end), '. ');
});

test('no crumb is left over where the piece before it can do with less', () => {
  for (let length = 2_001; length < 2_150; length += 7) {
    const spans = semanticChunks('word '.repeat(500).slice(0, length), { overlap: 0 });
    assert.equal(spans.length, 2);
    for (const { start, end } of spans) assert(end - start >= 100, `${length}: ${end - start}`);
  }
});

test('a Markdown text is cut at its headings and each piece says what it stands under', () => {
  const body = 'Text that is long enough to stand alone. '.repeat(4).trim();
  const text = `---\ntitle: x\n---\n# One\n\n${body}\n\n## Two \`code\`\n\n${body}\n\n\`\`\`\n# no heading\n\`\`\`\n\nThree\n=====\n\n${body}\n\n### [Four](x.md)\n\n${body}\n`;
  const { headings, frontMatterEnd } = markdownOutline(text);
  assert.equal(text.slice(0, frontMatterEnd), '---\ntitle: x\n---\n');
  assert.deepEqual(
    headings.map(({ level, text: heading }) => [level, heading]),
    [
      [1, 'One'],
      [2, 'Two code'],
      [1, 'Three'],
      [3, 'Four'],
    ],
  );
  const spans = markdown(text);
  assert.deepEqual(
    spans.map(({ context }) => context),
    [['One'], ['One', 'Two code'], ['Three'], ['Three', 'Four']],
  );
  assert.match(text.slice(spans[1]?.start, spans[1]?.end), /^## Two[^]*# no heading/);
});

test('code is cut between definitions, a comment stays with what it is about, and the rest of a long one says whose it is', () => {
  const body = (name: string): string => `${'    x = 1\n'.repeat(30)}    return ${name}\n`;
  const python = `${'import os\n'.repeat(30)}\n\n# About one.\n@cached\ndef one():\n${body('one')}\n\nclass Two:\n${body('two').repeat(3)}`;
  const spans = codeChunks(python, 'python', { sizeMax: 600 });
  const starts = spans.map(({ start }) => python.slice(start).split('\n')[0]);
  assert(starts.includes('# About one.') && starts.includes('class Two:'), String(starts));
  assert.deepEqual(spans.at(-1)?.context, ['class Two:']);
  const typescript = `${"import a from 'a';\n".repeat(12)}\n/** Doc. */\nexport function one() {\n${body('1')}}\n\nconst two = 2;\n`;
  assert.equal(typescript.slice(codeChunks(typescript, 'javascript', { sizeMax: 420 })[1]?.start).split('\n')[0], '/** Doc. */');
  const c = `#include <x.h>\n\nstatic int f(int a) {\n${body('a')}}\n\nint main(void)\n{\n${body('b')}}\n`;
  assert.deepEqual(
    codeChunks(c, 'c', { sizeMax: 420 }).map(({ start }) => c.slice(start).split('\n')[0]),
    ['#include <x.h>', 'int main(void)'],
  );
  const java = `class A {\n    @Override\n    public void one() {\n${'        x();\n'.repeat(20)}    }\n\n    private int two() {\n${'        y();\n'.repeat(20)}    }\n}\n`;
  assert.deepEqual(
    codeChunks(java, 'java', { sizeMax: 340 }).map(({ start }) => java.slice(start).split('\n')[0]?.trim()),
    ['class A {', 'private int two() {'],
  );
  const go = `package x\n\nfunc One() {\n${body('1')}}\n\nfunc Two() {\n${body('2')}}\n`;
  assert.deepEqual(
    codeChunks(go, null, { sizeMax: 420 }).map(({ start }) => go.slice(start).split('\n')[0]),
    ['package x', 'func Two() {'],
  );
});

test('a table is cut between records, not in a quoted line end, and each piece has the head of the table', () => {
  const rows = Array.from({ length: 60 }, (_, index) => `${index},"two\nlines, é${index}",x`);
  const text = `id,note,mark\n${rows.join('\n')}\n`;
  const spans = csvChunks(text, ',', { sizeMax: 300 });
  for (const { start } of spans.slice(1)) assert.match(text.slice(start), /^\d+,"two\n/);
  assert.deepEqual(spans[1]?.context, ['id,note,mark']);
  assert.deepEqual(csvChunks('a;b\n1;2\n').length, 1);
});

test('a JSON text is cut between its values', () => {
  const text = JSON.stringify(
    Array.from({ length: 40 }, (_, id) => ({ id, name: `name ${id}` })),
    null,
    2,
  );
  for (const { start } of jsonChunks(text, { sizeMax: 200, sizeMin: 10 }).slice(1)) assert.match(text.slice(start), /^ {2}\{/);
});

test('limits that make no sense are refused', () => {
  assert.throws(() => fixedChunks('x', { sizeMax: 3 }), { code: 'OPTION_INVALID' });
  assert.throws(() => fixedChunks('x', { sizeMax: 100, overlap: 51 }), { code: 'OPTION_INVALID' });
  assert.throws(() => semanticChunks('x', { sizeMin: Number.NaN }), { code: 'OPTION_INVALID' });
});
