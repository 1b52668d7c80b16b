import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Place, type Ended } from '../e2e/cli-process.ts';

const SKIP = { skip: process.platform === 'win32' && 'Windows has no SIGINT' };
/** Half a second is usual; a machine that does much else at once needs more. */
const ANSWER_MS = 3_000;

/** `sound` makes short runs and tells when it is at its hundredth seed; `broken` breaks at once, and is made smaller in many runs. */
const SCENARIOS = (path: string): string => `
import { writeFileSync } from 'node:fs';
import { createAgent } from 'nerva';
import { simModel } from 'nerva/sim';
const agents = [createAgent({ name: 'a', model: simModel({ script: () => 'Hello.' }) })];
const send = (sid, atMs) => ({ type: 'send', atMs, sid, text: 'Hello.' });
const told = (name) => writeFileSync(${JSON.stringify(path)} + '/' + name, '');
export const sound = { name: 'sound', agents, steps: (seed) => (seed === 100 && told('running'), [send('s', 10)]) };
let made = 0;
const check = () => (++made === 4 && told('shrinking'), 'It never holds.');
export const broken = {
  name: 'broken',
  agents: () => agents,
  steps: Array.from({ length: 60 }, (_, n) => send('s' + n, 10 + n * 1000)),
  invariants: [{ name: 'needs all', check: ({ logs }) => (logs.size < 10 ? null : check()) }],
};
`;

/** Starts a search, interrupts it once it wrote `file`, and says how long it took to end. */
async function interrupted(here: Place, args: readonly string[], file: string): Promise<Ended & { readonly ms: number }> {
  here.write('s.ts', SCENARIOS(here.path));
  const { child, ended } = here.start(args);
  await here.until(file);
  const startMs = performance.now();
  child.kill('SIGINT');
  return { ...(await ended), ms: performance.now() - startMs };
}

test('Ctrl-C during a hundred thousand short runs is answered at once, with what was found so far and exit 130', SKIP, async (t) => {
  const { code, out, ms } = await interrupted(new Place(t), ['sim', 's.ts#sound', '--seeds', '100000'], 'running');
  assert.equal(code, 130);
  assert.match(out, /sound: \d+ runs, each twice/);
  assert.match(out, /held: every invariant/);
  assert.ok(ms < ANSWER_MS, `answered after ${ms} ms`);
});

test('Ctrl-C while a case is made small tells the case as it is by then, and how to run it again', SKIP, async (t) => {
  const { code, out, ms } = await interrupted(new Place(t), ['sim', 's.ts#broken', '--seeds', '100'], 'shrinking');
  assert.equal(code, 1);
  assert.match(out, /broken: needs all/);
  // To the end it takes 34.
  assert.ok(Number(/made smaller in (\d+) runs/.exec(out)?.[1]) < 30, out);
  assert.match(out, /again:\n {2}nerva sim 's\.ts#broken' --(seed|case) /);
  assert.ok(ms < 2 * ANSWER_MS, `answered after ${ms} ms`);
});
