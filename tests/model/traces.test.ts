/**
 * The store in memory is the model of the SQLite stores: any trace of calls gets the same answers from all of them, with closing
 * and opening in its midst or without, and leaves the same logs, rows, chains, feed and totals.
 * A failing trace is shrunk and printed with its seed and path. To run more, or one again:
 *
 *     NERVA_TRACES=5000 NERVA_TRACES_SEED=7 [NERVA_TRACES_PATH=12:3:0] npm run e2e
 *
 * `NERVA_TRACES` is the count of traces (default 250; a tenth as many also meet a writer in a thread), `NERVA_TRACES_SEED`
 * a number (default 1: the same traces each time).
 */
import fc from 'fast-check';
import { test } from 'node:test';
import { traces } from './command.ts';
import { Rig, type Writer } from './rig.ts';

const COUNT = Number(process.env['NERVA_TRACES'] ?? 250);
const SEED = Number(process.env['NERVA_TRACES_SEED'] ?? 1);
const PATH = process.env['NERVA_TRACES_PATH'];
const STEPS_MAX = 60;

test('any trace of calls is answered by SQLite as by the store in memory, reopened on the way or not', () => agree(['inline'], COUNT));

test('any trace of calls is answered alike in memory, inline and in a thread', () => agree(['inline', 'thread'], Math.ceil(COUNT / 10)));

async function agree(writers: readonly Writer[], numRuns: number): Promise<void> {
  const property = fc.asyncProperty(traces(STEPS_MAX), async (trace) => {
    const rig = await Rig.open(writers);
    try {
      for (const step of trace) await rig.run(step);
      await rig.compare();
    } finally {
      await rig.close();
    }
  });
  await fc.assert(property, { numRuns, seed: SEED, ...(PATH === undefined ? {} : { path: PATH }) });
}
