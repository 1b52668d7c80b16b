import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { Place } from './cli-process.ts';

/** `two` breaks when b is sent to, whatever else happens; `broken` and `thrower` are of no use; `sound` holds. */
const SCENARIOS = `
import { createAgent, tool } from 'nerva';
import { simModel } from 'nerva/sim';
const pay = tool({ name: 'pay', inputSchema: { type: 'object' }, effect: 'irreversible', execute: () => ({ paid: true, bulk: 'x'.repeat(20_000) }) });
const model = simModel({ script: ({ messages }) => (messages.at(-1)?.role === 'tool' ? 'Paid.' : { calls: [{ name: 'pay', input: {} }] }) });
const agents = [createAgent({ name: 'payer', model, tools: [pay] })];
const send = (sid, index) => ({ type: 'send', atMs: 10 + index, sid, text: 'Pay.' });
const law = { name: 'b pays nothing', check: ({ outside }) => (outside.executions.some(({ call }) => call.startsWith('b:')) ? 'It paid.' : null) };
export const two = { name: 'two', agents, steps: ['a', 'b'].map(send), invariants: [law] };
export const sound = { name: 'sound', agents, steps: [send('a', 0)] };
export const broken = { name: 'broken', agents: [], steps: [send('a', 0)] };
export const thrower = { name: 'thrower', agents, steps: () => { throw new Error('no workload today'); } };
const note = tool({ name: 'pay', inputSchema: { type: 'object' }, effect: 'idempotent', execute: () => ({ noted: true }) });
export const noter = createAgent({ name: 'noter', model, tools: [note] });
export const noted = { name: 'noted', agents: [noter], steps: [send('n', 0), { type: 'close', atMs: 60_000, sid: 'n' }], invariants: [{ name: 'never', check: () => 'It ran.' }] };
export const list = [{ ...sound, name: 'first' }, { ...sound, name: 'second' }];
export const other = 7;
export const [payer] = agents;
`;

function place(...given: ConstructorParameters<typeof Place>): Place {
  const made = new Place(...given);
  made.write('s.ts', SCENARIOS);
  return made;
}

type Line = Readonly<Record<string, unknown>>;

test('a case from which steps were left out is written down, and the printed command runs it again', async (t) => {
  const here = place(t);
  const found = await here.run('sim', 's.ts#two', '--seeds', '3');
  assert.equal(found.code, 1, found.err);
  assert.match(found.out, /no fault is needed\n {2}step {3}11 ms: send to b: "Pay\."\n\n/);
  assert.match(found.out, /again:\n {2}nerva sim 's\.ts#two' --case \.nerva\/sim\/two-1\.json\n/);
  const kept = JSON.parse(readFileSync(join(here.path, '.nerva/sim/two-1.json'), 'utf8')) as Line;
  assert.deepEqual([kept['scenario'], kept['seed'], kept['faults'], (kept['steps'] as readonly unknown[]).length], ['two', 1, [], 1]);
  const again = await here.json('sim', 's.ts#two', '--case', '.nerva/sim/two-1.json', '--trace');
  assert.equal(again.code, 1);
  assert.equal(again.lines.at(-1)?.['invariant'], 'b pays nothing');
  assert.ok(
    again.lines.some(({ type, line }) => type === 'trace' && String(line).includes('effect pay b:')),
    'everything that happened is told',
  );
});

test('where nothing can be written, the case is printed, and runs again from a file that is made of it', async (t) => {
  const here = place(t);
  here.write('file', '');
  const found = await here.run('sim', 's.ts#two', '--seeds', '3', '--out', 'file/two.db');
  assert.deepEqual([found.code, /^Its sessions could not be written to file\/two\.db: /m.test(found.err)], [1, true], found.err);
  const [, text = ''] =
    /^the case, to be put into file\/two\.json:\n {2}(.+)\nagain:\n {2}nerva sim 's\.ts#two' --case file\/two\.json$/m.exec(found.out) ??
    [];
  here.write('case.json', text);
  const again = await here.json('sim', 's.ts#two', '--case', 'case.json');
  assert.deepEqual([again.code, again.lines.at(-1)?.['invariant']], [1, 'b pays nothing']);
});

test('a search says which seeds it ran', async (t) => {
  const here = place(t);
  assert.match((await here.run('sim', 's.ts#sound', '--seeds', '3', '--from', '7')).out, /^sound: 3 runs, each twice, seeds 7 to 9, in /);
  assert.match((await here.run('sim', 's.ts#sound', '--seed', '5', '--faults', '[]')).out, /^sound: 1 run, each twice, seed 5$/m);
  assert.deepEqual((await here.json('sim', 's.ts#sound', '--seeds', '4')).lines[0]?.['seeds'], [1, 4]);
});

