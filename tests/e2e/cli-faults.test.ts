import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Place } from './cli-process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test('wrong usage exits 2 with the nearest known name and the usage line, and touches nothing', async (t) => {
  const place = new Place(t);
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /^No command was given\.\nUsage: nerva <command>/],
    [['sesions'], /^There is no command "sesions"\. Did you mean "sessions"\?\nUsage: /],
    [['--json', 'sessions'], /"code":"USAGE","message":"A command was expected before the flag --json\./],
    [['show', 'x', '--ful'], /^show has no flag --ful\. Did you mean "--full"\?\nUsage: nerva show <id> \[--at N\] \[--full\]\n$/],
    [['run', 'agents.ts', '-5'], /has no flag -5 \(an argument that begins with "-" goes after "--"\)/],
    [['show'], /^show takes 1 argument, 0 came\./],
    [['sessions', 'x'], /^sessions takes 0 arguments, 1 came\./],
    [['run', 'agents.ts'], /^run takes either a text or --data JSON\./],
    [['show', 'x', '--at', '-1'], /^--at takes a whole number of at least 0; "-1" came\./],
    [['sessions', '--store', '--limit', '3'], /^--store needs a value: --store URL\./],
    [['show', 'x', '--full=yes'], /^--full takes no value; "yes" came\./],
    [['sessions', '--status', 'asleep'], /^--status is one of ready, waiting/],
    [['run', 'agents.ts', '--data', '{a}'], /^--data takes JSON/],
    [['run', 'agents.ts#helper', 'x', '--deliver', 'now'], /^--deliver is one of queue, steer, interrupt/],
    [['fork', 'x'], /^fork needs --at N/],
    [['prune'], /^prune needs --before DATE/],
    [['prune', '--before', '2026-02-31'], /^--before takes a date like 2026-01-31/],
    [['verify', '--head', 'x'], /^--head is the hash of one session/],
    [['verify', 'x', '--head', 'x'], /^--head takes the 48 hex digits/],
  ];
  await inPairs(cases, async ([args, expected]) => {
    const { code, out, err } = await place.run(...args);
    assert.deepEqual([args, code, out], [args, 2, '']);
    assert.match(err, expected);
  });
  assert.ok(!existsSync(join(place.path, '.nerva')));
});

test('a failure is one line with its code, or one JSON object, and no stack', async (t) => {
  const place = new Place(t);
  place.write('broken.ts', "const a = 1;\nthrow new Error('no key');\n");
  place.write('syntax.ts', 'const a = ;\n');
  place.write('empty.ts', 'export const nothing = 1;\n');
  place.write('garbage.db', 'x'.repeat(5000));
  place.write('file', '');
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['sessions'], /^STORE_READONLY: There is no store at .*nerva\.db\. `nerva run` makes one/],
    [['resume'], /^STORE_READONLY: There is no store/],
    [['sessions', '--store', 'postgres://x'], /^OPTION_INVALID: A store is "memory:" or "file:PATH"/],
    [['sessions', '--store', 'file:garbage.db'], /^STORE_CORRUPT: /],
    [['run', 'agents.ts#helper', 'x', '--store', 'file:file/sub/a.db'], /^STORE_READONLY: The directory of /],
    [['run', 'agents.ts#helper', 'x', '--keys', 'file/k'], /^STORE_READONLY: /],
    [['run', 'absent.ts', 'x'], /^AGENT_INVALID: There is no file .*absent\.ts/],
    [['run', 'broken.ts', 'x'], /^AGENT_INVALID: .*broken\.ts does not load: Error: no key \(line 2\)\./],
    [['run', 'syntax.ts', 'x'], /^AGENT_INVALID: .*syntax\.ts does not load: SyntaxError/],
    [['run', 'empty.ts', 'x'], /^AGENT_INVALID: .*exports no agent/],
    [['run', 'agents.ts', 'x'], /^AGENT_INVALID: agents\.ts exports several agents; say which: agents\.ts#endless, /],
    [['run', 'agents.ts#helpr', 'x'], /^AGENT_INVALID: agents\.ts exports no agent "helpr"/],
  ];
  await inPairs(cases, async ([args, expected]) => {
    const { code, out, err } = await place.run(...args);
    assert.deepEqual([args, code, out], [args, 1, '']);
    assert.match(err, expected);
    assert.ok(!err.includes('\n    at '), err);
  });
  assert.ok(!existsSync(join(place.path, '.nerva')));
  await place.session('hi');
  const unknown = await place.run('show', 'nobody', '--json');
  assert.equal(unknown.code, 1);
  const { type, code } = JSON.parse(unknown.err) as Record<string, unknown>;
  assert.deepEqual([type, code], ['error', 'SESSION_UNKNOWN']);
  assert.match((await place.run('approve', 'nobody', 'x')).err, /^APPROVAL_UNKNOWN: "x" names no call of session nobody/);
});

