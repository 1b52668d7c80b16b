/** Bad input of a memory, as an application and as the command gives it: each is a typed error that says what to do, and the log stays as it was. */
import assert from 'node:assert/strict';
import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { NervaError, type ErrorCode } from '../../packages/nerva/src/core/index.ts';
import { openMemory, type Memory } from '../../packages/nerva/src/memory/index.ts';
import { nodeWorld, openStore } from '../../packages/nerva/src/node/index.ts';
import { Place } from './cli-process.ts';

/** What an application in JavaScript may pass. */
const any = (value: unknown): never => value as never;

/** What is tried, the code of its error, and what that says. */
type Bad = readonly [tried: string, work: (memory: Memory) => unknown, code: ErrorCode, says: RegExp];
const BAD: readonly Bad[] = [
  [
    'a text of a byte too many',
    (m) => m.remember('x'.repeat(100_001), { extract: true }),
    'MEMORY_TOO_LARGE',
    /100001 bytes came; 100000 is the limit\. Remember it in parts/,
  ],
  ['a text whose bytes are too many', (m) => m.remember('é'.repeat(50_001), { extract: true }), 'MEMORY_TOO_LARGE', /100002 bytes/],
  ['bytes for a text', (m) => m.remember(any(Buffer.from('x'))), 'OPTION_INVALID', /is a string/],
  ['no text', (m) => m.remember(any(undefined)), 'OPTION_INVALID', /is a string/],
  ['a blank text', (m) => m.remember(' \n'), 'OPTION_INVALID', /the text is empty/],
  ['a word for a flag', (m) => m.remember('x', { extract: any('yes') }), 'OPTION_INVALID', /extract is true or false; string came/],
  ['tags that are no list', (m) => m.remember('x', { tags: any('a') }), 'OPTION_INVALID', /list of at most 64 strings/],
  ['a tag without end', (m) => m.remember('x', { tags: ['y'.repeat(9_000_000)] }), 'OPTION_INVALID', /at most 200 characters/],
  [
    'a frame that is too large',
    (m) => m.remember('x', { source: any('y'.repeat(9_000_000)) }),
    'FRAME_INVALID',
    /at most 8000000 \(frameBytesMax\)/,
  ],
  ['an option that is none', (m) => m.remember('x', any({ extrakt: true })), 'OPTION_UNKNOWN', /extrakt.*"extract"/],
  ['an entry that is not there', (m) => m.remember('x', { supersedes: any('nope') }), 'MEMORY_UNKNOWN', /no entry "nope"/],
  [
    'a block over its limit',
    (m) => m.setBlock({ label: 'human', text: 'x'.repeat(101) }),
    'MEMORY_TOO_LARGE',
    /would have 101 bytes; its limit is 100/,
  ],
  [
    'a block over the limit of all',
    (m) => m.setBlock({ label: 'facts', text: 'x'.repeat(32_768) }),
    'MEMORY_FULL',
    /32768 is the limit\. Shorten a block/,
  ],
  ['an edit over the limit', (m) => m.editBlock('human', { type: 'append', text: 'x'.repeat(101) }), 'MEMORY_TOO_LARGE', /limit is 100/],
  ['a label that is a path', (m) => m.setBlock({ label: '../x', text: 'x' }), 'OPTION_INVALID', /A label has 1 to 64/],
  ['bytes for a block', (m) => m.setBlock({ label: 'human', text: any(Buffer.from('x')) }), 'OPTION_INVALID', /are strings/],
  ['a block that is not there', (m) => m.editBlock('none', { type: 'append', text: 'x' }), 'MEMORY_UNKNOWN', /there are: human/],
  ['a value that is too large', (m) => m.setItem({ key: 'a', value: 'x'.repeat(70_000) }), 'MEMORY_TOO_LARGE', /65536 is the limit/],
  ['no question', (m) => m.recall(any(5)), 'OPTION_INVALID', /is a string; number came/],
  ['no question for all finders', (m) => m.search(any(undefined)), 'OPTION_INVALID', /is a string; undefined came/],
];

