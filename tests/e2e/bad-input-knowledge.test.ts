/** Bad files as `nerva ingest` meets them: each is told with a code and what to do, the rest of the folder is there, and nothing that was known goes. */
import assert from 'node:assert/strict';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { openKnowledge, type IngestReport, type ProblemCode } from '@nerva/knowledge';
import { nodeWorld, openStore } from 'nerva';
import { docx, packedPdf, packedRuns, paragraph, pdf, zip } from '../../packages/knowledge/src/samples.ts';
import { Place } from './cli-process.ts';

/** A file, and what is said of it. */
interface Bad {
  readonly name: string;
  readonly content: Uint8Array | string | { readonly sparseBytes: number };
  readonly code: ProblemCode;
  readonly says: RegExp;
}

const GIGABYTES = { sparseBytes: 2_147_483_648 };
const LARGE = /^It has 2147483648 bytes; 50000000 is the limit \(fileBytesMax\)\. It was not read; raise the limit/;
const blanks = (bytes: number): Buffer => Buffer.alloc(bytes, 0x20);
const nested = (depth: number): Uint8Array =>
  depth === 0 ? blanks(5_000_000) : zip({ 'word/document.xml': { content: nested(depth - 1) } });
const whole = docx(paragraph('whole'));
const damaged = (bytes: Uint8Array): Uint8Array => Buffer.from(bytes).fill(0xff, 60, 200);

/** Of these nothing was expected when they are met in a folder. */
const SKIPPED: ReadonlySet<ProblemCode> = new Set<ProblemCode>(['binary', 'empty']);
const BAD: readonly Bad[] = [
  ...['txt', 'pdf', 'docx', 'csv', 'json', 'md', 'html', 'ts'].map((type) => ({
    name: `large.${type}`,
    content: GIGABYTES,
    code: 'too-large' as const,
    says: LARGE,
  })),
  { name: 'binary.png', content: Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 1]), code: 'binary', says: /bytes that no text has/ },
  {
    name: 'binary.txt',
    content: Uint8Array.from({ length: 4_096 }, (_, at) => (at * 7) % 256),
    code: 'binary',
    says: /bytes that no text has/,
  },
  { name: 'packed.docx', content: gzipSync(whole), code: 'broken', says: /no whole ZIP archive.*Nothing of it was taken/ },
  { name: 'packed.gz', content: gzipSync('text'), code: 'binary', says: /bytes that no text has/ },
  { name: 'archive.zip', content: zip({ 'a.txt': 'text' }), code: 'binary', says: /It is an archive/ },
  {
    name: 'latin.txt',
    content: Uint8Array.from([0x63, 0x61, 0x66, 0xe9]),
    code: 'encoding',
    says: /not UTF-8 from byte 3 on\. Convert it/,
  },
  { name: 'cut.md', content: Uint8Array.from([0x61, 0xe2, 0x82]), code: 'encoding', says: /from byte 1 on/ },
  {
    name: 'half.csv',
    content: Uint8Array.from([0xff, 0xfe, 0x00, 0xd8, 0x61, 0x00]),
    code: 'encoding',
    says: /not UTF-16LE, as its byte order mark says\. Save it anew/,
  },
  { name: 'long.txt', content: 'word '.repeat(1_000_001), code: 'text-too-long', says: /5000005 characters of text; 5000000 is the limit/ },
  { name: 'long.json', content: blanks(20_000_000), code: 'text-too-long', says: /20000000 characters of text.*Split it/ },
  { name: 'blank.txt', content: ' \n \n', code: 'empty', says: /holds no text/ },
  { name: 'nothing.docx', content: '', code: 'broken', says: /its directory is not there/ },
  { name: 'nothing.pdf', content: '', code: 'broken', says: /no whole PDF/ },
  { name: 'huge.docx', content: docx('', { 'word/styles.xml': { content: blanks(250_000_000) } }), code: 'bomb', says: /unpackedBytesMax/ },
  {
    name: 'thick.docx',
    content: docx('', { 'word/styles.xml': { content: blanks(50_000_000) } }),
    code: 'bomb',
    says: /200 times its size/,
  },
  { name: 'nested.docx', content: nested(4), code: 'empty', says: /holds no text/ },
  {
    name: 'less.docx',
    content: docx('', { 'word/styles.xml': { content: blanks(9_000_000), saysBytes: 10 } }),
    code: 'bomb',
    says: /more than the 10 bytes/,
  },
  {
    name: 'more.docx',
    content: docx('', { 'word/styles.xml': { content: 'x', saysBytes: 0xffff_ffff } }),
    code: 'bomb',
    says: /say that they unpack to 42949/,
  },
  {
    name: 'many.docx',
    content: zip(Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`word/${at}`, { content: 'x', method: 0 }]))),
    code: 'bomb',
    says: /holds 20000 files; 10000 is the limit/,
  },
  { name: 'cut.docx', content: whole.subarray(0, whole.length - 60), code: 'broken', says: /directory/ },
  { name: 'damaged.docx', content: damaged(whole), code: 'broken', says: /ZIP archive, as a DOCX is/ },
  {
    name: 'locked.docx',
    content: Uint8Array.from([0xd0, 0xcf, 0x11, 0xe0]),
    code: 'encrypted',
    says: /password.*Save it as DOCX without one/,
  },
  { name: 'cut.pdf', content: '%PDF-1.7\n1 0 obj', code: 'broken', says: /no whole PDF/ },
  {
    name: 'noise.pdf',
    content: Buffer.concat([Buffer.from('%PDF-1.7\n'), gzipSync('x'.repeat(9_000))]),
    code: 'broken',
    says: /no whole PDF/,
  },
  { name: 'pictures.pdf', content: pdf([[]]), code: 'empty', says: /OCR/ },
  { name: 'stream.pdf', content: pdf([['x']], { streams: [blanks(250_000_000)] }), code: 'bomb', says: /unpack to more than 200000000/ },
  {
    name: 'twice.pdf',
    content: packedPdf(deflateSync(deflateSync(blanks(250_000_000))), ['FlateDecode', 'FlateDecode']),
    code: 'bomb',
    says: /unpack to more than 200000000/,
  },
  {
    name: 'runs.pdf',
    content: packedPdf(packedRuns(1_500_000_000), ['RunLengthDecode']),
    code: 'bomb',
    says: /more than 1000000000 bytes of memory/,
  },
];

