import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { pieces } from '../pieces.ts';
import { FileProblem } from '../problem.ts';
import { docx, paragraph, pdf, zip } from '../samples.ts';
import { extract } from './index.ts';

const LIMITS = { textCharactersMax: 1_000_000, unpackedBytesMax: 20_000_000 };
const from = async (path: string, content: string | Uint8Array, limits: Partial<typeof LIMITS> = {}) =>
  (await extract(path, typeof content === 'string' ? new TextEncoder().encode(content) : content, { ...LIMITS, ...limits })).extracted;

test('the front matter of a Markdown text gives its title and tags; a broken one stays text', async () => {
  const page = await from('/x.md', '---\ntitle: "The: title"\ntags: [one, 2, two]\n---\n# Other\n\nText.\n');
  assert.deepEqual([page.title, page.tags, page.sections.map(({ path }) => path)], ['The: title', ['one', 'two'], [['Other']]]);
  assert.deepEqual((await from('/x.md', '---\ntags: a, b\n---\nText.\n')).tags, ['a', 'b']);
  const broken = await from('/x.md', '---\ntitle: [\n---\n# Other\n');
  assert.deepEqual([broken.title, broken.tags, broken.text.length], ['Other', [], 25]);
  // Ten aliases of ten aliases of ten…
  const bomb = `---\na: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\ntitle: [*b,*b,*b]\n---\nText.\n`;
  assert.equal((await from('/x.md', bomb)).title, null);
});

test('of a page in HTML there is what it shows, under its headings', async () => {
  const page = await from(
    '/x.html',
    '<html><head><title>A &amp; B</title><style>p{}</style></head><body><svg><title>no</title></svg><h1>One</h1>\n<p>First <b>bo</b>ld,\n   text.</p><script>no()</script><h2>Two</h2><table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table><pre>  x\n  y</pre><ul><li>i<li>j</ul>',
  );
  assert.equal(page.text, 'One\n\nFirst bold, text.\n\nTwo\n\na\tb\nc\n\n  x\n  y\n\ni\nj');
  assert.deepEqual([page.title, page.sections.map(({ path }) => path)], ['A & B', [['One'], ['One', 'Two']]]);
});

test('any piece of the text of a page stands in the file where it says', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.constantFrom(
          '<p>',
          '</p>',
          '<b>',
          '</b>',
          'word',
          ' ',
          '\n ',
          '&amp;',
          '&#x1F600;',
          'é',
          '<br>',
          '<script>x</script>',
          '<h2>',
          '</h2>',
        ),
        { maxLength: 40 },
      ),
      async (parts) => {
        const source = parts.join('');
        const { text, inFile } = await from('/x.html', source);
        for (const word of text.matchAll(/\S+/g)) {
          const [start, end] = inFile?.(word.index, word.index + word[0].length) ?? [0, 0];
          const there = source
            .slice(start, end)
            .replaceAll(/<script>x<\/script>|<[^>]*>/g, '')
            .replaceAll('&amp;', '&')
            .replaceAll('&#x1F600;', '😀');
          assert.equal(there, word[0], source);
        }
      },
    ),
    { numRuns: 300 },
  ));

test('of a Word document there are paragraphs, headings by their style in any language, tables and notes; not what was deleted', async () => {
  const body = [
    paragraph('Ein Titel', 1),
    paragraph('First &amp; <w:bad/>text.'),
    '<w:p><w:r><w:t>Split </w:t></w:r><w:r><w:tab/><w:t>run</w:t></w:r><w:del><w:r><w:delText>gone</w:delText><w:t>gone</w:t></w:r></w:del></w:p>',
    paragraph('Unter', 2),
    `<w:tbl><w:tr><w:tc>${paragraph('a')}</w:tc><w:tc>${paragraph('b')}</w:tc></w:tr><w:tr><w:tc>${paragraph('c')}</w:tc><w:tc>${paragraph('d')}</w:tc></w:tr></w:tbl>`,
    '<mc:AlternateContent><mc:Choice><w:p><w:r><w:t>box</w:t></w:r></w:p></mc:Choice><mc:Fallback><w:p><w:r><w:t>box</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent>',
    '<w:p><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>',
  ].join('');
  const more = {
    'word/footnotes.xml': `<w:footnotes><w:footnote>${paragraph('A note.')}</w:footnote></w:footnotes>`,
    'docProps/core.xml': '<cp><dc:title>Named</dc:title><dc:creator>Ada</dc:creator></cp>',
  };
  const document = await from('/x.docx', docx(body, more));
  assert.equal(document.text, 'Ein Titel\n\nFirst & text.\n\nSplit \trun\n\nUnter\n\na\tb\nc\td\n\nbox\n\nA note.');
  assert.deepEqual([document.title, document.sections.map(({ path }) => path)], ['Named', [['Ein Titel'], ['Ein Titel', 'Unter']]]);
});

test('a bomb in a Word document is stopped by what its directory says, and by what comes out when that lies', async () => {
  const zeros = Buffer.alloc(30_000_000, 0x20);
  await assert.rejects(from('/x.docx', docx('', { 'word/media/a': { content: zeros } })), {
    code: 'bomb',
    message: /unpack to 300\d+; 20000000 \(unpackedBytesMax\)/,
  });
  await assert.rejects(from('/x.docx', docx('', { 'word/media/a': { content: zeros } }), { unpackedBytesMax: 100_000_000 }), {
    code: 'bomb',
    message: /200 times its size/,
  });
  const lying = docx('', { 'word/styles.xml': { content: zeros.subarray(0, 5_000_000), saysBytes: 1_000 } });
  await assert.rejects(from('/x.docx', lying), { code: 'bomb', message: /more than the 1000 bytes that its directory says/ });
  const many = zip(Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [`f${index}`, { content: '', method: 0 }])));
  await assert.rejects(from('/x.docx', many), { code: 'bomb', message: /10001 files/ });
});

