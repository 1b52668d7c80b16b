import assert from 'node:assert/strict';
import { chmodSync, rmSync, symlinkSync, truncateSync } from 'node:fs';
import test from 'node:test';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { eraseSubject, memoryStore } from 'nerva/log';
import { memoryKeys, mortalStore, testWorld } from 'nerva/testing';
import { openKnowledge } from './base.ts';
import { openCitation } from './cite.ts';
import { ingest, type IngestReport } from './ingest.ts';
import { docx, dumpOf, emptyBase, packedPdf, paragraph, pdf, Place } from './samples.ts';

const LOREM = 'The quick brown fox jumps over the lazy dog and runs into the deep dark wood. ';
const section = (name: string, body = LOREM.repeat(4)): string => `## ${name}\n\n${body} This is about ${name}.\n\n`;

/** What changed, in short. */
const counts = ({ added, changed, unchanged, removed, duplicates, chunksWritten, chunksKept, chunksRemoved }: IngestReport) => ({
  added,
  changed,
  unchanged,
  removed,
  duplicates,
  chunks: [chunksWritten, chunksKept, chunksRemoved],
});
const NONE = { added: 0, changed: 0, unchanged: 0, removed: 0, duplicates: 0, chunks: [0, 0, 0] };

/** A folder with a file of each kind. */
function variety(place: Place): void {
  place.write('guide.md', `---\ntitle: Guide\ntags: [help]\n---\n# Guide\n\n${section('Apples')}${section('Pears')}${section('Plums')}`);
  place.write('code/walk.ts', `import x from 'x';\n\n/** Walks. */\nexport function walk() {\n  return 'zebra crossing';\n}\n`);
  place.write(
    'page.html',
    '<html><head><title>Page</title></head><body><h1>Weather</h1><p>It is <b>sunny</b> in Granada &amp; Jaén.</p></body></html>',
  );
  place.write('paper.pdf', pdf([['An introduction to ships.'], ['The anchor weighs two tons.']]));
  place.write('letter.docx', docx(paragraph('Letter', 1) + paragraph('Dear Ada, the violin is repaired.')));
  place.write('table.csv', 'city,population\nLinz,210000\nGraz,300000\n');
  place.write('data.json', JSON.stringify({ planet: 'Neptune', moons: ['Triton', 'Nereid'] }, null, 2));
  place.write('notes.txt', Uint8Array.from([0xff, 0xfe, ...Buffer.from('Grüße aus Zürich', 'utf16le')]));
}

