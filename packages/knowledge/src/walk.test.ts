import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Place } from './samples.ts';
import { walk, type WalkOptions } from './walk.ts';

const OPTIONS: WalkOptions = { isIgnoring: true, isFollowing: false, filesMax: 100, depthMax: 10 };

async function found(place: Place, paths: readonly string[] = ['.'], options: Partial<WalkOptions> = {}) {
  const walked = await walk(
    paths.map((one) => place.at(one)),
    { ...OPTIONS, ...options },
  );
  const short = (name: string): string => path.relative(place.path, name);
  return {
    files: walked.files.map(short),
    problems: walked.problems.map(({ path: name, code }) => `${code} ${short(name)}`),
    ignored: walked.ignored,
  };
}

test('what .gitignore files name is left out, the nearest one deciding', async (t) => {
  const place = new Place(t);
  for (const name of [
    'a.log',
    'a.md',
    'sub/b.log',
    'sub/keep.log',
    'sub/deep/c.tmp',
    'build/x.md',
    'sub/build',
    'node_modules/y/z.md',
    '.git/config',
    '.nerva/nerva.db',
  ])
    place.write(name, 'x');
  place.write('.gitignore', '*.log\n/build/\nnode_modules\n');
  place.write('sub/.gitignore', '!keep.log\ndeep/*.tmp\n');
  assert.deepEqual(await found(place), {
    files: ['.gitignore', 'a.md', 'sub/.gitignore', 'sub/build', 'sub/keep.log'],
    problems: [],
    ignored: 5,
  });
  assert.equal((await found(place, ['.'], { isIgnoring: false })).files.length, 10);
});

test('what is left out is what Git leaves out', async (t) => {
  const place = new Place(t);
  execFileSync('git', ['init', '-q', place.path]);
  for (const name of [
    'a',
    'b.o',
    'x/b.o',
    'x/keep/b.o',
    'x/y/z.txt',
    'x/y/w.md',
    'doc/a.txt',
    'doc/sub/a.txt',
    'foo bar.txt',
    'q/[1].txt',
    'q/1.txt',
    'é.txt',
    'q/deep/deeper/f.c',
  ])
    place.write(name, 'x');
  place.write('.gitignore', '*.o\n!x/keep/*.o\ndoc/*.txt\nfoo\\ bar.txt\nx/**/z.txt\nq/deep\n# a comment\n');
  place.write('x/.gitignore', 'y/w.md\n!/keep\n');
  place.write('q/.gitignore', '[1].txt\n');
  const git = execFileSync('git', ['-C', place.path, 'ls-files', '-z', '--others', '--exclude-standard'], { encoding: 'utf8' });
  assert.deepEqual((await found(place)).files, git.split('\0').filter(Boolean).sort());
});

test('the rules of the repository above count for a folder of it, but not those that leave out the folder itself', async (t) => {
  const place = new Place(t);
  mkdirSync(place.at('.git'));
  place.write('.gitignore', '*.log\nvendor/\n');
  for (const name of ['docs/a.log', 'docs/a.md', 'vendor/lib/b.md', 'vendor/lib/b.log']) place.write(name, 'x');
  assert.deepEqual((await found(place, ['docs'])).files, ['docs/a.md']);
  assert.deepEqual((await found(place, ['vendor/lib'])).files, ['vendor/lib/b.log', 'vendor/lib/b.md']);
  assert.deepEqual((await found(place, ['docs/a.log'])).files, ['docs/a.log']);
});

test('links are not followed; with `inside` only those that lead to what is ingested, and a loop ends', async (t) => {
  const [place, other] = [new Place(t), new Place(t)];
  place.write('in/a.md', 'x');
  other.write('secret.md', 'x');
  symlinkSync('..', place.at('in/up'));
  symlinkSync('a.md', place.at('in/same.md'));
  symlinkSync(other.path, place.at('in/out'));
  symlinkSync(other.at('secret.md'), place.at('in/out.md'));
  symlinkSync('in', place.at('again'));
  symlinkSync('nowhere', place.at('in/dead'));
  assert.deepEqual(await found(place), {
    files: ['in/a.md'],
    problems: ['link again', 'link in/dead', 'link in/out', 'link in/out.md', 'link in/same.md', 'link in/up'],
    ignored: 0,
  });
  const followed = await found(place, ['.'], { isFollowing: true });
  assert.deepEqual(followed.problems, ['link again/dead', 'link again/out', 'link again/out.md']);
  assert.deepEqual(followed.files, ['again/a.md', 'again/same.md']);
});

test('too many files and folders too deep are told, and the rest is found', async (t) => {
  const place = new Place(t);
  for (const name of ['a.md', 'b.md', 'c/d/e.md']) place.write(name, 'x');
  assert.deepEqual(await found(place, ['.'], { filesMax: 2 }), { files: ['a.md', 'b.md'], problems: ['too-many c/d/e.md'], ignored: 0 });
  assert.deepEqual(await found(place, ['.'], { depthMax: 1 }), { files: ['a.md', 'b.md'], problems: ['too-deep c/d'], ignored: 0 });
});

test('a path that is not there is refused before anything is done', async (t) => {
  const place = new Place(t);
  await assert.rejects(found(place, ['none']), { code: 'OPTION_INVALID', message: /none cannot be ingested \(ENOENT\)/ });
});