test('the sessions of a failing run are ordinary ones: they are shown, replayed, verified and forked', async (t) => {
  const here = place(t);
  await here.run('sim', 's.ts#two', '--seeds', '1');
  const store = ['--store', 'file:.nerva/sim/two-1.db'];
  const shown = await here.json('show', 'b', ...store);
  const events = shown.lines.filter(({ type }) => type === 'event').map(({ event }) => event as Line);
  assert.ok(events.length > 5);
  assert.ok(
    events.every(({ atMs }) => (atMs as number) >= 1_800_000_000_000 && (atMs as number) < 1_800_003_600_000),
    'the times are those of the simulation',
  );
  const output = events.find(({ type }) => type === 'tool.returned')?.['data'] as Line;
  assert.equal((output['output'] as Line)['mediaType'], 'application/json', 'a large result is a blob');
  const { lines: listed } = await here.json('sessions', ...store);
  assert.deepEqual(
    listed.map(({ sid, status, agent }) => [sid, status, agent]),
    [['b', 'idle', 'payer']],
  );
  const { lines: stats } = await here.json('stats', ...store);
  assert.equal(stats[0]?.['blobs'], 2, 'the definition and the large result are there');
  const replayed = await here.run('replay', 'b', ...store, '--against', 's.ts#payer');
  assert.deepEqual([replayed.code, replayed.out.slice(0, 4)], [0, 'same'], replayed.out + replayed.err);
  assert.equal((await here.run('verify', ...store)).code, 0);
  assert.equal((await here.run('fork', 'b', '--at', '3', '--as', 'again', ...store)).code, 0);
  assert.equal((await here.run('resume', 'again', '--agents', 's.ts', ...store)).code, 3, 'a fork asks before it pays');
});

test('a session that changed hands in the simulation is kept with its writers, so that it replays', async (t) => {
  const here = place(t);
  const fault = '[{"point":"tool.pay","kind":"tool.crash","occurrence":1}]';
  assert.equal((await here.run('sim', 's.ts#noted', '--seed', '1', '--faults', fault)).code, 1);
  const store = ['--store', 'file:.nerva/sim/noted-1.db'];
  const events = (await here.json('show', 'n', ...store)).lines.flatMap(({ event }) => (event === undefined ? [] : [event as Line]));
  const again = events.find(({ type, data }) => type === 'tool.called' && (data as Line)['again'] !== undefined);
  assert.ok((again?.['epoch'] as number) > (events[0]?.['epoch'] as number), 'the second attempt is of a later driver');
  assert.equal((await here.json('sessions', ...store)).lines[0]?.['status'], 'closed');
  const replayed = await here.run('replay', 'n', ...store, '--against', 's.ts#noter');
  assert.deepEqual([replayed.code, replayed.out.slice(0, 4)], [0, 'same'], replayed.out + replayed.err);
});

test('every single fault is tried alone, --trace tells a run that held, and an agent alone is sent a few messages', async (t) => {
  const here = place(t);
  const all = await here.json('sim', 's.ts#sound', '--exhaustive', '--once');
  const summary = all.lines.at(-1) ?? {};
  assert.deepEqual([all.code, summary['type'], summary['isHeld'], summary['isTwice']], [0, 'summary', true, false]);
  assert.ok((summary['runs'] as number) > 100);
  assert.equal(((summary['fired'] as Line)['tool.crash'] as number) > 0, true);
  const traced = await here.run('sim', 's.ts#sound', '--seed', '3', '--trace');
  assert.equal(traced.code, 0, traced.err);
  assert.match(traced.out, /effect pay a:\d+\n[^]*held: every invariant/);
  const alone = await here.run('sim', 's.ts#payer', '--seeds', '5', '--input', 'Hi', '--profile', 'chatty');
  assert.deepEqual([alone.code, alone.err], [0, '']);
  assert.match(alone.out, /^payer: 5 runs, each twice, seeds 1 to 5, in /);
});

test('one of a list is meant by its name', async (t) => {
  const here = place(t);
  assert.match((await here.run('sim', 's.ts#second', '--seeds', '2')).out, /^second: 2 runs/);
});

test('a search by time ends in time and tells how many situations were seen when', async (t) => {
  const here = place(t);
  const { code, lines } = await here.json('sim', 's.ts#sound', '--minutes', '0.03');
  const summary = lines.find(({ type }) => type === 'summary') ?? {};
  assert.equal(code, summary['isHeld'] === true ? 0 : 1);
  assert.ok((summary['ms'] as number) < 20_000, 'a run or the making small of a case is all that comes after 1.8 s');
  const coverage = lines.filter(({ type }) => type === 'coverage').map(({ states }) => states as number);
  assert.ok(coverage.length >= 3, String(coverage.length));
  assert.deepEqual(
    coverage,
    coverage.toSorted((one, other) => one - other),
  );
  assert.equal(coverage.at(-1), summary['states']);
});