test('files of each kind are found by what they say, and each citation opens at the very place', async (t) => {
  const place = new Place(t);
  variety(place);
  const { base } = await emptyBase();
  const report = await ingest(base, [place.path]);
  assert.deepEqual([report.added, report.failed, report.skipped], [8, [], []]);
  const cases: readonly (readonly [question: string, file: string, opens: RegExp, line: number, page: number | null])[] = [
    ['what is about pears', 'guide.md', /^## Pears\n/, 11, null],
    ['zebra crossing', 'code/walk.ts', /zebra crossing/, 1, null],
    ['weather in Granada', 'page.html', /Weather<\/h1><p>It is <b>sunny<\/b> in Granada &amp; Jaén\.$/, 1, null],
    ['how heavy is the anchor', 'paper.pdf', /^The anchor weighs two tons\.$/, 3, 2],
    ['violin', 'letter.docx', /the violin is repaired\.$/, 1, null],
    ['population of Linz', 'table.csv', /Linz,210000/, 1, null],
    ['moons of Neptune', 'data.json', /Triton/, 1, null],
    ['Grüße', 'notes.txt', /^Grüße aus Zürich$/, 1, null],
  ];
  for (const [question, file, opens, line, page] of cases) {
    const [first] = base.query(question).found;
    assert.equal(first?.citation.path, place.at(file), question);
    const opened = await openCitation(first.citation);
    assert.match(opened.text, opens, question);
    assert.equal(opened.isCurrent, true);
    assert.deepEqual([first.citation.place.line, first.citation.place.page], [line, page], question);
    if (file !== 'page.html') assert.equal(opened.text, first.text);
  }
  const [pears] = base.query('what is about pears').found;
  assert.deepEqual([pears?.context, pears?.citation.title], [['Guide', 'Pears'], 'Guide']);
  assert.deepEqual(
    base.query('population moons violin', { types: ['json'] }).found.map(({ citation }) => citation.path),
    [place.at('data.json')],
  );
  assert.equal(base.query('fox', { under: place.at('code') }).found.length, 0);
  assert.equal(base.query('fox', { tags: ['help'] }).found.length > 0, true);
});

test('what is as it was costs no write, and of a file that changed only what changed is written', async (t) => {
  const place = new Place(t);
  variety(place);
  const { base } = await emptyBase();
  await ingest(base, [place.path]);
  const { head } = base;
  assert.match(base.query('pears and foxes', { limit: 1 }).found[0]?.text ?? '', /Pears/);
  assert.deepEqual(counts(await ingest(base, [place.path])), { ...NONE, unchanged: 8 });
  assert.equal(base.head, head);
  place.write(
    'guide.md',
    `---\ntitle: Guide\ntags: [help]\n---\n# Guide\n\nA preface.\n\n${section('Apples')}${section('Cherries')}${section('Plums')}`,
  );
  assert.deepEqual(counts(await ingest(base, [place.path])), { ...NONE, changed: 1, unchanged: 7, chunks: [2, 1, 2] });
  assert.equal(base.query('cherries').found[0]?.citation.place.line, 13);
  assert.equal(base.query('pears').found.length, 0);
  // What is gone takes no place of what is there.
  assert.equal(base.query('pears and foxes', { limit: 1 }).found.length, 1);
  const [plums] = base.query('plums').found;
  assert.match((await openCitation(plums!.citation)).text, /^## Plums/);
  rmSync(place.at('paper.pdf'));
  assert.deepEqual(counts(await ingest(base, [place.path])), { ...NONE, unchanged: 7, removed: 1, chunks: [0, 0, 2] });
  assert.equal(base.query('anchor').found.length, 0);
});

test('an incremental base is the one that is built anew from the files, and from its log', async (t) => {
  const place = new Place(t);
  const names = ['a.md', 'b.md', 'sub/c.md', 'sub/d.md'];
  const bodies = ['one', 'two', 'three', 'four'].map((name) => section(name));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...names), fc.option(fc.array(fc.constantFrom(...bodies), { minLength: 1, maxLength: 4 }))), {
        maxLength: 12,
      }),
      fc.option(fc.constant(0.85)),
      async (steps, near) => {
        for (const name of names) rmSync(place.at(name), { force: true });
        place.write('keep.txt', 'It keeps the folder.');
        const options = near === null ? {} : { nearDuplicates: near };
        const { base, store } = await emptyBase();
        for (const [name, parts] of steps) {
          if (parts === null) rmSync(place.at(name), { force: true });
          else place.write(name, parts.join(''));
          await ingest(base, [place.path], options);
          base.query('about two');
        }
        await ingest(base, [place.path], options);
        const anew = await emptyBase();
        await ingest(anew.base, [place.path], options);
        const said = (one: typeof base): unknown => one.documents().map(({ path, hash }) => [path, hash]);
        assert.deepEqual(said(base), said(anew.base));
        // Who is the original of whom depends on who was first; what can be found does not.
        const found = (one: typeof base): unknown =>
          bodies.map(
            (_, index) =>
              new Set(one.query(`about ${['one', 'two', 'three', 'four'][index] ?? ''}`, { limit: 50 }).found.map(({ text }) => text)),
          );
        if (near === null) assert.deepEqual(found(base), found(anew.base));
        const reopened = await emptyBase(store);
        assert.deepEqual(dumpOf(reopened.base), dumpOf(base));
        for (const one of ['about two', 'fox', 'about four'])
          assert.deepEqual(
            reopened.base
              .query(one, { limit: 50 })
              .found.map(({ id }) => id)
              .sort(),
            base
              .query(one, { limit: 50 })
              .found.map(({ id }) => id)
              .sort(),
          );
      },
    ),
    { numRuns: 25 },
  );
});

