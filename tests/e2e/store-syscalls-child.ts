/**
 * Runs the plan of `store-syscalls-plan.ts` and says at once, on its standard output, what was acknowledged: `store-syscalls-child.ts <path> <keys>`.
 * Lines: `ack <step>` · `err <CODE> <step>` · `end`. A step that failed is tried once more, opening and closing included; after one that failed twice the store is closed.
 */
import { writeSync } from 'node:fs';
import { NervaError } from '../../packages/nerva/src/core/index.ts';
import { fileKeys, type SqliteStore } from '../../packages/nerva/src/node/index.ts';
import { openPlanned, ROUNDS } from './store-syscalls-plan.ts';

const [path = '', keyPath = ''] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);

async function twice<T>(name: string, run: () => Promise<T>): Promise<T | undefined> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const value = await run();
      say(`ack ${name}`);
      return value;
    } catch (error) {
      say(`err ${NervaError.is(error) ? error.code : 'BUG'} ${name}`);
      if (!NervaError.is(error)) writeSync(2, `${error instanceof Error ? error.stack : String(error)}\n`);
    }
  }
  return undefined;
}

const keys = fileKeys(keyPath);
const store: SqliteStore | undefined = await twice('open', () => openPlanned(path, keys));
if (store !== undefined) {
  for (const round of ROUNDS) {
    const done = await Promise.all(round.map((step) => twice(step.name, () => step.run(store).then(() => true))));
    // What follows builds on it; an erasure above all must not destroy a key whose text is still to be sent again.
    if (done.includes(undefined)) break;
  }
  await twice('close', () => store.close());
}
say('end');