test('Ctrl-C ends a search with what was found so far', { skip: process.platform === 'win32' && 'Windows has no SIGINT' }, async (t) => {
  const here = place(t);
  const { child, ended } = here.start(['sim', 's.ts#sound', '--seeds', '1000000', '--json']);
  await sleep(3_000);
  child.kill('SIGINT');
  const { code, out, err } = await ended;
  assert.equal(code, 130, err);
  const summary = JSON.parse(out) as Line;
  assert.deepEqual([summary['isInterrupted'], summary['isHeld']], [true, true]);
  assert.ok((summary['runs'] as number) > 0);
});

test('what cannot be run is exit 2, says why, and leaves nothing behind', async (t) => {
  const here = place(t);
  here.write('bad.json', '{');
  here.write('foreign.json', '{"scenario":"else","seed":1,"faults":[]}');
  here.write('far.json', '{"scenario":"sound","seed":4294967296,"faults":[]}');
  here.write('seedless.json', '{"scenario":"sound","seed":0,"faults":[]}');
  here.write('stepless.json', '{"scenario":"sound","seed":1,"faults":[],"steps":[{"type":"send"}]}');
  here.write('syntax.ts', 'export const = 1;');
  here.write('empty.ts', 'export const one = 1;');
  const fault = '[{"point":"model.call","kind":"store.torn","occurrence":1}]';
  for (const [args, says] of [
    [['nowhere.ts'], /There is no file/],
    [['syntax.ts'], /does not load/],
    [['empty.ts'], /exports neither a scenario .* nor an agent/],
    [['s.ts'], /exports several; say which: s\.ts#broken, .*s\.ts#two\./],
    [['s.ts#tow'], /exports no "tow"\. Did you mean "two"\?/],
    [['s.ts#other'], /neither a scenario .* nor an agent/],
    [['s.ts#broken'], /scenario "broken" needs agents/],
    [['s.ts#thrower', '--seeds', '2'], /threw while a run was set up.*no workload today/],
    [['s.ts#sound', '--seed', '0'], /at least 1; "0" came/],
    [['s.ts#sound', '--seed', '4294967296'], /seed 4294967296; seeds go from 1 to 4294967295/],
    [['s.ts#sound', '--seeds', 'abc'], /--seeds takes a whole number of at least 1; "abc" came/],
    [['s.ts#sound', '--seeds', '2', '--from', '4294967295'], /--from asks for seed 4294967296/],
    [['s.ts#sound', '--case', 'far.json'], /has the seed 4294967296; seeds go from/],
    [['s.ts#sound', '--seed', '1', '--faults', '[{'], /takes JSON/],
    [['s.ts#sound', '--seed', '1', '--faults', '{}'], /a plan is a list/],
    [['s.ts#sound', '--seed', '1', '--faults', fault], /cannot happen at this point/],
    [['s.ts#sound', '--faults', '[]'], /--faults needs --seed/],
    [['s.ts#sound', '--seeds', '3', '--exhaustive'], /--seeds and --exhaustive do not go together/],
    [['s.ts#sound', '--pairs'], /--pairs needs --exhaustive/],
    [['s.ts#sound', '--minutes', 'soon'], /a number above 0; "soon" came/],
    [['s.ts#sound', '--case', 'none.json'], /There is no case file/],
    [['s.ts#sound', '--case', 'bad.json'], /is no JSON/],
    [['s.ts#sound', '--case', 'foreign.json'], /is a case of scenario "else"/],
    [['s.ts#sound', '--case', 'seedless.json'], /has no seed/],
    [['s.ts#sound', '--case', 'stepless.json'], /has a step \(number 0\)/],
    [['s.ts#sound', '--profile', 'mad'], /--profile is one of obedient/],
    [['s.ts#sound', '--input', 'x'], /--input is for an agent/],
    [['s.ts#sound', '--out', 's.ts'], /is there already/],
    [['s.ts#sound', '--store', 'file:x.db'], /sim opens no store/],
  ] as const) {
    const { code, out, err } = await here.run('sim', ...args);
    assert.deepEqual([args, code, out], [args, 2, ''], err);
    assert.match(err, says);
    assert.match(err, /\nUsage: nerva sim /);
  }
  assert.equal(existsSync(join(here.path, '.nerva')), false);
});
