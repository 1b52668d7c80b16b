/**
 * Remembers, supersedes and forgets with an index, and says what it kept: `memory-index-child.ts <store> <folder> <count> [unclosed]`. Lines:
 * `ack <n>` · `told <type>` · `err <CODE>` · `end`. `unclosed`: it is killed before it closes the index.
 */
import { writeSync } from 'node:fs';
import { NervaError } from '../../packages/nerva/src/core/index.ts';
import { openMemory } from '../../packages/nerva/src/memory/index.ts';
import { openSqlite, sqliteIndex } from '../../packages/nerva/src/node/index.ts';
import { testWorld } from '../../packages/nerva/src/testing/index.ts';

const [path = '', folder = '', count = '0', how = ''] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);

const world = testWorld({ seed: process.pid });
const store = await openSqlite(path, { world });
const index = sqliteIndex(folder, { tell: ({ type }) => say(`told ${type}`) });
const memory = await openMemory({ store, world, scope: 's', index });
for (let at = 0; at < Number(count); at++) {
  const old = at % 3 === 2 ? memory.entries().findLast(({ supersededBy }) => supersededBy === null) : undefined;
  try {
    const { id } = await memory.remember(`plum ${at} of life ${at % 7}`, {
      key: `k${at}`,
      ...(old === undefined ? {} : { supersedes: old.id }),
    });
    if (at % 5 === 4) await memory.forget(id);
    if (memory.recall(`plum ${at}`, { limit: 100 }).length === 0 && at % 5 !== 4) say(`err LOST`);
    say(`ack ${at}`);
  } catch (error) {
    say(`err ${NervaError.is(error) ? error.code : String(error)}`);
  }
}
// A process that ends by itself closes its files.
if (how === 'unclosed') process.kill(process.pid, 'SIGKILL');
index.close();
await store.close();
say('end');
