/** `nerva ingest` and `nerva query`, as they are typed, and killed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as knowledge from '@nerva/knowledge';
import { nodeWorld, openStore } from 'nerva';
import type { KnowledgePackage } from '../../packages/nerva/src/cli/knowledge.ts';
import { Place } from './cli-process.ts';

/** The command's idea of the package is what the package is: this holds when it compiles. */
const fits: KnowledgePackage<knowledge.Knowledge> = knowledge;

const LOREM = 'The quick brown fox jumps over the lazy dog and runs into the deep dark wood. ';
const section = (name: string): string => `## ${name}\n\n${LOREM.repeat(3)} This is about ${name}.\n\n`;

class Docs extends Place {
  file(name: string, text: string | Uint8Array): void {
    const file = path.join(this.path, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  /** Some hundred files, some of which say the same. */
  many(count: number): void {
    for (let index = 0; index < count; index++) {
      const isCopy = index % 25 === 24;
      const topic = `topic ${isCopy ? index - 1 : index}`;
      this.file(`docs/${index % 7}/${index}.md`, `# Page\n\n${section(topic)}${section(`more of ${topic}`)}${section('what all have')}`);
    }
  }

  /** What a store's base knows, without the numbers of its events, and how many events of each type its log has. */
  async known(
    store: string,
  ): Promise<{ readonly documents: unknown; readonly types: Readonly<Record<string, number>>; readonly found: unknown }> {
    const world = nodeWorld();
    const opened = await openStore(`file:${path.join(this.path, store)}`, { world, readOnly: true });
    const base = await fits.openKnowledge({ store: opened, world, name: 'default' });
    const types: Record<string, number> = {};
    for (let after = -1; ;) {
      const frames = await opened.read(base.sid, { after });
      for (const { events } of frames) for (const { type } of events) types[type] = (types[type] ?? 0) + 1;
      const last = frames.at(-1);
      if (last === undefined) break;
      after = last.seq + last.count - 1;
    }
    const documents = base.documents().map(({ path: file, hash, duplicateOf }) => ({
      file,
      hash,
      duplicateOf: duplicateOf?.path,
      chunks: base.chunks(file).map(({ text, context, place }) => ({ text, context, place })),
    }));
    const found = ['topic 77', 'more of topic 12', 'fox'].map((question) =>
      base.query(question, { limit: 3 }).found.map(({ text, score, citation }) => [text, score, citation.path]),
    );
    await opened.close();
    await world.transport.close();
    return { documents, types, found };
  }
}

/** Starts an ingestion and kills it once so many files were told. @returns how many were. */
async function killedAfter(place: Docs, files: number): Promise<number> {
  const { child, ended } = place.start(['ingest', 'docs', '--json']);
  let told = 0;
  child.stdout?.on('data', (piece: Buffer) => {
    told += piece.toString().split('"type":"file"').length - 1;
    if (told >= files) child.kill('SIGKILL');
  });
  const { code } = await ended;
  assert.equal(code, null, 'it ended before it was killed');
  return told;
}

test(
  'an ingestion of some hundred files that is killed again and again ends in the base of one that was not',
  { timeout: 300_000 },
  async (t) => {
    const place = new Docs(t);
    const count = 400;
    place.many(count);
    let told = 0;
    for (const files of [1, 40, 90]) told += await killedAfter(place, files);
    assert(told < count, `${told} of ${count} were told`);
    const last = await place.json('ingest', 'docs');
    const report = last.lines.at(-1) as unknown as knowledge.IngestReport;
    assert.deepEqual([last.code, report.failed, report.removed], [0, [], 0]);
    // What was acknowledged before a kill is not made again.
    assert(report.unchanged >= told && report.added < count, `${report.unchanged} unchanged, ${told} told`);
    assert.equal((await place.run('ingest', 'docs', '--store', 'file:uncut.db')).code, 0);
    const [killed, uncut] = [await place.known('.nerva/nerva.db'), await place.known('uncut.db')];
    assert.deepEqual(killed.documents, uncut.documents);
    assert.deepEqual(killed.types, uncut.types);
    assert.deepEqual(killed.found, uncut.found);
    assert.equal(killed.types['document.processed'], count);
    assert.match((await place.run('ingest', 'docs')).out, /^400 unchanged; nothing written\.\n$/);
    assert.equal((await place.run('verify')).code, 0);
  },
);

/** A place with a few documents that were ingested. */
async function ingested(t: TestContext): Promise<Docs> {
  const place = new Docs(t);
  place.file('docs/fruit.md', `# Fruit\n\n${section('Apples')}${section('Pears')}`);
  place.file('docs/copy.md', `# Fruit\n\n${section('Apples')}${section('Pears')}`);
  place.file('docs/code.ts', 'export function zebra() {}\n');
  place.file('docs/out.log', 'left out');
  place.file('docs/.gitignore', '*.log\n');
  const { code, out, err } = await place.run('ingest', 'docs');
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, /^4 added, 1 ignored; 4 pieces written, 1 that say the same as another\.\n$/);
  return place;
}

test('what was ingested is found, with the place where it stands', async (t) => {
  const place = await ingested(t);
  const found = await place.run('query', 'What is said about pears?', '--limit', '1');
  assert.deepEqual([found.code, found.err], [0, '']);
  assert.match(
    found.out,
    /^docs\/copy\.md:7-9 {2}1\.\d\d\n {2}Fruit › Pears\n {2}… The quick.*about Pears\.\n {2}also in docs\/fruit\.md\n$/,
  );
  assert.match(
    (await place.run('query', 'zebra', '--under', 'docs/code.ts', '--full')).out,
    /^docs\/code\.ts:1 {2}.*\n {2}export function zebra\(\) \{\}\n$/,
  );
  assert.equal((await place.run('query', 'zebra', '--under', 'docs/fruit.md')).out, 'Nothing fits.\n');
  const { code, lines } = await place.json('query', 'pears');
  const [first] = lines as unknown as readonly (knowledge.Found & { readonly type: string })[];
  assert.deepEqual([code, first?.type, first?.citation.place.line, first?.citation.also.length], [0, 'found', 7, 1]);
  // A terminal that shows a passage is not steered by it.
  place.file('docs/evil.md', 'A walrus \u001b[2J\u202e here.');
  await place.run('ingest', 'docs');
  assert.match((await place.run('query', 'walrus')).out, /A walrus \ufffd\[2J\ufffd here\./);
  if (process.platform === 'win32') return;
  // Nor does the name of a file pass for another passage.
  place.file('docs/new\ndocs/fruit.md:7-9  9.99\n.md', 'An ostrich is here.');
  await place.run('ingest', 'docs');
  assert.match(
    (await place.run('query', 'ostrich', '--limit', '1')).out,
    /^docs\/new ⏎ docs\/fruit\.md:7-9 {2}9\.99 ⏎ \.md:1 {2}\d\.\d\d\n {2}An ostrich is here\.\n$/,
  );
});

test('one bad file does not end an ingestion: it is listed, the others are there, and the exit code says so', async (t) => {
  const place = await ingested(t);
  place.file('docs/large.txt', '');
  truncateSync(path.join(place.path, 'docs/large.txt'), 2_000_000_000);
  place.file('docs/latin.txt', Uint8Array.from([0x63, 0x61, 0x66, 0xe9]));
  place.file('docs/picture.png', Uint8Array.from([0x89, 0x50, 0, 0]));
  place.file('docs/late.md', section('Walnuts'));
  symlinkSync('..', path.join(place.path, 'docs/loop'));
  const { code, out, err } = await place.run('ingest', 'docs');
  assert.equal(code, 1);
  assert.equal(out, '1 added, 4 unchanged, 2 failed, 2 skipped, 1 ignored; 1 pieces written.\n');
  assert.match(
    err,
    /^docs\/large\.txt: too-large: It has 2000000000 bytes; 50000000 is the limit .*\.\ndocs\/latin\.txt: encoding: .* from byte 3 on.*\.\n$/,
  );
  assert.match((await place.run('query', 'walnuts', '--limit', '1')).out, /^docs\/late\.md:/);
  assert.equal((await place.run('ingest', 'docs', '--encoding', 'windows-1252')).code, 1);
  assert.match((await place.run('query', 'café', '--limit', '1')).out, /^docs\/latin\.txt:1 /);
});

test('a folder and a file that may not be read are listed, and what was known of them stays', (t) => {
  const isRoot = process.getuid?.() === 0;
  const drop = isRoot ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
  if (process.platform === 'win32' || (isRoot && spawnSync(drop[0] ?? '', [...drop.slice(1), 'true']).status !== 0))
    return t.skip('root reads everything, and setpriv is not here');
  const place = new Docs(t);
  place.file('docs/a.md', section('Apples'));
  place.file('docs/sub/b.md', section('Pears'));
  chmodSync(place.path, 0o777);
  const bin = path.resolve(import.meta.dirname, '../../packages/nerva/bin/nerva.mjs');
  const run = (): { readonly status: number | null; readonly stdout: string; readonly stderr: string } => {
    const [program, ...args] = [...drop, process.execPath, bin, 'ingest', 'docs'];
    return spawnSync(program, args, {
      cwd: place.path,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], NODE_DISABLE_COMPILE_CACHE: '1' },
    });
  };
  assert.equal(run().stdout, '2 added; 2 pieces written.\n');
  chmodSync(path.join(place.path, 'docs/sub'), 0);
  chmodSync(path.join(place.path, 'docs/a.md'), 0);
  const { status, stdout, stderr } = run();
  assert.deepEqual([status, stdout], [1, '2 failed; nothing written.\n']);
  assert.match(
    stderr,
    /docs\/sub: unreadable: The folder cannot be read \(EACCES\).*\n.*docs\/a\.md: unreadable: It cannot be read \(EACCES\)/,
  );
  chmodSync(path.join(place.path, 'docs/sub'), 0o755);
  chmodSync(path.join(place.path, 'docs/a.md'), 0o644);
  assert.equal(run().stdout, '2 unchanged; nothing written.\n');
});

