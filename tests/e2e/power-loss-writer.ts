/**
 * A process that writes a store and says on its standard output, line by line and without a buffer, what was acknowledged.
 * `power-loss-writer.ts <path> small|large|poisoned`: `small` uses every kind of write and opens twice; `large` fills the write-ahead log
 * until it is written back into the file and begun anew; `poisoned` goes on in a second life after a sync that fails in the first.
 * Lines: `ack <sid> <head>` · `blob <ref>` · `deleting <sid>` · `deleted <sid>`.
 */
import { writeSync } from 'node:fs';
import { nodeWorld, openSqlite, type SqliteStore } from '../../packages/nerva/src/node/index.ts';
import { noteAt } from './power-loss-disk.ts';

const [path = '', size = 'small'] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);
const world = nodeWorld();

async function append(store: SqliteStore, sid: string, expected: number | 'fact', pad = 100): Promise<void> {
  const head = await store.head(sid);
  const result = await store.append({ id: `n${head}`, sid, expected, events: [noteAt(sid, head, pad)] });
  if (result.ok) say(`ack ${sid} ${result.head}`);
}

if (size === 'large') {
  const store = await openSqlite(path, { world });
  // The sixteenth commit finds more than a thousand pages in the log.
  for (let head = 0; head < 19; head++) await append(store, 's0', head, 265_000);
  await store.close();
} else if (size === 'poisoned') {
  for (let life = 0; life < 2; life++) {
    const store = await openSqlite(path, { world });
    const from = await store.head('s0');
    for (let head = from; head < from + 4; head++) await append(store, 's0', head).catch(() => undefined);
    await store.close();
  }
} else {
  let store = await openSqlite(path, { world });
  for (let round = 0; round < 4; round++) {
    await Promise.all(['s0', 's1', 's2'].map((sid) => append(store, sid, round)));
    if (round > 0) await append(store, 's0', 'fact').catch(() => undefined);
  }
  const { ref } = await store.blobs.put(new TextEncoder().encode('z'.repeat(9000)), { mediaType: 'text/plain', sid: 's0' });
  say(`blob ${ref}`);
  const forked = await store.fork({ id: 'f', sid: 'f0', parent: 's1', at: 1, events: [noteAt('f0', 2)] });
  say(`ack f0 ${forked.head}`);
  await store.takeOver('s1', 'me');
  say('deleting s2');
  await store.delete('s2');
  say('deleted s2');
  await store.close();
  store = await openSqlite(path, { world });
  for (let round = 0; round < 3; round++) {
    await append(store, 'f0', 3 + round);
    await append(store, 's1', 'fact');
  }
  await store.close();
}