function put(file: string, content: Bad['content']): void {
  if (typeof content === 'string' || content instanceof Uint8Array) return writeFileSync(file, content);
  writeFileSync(file, '');
  truncateSync(file, content.sparseBytes);
}

/** A file of the kind that its name says, with this text. */
function good(name: string, text: string): string | Uint8Array {
  if (name.endsWith('.docx')) return docx(paragraph(text));
  return name.endsWith('.pdf') ? pdf([[text]]) : text;
}

/** The paths that the base of a place finds for a word, without the command. */
async function foundBy(place: Place, words: readonly string[]): Promise<readonly (readonly string[])[]> {
  const world = nodeWorld();
  const store = await openStore(`file:${path.join(place.path, '.nerva/nerva.db')}`, { world, readOnly: true });
  const base = await openKnowledge({ store, world, name: 'default' });
  const found = words.map((word) => base.query(word, { limit: 3 }).found.map(({ citation }) => path.basename(citation.path)));
  await store.close();
  await world.transport.close();
  return found;
}

test(
  'each bad file of a folder is told with a code and what to do, the others are there, and what was known of each before stays',
  { timeout: 280_000 },
  async (t) => {
    const place = new Place(t);
    mkdirSync(path.join(place.path, 'docs'));
    const at = (name: string): string => path.join(place.path, 'docs', name);
    for (const [index, { name }] of BAD.entries()) writeFileSync(at(name), good(name, `zebra${index}`));
    writeFileSync(at('first.md'), 'All about walruses.');
    assert.equal((await place.run('ingest', 'docs')).out, `${BAD.length + 1} added; ${BAD.length + 1} pieces written.\n`);
    for (const { name, content } of BAD) put(at(name), content);
    writeFileSync(at('zlast.md'), 'All about ostriches.');
    // The second time is like the first: what could not be read is tried again, and told again.
    for (const added of [1, 0]) {
      const { code, lines } = await place.json('ingest', 'docs');
      const report = lines.at(-1) as unknown as IngestReport;
      assert.deepEqual([code, report.added, report.unchanged, report.changed, report.removed], [1, added, 2 - added, 0, 0]);
      assert.equal(report.failed.length + report.skipped.length, BAD.length);
      for (const { name, content: _, code: its, says } of BAD) {
        const list = SKIPPED.has(its) ? report.skipped : report.failed;
        const problem = list.find((one) => one.path === at(name));
        assert.equal(problem?.code, its, `${name}: ${problem?.message ?? 'not told'}`);
        assert.match(problem.message, says, name);
      }
    }
    const words = BAD.map((_, index) => `zebra${index}`);
    assert.deepEqual(
      await foundBy(place, [...words, 'walruses', 'ostriches']),
      [...BAD.map(({ name }) => name), 'first.md', 'zlast.md'].map((name) => [name]),
    );
    // Named itself, a file of which nothing would be expected in a folder is a failure; in the hands of a person it is said in a line.
    const named = await place.run('ingest', 'docs/binary.png', 'docs/blank.txt', 'docs/first.md');
    assert.deepEqual([named.code, named.out], [1, '1 unchanged, 2 failed; nothing written.\n']);
    assert.match(named.err, /^docs\/binary\.png: binary: .*\ndocs\/blank\.txt: empty: .*\n$/);
    assert.equal((await place.run('verify')).code, 0);
  },
);

test('what a document says of itself makes nothing larger than it is: entities are not put in, and a link is no file', async (t) => {
  const place = new Place(t);
  mkdirSync(path.join(place.path, 'docs'));
  const entities = `<!DOCTYPE d [<!ENTITY a "${'x'.repeat(10_000)}"><!ENTITY b "${'&a;'.repeat(10_000)}">]>`;
  const outside = '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]>';
  for (const [name, said] of [
    ['entities', entities],
    ['outside', outside],
  ] as const)
    writeFileSync(
      path.join(place.path, `docs/${name}.docx`),
      docx(paragraph('x'), { 'word/document.xml': `${said}<w:document>${paragraph(`giraffe &a;&b; after ${name}`)}</w:document>` }),
    );
  const { code, lines } = await place.json('ingest', 'docs');
  const report = lines.at(-1) as unknown as IngestReport;
  assert.deepEqual([code, report.added, report.chunksWritten], [0, 2, 2]);
  const texts = (await place.json('query', 'giraffe')).lines.map(({ text }) => text as string);
  assert.deepEqual(new Set(texts), new Set(['giraffe &a;&b; after entities', 'giraffe &a;&b; after outside']));
});
