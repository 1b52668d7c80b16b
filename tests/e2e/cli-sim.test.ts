import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { jobsFor, SCENARIOS } from '../../scripts/sim-jobs.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NERVA = join(ROOT, 'packages/nerva/bin/nerva.mjs');
const SCENARIO = join(ROOT, 'examples/02-simulate/scenario.ts#refunds');

function nerva(...args: readonly string[]): { readonly code: number | null; readonly out: string; readonly err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--conditions=nerva-source', NERVA, ...args], {
    encoding: 'utf8',
    cwd: ROOT,
  });
  return { code: status, out: stdout, err: stderr };
}

test('the planted bug of the guide is found, made small, kept as a session, and found again by its case', () => {
  const dir = mkdtempSync(join(tmpdir(), 'nerva-sim-'));
  const db = join(dir, 'r.db');
  const found = nerva('sim', SCENARIO, '--seeds', '300', '--out', db);
  assert.equal(found.code, 1, found.err);
  assert.match(found.out, /broken: the bank pays once for each call/);
  assert.match(found.out, /the smallest case/);
  assert.match(found.out, /nerva sim .* --seed 1 --faults/);
  const shown = nerva('show', 'mia', '--store', `file:${db}`);
  assert.equal(shown.code, 0, shown.err);
  assert.match(shown.out, /tool\.called/);
  const again = nerva('sim', SCENARIO, '--case', join(dir, 'r.json'), '--out', join(dir, 'again.db'));
  assert.equal(again.code, 1, again.err);
  assert.match(again.out, /the bank pays once for each call/);
});

test('what is typed wrong is exit 2 and says what was expected', () => {
  for (const [args, says] of [
    [['sim', join(ROOT, 'examples/02-simulate/scenario.ts#nope'), '--seeds', '3'], /exports no "nope"/],
    [['sim', SCENARIO, '--seeds', '0'], /at least 1/],
    [['sim', SCENARIO, '--seed', '1', '--faults', '[{"point":"model.call","kind":"nothing","occurrence":1}]'], /no known kind/],
    [['sim', 'nowhere.ts'], /nowhere\.ts/],
  ] as const) {
    const { code, err } = nerva(...args);
    assert.equal(code, 2, err);
    assert.match(err, says);
  }
});

test('an agent of one’s own that holds exits 0, one that uses the real clock is named', () => {
  const dir = mkdtempSync(join(tmpdir(), 'nerva-sim-'));
  const agent = (body: string): string => `import { createAgent, tool } from 'nerva';
import { simModel } from 'nerva/sim';
const look = tool({ name: 'look', inputSchema: { type: 'object' }, effect: 'read', execute: () => (${body}) });
export const agent = createAgent({ name: 'a', tools: [look], model: simModel({ script: ({ messages }) => (messages.at(-1)?.role === 'tool' ? 'Done.' : { calls: [{ name: 'look', input: {} }] }) }) });
`;
  writeFileSync(join(dir, 'sound.ts'), agent('{ at: 1 }'));
  writeFileSync(join(dir, 'leaky.ts'), agent('{ at: Date.now() }'));
  const sound = nerva('sim', join(dir, 'sound.ts'), '--seeds', '20', '--json');
  assert.equal(sound.code, 0, sound.err);
  for (const line of sound.out.trim().split('\n')) JSON.parse(line);
  const leaky = nerva('sim', join(dir, 'leaky.ts'), '--seeds', '5', '--out', join(dir, 'leaky.db'));
  assert.equal(leaky.code, 1);
  assert.match(leaky.out, /Date\.now/);
});

test('npm run sim runs every scenario’s seeds twice and says what it did as JSON', () => {
  const out = execFileSync('npm', ['run', '-s', 'sim', '--', '--seeds', '40', '--from', '7', '--json'], { cwd: ROOT, encoding: 'utf8' });
  const summary = JSON.parse(out.trim().split('\n').at(-1) ?? '') as { readonly runs: number; readonly violations: readonly unknown[] };
  assert.ok(summary.runs >= 40);
  assert.deepEqual(summary.violations, []);
});

test('the 2,000 seeds of npm test are shared out to all scenarios, each seed once', () => {
  const wanted = { only: null, from: 1, exhaustive: 'none', ms: null, threads: 2 } as const;
  for (const seeds of [2_000, 20_000, 3]) {
    const ran = new Map<number, string>();
    for (const job of jobsFor({ ...wanted, seeds }, [])) {
      assert.ok(job.type === 'seeds');
      for (let n = 0; n < job.count; n++) {
        const seed = job.from + n * (job.every ?? 1);
        assert.ok(!ran.has(seed), `${seed} twice`);
        ran.set(seed, job.scenario);
      }
    }
    assert.deepEqual([ran.size, Math.min(...ran.keys()), Math.max(...ran.keys())], [seeds, 1, seeds]);
    assert.equal(new Set(ran.values()).size, Math.min(seeds, SCENARIOS.length));
    assert.equal(ran.get(2), SCENARIOS[1]?.name, 'a seed says which scenario it runs');
  }
});