test('documents that say the same are one, and when the first goes the next stands for itself', async (t) => {
  const place = new Place(t);
  place.write('a.md', section('Apples'));
  place.write('b.md', section('Apples').replaceAll('\n', '\r\n'));
  place.write('c.txt', section('Pears'));
  const { base } = await emptyBase();
  assert.deepEqual(counts(await ingest(base, [place.path])), { ...NONE, added: 3, duplicates: 1, chunks: [2, 0, 0] });
  const [first, second] = base.query('about apples').found;
  assert.deepEqual([first?.citation.path, first?.citation.also], [place.at('a.md'), [place.at('b.md')]]);
  assert.notEqual(second?.citation.path, place.at('b.md'));
  place.write('b.md', section('Plums'));
  await ingest(base, [place.path]);
  assert.deepEqual(base.query('about apples').found[0]?.citation.also, []);
  place.write('b.md', section('Apples'));
  await ingest(base, [place.path]);
  rmSync(place.at('a.md'));
  assert.deepEqual(counts(await ingest(base, [place.path])), { ...NONE, changed: 1, unchanged: 1, removed: 1, chunks: [1, 0, 1] });
  assert.deepEqual(
    [base.query('about apples').found[0]?.citation.path, base.query('about apples').found[0]?.citation.also],
    [place.at('b.md'), []],
  );
});

test('an original that comes to say something else after its copy was looked at leaves the copy what it said', async (t) => {
  const place = new Place(t);
  place.write('z.md', section('Apples'));
  const { base } = await emptyBase();
  await ingest(base, [place.path]);
  place.write('a.md', section('Apples'));
  await ingest(base, [place.path]);
  assert.equal(base.document(place.at('a.md'))?.duplicateOf?.path, place.at('z.md'));
  place.write('z.md', section('Pears'));
  await ingest(base, [place.path]);
  assert.equal(base.document(place.at('a.md'))?.duplicateOf, null);
  assert.equal(base.query('about apples').found[0]?.citation.path, place.at('a.md'));
});

test('documents that are nearly the same are one where that was asked for', async (t) => {
  const place = new Place(t);
  const body = Array.from({ length: 300 }, (_, index) => `word${index}`).join(' ');
  place.write('a.txt', body);
  place.write('b.txt', `${body} and an end`);
  place.write('c.txt', body.split(' ').reverse().join(' '));
  const { base } = await emptyBase();
  assert.equal((await ingest(base, [place.path], { nearDuplicates: 0.85 })).duplicates, 1);
  const { duplicateOf } = base.document(place.at('b.txt')) ?? {};
  assert.equal(duplicateOf?.path, place.at('a.txt'));
  assert((duplicateOf?.similarity ?? 0) > 0.9);
  assert.equal((await ingest(base, [place.path])).duplicates, 0);
  assert.equal(base.document(place.at('b.txt'))?.duplicateOf, null);
  await assert.rejects(ingest(base, [place.path], { nearDuplicates: 0.2 }), { code: 'OPTION_INVALID' });
});

