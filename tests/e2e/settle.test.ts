import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openaiMock } from 'nerva/testing';
import type { Result } from '../../examples/01-settle/result.ts';

const folder = mkdtempSync(join(tmpdir(), 'nerva-settle-e2e-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const main = fileURLToPath(new URL('../../examples/01-settle/main.ts', import.meta.url));
const rulesPath = fileURLToPath(new URL('../../examples/01-settle/rules.json', import.meta.url));
let folders = 0;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the job without any model, and calls back for every line on its stderr. */
function settle(options: readonly string[], onLine?: (line: string) => void): Promise<Ended> {
  return start(['--model-max', '0', ...options], {}, onLine);
}

function start(
  options: readonly string[],
  more: Readonly<Record<string, string>>,
  onLine: (line: string) => void = () => undefined,
): Promise<Ended> {
  const { OPENAI_API_KEY: _key, OPENAI_BASE_URL: _url, ...environment } = process.env;
  const child = spawn(process.execPath, ['--conditions=nerva-source', main, ...options], {
    env: { ...environment, ...more },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    text.split('\n').forEach(onLine);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** 240 records in the columns of the birdstrikes table: half are paid, the others closed, unclear, or above the limit. */
function ownData(): string {
  const kinds = [
    ['Minor', '1,200', 'A, B'],
    ['None', '0', 'X'],
    ['Medium', '$300.50', 'Y'],
    ['Minor', '0', 'Z'],
    ['Substantial', '5', 'W'],
    ['Minor', '70000', 'V'],
  ];
  const rows = Array.from({ length: 240 }, (_, index) => [...(kinds[index % kinds.length] ?? []), `note ${index}\nsecond line`]);
  const path = join(folder, `own-${++folders}.csv`);
  const quoted = rows.map((row) => row.map((cell) => `"${cell}"`).join(','));
  writeFileSync(path, ['Effect Amount of damage,Cost Total $,Aircraft Airline Operator,Remarks', ...quoted].join('\r\n'));
  return path;
}

test(
  "killed three times, Nerva pays every due report of a file of one's own exactly once, and the loop does not",
  { timeout: 120_000 },
  async () => {
    const dir = join(folder, `run-${++folders}`);
    const { code, stdout, stderr } = await settle([
      '--json',
      '--data',
      ownData(),
      '--rules',
      rulesPath,
      '--kills',
      '3',
      '--seed',
      '7',
      '--dir',
      dir,
    ]);
    assert.equal(code, 0, stderr);
    const { ok, rules, nerva, loop, sessions } = JSON.parse(stdout) as Result;
    assert.equal(ok, true);
    assert.deepEqual(rules, { close: 40, pay: 120, approve: 40, unclear: 40 });
    assert.deepEqual(
      { ...nerva, wallMs: 0, repeated: 0, kills: 0, killsBetween: 0 },
      {
        paid: 120,
        paidUsd: 40 * (1200 + 300.5 + 5),
        closed: 40,
        paidTwice: 0,
        paidTwiceUsd: 0,
        lost: 0,
        repeated: 0,
        kills: 0,
        killsBetween: 0,
        wallMs: 0,
      },
    );
    assert.deepEqual(sessions, { answered: 160, waiting: 80 });
    assert.ok(nerva.killsBetween >= 1 && loop.killsBetween >= 1);
    assert.ok(loop.paidTwice >= 1);
    assert.equal(loop.lost, 0);
    assert.match(stderr, /decided by rules, no model/);

    const again = await settle(['--dir', dir]);
    assert.equal(again.code, 2);
    assert.match(again.stderr, /exists/);
  },
);

test('the table of a run without kills says so in plain text', { timeout: 120_000 }, async () => {
  const { code, stdout, stderr } = await settle(['--count', '60', '--kills', '0', '--dir', join(folder, `run-${++folders}`)]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /paid twice +0 +0\n/);
  assert.match(stdout, /lost +0 +0\n/);
  assert.match(stdout, /Decided by rules, no model/);
  assert.match(stdout, /nerva -- sessions --status waiting --store file:/);
  assert.ok(!(stdout + stderr).includes('\u001b'), 'no colours when piped');
});

test('with --wait a person kills the worker by its pid and a new one goes on', { timeout: 120_000 }, async () => {
  const pids: number[] = [];
  const ended = await settle(['--wait', '--json', '--count', '200', '--dir', join(folder, `run-${++folders}`)], (line) => {
    const pid = /kill -9 (\d+)/.exec(line)?.[1];
    if (pid === undefined) return;
    pids.push(Number(pid));
    if (pids.length === 1) process.kill(Number(pid), 'SIGKILL');
  });
  assert.equal(ended.code, 0, ended.stderr);
  const { nerva, loop } = JSON.parse(ended.stdout) as Result;
  assert.equal(nerva.kills, 1);
  assert.equal(loop.kills, 0);
  assert.equal(pids.length, 3);
});

test('a wrong option or file ends with 2 and one sentence', async () => {
  const unknown = await settle(['--sed', '1']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /--sed[^]*--help/);
  const absent = await settle(['--data', join(folder, 'absent.csv'), '--rules', rulesPath]);
  assert.equal(absent.code, 2);
  assert.match(absent.stderr, /Cannot read .*absent\.csv/);
  assert.doesNotMatch(absent.stderr, / at .*\.ts:/);
  const help = await settle(['--help']);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /--kills/);
});

test('with an endpoint in the environment the unclear reports go to its model, as many as allowed, and it says which one it took', async () => {
  const mock = await openaiMock({ answer: () => 'Close it: nothing was damaged.' });
  try {
    const environment = { OPENAI_BASE_URL: mock.baseUrl, OPENAI_MODEL: 'small', OPENAI_API_KEY: 'sk-secret' };
    const options = ['--json', '--data', ownData(), '--rules', rulesPath, '--kills', '0', '--model-max', '3'];
    const { code, stdout, stderr } = await start(options, environment);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /up to 3 go to the model openai\/small at http:\/\/127\.0\.0\.1:\d+\/v1 \(OPENAI_BASE_URL\)/);
    assert.ok(!(stdout + stderr).includes('sk-secret'), 'a key is nowhere');
    assert.equal(mock.requests.length, 3);
    const { ok, sessions, replay } = JSON.parse(stdout) as Result;
    assert.deepEqual([ok, replay.diverged, (sessions['answered'] ?? 0) + (sessions['waiting'] ?? 0)], [true, 0, 240]);
  } finally {
    await mock.close();
  }
});
