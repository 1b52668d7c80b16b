/**
 * A process whose store is poisoned by a sync that fails, and what it then does with it: `store-poisoned-child.ts <path> <inline|thread> <drop|close>`.
 * `drop` forgets the store without closing it and lets its connections be collected, in whatever order. Lines: `ack` · `err <CODE>` · `closed` · `end`.
 */
import { writeSync } from 'node:fs';
import { NervaError } from '../../packages/nerva/src/core/index.ts';
import { nodeWorld, openSqlite } from '../../packages/nerva/src/node/index.ts';

const [path = '', writer = 'inline', end = 'close'] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);
const collect: unknown = Reflect.get(globalThis, 'gc');

async function live(): Promise<void> {
  const store = await openSqlite(path, { world: nodeWorld(), writer: writer === 'thread' ? 'thread' : 'inline' });
  for (let seq = 0; seq < 10; seq++) {
    try {
      await store.append({ id: `f${seq}`, sid: 's', expected: seq, events: [{ type: 'note.taken', data: { text: 'x'.repeat(200) } }] });
      say('ack');
    } catch (error) {
      say(`err ${NervaError.is(error) ? error.code : String(error)}`);
      break;
    }
  }
  if (end === 'close') {
    await store.close();
    say('closed');
  }
}

await live();
for (let round = 0; round < 10; round++) {
  if (typeof collect === 'function') collect();
  await new Promise((resolve) => setTimeout(resolve, 5));
}
say('end');