test('bad files are listed with what to do, the rest is there, and what was known of one that became bad stays', async (t) => {
  const place = new Place(t);
  place.write('good.md', section('Apples'));
  place.write('turns.md', section('Pears'));
  const { base } = await emptyBase();
  await ingest(base, [place.path]);
  truncateSync(place.write('large.txt', ''), 2_000_000_000);
  place.write('turns.md', Uint8Array.from([0xe9, 0x20, 0x41]));
  place.write('picture.png', Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0]));
  place.write('empty.md', ' \n');
  place.write('broken.pdf', '%PDF-1.4 no');
  place.write('bomb.docx', docx('', { 'word/styles.xml': { content: Buffer.alloc(30_000_000), saysBytes: 10 } }));
  place.write('long.txt', LOREM.repeat(100));
  symlinkSync('..', place.at('loop'));
  const report = await ingest(base, [place.path], { limits: { textCharactersMax: 5_000 } });
  const short = (problems: IngestReport['failed']): readonly string[] =>
    problems.map(({ path: file, code }) => `${file.slice(place.path.length + 1)} ${code}`);
  assert.deepEqual(short(report.failed), [
    'bomb.docx bomb',
    'broken.pdf broken',
    'large.txt too-large',
    'long.txt text-too-long',
    'turns.md encoding',
  ]);
  assert.deepEqual(short(report.skipped), ['loop link', 'empty.md empty', 'picture.png binary']);
  for (const { message } of report.failed) assert.match(message, /\. .*\.$/);
  assert.equal(base.query('about pears').found[0]?.citation.path, place.at('turns.md'));
  const opened = await openCitation(base.query('about pears').found[0]!.citation, { encoding: 'windows-1252' });
  assert.equal(opened.isCurrent, false);
  assert.equal((await ingest(base, [place.path], { encoding: 'windows-1252' })).failed.length, 3);
  assert.deepEqual(short((await ingest(base, [place.at('picture.png')])).failed), ['picture.png binary']);
  await assert.rejects(ingest(base, [place.at('none')]), { code: 'OPTION_INVALID' });
});

test('a file that goes while others are read, and folders that cannot be looked into, cost nothing that was known', async (t) => {
  const place = new Place(t);
  for (const name of ['a.md', 'b.md', 'deep/x/c.md']) place.write(name, section(name));
  const { base } = await emptyBase();
  await ingest(base, [place.path]);
  place.write('a.md', section('Apples'));
  const report = await ingest(base, [place.path], { limits: { depthMax: 1 }, onProgress: () => rmSync(place.at('b.md'), { force: true }) });
  assert.deepEqual(
    report.failed.map(({ code }) => code),
    ['too-deep', 'unreadable'],
  );
  assert.deepEqual(
    base.documents().map(({ path }) => path),
    ['a.md', 'b.md', 'deep/x/c.md'].map((name) => place.at(name)),
  );
  const few = await ingest(base, [place.path], { limits: { filesMax: 1 } });
  assert.deepEqual([few.removed, few.failed.map(({ code }) => code)], [0, ['too-many']]);
  if (process.getuid?.() === 0) return;
  chmodSync(place.at('deep'), 0);
  t.after(() => chmodSync(place.at('deep'), 0o700));
  assert.deepEqual((await ingest(base, [place.path])).removed, 1);
});

test('what another folder holds is left alone', async (t) => {
  const [place, other] = [new Place(t), new Place(t)];
  place.write('a.md', section('Apples'));
  other.write('b.md', section('Pears'));
  const { base } = await emptyBase();
  await ingest(base, [place.path, other.path]);
  rmSync(other.at('b.md'));
  assert.equal((await ingest(base, [place.path])).removed, 0);
  assert.equal((await ingest(base, [other.path])).removed, 1);
});

test('an ingestion that is aborted ends after the file under way, and the same again goes on', async (t) => {
  const place = new Place(t);
  for (let index = 0; index < 10; index++) place.write(`${index}.md`, section(`part ${index}`));
  const { base } = await emptyBase();
  const stop = new AbortController();
  const paths: string[] = [];
  const report = await ingest(base, [place.path], {
    signal: stop.signal,
    onProgress: ({ path, done, total, outcome }) => {
      paths.push(path);
      assert.deepEqual([total, outcome], [10, 'added']);
      if (done === 4) stop.abort();
    },
  });
  assert.deepEqual([report.stopped, report.added, paths.length], [true, 4, 4]);
  assert.deepEqual(counts(await ingest(base, [place.path])), { ...NONE, added: 6, unchanged: 4, chunks: [6, 0, 0] });
});