test('a turn that fails or reaches a limit exits 1 and says why', async (t) => {
  const place = new Place(t);
  const failed = await place.run('run', 'agents.ts#helper', 'fail');
  assert.deepEqual([failed.code, failed.out], [1, '']);
  assert.match(failed.err, /^MODEL_REFUSED: No such model\.\nsession \S+: failed, 1 step/);
  place.write('go', '');
  const stopped = await place.run('run', 'agents.ts#endless', 'x');
  assert.equal(stopped.code, 1);
  assert.match(stopped.err, /stopped by its limit on steps/);
});

test('while another process writes the store, what writes exits 4 and what reads works', async (t) => {
  const place = new Place(t);
  const sid = await place.session('pay');
  await place.store(async () => {
    const writers = [
      ['run', 'agents.ts#helper', 'x'],
      ['resume'],
      ['approve', sid, '5'],
      ['deny', sid, '5'],
      ['fork', sid, '--at', '1'],
      ['close', sid],
      ['release', sid],
      ['prune', '--before', '2020-01-01'],
      ['delete', sid],
    ];
    await inPairs(writers, async (args) => {
      const { code, err } = await place.run(...args);
      assert.deepEqual([args, code], [args, 4]);
      assert.match(err, new RegExp(`^STORE_LOCKED: .* is written by process ${process.pid} on `));
    });
    const readers = [['sessions'], ['show', sid], ['verify'], ['stats'], ['replay', sid, '--agents', 'agents.ts']];
    await inPairs(readers, async (args) => assert.deepEqual([args, (await place.run(...args)).code], [args, 0]));
  });
  assert.equal((await place.types(sid)).length, 6);
});

test('the first Ctrl-C cancels: exit 130, the cancel is in the log, the session is at rest; npm’s echo of it is not a second one', async (t) => {
  const place = new Place(t);
  const { child, ended } = place.start(['run', 'agents.ts#stubborn', 'wait', '--session', 'cut']);
  await place.until('started');
  child.kill('SIGINT');
  // Once the first one was heard, the second one is not merged with it by the kernel.
  await new Promise((heard) => child.stderr?.once('data', heard));
  child.kill('SIGINT');
  await sleep(50);
  place.write('go', '');
  const { code, err } = await ended;
  assert.deepEqual([code, /session cut: cancelled/.test(err)], [130, true]);
  const types = await place.types('cut');
  assert.deepEqual([types.includes('cancel.requested'), types.at(-1)], [true, 'turn.ended']);
  assert.equal((await place.json('sessions')).lines[0]?.['status'], 'idle');
  assert.equal((await place.run('run', 'agents.ts#stubborn', 'hi', '--session', 'cut')).out, 'You said: hi\n');
});

test('a second Ctrl-C ends at once, and resume goes on from the log', async (t) => {
  const place = new Place(t);
  const { child, ended } = place.start(['run', 'agents.ts#stubborn', 'wait', '--session', 'cut']);
  await place.until('started');
  child.kill('SIGINT');
  await sleep(700); // what comes within half a second is the echo
  child.kill('SIGINT');
  assert.equal((await ended).code, 130);
  const resumed = await place.run('resume', 'cut', '--agents', 'agents.ts');
  assert.equal(resumed.code, 130);
  assert.equal((await place.types('cut')).at(-1), 'turn.ended');
});

test('Ctrl-C on resume lets go of the sessions without cancelling, and the next resume finishes them', async (t) => {
  const place = new Place(t);
  const first = place.start(['run', 'agents.ts#slow', 'wait', '--session', 'kept']);
  await place.until('started');
  first.child.kill('SIGKILL');
  await first.ended;
  place.write('started', '');
  const worker = place.start(['resume', '--agents', 'agents.ts', '--json']);
  while ((await place.types('kept')).filter((type) => type === 'tool.called').length < 2) await sleep(20);
  worker.child.kill('SIGINT');
  const { code, out } = await worker.ended;
  assert.deepEqual([code, (JSON.parse(out) as Record<string, unknown>)['status']], [130, 'ready']);
  assert.ok(!(await place.types('kept')).includes('cancel.requested'));
  place.write('go', '');
  const last = await place.run('resume', '--agents', 'agents.ts');
  assert.equal(last.code, 0);
  assert.match(last.out, /^kept {2}idle {2}Result: /);
});

