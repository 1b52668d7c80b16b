import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as nodeSetTimeout } from 'node:timers';
import {
  scheduler,
  setImmediate as setImmediatePromise,
  setInterval as setIntervalPromise,
  setTimeout as sleep,
} from 'node:timers/promises';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { gzip } from 'node:zlib';
import { NervaError } from '../core/index.ts';
import { guarded, poisoned } from './poison.ts';

/** Each name with a use that answers at once outside, or is never made there. */
const LEAKS: readonly (readonly [name: string, use: () => unknown, isHarmless: boolean])[] = [
  ['Date.now', () => Date.now(), true],
  ['new Date()', () => new Date(), true],
  ['Date()', () => (Date as unknown as () => string)(), true],
  ['Math.random', () => (Math as { random(): number }).random(), true],
  ['performance.now', () => performance.now(), true],
  ['process.hrtime', () => process.hrtime(), true],
  ['process.hrtime.bigint', () => process.hrtime.bigint(), true],
  ['process.uptime', () => process.uptime(), true],
  ['Intl.DateTimeFormat format()', () => new Intl.DateTimeFormat().format(), true],
  ['Intl.DateTimeFormat formatToParts()', () => new Intl.DateTimeFormat('de').formatToParts(), true],
  ['crypto.randomUUID', () => crypto.randomUUID(), true],
  ['crypto.getRandomValues', () => crypto.getRandomValues(new Uint8Array(1)), true],
  ['crypto.subtle.digest', () => crypto.subtle.digest('SHA-256', new Uint8Array(1)), true],
  ['setTimeout', () => clearTimeout(setTimeout(() => undefined, 1)), true],
  ['setInterval', () => clearInterval(setInterval(() => undefined, 1)), true],
  ['setImmediate', () => clearImmediate(setImmediate(() => undefined)), true],
  ['AbortSignal.timeout', () => AbortSignal.timeout(1_000), true],
  ['fetch', () => fetch('http://127.0.0.1:9'), false],
  ['node:timers setTimeout', () => clearTimeout(nodeSetTimeout(() => undefined, 1)), true],
  ['node:timers/promises setTimeout', () => sleep(0), false],
  ['node:timers/promises setTimeout', () => promisify(setTimeout)(0), false],
  ['node:timers/promises setImmediate', () => setImmediatePromise(), false],
  ['node:timers/promises setInterval', () => setIntervalPromise(1_000), true],
  ['node:timers/promises scheduler.wait', () => scheduler.wait(0), false],
  ['node:crypto generateKeyPairSync', () => generateKeyPairSync('ed25519'), true],
  ['node:zlib gzip', () => gzip('x', () => undefined), true],
  ['node:fs createReadStream', () => createReadStream(import.meta.filename).destroy(), false],
  ['node:child_process execFileSync', () => execFileSync(process.execPath, ['--version']), false],
  ['node:worker_threads Worker', () => new Worker('', { eval: true }), false],
  ['node:crypto randomUUID', () => randomUUID(), true],
  ['node:crypto randomBytes', () => randomBytes(1), true],
  ['node:fs/promises readFile', () => readFile(import.meta.filename), false],
  ['node:net connect', () => connect(9), false],
  ['node:http request', () => request('http://127.0.0.1:9'), false],
  ['node:dns/promises lookup', () => lookup('localhost'), false],
];

const leakOf = async (use: () => unknown): Promise<{ readonly thrown: unknown; readonly told: string[] }> => {
  const told: string[] = [];
  let thrown: unknown = null;
  const run = async (): Promise<void> => {
    try {
      await use();
    } catch (error) {
      thrown = error;
    }
  };
  await poisoned((error) => told.push(String(error.details['name'])), run);
  return { thrown, told };
};

for (const [name, use, isHarmless] of LEAKS) {
  test(`${name} is refused inside of a run and named, and works outside`, async () => {
    const { thrown, told } = await leakOf(use);
    assert.ok(NervaError.is(thrown, 'SIM_LEAK'), String(thrown));
    assert.ok(thrown.message.includes(name), thrown.message);
    assert.deepEqual(told, [name]);
    if (isHarmless) assert.doesNotThrow(use);
  });
}

test('a leak that is caught is told all the same', async () => {
  const { told } = await leakOf(() => {
    try {
      Date.now();
    } catch {
      // As careless code does.
    }
  });
  assert.deepEqual(told, ['Date.now']);
});

test('a leak behind an await is one too', async () => {
  const { told } = await leakOf(async () => {
    await Promise.resolve();
    await Promise.resolve();
    return Date.now();
  });
  assert.deepEqual(told, ['Date.now']);
});

test('arithmetic on dates is no leak', async () => {
  const { thrown, told } = await leakOf(() => {
    assert.equal(new Date(0).toISOString(), '1970-01-01T00:00:00.000Z');
    assert.equal(Date.UTC(1970, 0, 2), 86_400_000);
    assert.equal(Date.parse('1970-01-02'), 86_400_000);
    assert.ok(new Date(0) instanceof Date);
    assert.equal(new Intl.DateTimeFormat('en-US', { timeZone: 'UTC' }).format(0), '1/1/1970');
    assert.equal([new Date(0)].map(new Intl.DateTimeFormat('en-US', { timeZone: 'UTC', year: 'numeric' }).format).join(), '1970');
    assert.equal(new Date(0).toLocaleDateString('en-US', { timeZone: 'UTC' }), '1/1/1970');
  });
  assert.equal(thrown, null);
  assert.deepEqual(told, []);
});

test('code outside is served while runs go on inside, and runs may overlap', async () => {
  let go: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (go = resolve));
  const told: string[] = [];
  const inside = (name: string): Promise<void> =>
    poisoned(
      () => told.push(name),
      async () => {
        await gate;
        assert.throws(() => Date.now(), /SIM_LEAK|Date\.now/);
      },
    );
  const runs = [inside('first'), inside('second')];
  assert.ok(Date.now() > 0);
  assert.equal(randomUUID().length, 36);
  await new Promise((resolve) => setTimeout(resolve, 1));
  await sleep(1);
  assert.deepEqual(told, []);
  go();
  await Promise.all(runs);
  assert.deepEqual(
    told.toSorted((a: string, b: string) => a.localeCompare(b)),
    ['first', 'second'],
  );
});

test('when the last run is over everything is what it was', async () => {
  const real = (): unknown[] => [
    Date,
    Math.random,
    setTimeout,
    performance.now,
    crypto.randomUUID,
    process.hrtime,
    process.hrtime.bigint,
    crypto.subtle.digest,
    Object.getOwnPropertyDescriptor(Intl.DateTimeFormat.prototype, 'format')?.get,
    Intl.DateTimeFormat.prototype.formatToParts,
    scheduler.wait,
    fetch,
    randomUUID,
    sleep,
  ];
  const before = real();
  await guarded(async () => {
    assert.notEqual(setTimeout, before[2]);
    await poisoned(
      () => undefined,
      () => Promise.resolve(),
    );
    assert.notEqual(setTimeout, before[2], 'the guards stay as long as somebody wants them');
  });
  assert.deepEqual(real(), before);
  await assert.rejects(
    poisoned(
      () => undefined,
      () => Promise.reject(new Error('boom')),
    ),
    /boom/,
  );
  assert.deepEqual(real(), before);
});
