/**
 * A process that fills the log until its shared memory has to grow: `store-shm-child.ts <path> <again|die>`.
 * A frame that fails is appended again under its id, or the process dies. Lines: `ack <seq>` · `err <CODE> <seq>` · `end`.
 */
import { writeSync } from 'node:fs';
import { NervaError } from '../../packages/nerva/src/core/index.ts';
import { nodeWorld, openSqlite } from '../../packages/nerva/src/node/index.ts';

const [path = '', then = 'again'] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);
const store = await openSqlite(path, { world: nodeWorld() });

async function append(seq: number, tries: number): Promise<void> {
  try {
    // A thousand pages each: the fifth goes past the 4,062 that the first 32 KB of shared memory can name.
    await store.append({ id: `f${seq}`, sid: 's', expected: seq, events: [{ type: 'note.taken', data: { text: 'x'.repeat(4_000_000) } }] });
    say(`ack ${seq}`);
  } catch (error) {
    say(`err ${NervaError.is(error) ? error.code : String(error)} ${seq}`);
    if (then === 'die') process.kill(process.pid, 'SIGKILL');
    if (tries > 1) await append(seq, tries - 1);
  }
}

for (let seq = 0; seq < 6; seq++) await append(seq, 2);
await store.close();
say('end');