test('after kill -9 in the middle of a call, resume finishes the turn', async (t) => {
  const place = new Place(t);
  const { child, ended } = place.start(['run', 'agents.ts#slow', 'wait', '--session', 'killed']);
  await place.until('started');
  child.kill('SIGKILL');
  await ended;
  place.write('go', '');
  const resumed = await place.run('resume', 'killed', '--agents', 'agents.ts');
  assert.deepEqual([resumed.code, resumed.out], [0, 'Result: waited\n']);
  assert.equal((await place.run('resume', '--agents', 'agents.ts')).out, 'Nothing to resume.\n');
  assert.equal((await place.run('verify', 'killed')).code, 0);
});

test('resume says which ready sessions have no agent here', async (t) => {
  const place = new Place(t);
  await place.run('run', 'agents.ts#helper', 'pay', '--session', 'orphan');
  await place.run('approve', 'orphan', '5');
  const all = await place.run('resume');
  assert.deepEqual([all.code, /orphan is ready, but its agent "helper" is not registered here/.test(all.err)], [1, true]);
  assert.match((await place.run('resume', 'orphan')).err, /^AGENT_UNKNOWN: /);
});

test('verify names the first bad frame, and a head kept elsewhere finds a log that was cut', async (t) => {
  const place = new Place(t);
  await place.run('run', 'agents.ts#helper', 'hello', '--session', 'good');
  await place.run('run', 'agents.ts#helper', 'forged', '--session', 'bad');
  const before = await place.json('verify', 'good');
  const head = String(before.lines[0]?.['hash']);
  assert.equal((await place.run('verify', 'good', '--head', head)).code, 0);
  assert.equal((await place.run('verify', 'good', '--head', '0'.repeat(48))).code, 1);
  const database = new DatabaseSync(join(place.path, '.nerva/nerva.db'));
  assert.equal(
    database.prepare("update ev set data = replace(data, 'forged', 'honest') where seq = 0 and data like '%forged%'").run().changes,
    1,
  );
  database.close();
  const { code, out } = await place.run('verify');
  assert.equal(code, 1);
  assert.match(out, /^bad {2}bad {2}event 0: .*\n1 sessions verify, 1 do not\n$/);
});

test('a reader that goes away ends the command quietly', async (t) => {
  const place = new Place(t);
  await place.start(['run', 'agents.ts#helper', '-', '--session', 'big'], { stdin: 'x'.repeat(300_000) }).ended;
  const bin = join(ROOT, 'packages/nerva/bin/nerva.mjs');
  const script = `"${process.execPath}" "${bin}" show big --full | head -c 10; echo " \${PIPESTATUS[0]}"`;
  const said = await new Promise<readonly [string, string]>((resolve) =>
    execFile('bash', ['-c', script], { cwd: place.path }, (_error, out, err) => resolve([out, err])),
  );
  assert.deepEqual([...said], ['session bi 0\n', '']);
});

test('what a model or a person wrote cannot move the terminal or hide a part of a listing', async (t) => {
  const place = new Place(t);
  await place.run('run', 'agents.ts#helper', '\u001b[2Jclean \u202eelbisreverse', '--session', 'sly');
  const { out } = await place.run('show', 'sly');
  assert.ok(!out.includes('\u001b') && !out.includes('\u202e'));
  assert.match(out, /\ufffd\[2Jclean \ufffdelbisreverse/);
});

test('under npm the paths are those of where the command was typed', async (t) => {
  const place = new Place(t);
  const env = { npm_lifecycle_event: 'nerva', npm_command: 'run-script', INIT_CWD: place.path };
  const { code, out } = await place.start(['run', 'agents.ts#helper', 'pay'], { env, cwd: ROOT }).ended;
  assert.equal(code, 3);
  assert.match(out, / {4}npm run -s nerva -- approve /);
  assert.ok(existsSync(join(place.path, '.nerva/nerva.db')));
});

test('a session in memory is gone with the process', async (t) => {
  const place = new Place(t);
  assert.equal((await place.run('run', 'agents.ts#helper', 'hi', '--store', 'memory:')).out, 'You said: hi\n');
  assert.equal((await place.run('sessions', '--store', 'memory:')).out, 'No sessions.\n');
});

async function inPairs<T>(all: readonly T[], check: (one: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += 2) await Promise.all(all.slice(at, at + 2).map(check));
}
