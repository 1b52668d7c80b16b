/**
 * A process that appends to a store and says on its standard output, line by line and without a buffer, what was acknowledged.
 * `store-writer.ts <path> <rounds> <frames a round> <inline|thread>`: in each round it appends frames to sessions s0, s1, … at once.
 * Lines: `open` · `ack <sid> <seq>` · `err <CODE> <sid> <seq>` · `end`. A frame that failed is tried once more under its id.
 */
import { writeSync } from 'node:fs';
import { NervaError } from '../../packages/nerva/src/core/index.ts';
import { nodeWorld, openSqlite, type SqliteStore } from '../../packages/nerva/src/node/index.ts';

const [path = '', rounds = '1', width = '1', writer = 'inline'] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);
const codeOf = (error: unknown): string => (NervaError.is(error) ? error.code : `BUG ${String(error)}`);

async function appendOne(store: SqliteStore, sid: string, seq: number): Promise<boolean> {
  try {
    const result = await store.append({
      id: `f${seq}`,
      sid,
      expected: seq,
      events: [{ type: 'note.taken', data: { text: `${sid}:${seq}:${'x'.repeat(200)}` } }],
    });
    say(result.ok ? `ack ${sid} ${seq}` : `err ${result.why} ${sid} ${seq}`);
    return result.ok;
  } catch (error) {
    say(`err ${codeOf(error)} ${sid} ${seq}`);
    return false;
  }
}

try {
  const store = await openSqlite(path, { world: nodeWorld(), writer: writer === 'thread' ? 'thread' : 'inline' });
  const heads = await Promise.all(Array.from({ length: Number(width) }, (_, index) => store.head(`s${index}`)));
  say('open');
  for (let round = 0; round < Number(rounds); round++) {
    await Promise.all(
      heads.map(async (seq, index) => {
        if ((await appendOne(store, `s${index}`, seq)) || (await appendOne(store, `s${index}`, seq))) heads[index] = seq + 1;
      }),
    );
  }
  await store.close();
  say('end');
} catch (error) {
  say(`err ${codeOf(error)} open 0`);
}