test('an archive that is broken, encrypted or none at all says what it is', async () => {
  const whole = docx(paragraph('x'));
  await assert.rejects(from('/x.docx', whole.subarray(0, whole.length - 30)), { code: 'broken', message: /its directory is not there/ });
  await assert.rejects(from('/x.docx', 'no archive'), { code: 'broken' });
  await assert.rejects(from('/x.docx', docx('', { 'word/document.xml': { content: 'x', flags: 1 } })), { code: 'encrypted' });
  await assert.rejects(from('/x.docx', docx('', { 'word/document.xml': { content: 'x', method: 14 } })), {
    code: 'broken',
    message: /method 14/,
  });
  await assert.rejects(from('/x.docx', Uint8Array.from([0xd0, 0xcf, 0x11, 0xe0])), { code: 'encrypted' });
  await assert.rejects(from('/x.docx', zip({ a: 'x' })), { code: 'broken', message: /no word\/document\.xml/ });
  await assert.rejects(from('/x.jar', zip({ a: 'x' })), { code: 'binary' });
  const damaged = Buffer.from(whole);
  damaged.fill(0xff, 80, 120);
  await assert.rejects(from('/x.docx', damaged), { code: 'broken' });
});

test('any bytes that begin like an archive are read or refused, and never a crash', () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 8 }), async (changes) => {
      const bytes = Buffer.from(docx(paragraph('Some text.')));
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      await from('/x.docx', bytes).catch((error: { readonly code?: unknown }) => assert.equal(typeof error.code, 'string', String(error)));
    }),
    { numRuns: 300 },
  ));

test('of a PDF there is the text of each page, and where each begins', async () => {
  const document = await from('/x.pdf', pdf([['First line', 'Second'], [], ['Third page']]));
  assert.deepEqual([document.text, document.title], ['First line\nSecond\n\n\n\nThird page\n\n', 'A title']);
  assert.deepEqual(
    document.pages.map((at) => document.text.slice(at, at + 5)),
    ['First', '\n\nThi', 'Third'],
  );
});

test('a PDF that is broken, encrypted, without text or a bomb says what it is', async () => {
  await assert.rejects(from('/x.pdf', 'no PDF'), { code: 'broken' });
  await assert.rejects(from('/x.pdf', '%PDF-1.4 no PDF'), { code: 'broken', message: /It is no whole PDF: .*Nothing of it was taken\./ });
  const encrypt = `/Encrypt<</Filter/Standard/V 1/R 2/O<${'41'.repeat(32)}>/U<${'42'.repeat(32)}>/P -4>>/ID[<00><00>]`;
  await assert.rejects(from('/x.pdf', pdf([['x']], { trailer: encrypt })), { code: 'encrypted' });
  await assert.rejects(from('/x.pdf', pdf([[]])), { code: 'empty', message: /OCR/ });
  await assert.rejects(from('/x.pdf', pdf([['x']], { streams: [Buffer.alloc(30_000_000, 0x20)] })), { code: 'bomb' });
});

test('more text than the limit is refused, of each kind', async () => {
  const long = 'words and words '.repeat(100);
  const limit = { textCharactersMax: 1_000 };
  for (const [path, content] of [
    ['/x.txt', long],
    ['/x.html', `<p>${long}`],
    ['/x.docx', docx(paragraph(long))],
    ['/x.pdf', pdf([Array.from({ length: 30 }, () => long.slice(0, 60))])],
  ] as const)
    await assert.rejects(from(path, content, limit), { code: 'text-too-long', message: /1000.*textCharactersMax/ }, path);
});

test('files made to take long do not', { timeout: 60_000 }, async () => {
  const many = (text: string, count = 400_000): string => text.repeat(count);
  const LARGE = { textCharactersMax: 20_000_000 };
  const hostile: readonly (readonly [path: string, content: string | Uint8Array])[] = [
    ['/x.txt', many('.')],
    ['/x.md', `# ${many(' ')}x`],
    ['/x.md', `---\n${many('-')}`],
    ['/x.md', many('---\n')],
    ['/x.md', many('[')],
    ['/x.md', many('`')],
    ['/x.html', many('<p>a b ')],
    ['/x.html', many('a &amp; ')],
    ['/x.html', many('<td>a</td> <h1>')],
    ['/x.html', many('<!--')],
    ['/x.html', many('<a b="')],
    ['/x.docx', docx(many(`<w:tbl><w:tr><w:tc>${paragraph('a')}</w:tc></w:tr></w:tbl>`, 50_000))],
    ['/x.py', many('@')],
    ['/x.c', many('a(')],
    ['/x.csv', many('"')],
    ['/x.csv', many(',')],
    ['/x.json', many('[')],
    ['/x.ts', many('\n ')],
  ];
  for (const [path, content] of hostile) {
    const startMs = performance.now();
    try {
      pieces({ extracted: await from(path, content, LARGE), decoded: null }, {});
    } catch (error) {
      assert(error instanceof FileProblem, `${path}: ${String(error)}`);
    }
    const tookMs = performance.now() - startMs;
    assert(tookMs < 10_000, `${path} ${String(content.slice(0, 10))}: ${tookMs} ms`);
  }
});

test('elements nested without an end are refused', async () => {
  const closing = '</i>'.repeat(200_000);
  await assert.rejects(from('/x.html', '<b>'.repeat(200_000) + closing), { code: 'broken', message: /nested more than 5000 deep/ });
  await assert.rejects(from('/x.docx', docx('<w:sdt>'.repeat(20_000))), { code: 'broken' });
});