test('what makes no sense is said, with what was perhaps meant, and nothing is done', async (t) => {
  const place = new Docs(t);
  const fails = async (code: number, says: RegExp, ...args: readonly string[]): Promise<void> => {
    const ended = await place.run(...args);
    assert.deepEqual([ended.code, ended.out], [code, '']);
    assert.match(ended.err, says);
  };
  await fails(2, /ingest takes 1 or more arguments, 0 came/, 'ingest');
  await fails(2, /Did you mean "--watch"\?/, 'ingest', 'docs', '--wach');
  await fails(2, /--encoding takes windows-1252; "latin1" came/, 'ingest', 'docs', '--encoding', 'latin1');
  await fails(2, /--near takes a number from 0\.5 to 1; "7" came/, 'ingest', 'docs', '--near', '7');
  await fails(2, /--file-bytes takes a whole number of at least 1/, 'ingest', 'docs', '--file-bytes', '0');
  await fails(1, /OPTION_INVALID: .*none cannot be ingested \(ENOENT\)/, 'ingest', 'none');
  await fails(1, /OPTION_INVALID: The name of a knowledge base has 1 to 100/, 'ingest', '.', '--base', 'a/b');
  await fails(2, /--limit takes 1 to 100; "101" came/, 'query', 'x', '--limit', '101');
  await fails(2, /query takes a question/, 'query', ' ');
  await fails(1, /Nothing was ingested into the base "default" of this store: nerva ingest DIR/, 'query', 'x');
});