test('bad input of a memory is a typed error that says what to do, and writes nothing', async (t) => {
  const place = new Place(t);
  const world = nodeWorld();
  const store = await openStore(`file:${path.join(place.path, 'm.db')}`, { world });
  const memory = await openMemory({ store, world, scope: 'user:ada' });
  await memory.setBlock({ label: 'human', text: 'Ada.', bytesMax: 100 });
  await memory.remember('Ada likes tea.', { extract: true });
  const { head } = memory;
  const before = JSON.stringify([memory.core, memory.entries()]);
  const fails = async (tried: string, work: () => unknown, code: ErrorCode, says: RegExp): Promise<void> => {
    const error: unknown = await Promise.resolve()
      .then(work)
      .then(
        () => null,
        (thrown: unknown) => thrown,
      );
    assert(NervaError.is(error), `${tried}: ${String(error)}`);
    assert.equal(error.code, code, tried);
    assert.match(error.message, says, tried);
  };
  for (const [tried, work, code, says] of BAD) await fails(tried, () => work(memory), code, says);
  for (const scope of ['', 'a b', '../x', 'x'.repeat(121), undefined, null, 5, ['user:ada']])
    await fails(
      `scope ${String(scope)}`,
      () => openMemory({ store, world, scope: any(scope) }),
      'OPTION_INVALID',
      /scope has 1 to 120 of .*Nothing was read/,
    );
  await memory.refresh();
  assert.deepEqual([memory.head, JSON.stringify([memory.core, memory.entries()])], [head, before]);
  // The longest text that is allowed is taken, and taken apart.
  const longest = 'I like tea. '.repeat(8_333) + 'Tea.';
  assert.equal(Buffer.byteLength(longest), 100_000);
  assert.equal((await memory.remember(longest, { extract: true })).derived?.length, 1);
  await store.close();
  await world.transport.close();
});

test('what the command is asked of a scope that is not there, or of no sense, is said with what there is, and writes nothing', async (t) => {
  const place = new Place(t);
  place.write('m.jsonl', '{"type":"entry","id":"e","text":"Ada likes tea."}\n');
  assert.equal((await place.run('memory', 'import', 'user:ada', 'm.jsonl')).code, 0);
  const before = (await place.run('memory', 'export', 'user:ada')).out;
  const fails = async (code: number, says: RegExp, ...args: readonly string[]): Promise<void> => {
    const ended = await place.run('memory', ...args);
    assert.deepEqual([ended.code, ended.out], [code, ''], args.join(' '));
    assert.match(ended.err, says, args.join(' '));
    assert.doesNotMatch(ended.err, /\n {4}at /, args.join(' '));
  };
  await fails(
    1,
    /MEMORY_UNKNOWN: Nothing is kept under the scope "user:adda"\. Did you mean "user:ada"\? There are: user:ada\./,
    'show',
    'user:adda',
  );
  for (const verb of ['search', 'why']) await fails(1, /MEMORY_UNKNOWN: Nothing is kept/, verb, 'team:none', 'x');
  await fails(1, /OPTION_INVALID: scope has 1 to 120/, 'show', 'a b');
  await fails(2, /memory search takes a scope and a question/, 'search', 'user:ada');
  await fails(1, /MEMORY_UNKNOWN: There is no entry "x"/, 'why', 'user:ada', 'x');
  await fails(1, /OPTION_INVALID: none\.jsonl cannot be read: ENOENT/, 'import', 'user:ada', 'none.jsonl');
  await fails(1, /holds nothing of the subject "bob"\. Nothing was erased/, 'erase', 'user:ada', '--subject', 'bob', '--yes');
  assert.equal((await place.run('memory', 'export', 'user:ada')).out, before);
  // A line that is of no use is refused with its number, and the others are taken.
  place.write(
    'n.jsonl',
    `{"type":"entry","id":"1","text":"${'x'.repeat(100_001)}"}\nnot json\n{"type":"entry","id":"2","text":"Ada has a cat."}\n`,
  );
  const { code, out, err } = await place.run('memory', 'import', 'user:ada', 'n.jsonl');
  assert.deepEqual([code, out], [1, '1 imported, 0 were there already, 2 lines refused\n']);
  assert.match(err, /^line 1 was refused: .*100001 bytes came.*\nline 2 was refused: .*\n$/);
  assert.match((await place.run('memory', 'search', 'user:ada', 'cat')).out, /Ada has a cat\./);
});

test(
  'a file that is one line of 2 GB, or whose bytes are no text, is refused line by line; what it holds beside is taken',
  { timeout: 120_000 },
  async (t) => {
    const place = new Place(t);
    const good = '{"type":"entry","id":"1","text":"Ada has a cat."}\n';
    writeFileSync(path.join(place.path, 'large.jsonl'), good);
    truncateSync(path.join(place.path, 'large.jsonl'), 2_147_483_648);
    const large = await place.run('memory', 'import', 'user:ada', 'large.jsonl');
    assert.deepEqual([large.code, large.out], [1, '1 imported, 0 were there already, 1 lines refused\n']);
    assert.match(large.err, /^line 2 was refused: it has 2147483598 bytes; 8000000 is the limit of a line.*\n$/);
    const latin = Buffer.concat([
      Buffer.from('{"type":"entry","id":"2","text":"caf'),
      Buffer.from([0xe9]),
      Buffer.from('"}\n'),
      Buffer.from(good),
    ]);
    writeFileSync(path.join(place.path, 'latin.jsonl'), latin);
    const refused = await place.run('memory', 'import', 'user:ada', 'latin.jsonl');
    assert.deepEqual([refused.code, refused.out], [1, '0 imported, 1 were there already, 1 lines refused\n']);
    assert.match(refused.err, /^line 1 was refused: it is not UTF-8; convert the file/);
  },
);
