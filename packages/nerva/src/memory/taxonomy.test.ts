import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { memoryStore } from '../log/index.ts';
import { testWorld } from '../testing/index.ts';
import { BLOCK_TYPES, setBlock } from './blocks.ts';
import {
  CORE_BYTES_MAX,
  fromServerBlock,
  openMemory,
  takenAs,
  toServerBlock,
  type Memory,
  type ReadModel,
  type ServerBlock,
} from './index.ts';
import { TAXONOMY } from './taxonomy.ts';

const READS: Readonly<Record<Exclude<ReadModel, 'log'>, (memory: Memory) => string>> = {
  block: (memory) => memory.render(),
  item: (memory) => JSON.stringify(TAXONOMY.map(({ name }) => memory.item(name))),
  entry: (memory) =>
    memory
      .recall('Which record is it?', { limit: 100 })
      .map(({ entry }) => entry.text)
      .join('\n'),
};

test('a record that is written under each name of a taxonomy is read where every other name of the same meaning is, and nowhere else', async () => {
  const world = testWorld();
  const memory = await openMemory({ store: memoryStore({ world }), world, scope: 'user:ada' });
  for (const { name, is } of TAXONOMY) {
    const record = { text: `The record of ${name}.`, label: name, key: name };
    if (is === 'log') {
      assert.throws(() => takenAs(name, record), { code: 'OPTION_INVALID', message: /the log of a session/ });
      continue;
    }
    const taken = takenAs(name, record);
    if (taken?.is === 'block') await memory.setBlock(taken.block);
    if (taken?.is === 'item') await memory.setItem({ ...taken.item, key: taken.item.key ?? '' });
    if (taken?.is === 'entry') await memory.remember(taken.text, taken.options);
  }
  for (const [model, read] of Object.entries(READS))
    for (const { name, is } of TAXONOMY) assert.equal(read(memory).includes(`The record of ${name}.`), is === model, `${name} as ${model}`);
});

test('a name that is none is null, and a record without a text is refused', () => {
  assert.equal(takenAs('note', { text: 'x' }), null);
  assert.throws(() => takenAs('archival', { value: 'x' }), { code: 'OPTION_INVALID', message: /has a text/ });
  assert.throws(() => takenAs('working', {}), { code: 'OPTION_INVALID', message: /has a text/ });
  const taken = takenAs('procedural', { text: 'Be brief.', isReadOnly: true, importance: 1 });
  assert.deepEqual(
    taken,
    { is: 'block', block: { label: 'procedural', type: 'system', text: 'Be brief.' } },
    'it does not become an instruction',
  );
  assert.deepEqual(takenAs('state', { value: 0, ttlMs: 5 }), { is: 'item', item: { key: null, value: 0, ttlMs: 5 } });
  assert.deepEqual(takenAs('entity', { text: 'Ada', kind: 'person', embedding: [1] }), {
    is: 'entry',
    text: 'Ada',
    options: { kind: 'person' },
  });
});

test('any block of any of the six types is the same when it went to an agent server and came back', () => {
  const block = fc.record({
    label: fc.stringMatching(/^[A-Za-z0-9_.-]{1,20}$/),
    type: fc.constantFrom(...BLOCK_TYPES),
    text: fc.string({ maxLength: 50 }),
    description: fc.string({ maxLength: 20 }),
    bytesMax: fc.option(fc.integer({ min: 200, max: CORE_BYTES_MAX })),
    isReadOnly: fc.boolean(),
    importance: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(block, (change) => {
      const [before] = setBlock([], change);
      if (before === undefined) throw new Error('a block was set');
      const [after] = setBlock([], fromServerBlock(toServerBlock(before)));
      assert.deepEqual(after, before);
      const wire = JSON.parse(JSON.stringify(toServerBlock(before))) as ServerBlock;
      assert.deepEqual(setBlock([], fromServerBlock(wire))[0], before);
    }),
    { numRuns: 200 },
  );
  for (const type of BLOCK_TYPES) assert.equal(fromServerBlock({ label: type, value: 'x' }).type, type, 'by its name alone');
});

test('a block that a server made has what is known of it, and a limit above what there is room for is none', () => {
  const made = fromServerBlock({
    label: 'customer',
    value: 'Ada',
    limit: 100_000,
    description: null,
    metadata: { type: 'weird', importance: 'high' },
  });
  const expected = { label: 'customer', type: 'facts', text: 'Ada', description: '', bytesMax: null, isReadOnly: false, importance: 0.5 };
  assert.deepEqual(made, expected);
  assert.equal(fromServerBlock({ label: 'human', value: '', limit: CORE_BYTES_MAX }).bytesMax, CORE_BYTES_MAX);
});

test('the page says what is in the table', () => {
  const page = readFileSync(new URL('../../../../docs/memory.md', import.meta.url), 'utf8');
  const words: Readonly<Record<ReadModel, string>> = {
    block: 'a block',
    item: 'an item',
    entry: 'an entry',
    log: 'the log of a session, not imported',
  };
  const rows = TAXONOMY.map(({ name, of, is }) => `| \`${name}\` | ${of} | ${words[is]} |`).join('\n');
  assert.ok(page.includes(`| there | of | here |\n|---|---|---|\n${rows}\n\n`), rows);
});