test(
  'the first Ctrl-C ends an ingestion after the file under way, and the same command goes on',
  { skip: process.platform === 'win32' && 'there are no signals', timeout: 120_000 },
  async (t) => {
    const place = new Docs(t);
    place.many(300);
    const { child, ended } = place.start(['ingest', 'docs', '--json']);
    child.stdout?.once('data', () => child.kill('SIGINT'));
    const { code, out } = await ended;
    const report = JSON.parse(out.trim().split('\n').at(-1) ?? '') as knowledge.IngestReport;
    assert.deepEqual([code, report.stopped, report.added < 300], [130, true, true]);
    assert.match((await place.run('ingest', 'docs')).out, new RegExp(`^${300 - report.added} added, ${report.added} unchanged; `));
  },
);

test('a folder is watched until Ctrl-C', { skip: process.platform === 'win32' && 'there are no signals', timeout: 120_000 }, async (t) => {
  const place = await ingested(t);
  const { child, ended } = place.start(['ingest', 'docs', '--watch']);
  let said = '';
  child.stdout?.on('data', (piece: Buffer) => (said += piece.toString()));
  const until = async (pattern: RegExp): Promise<void> => {
    while (!pattern.test(said)) await sleep(10);
  };
  await until(/4 unchanged, 1 ignored; nothing written\.\n/);
  place.file('docs/new.md', section('Walnuts'));
  await until(/1 added, 4 unchanged/);
  rmSync(path.join(place.path, 'docs/new.md'));
  await until(/1 removed/);
  child.kill('SIGINT');
  assert.equal((await ended).code, 0);
});