test('an ingestion that is aborted while a slow file is read ends there, and such a file costs the others nothing', async (t) => {
  const place = new Place(t);
  place.write('a.md', section('Apples'));
  place.write('b.pdf', packedPdf(deflateSync(Buffer.from('q Q '.repeat(4_500_000))), ['FlateDecode']));
  place.write('c.md', section('Cherries'));
  const { base } = await emptyBase();
  const stop = new AbortController();
  const aborted = await ingest(base, [place.path], {
    signal: stop.signal,
    onProgress: () => void setTimeout(() => stop.abort(), 100),
  });
  assert.deepEqual([aborted.stopped, aborted.added, aborted.failed], [true, 1, []]);
  const report = await ingest(base, [place.path], { limits: { unpackTimeoutMs: 300 } });
  assert.deepEqual(counts(report), { ...NONE, added: 1, unchanged: 1, chunks: [1, 0, 0] });
  assert.deepEqual(
    report.failed.map(({ path, code }) => [path, code]),
    [[place.at('b.pdf'), 'too-slow']],
  );
});

test('an ingestion that dies at any write, before or after it is durable, is gone on with to the same base without duplicates', async (t) => {
  const place = new Place(t);
  for (let index = 0; index < 4; index++) place.write(`${index}.md`, section('Apples') + section(`part ${index}`));
  place.write('copy.md', section('Apples') + section('part 2'));
  // More than goes into one frame.
  place.write('long.md', Array.from({ length: 500 }, (_, index) => section(`chapter ${index}`, LOREM.repeat(28))).join(''));
  const whole = await emptyBase();
  await ingest(whole.base, [place.path]);
  const wanted = dumpOf(whole.base);
  const types = async (base: typeof whole): Promise<readonly string[]> =>
    (await base.store.read(base.base.sid, { limit: 10_000 })).flatMap(({ events }) => events.map(({ type }) => type)).sort();
  assert.equal((await types(whole)).filter((type) => type === 'document.added').length, 6);
  let deaths = 0;
  for (const mode of ['lost', 'unacknowledged'] as const)
    for (let at = 1; ; at++) {
      const world = testWorld();
      const below = memoryStore({ world });
      const mortal = mortalStore(below, { at, mode });
      const doomed = await openKnowledge({ store: mortal.store, world, name: 'test' });
      const died = await Promise.race([mortal.died.then(() => true), ingest(doomed, [place.path]).then(() => false)]);
      if (!died) break;
      deaths++;
      const { base, store } = await emptyBase(below);
      await ingest(base, [place.path]);
      assert.deepEqual(dumpOf(base), wanted, `${mode} at ${at}`);
      assert.deepEqual(await types({ ...whole, base, store }), await types(whole), `${mode} at ${at}`);
      assert.equal((await ingest(base, [place.path])).unchanged, 6);
    }
  assert(deaths >= 14, `${deaths}`);
});

test('a version that was begun and never made whole is not seen, and serves another one', async (t) => {
  const place = new Place(t);
  const chapters = (count: number): string =>
    Array.from({ length: count }, (_, index) => section(`chapter ${index}`, LOREM.repeat(28))).join('');
  place.write('long.md', chapters(1_100));
  const world = testWorld();
  const below = memoryStore({ world });
  const mortal = mortalStore(below, { at: 2, mode: 'lost' });
  const doomed = await openKnowledge({ store: mortal.store, world, name: 'test' });
  await Promise.race([mortal.died, ingest(doomed, [place.path])]);
  const { base } = await emptyBase(below);
  assert.deepEqual([base.documents(), base.query('chapter').found], [[], []]);
  place.write('long.md', chapters(1_101));
  const report = await ingest(base, [place.path]);
  assert(
    report.chunksKept > 300 && report.chunksKept + report.chunksWritten >= 1_101,
    `${report.chunksKept} kept, ${report.chunksWritten} written`,
  );
  const recorded = (await below.read(base.sid, { limit: 1_000 })).flatMap(({ events }) =>
    events.filter(({ type }) => type === 'chunk.recorded'),
  );
  assert.equal(recorded.length, report.chunksKept + report.chunksWritten);
});

