/** `nerva memory`, as it is typed. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { nodeWorld, openStore } from 'nerva';
import type { Store } from 'nerva/log';
import { openMemory, type Memory } from 'nerva/memory';
import { Place } from './cli-process.ts';

const DAY_MS = 86_400_000;

/** A place with a store in which `user:ada` keeps a block and three entries. */
async function kept(t: TestContext) {
  const place = new Place(t);
  const world = nodeWorld();
  const store = await openStore(`file:${join(place.path, '.nerva/nerva.db')}`, { world });
  const memory = await openMemory({ store, world, scope: 'user:ada' });
  await memory.setBlock({ label: 'human', type: 'human', text: 'Ada, an engineer.' });
  const linz = await memory.remember('Ada lives in Linz.', { validMs: world.clock.nowMs() - 30 * DAY_MS, source: 's1:4' });
  await memory.remember('Ada lives in Graz.\u001b[2J', { supersedes: linz.id });
  const { id } = await memory.remember('Ada likes tea.');
  await memory.forget(id);
  await store.close();
  await world.transport.close();
  return { place, linz };
}

test('a memory is searched, as of now and as of then, shown, counted, and each entry says where it comes from', async (t) => {
  const { place, linz } = await kept(t);
  const run = async (...args: readonly string[]) => {
    const { code, out, err } = await place.run('memory', ...args);
    assert.deepEqual([code, err], [0, '']);
    return out;
  };
  const found = await run('search', 'user:ada', 'Where does Ada live?');
  assert.match(found, /^ID +SCORE +SINCE \(UTC\) +TEXT\nscope:user:ada:3 +1\.00 +\S+ \S+ +Ada lives in Graz\.\ufffd\[2J\n$/);
  const day = new Date(Date.now() - 10 * DAY_MS).toISOString().slice(0, 10);
  assert.match(await run('search', 'user:ada', 'Where does Ada live?', '--as-of', day), /Ada lives in Linz\.\n$/);
  assert.equal(await run('search', 'user:ada', 'tea'), 'Nothing fits.\n');
  const shown = await run('show', 'user:ada');
  assert.match(shown, /^human {2}human, version 1\n {4}Ada, an engineer\.\nID/);
  assert.match(shown, /superseded +Ada lives in Linz\./);
  assert.match(shown, /forgotten +Ada likes tea\./);
  assert.match(
    await run('why', 'user:ada', linz.id),
    /^text +Ada lives in Linz\.\n(?:.*\n)*from +s1:4\n(?:.*\n)*superseded by +scope:user:ada:3\n/,
  );
  assert.match(
    await run('stats', 'user:ada'),
    /^events +6\nblocks +1\npromoted +0\nentries +3\nsuperseded +1\nforgotten +1\ncore +\d+ bytes as rendered \(17 of text\), 0\.\d % full\n$/,
  );
  assert.match(await run('stats', 'user:ada', '--at', '2'), /^events +3\nblocks +1\npromoted +0\nentries +1\n/);
});

test('a memory is tended by what a session was told: what matters stands among the blocks, says why, and is exported once', async (t) => {
  const { place } = await kept(t);
  const world = nodeWorld();
  const store = await openStore(`file:${join(place.path, '.nerva/nerva.db')}`, { world });
  const memory = await openMemory({ store, world, scope: 'user:ada' });
  const { id } = await memory.remember('Ada is allergic to peanuts.', { kind: 'person', importance: 0.9 });
  const ids = Array.from({ length: 100 }, () => ({ id }));
  const events = ids.map((one) => ({ type: 'memory.told', data: { entries: [one] } }));
  await store.append({ id: 'x', sid: 's1', expected: 0, events });
  await store.close();
  await world.transport.close();
  const run = async (...args: readonly string[]) => {
    const { code, out, err } = await place.run('memory', ...args);
    assert.deepEqual([code, err], [0, '']);
    return out;
  };
  assert.match(
    await run('why', 'user:ada', id),
    /\ndrawn on +0\.85: 1 time, .*\nscore +0\.83, .*\namong blocks +no\nlevel +0 of 4: as it was said\nactivation +0\.0\n$/,
  );
  assert.equal(
    await run('tend', 'user:ada', 's1'),
    `${id} stands among the blocks from now on\n100 accesses noted, 1 promoted, 0 evicted, 0 without room\n`,
  );
  assert.equal(await run('tend', 'user:ada', 's1'), '0 accesses noted, 0 promoted, 0 evicted, 0 without room\n');
  assert.match(
    await run('why', 'user:ada', id),
    /\ndrawn on +0\.95: 100 times, .*\nscore +0\.93, .*\namong blocks +since scope:user:ada:8\nlevel +4 of 4: among the blocks\nactivation +0\.4\n$/,
  );
  assert.match(
    await run('show', 'user:ada'),
    /^entry\.6 {2}human, the entry scope:user:ada:6\n {4}Ada is allergic to peanuts\.\nhuman {2}human, version 1\n/,
  );
  assert.match(
    await run('stats', 'user:ada'),
    /\nblocks +1\npromoted +1\n(?:.*\n)*suggestion +person has 100 % of the accesses: split it\n$/,
  );
  const types = (await place.json('memory', 'export', 'user:ada')).lines.map(({ type }) => type);
  assert.deepEqual(types, ['memory', 'block', 'entry', 'entry', 'entry', 'entry']);
  const [tended] = (await place.json('memory', 'tend', 'user:ada', 's1')).lines;
  assert.deepEqual(tended, { type: 'tended', sid: 'scope:user:ada', accesses: 0, promoted: [], evicted: [], rejected: [] });
});

test('what an agent may do is granted and taken back, and an entry goes to another scope when it is taken there', async (t) => {
  const { place, linz } = await kept(t);
  const run = async (...args: readonly string[]) => {
    const { code, out, err } = await place.run('memory', ...args);
    return [code, out, err.split('\n')[0] ?? ''] as const;
  };
  assert.deepEqual(await run('grant', 'team:x', 'clerk', '--rights', 'recall,edit'), [0, 'clerk may recall, edit in scope:team:x\n', '']);
  assert.match((await run('stats', 'team:x'))[1], /\nrights +clerk may recall, edit\n$/);
  assert.deepEqual(await run('revoke', 'team:x', 'clerk', '--rights', 'edit'), [0, 'clerk may recall in scope:team:x\n', '']);
  assert.deepEqual(await run('revoke', 'team:x', 'clerk', '--json'), [
    0,
    '{"type":"rights","sid":"scope:team:x","agent":"clerk","rights":[]}\n',
    '',
  ]);
  await run('grant', 'team:x', 'other', '--rights', 'forget', '--by', 'ada');
  const [, table] = await run('rights', 'team:x');
  const time = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`;
  assert.match(
    table,
    new RegExp(`^AGENT +RIGHT +GRANTED \\(UTC\\) +BY +REVOKED \\(UTC\\) +BY\nclerk +recall +${time} +cli +${time} +cli\n`),
  );
  assert.match(table, new RegExp(`\nother +forget +${time} +ada\n$`));
  const held = (await place.json('memory', 'rights', 'team:x', '--at', '2')).lines;
  assert.deepEqual(
    held.map(({ type, agent, right, revoked }) => [type, agent, right, (revoked as { seq: number } | null)?.seq ?? null]),
    [
      ['right', 'clerk', 'recall', null],
      ['right', 'clerk', 'edit', 2],
    ],
  );
  assert.deepEqual(await run('rights', 'user:ada'), [0, 'Nobody was granted anything in scope:user:ada.\n', '']);
  const [code, , wrong] = await run('grant', 'team:x', 'clerk', '--rights', 'all');
  assert.deepEqual([code, /OPTION_INVALID.*some of recall, remember, forget, edit; "all" came/.test(wrong)], [1, true], wrong);
  assert.match((await run('grant', 'team:x', 'clerk'))[2], /needs --rights/);
  assert.equal((await run('revoke', 'team:y', 'clerk'))[0], 1);
  const now = linz.id.replace(/2$/, '3');
  assert.deepEqual(await run('share', 'user:ada', now, '--to', 'team:x'), [0, `scope:team:x:5 says what ${now} does\n`, '']);
  assert.match((await run('why', 'team:x', 'scope:team:x:5'))[1], /^text +Ada lives in Graz.*\n(?:.*\n)*from +scope:user:ada:3\n/);
  assert.match((await run('share', 'user:ada', linz.id, '--to', 'team:x'))[2], /MEMORY_CHANGED.*share that one/);
  assert.match((await run('share', 'user:ada', now))[2], /needs --to SCOPE/);
});

test('memory --json is an object a line', async (t) => {
  const { place } = await kept(t);
  const lines = async (...args: readonly string[]) =>
    (await place.run('memory', ...args, '--json')).out
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    (await lines('show', 'user:ada')).map(({ type }) => type),
    ['block', 'entry', 'entry', 'entry'],
  );
  const [hit] = await lines('search', 'user:ada', 'live');
  assert.deepEqual(
    [hit?.['type'], hit?.['score'], (hit?.['entry'] as { text: string } | undefined)?.text],
    ['recalled', 1, 'Ada lives in Graz.\u001b[2J'],
  );
  assert.equal((await lines('stats', 'user:ada'))[0]?.['scope'], 'user:ada');
});

test('entries are listed page by page and counted, those that hold unless more is asked for', async (t) => {
  const { place, linz } = await kept(t);
  await place.store(async (store) => {
    const world = nodeWorld();
    const memory = await openMemory({ store, world, scope: 'user:ada' });
    const { id } = await memory.remember('Ada has a car.', { kind: 'topic', tags: ['a', 'b'], validMs: 5 });
    await memory.end(id, 50);
    await memory.remember('Ada has a dog.', { kind: 'topic', tags: ['a'] });
    await world.transport.close();
  });
  const run = async (...args: readonly string[]) => {
    const { code, out, err } = await place.run('memory', ...args);
    assert.equal(code, 0, err);
    return [out, err] as const;
  };
  const [page, more] = await run('list', 'user:ada', '--limit', '1');
  assert.match(page, /^ID +SINCE \(UTC\) +TEXT\nscope:user:ada:3 .*Ada lives in Graz\.\ufffd\[2J\n$/);
  assert.equal(more, 'There may be more: --after scope:user:ada:3\n');
  assert.match((await run('list', 'user:ada', '--after', 'scope:user:ada:3'))[0], /^ID .*\nscope:user:ada:8 .*Ada has a dog\.\n$/);
  assert.deepEqual(await run('list', 'user:ada', '--after', 'scope:user:ada:8'), ['Nothing fits.\n', '']);
  const [all] = await run('list', 'user:ada', '--all');
  for (const row of [/:2 .* superseded +Ada lives in Linz/, /:4 .* forgotten +Ada likes tea/, /:6 .* ended +Ada has a car/])
    assert.match(all, row);
  const counts: readonly (readonly [string, ...string[]])[] = [
    ['2'],
    ['5', '--all'],
    ['1', '--kinds', 'topic,person'],
    ['2', '--all', '--tags', 'a'],
    ['1', '--all', '--tags', 'a,b'],
    ['1', '--as-of', '1970-01-01T00:00:00.049Z'],
    ['0', '--as-of', '1970-01-01T00:00:00.050Z'],
    ['1', '--at', '2'],
  ];
  for (const [count, ...args] of counts) assert.deepEqual(await run('count', 'user:ada', ...args), [`${count}\n`, ''], args.join(' '));
  const [first] = (await place.json('memory', 'list', 'user:ada', '--all', '--limit', '1')).lines;
  assert.deepEqual([first?.['type'], first?.['id'], first?.['text']], ['entry', linz.id, 'Ada lives in Linz.']);
  assert.deepEqual((await place.json('memory', 'count', 'user:ada')).lines, [{ type: 'count', sid: 'scope:user:ada', count: 2 }]);
});

test('a memory is cleared or reset when --yes says so, and what is left is told', async (t) => {
  const { place } = await kept(t);
  await place.store(async (store) => {
    const world = nodeWorld();
    const memory = await openMemory({ store, world, scope: 'user:ada' });
    await memory.setItem({ key: 'draft', value: 1 });
    await world.transport.close();
  });
  const run = async (...args: readonly string[]) => {
    const { code, out, err } = await place.run('memory', ...args);
    return [code, out, err.split('\n')[0] ?? ''] as const;
  };
  const stats = await run('stats', 'user:ada');
  const [asked, , says] = await run('clear', 'user:ada');
  assert.deepEqual([asked, /keeps for good: 2 entries.*Say --yes to do it; nothing was changed/.test(says)], [2, true], says);
  const [askedReset, , saysReset] = await run('reset', 'user:ada');
  assert.deepEqual([askedReset, /2 entries, and removes its 1 blocks.*Say --yes/.test(saysReset)], [2, true], saysReset);
  assert.deepEqual(await run('stats', 'user:ada'), stats);
  assert.equal((await run('clear', 'user:ada', '--yes', '--at', '2'))[0], 2);
  assert.equal((await run('clear', 'user:bob', '--yes'))[0], 1);
  const cleared = await run('clear', 'user:ada', '--yes');
  assert.deepEqual(cleared, [0, '2 entries of scope:user:ada are forgotten; the record of them stays\n', '']);
  assert.deepEqual([(await run('count', 'user:ada'))[1], (await run('count', 'user:ada', '--all'))[1]], ['0\n', '3\n']);
  assert.match((await run('search', 'user:ada', 'Ada live', '--at', '5'))[1], /Ada lives in Graz/);
  assert.match((await run('show', 'user:ada'))[1], /^human /);
  assert.equal(
    (await run('reset', 'user:ada', '--yes'))[1],
    '0 entries of scope:user:ada are forgotten, 1 blocks and 1 items removed; the record of them stays\n',
  );
  assert.doesNotMatch((await run('show', 'user:ada'))[1], /^human /);
  const lines = async (verb: string) => (await place.json('memory', verb, 'user:ada', '--yes')).lines;
  assert.deepEqual(
    [await lines('clear'), await lines('reset')],
    [[{ type: 'cleared', sid: 'scope:user:ada', entries: 0 }], [{ type: 'reset', sid: 'scope:user:ada', entries: 0, blocks: 0, items: 0 }]],
  );
});

test('what makes no sense is said, with what was perhaps meant', async (t) => {
  const { place } = await kept(t);
  const fails = async (code: number, says: RegExp, ...args: readonly string[]) => {
    const ended = await place.run('memory', ...args);
    assert.deepEqual([ended.code, ended.out], [code, '']);
    assert.match(ended.err, says);
  };
  await fails(2, /Did you mean "search"\?/, 'serch', 'user:ada', 'x');
  await fails(2, /memory search takes a scope and a question\./, 'search', 'user:ada');
  await fails(2, /memory stats takes a scope only; "x" came too\./, 'stats', 'user:ada', 'x');
  await fails(2, /--limit takes 1 to 100; "101" came/, 'search', 'user:ada', 'x', '--limit', '101');
  for (const day of ['soon', '2026-02-31', '2026-01-31 12:00'])
    await fails(2, /--as-of takes a day or a time/, 'search', 'user:ada', 'x', '--as-of', day);
  await fails(1, /scope:user:ada has no event 99: its last is \d+\./, 'show', 'user:ada', '--at', '99');
  await fails(2, /--as-of takes a day or a time/, 'list', 'user:ada', '--as-of', 'soon');
  await fails(2, /--limit takes 1 to 1000; "1001" came/, 'list', 'user:ada', '--limit', '1001');
  await fails(2, /--limit takes a whole number of at least 1; "0" came/, 'list', 'user:ada', '--limit', '0');
  await fails(2, /leave out --as-of/, 'count', 'user:ada', '--all', '--as-of', '2026-01-31');
  await fails(1, /after is the id of an entry of scope:user:ada/, 'list', 'user:ada', '--after', '7');
  await fails(1, /Nothing is kept under the scope "user:adda"\. Did you mean "user:ada"\? There are: user:ada\./, 'show', 'user:adda');
  await fails(1, /There is no entry "scope:user:ada:99"/, 'why', 'user:ada', 'scope:user:ada:99');
  await fails(1, /scope has 1 to 120/, 'show', 'not a scope');
});

test('what is exported and imported elsewhere is recalled the same, and importing it again changes nothing', async (t) => {
  const { place } = await kept(t);
  const exported = await place.run('memory', 'export', 'user:ada');
  assert.deepEqual([exported.code, exported.err], [0, '']);
  place.write('ada.jsonl', exported.out);
  const there = ['--store', 'file:other.db'];
  const imported = await place.run('memory', 'import', 'user:ada', 'ada.jsonl', ...there);
  assert.deepEqual([imported.code, imported.out], [0, '4 imported, 1 were there already, 0 lines refused\n']);
  const day = new Date(Date.now() - 10 * DAY_MS).toISOString().slice(0, 10);
  for (const asked of [['Ada live'], ['tea'], ['Ada live', '--as-of', day]]) {
    const texts = async (...store: readonly string[]) =>
      (await place.json('memory', 'search', 'user:ada', ...asked, ...store)).lines.map(({ score, why, entry }) => [
        score,
        why,
        (entry as { readonly text: string }).text,
      ]);
    assert.deepEqual(await texts(...there), await texts());
  }
  const events = async (...store: readonly string[]) => (await place.json('memory', 'stats', 'user:ada', ...store)).lines[0];
  const before = await events(...there);
  const again = await place.run('memory', 'import', 'user:ada', 'ada.jsonl', ...there);
  assert.deepEqual([again.out, await events(...there)], ['0 imported, 5 were there already, 0 lines refused\n', before]);
  await place.run('memory', 'import', 'user:ada', 'ada.jsonl');
  assert.deepEqual({ ...(await events()), scope: '' }, { ...before, scope: '' }, 'nor where it comes from');
});

test('what ended by how entries stand to each other ends at the same time where it is imported, whatever ended it', async (t) => {
  const place = new Place(t);
  const world = nodeWorld();
  /** Works on a memory of the store in this file, in this process. */
  const inFile = async <T>(file: string, work: (memory: Memory, store: Store) => Promise<T> | T): Promise<T> => {
    const store = await openStore(`file:${join(place.path, file)}`, { world });
    try {
      return await work(await openMemory({ store, world, scope: 'user:ada' }), store);
    } finally {
      await store.close();
    }
  };
  const held = (memory: Memory) =>
    [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 1_000, 1, 2, 3, 4, 5].map((day) =>
      memory
        .recall('Ada', { validAtMs: day * DAY_MS })
        .map(({ entry }) => entry.text)
        .toSorted(),
    );
  const before = await inFile('.nerva/nerva.db', async (memory, store) => {
    const add = async (text: string, day: number, more = {}) => (await memory.remember(text, { validMs: day * DAY_MS, ...more })).id;
    const update = async (from: string, ...olds: readonly string[]) => {
      const relations = olds.map((to) => ({ to, relation: 'update', confidence: 0.9 }));
      const data = { from, by: 'test@1', relations };
      await store.append({ id: world.ids.next(), sid: memory.sid, expected: memory.head, events: [{ type: 'memory.evolved', data }] });
      await memory.refresh();
    };
    const linz = await add('Ada lives in Linz.', 1);
    await update(await add('Ada moved to Graz.', 3), linz);
    const wien = await add('Ada works in Wien.', 4); // what ended was recorded after it
    await update(await add('Ada works in Steyr.', 2), wien);
    const olds = [await add('Ada has a cat.', 1), await add('Ada has a dog.', 2)]; // two, and at once
    await update(await add('Ada has a bird.', 5), ...olds);
    const red = await add('Ada drives a red car.', 1); // sooner than by what is in its place
    await add('Ada drives a blue car.', 4, { supersedes: red });
    await update(await add('Ada drives a train.', 2), red);
    await memory.end(await add('Ada has a boat.', 1), 3 * DAY_MS); // and by nothing
    const linzAgain = await add('Ada rents in Linz.', 1);
    await memory.end(await add('Ada rents in Graz.', 5, { supersedes: linzAgain }), 4 * DAY_MS); // before it began
    return held(memory);
  });
  assert.deepEqual(before[2], [
    'Ada drives a train.',
    'Ada has a boat.',
    'Ada has a cat.',
    'Ada has a dog.',
    'Ada lives in Linz.',
    'Ada rents in Linz.',
    'Ada works in Steyr.',
  ]);
  assert.equal(
    before[4]?.some((text) => text.includes('rents') || text.includes('boat')),
    false,
  );
  place.write('ada.jsonl', (await place.run('memory', 'export', 'user:ada')).out);
  const there = ['user:ada', 'ada.jsonl', '--store', 'file:other.db'];
  const imported = await place.run('memory', 'import', ...there);
  assert.deepEqual([imported.code, imported.out, imported.err], [0, '13 imported, 1 were there already, 0 lines refused\n', '']);
  const { head, count } = await inFile('other.db', (memory) => {
    assert.deepEqual(held(memory), before);
    const entries = memory.entries();
    assert.equal(entries.find(({ text }) => text.includes('Graz'))?.supersedes, entries.find(({ text }) => text.includes('Linz'))?.id);
    return { head: memory.head, count: memory.count({ isAll: true }) };
  });
  assert.equal(count, 13, 'an end is no entry');
  for (const to of [there, there.slice(0, 2)])
    assert.equal((await place.run('memory', 'import', ...to)).out, '0 imported, 14 were there already, 0 lines refused\n');
  assert.deepEqual(await inFile('other.db', (memory) => [held(memory), memory.head]), [before, head]);
  assert.deepEqual(await inFile('.nerva/nerva.db', held), before);
  await world.transport.close();
});

test('an end that an earlier release imported as a mark stands, is not made again, and gives place to what takes its place', async (t) => {
  const place = new Place(t);
  const entry = { type: 'entry', kind: 'note', tags: [], importance: 0.5 };
  const linz = { ...entry, id: 'a', text: 'Ada lives in Linz.', validMs: 5, endings: [{ atMs: 8, recordedMs: 9 }] };
  await place.store(async (store) => {
    const world = nodeWorld();
    const memory = await openMemory({ store, world, scope: 's' });
    const { id } = await memory.remember(linz.text, { validMs: 5 });
    const mark = await memory.remember('It holds no longer.', { tags: ['import.end'], importance: 0, validMs: 8, supersedes: id });
    await memory.forget(mark.id);
    await world.transport.close();
  });
  place.write('linz.jsonl', JSON.stringify(linz));
  assert.equal((await place.run('memory', 'import', 's', 'linz.jsonl')).out, '0 imported, 1 were there already, 0 lines refused\n');
  assert.match((await place.run('memory', 'stats', 's')).out, /^events +4\n/, 'nothing was written');
  const graz = { ...entry, id: 'b', text: 'Ada lives in Graz.', validMs: 8, supersedes: 'a' };
  place.write('graz.jsonl', `${JSON.stringify(linz)}\n${JSON.stringify(graz)}`);
  assert.equal((await place.run('memory', 'import', 's', 'graz.jsonl')).out, '1 imported, 1 were there already, 0 lines refused\n');
  const found = await place.json('memory', 'search', 's', 'Where does Ada live?', '--as-of', '1970-01-01T00:00:00.007Z');
  assert.deepEqual(
    found.lines.map((line) => (line['entry'] as { readonly text: string }).text),
    ['Ada lives in Linz.'],
  );
});

test('what ended here sooner than in the file stays ended, and no line is refused for it', async (t) => {
  const place = new Place(t);
  await place.store(async (store) => {
    const world = nodeWorld();
    const memory = await openMemory({ store, world, scope: 's' });
    const { id } = await memory.remember('Ada has a car.', { validMs: 5 });
    await memory.end(id, 6);
    await world.transport.close();
  });
  const line = { type: 'entry', id: 'a', text: 'Ada has a car.', kind: 'note', tags: [], importance: 0.5, validMs: 5, invalidMs: 8 };
  place.write('car.jsonl', JSON.stringify(line));
  const { code, out, err } = await place.run('memory', 'import', 's', 'car.jsonl');
  assert.deepEqual([code, out, err], [0, '0 imported, 1 were there already, 0 lines refused\n', '']);
  assert.match((await place.run('memory', 'why', 's', 'scope:s:1')).out, /\nuntil +1970-01-01 00:00:00/);
  assert.equal((await place.run('memory', 'count', 's', '--as-of', '1970-01-01T00:00:00.006Z')).out, '0\n');
});

test('whose data an entry is comes along, and what was erased is not imported again and carries nothing away', async (t) => {
  const place = new Place(t);
  const line = (id: string, text: string, more = {}) =>
    JSON.stringify({ type: 'entry', id, text, kind: 'note', tags: [], importance: 0.5, validMs: 5, ...more });
  const [bob, free] = [line('a', 'Bob is at desk 4.', { subject: 'bob' }), line('b', 'Desk 4 is free.', { supersedes: 'a', validMs: 6 })];
  place.write('desks.jsonl', `${bob}\n${free}\n`);
  const run = async (...args: readonly string[]) => place.run('memory', ...args, '--keys', 'keys');
  const texts = async (scope: string) =>
    (await place.json('memory', 'export', scope, '--keys', 'keys')).lines
      .slice(1)
      .map(({ text, subject, supersedes }) => [text, subject, supersedes]);
  assert.equal((await run('import', 's', 'desks.jsonl')).out, '2 imported, 0 were there already, 0 lines refused\n');
  await run('import', 'eves', 'desks.jsonl', '--subject', 'eve');
  assert.deepEqual(
    (await texts('eves')).map(([, subject]) => subject),
    ['eve', 'eve'],
  );
  assert.equal((await run('erase', 's', '--subject', 'bob', '--yes')).code, 0);
  const left = await texts('s');
  assert.deepEqual(left, [['Desk 4 is free.', undefined, 'scope:s:1']]);
  const again = await run('import', 's', 'desks.jsonl');
  assert.deepEqual([again.code, again.out], [1, '0 imported, 1 were there already, 1 lines refused\n']);
  assert.match(again.err, /^line 1 was refused: it was imported before, and its entry was erased here: it is not taken again\..*\n$/);
  assert.deepEqual(await texts('s'), left);
  // What stands for somebody's entry that is gone is carried on without it.
  place.write('left.jsonl', (await run('export', 's')).out);
  const carried = await run('import', 'new', 'left.jsonl');
  assert.deepEqual([carried.code, carried.out], [0, '1 imported, 1 were there already, 0 lines refused\n']);
  assert.equal(carried.err, 'line 2 was imported without "scope:s:1", whose place it takes: no line before it has that\n');
  assert.deepEqual(await texts('new'), [['Desk 4 is free.', undefined, null]]);
});

test('what is there without a key of an import is not imported, and what says another time or source is', async (t) => {
  const place = new Place(t);
  await place.store(async (store) => {
    const world = nodeWorld();
    const memory = await openMemory({ store, world, scope: 's' });
    await memory.remember('Ada likes tea.', { tags: ['taste'], importance: 0.9, source: 's1:4' });
    await memory.remember('Ada has a cat.', { validMs: 5 });
    await world.transport.close();
  });
  const cat = { type: 'entry', text: 'Ada has a cat.' };
  const lines = [
    { type: 'archival', text: 'Ada likes tea.', tags: ['taste'] },
    { ...cat, id: 'a', validMs: 5 },
    { type: 'memory', text: 'Ada has a cat.' },
  ];
  const others = [
    { ...cat, id: 'b', validMs: 6 },
    { ...cat, id: 'c', validMs: 5, source: 's1:4' },
    { ...cat, id: 'd', kind: 'person' },
    { type: 'archival', text: 'Ada likes tea.' },
  ];
  place.write('there.jsonl', lines.map((line) => JSON.stringify(line)).join('\n'));
  place.write('others.jsonl', others.map((line) => JSON.stringify(line)).join('\n'));
  assert.equal((await place.run('memory', 'import', 's', 'there.jsonl')).out, '0 imported, 3 were there already, 0 lines refused\n');
  assert.equal((await place.run('memory', 'import', 's', 'others.jsonl')).out, '4 imported, 0 were there already, 0 lines refused\n');
});

test('a line that is not understood is refused with its number, and the others are imported', async (t) => {
  const place = new Place(t);
  const entry = (id: string, more = {}) =>
    JSON.stringify({ type: 'entry', id, text: `text ${id}`, kind: 'note', tags: [], importance: 0.5, validMs: 5, ...more });
  const lines = [entry('a'), '{"type":', '[]', entry('b', { supersedes: 'z' }), entry('c', { kind: 'x' }), '', entry('a'), '{"type":"x"}'];
  const block = '{"type":"block","label":"human","text":"Ada"}';
  place.write('lines.jsonl', [...lines, entry('d', { supersedes: 'a' }), block].join('\n'));
  const { code, out, err } = await place.run('memory', 'import', 's', 'lines.jsonl');
  assert.deepEqual([code, out], [1, '3 imported, 0 were there already, 6 lines refused\n']);
  assert.deepEqual(
    Array.from(err.matchAll(/^line (\d+) was refused: /gm), ([, number]) => number),
    ['2', '3', '5', '7', '8', '10'],
  );
  assert.match(err, /^line 10 was refused: it is a block without `about`, /m);
  assert.match(err, /^line 4 was imported without "z", whose place it takes: no line before it has that$/m);
  const shown = await place.run('memory', 'show', 's');
  assert.match(shown.out, /superseded +text a\n.*text b\n.*text d\n$/);
  const missing = await place.run('memory', 'import', 's', 'none.jsonl');
  assert.deepEqual([missing.code, missing.err.split(':')[0]], [1, 'OPTION_INVALID']);
});

test('records of other systems are imported under the names that they have there, each once', async (t) => {
  const place = new Place(t);
  const lines = [
    { type: 'archival', text: 'Ada lives in Linz.', tags: ['home'] },
    { type: 'memory', text: 'Ada likes tea.' },
    { type: 'short_term', key: 'draft', value: { subject: 'Trip' }, ttlMs: 600_000 },
    { label: 'persona', value: 'A clerk.', limit: 5_000, read_only: true },
    { type: 'episodic', text: 'Ada said hello.' },
  ].map((line) => JSON.stringify(line));
  place.write('other.jsonl', lines.join('\n'));
  const once = await place.run('memory', 'import', 's', 'other.jsonl');
  assert.deepEqual([once.code, once.out], [1, '4 imported, 0 were there already, 1 lines refused\n']);
  assert.match(once.err, /^line 5 was refused: What is episodic is the log of a session/);
  assert.match((await place.run('memory', 'search', 's', 'Where does Ada live?')).out, /Ada lives in Linz/);
  const [, block] = (await place.json('memory', 'export', 's')).lines;
  assert.deepEqual(block, {
    type: 'block',
    about: 'persona',
    label: 'persona',
    text: 'A clerk.',
    description: '',
    bytesMax: 5_000,
    isReadOnly: true,
    importance: 0.5,
    version: 1,
  });
  assert.equal((await place.run('memory', 'import', 's', 'other.jsonl')).out, '0 imported, 4 were there already, 1 lines refused\n');
});
