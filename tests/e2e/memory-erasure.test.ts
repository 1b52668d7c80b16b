/** A person’s memory on real files, with its index, its vectors and a session that was told of it: an erasure leaves no byte of it in any of them. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { createAgent, createRuntime, type Runtime } from 'nerva';
import { memoryTools, openMemory, type Finders } from 'nerva/memory';
import { fileKeys, nodeWorld, openSqlite, sqliteIndex } from 'nerva/node';
import { conversationModel } from 'nerva/testing';
import { directory } from './store-process.ts';

/** All files under a folder that hold a word, in whichever letters, as UTF-8 or UTF-16. */
function filesWith(folder: string, word: string): readonly string[] {
  return (readdirSync(folder, { recursive: true }) as readonly string[]).filter((name) => {
    const file = path.join(folder, name);
    if (statSync(file).isDirectory()) return false;
    const bytes = readFileSync(file);
    return bytes.toString('latin1').toLowerCase().includes(word) || bytes.toString('utf16le').toLowerCase().includes(word);
  });
}

/** The first of a vector’s numbers says whose text it is of. */
const MARK = 0.123_456_7;
const embed: NonNullable<Finders['embed']> = {
  name: 'test/marked',
  textsMax: 100,
  embed: (texts) =>
    Promise.resolve({
      vectors: texts.map((text) => (/zyxomma/i.test(text) ? [MARK, 1, 0] : [0, 1, 1])),
      usage: { inputTokens: null, outputTokens: null },
    }),
};

test('what was said of an erased person is in no file: not in the log, its blobs or its WAL, nor in the index or the vectors', async (t) => {
  const folder = directory(t);
  mkdirSync(path.join(folder, 'files'));
  const files = path.join(folder, 'files');
  const world = nodeWorld();
  const keys = fileKeys(path.join(folder, 'keys.db'));
  const store = await openSqlite(path.join(files, 's.db'), { world, keys });
  const index = sqliteIndex(path.join(files, 'index'));
  const open = (subject?: string) =>
    openMemory({ store, world, scope: 'user:ada', index, embed, extract: true, ...(subject === undefined ? {} : { subject }) });
  const memory = await open('ada');
  await memory.setBlock({ label: 'human', text: 'Zyxomma, an engineer.' });
  await memory.setItem({ key: 'zyxomma.draft', value: 'Zyxomma wrote.' });
  await memory.remember('My sister Zyxomma likes tea.', { tags: ['Zyxomma'], kind: 'person', importance: 1 });
  await memory.remember('Zyxomma went on and on. '.repeat(4_000));
  const anybody = await open();
  await anybody.remember('The ostrich is well.');
  await memory.consolidate();
  await memory.tend();
  assert.ok((await memory.search('What of zyxomma?')).found.length >= 2);
  // A session of hers, in which a result is so long that it stands beside the log.
  const model = conversationModel([{ calls: [{ name: 'recall', input: { query: 'Zyxomma on' } }] }, 'Zyxomma it is.']);
  const agent = createAgent({ name: 'a', model, memory: { of: memory }, tools: [...memoryTools(memory)] });
  const runtime: Runtime = await createRuntime({ store, world, agents: [agent] });
  const session = runtime.session('s', { agent: 'a', subject: 'ada' });
  assert.equal((await session.send('Who is Zyxomma?').result).status, 'answered');
  assert.ok(filesWith(files, 'zyxomma').length > 0, 'the index has it in the clear');
  assert.ok(
    filesWith(files, 'ostrich').some((name) => name.startsWith('s.db')),
    'what is nobody’s is in the log in the clear',
  );
  const mark = Buffer.from(new Float32Array([MARK / Math.hypot(MARK, 1)]).buffer).toString('latin1');
  const isMarked = (): boolean =>
    readdirSync(path.join(files, 'index')).some((name) => readFileSync(path.join(files, 'index', name), 'latin1').includes(mark));
  assert.ok(isMarked(), 'the vectors have it');

  assert.deepEqual((await store.eraseSubject('ada')).sids.toSorted(), ['s', 'scope:user:ada']);
  await memory.refresh();
  assert.deepEqual([filesWith(files, 'zyxomma'), isMarked()], [[], false], 'while all is open');
  await runtime.close();
  await store.close();
  index.close();
  assert.deepEqual([filesWith(files, 'zyxomma'), isMarked()], [[], false]);
  keys.close();

  const [laterKeys, laterIndex] = [fileKeys(path.join(folder, 'keys.db')), sqliteIndex(path.join(files, 'index'))];
  const later = await openSqlite(path.join(files, 's.db'), { world, keys: laterKeys });
  const again = await openMemory({ store: later, world, scope: 'user:ada', index: laterIndex });
  assert.deepEqual([again.core, again.item('zyxomma.draft'), again.recall('zyxomma')], [[], undefined, []]);
  assert.deepEqual(
    again.entries().map(({ text }) => text),
    ['The ostrich is well.'],
  );
  await later.close();
  laterIndex.close();
  laterKeys.close();
  assert.deepEqual(filesWith(folder, 'zyxomma'), []);
  await world.transport.close();
});