test('what was ingested under a subject goes with its key, for a handle that is open and for the next; what is of others stays', async (t) => {
  const place = new Place(t);
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const base = await openKnowledge({ store, world, name: 'test' });
  place.write('ada/letter.md', section('Walruses'));
  place.write('ada/old.md', section('Zebras'));
  place.write('bob/letter.md', section('Walruses'));
  place.write('all/guide.md', section('Giraffes') + section('Walruses'));
  await ingest(base, [place.at('all')]);
  await ingest(base, [place.at('ada')], { subject: 'ada' });
  // What is one subject's is no copy of another's, and its pieces are its own.
  const bobs = await ingest(base, [place.at('bob')], { subject: 'bob' });
  assert.deepEqual(counts(bobs), { ...NONE, added: 1, chunks: [1, 0, 0] });
  rmSync(place.at('ada/old.md'));
  place.write('ada/letter.md', section('Walruses') + section('Ostriches'));
  // Nobody says whose it is this time: it stays whose it was.
  assert.deepEqual(counts(await ingest(base, [place.path])), { ...NONE, changed: 1, unchanged: 2, removed: 1, chunks: [1, 1, 1] });
  const found = (of: typeof base, word: string) =>
    Array.from(new Set(of.query(word).found.map(({ citation }) => citation.path))).toSorted();
  assert.deepEqual(found(base, 'ostriches'), [place.at('ada/letter.md')]);
  await eraseSubject({ store, keys, world, subject: 'ada' });
  const { base: next } = await emptyBase(store);
  await base.refresh();
  for (const one of [base, next]) {
    assert.deepEqual([found(one, 'ostriches'), found(one, 'zebras')], [[], []]);
    assert.deepEqual(found(one, 'walruses'), [place.at('all/guide.md'), place.at('bob/letter.md')]);
    assert.equal(one.document(place.at('ada/letter.md')), undefined);
  }
  assert.deepEqual(dumpOf(next), dumpOf(base));
  const log = JSON.stringify(await store.read(base.sid));
  for (const word of ['Ostriches', 'Zebras', 'ada/']) assert.equal(log.includes(word), false, word);
  const { head } = base;
  await assert.rejects(ingest(base, [place.at('ada')], { subject: 'ada' }), { code: 'SUBJECT_ERASED' });
  assert.equal(base.head, head);
  await assert.rejects(ingest(base, [place.path], { subject: '' }), { code: 'OPTION_INVALID', message: /whose data/ });
});

test('a piece is kept for another subject never, though it says the same', async (t) => {
  const place = new Place(t);
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const base = await openKnowledge({ store, world, name: 'test' });
  const file = place.write('letter.md', section('Walruses'));
  await ingest(base, [file], { subject: 'ada' });
  assert.deepEqual(counts(await ingest(base, [file], { subject: 'bob' })), { ...NONE, changed: 1, chunks: [1, 0, 1] });
  await eraseSubject({ store, keys, world, subject: 'ada' });
  await base.refresh();
  assert.equal(base.query('walruses').found[0]?.citation.path, file);
});

test('two that ingest the same at the same time write it once', async (t) => {
  const place = new Place(t);
  for (let index = 0; index < 6; index++) place.write(`${index}.md`, section(`part ${index}`));
  const { base, store } = await emptyBase();
  const other = await emptyBase(store);
  await Promise.all([ingest(base, [place.path]), ingest(other.base, [place.path])]);
  const events = (await store.read(base.sid, { limit: 1_000 })).flatMap((frame) => frame.events);
  assert.equal(events.filter(({ type }) => type === 'document.processed').length, 6);
  assert.equal(events.length, 1 + 6 * 3);
});
