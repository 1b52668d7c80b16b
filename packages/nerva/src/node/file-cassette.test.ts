import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { scriptedModel, type Model, type ModelRequest } from '../model/index.ts';
import { testWorld } from '../testing/index.ts';
import { fileCassette } from './file-cassette.ts';

const world = testWorld();
const ask = (text: string): ModelRequest => ({
  instructions: '',
  messages: [{ role: 'user', parts: [{ type: 'text', text }], origin: 'person' }],
  tools: [],
  params: {},
});
const said = async (model: Model, text: string): Promise<unknown> => (await model.call(ask(text), { world })).parts[0];
const one = (text: string): unknown => ({ type: 'text', text });

/** Where a cassette may be made; gone after the test. */
function place(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'nerva-cassette-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'calls.jsonl');
}

/** Outside CI, wherever the tests run. */
const LOCAL = { isCi: false };

test('a file that is not there is recorded, replayed from then on, and added to by what is new', async (t) => {
  const path = place(t);
  const live = scriptedModel(['first', 'second', 'third'], { name: 'scripted/live' });
  const first = fileCassette(path, LOCAL).model(live);
  assert.deepEqual([await said(first, 'a'), await said(first, 'b')], [one('first'), one('second')]);
  assert.equal(readFileSync(path, 'utf8').split('\n').length, 3);
  const cassette = fileCassette(path, LOCAL);
  const again = cassette.model(live);
  assert.equal(again.name, 'scripted/live');
  assert.deepEqual(await said(again, 'b'), one('second'));
  assert.deepEqual(
    cassette.unused.map(({ request }) => request.messages[0]?.parts[0]),
    [one('a')],
  );
  assert.deepEqual(await said(again, 'b'), one('third'));
  assert.equal(live.callCount, 3);
  const replay = fileCassette(path, { mode: 'replay' }).model();
  assert.deepEqual(
    [await said(replay, 'b'), await said(replay, 'b'), await said(replay, 'a')],
    [one('second'), one('third'), one('first')],
  );
});

test('under CI nothing is recorded: what is not in the file is refused, and so is a file that is not there', async (t) => {
  const path = place(t);
  const live = scriptedModel(['live', 'more']);
  assert.throws(() => fileCassette(path, { isCi: true }), { code: 'OPTION_INVALID', message: /There is no cassette at/ });
  await said(fileCassette(path, { mode: 'record' }).model(live), 'a');
  const model = fileCassette(path, { isCi: true }).model(live);
  assert.deepEqual(await said(model, 'a'), one('live'));
  await assert.rejects(said(model, 'b'), { code: 'REPLAY_DIVERGED' });
  assert.equal(live.callCount, 1);
  assert.equal(readFileSync(path, 'utf8').split('\n').length, 2);
});

test('a recording is never written over, and what is wrong with the options is said', async (t) => {
  const path = place(t);
  assert.throws(() => fileCassette(path, { mode: 'record' }).model(), { code: 'OPTION_INVALID', message: /give the model/ });
  assert.throws(() => fileCassette(path, { mode: 'both' as never }), { code: 'OPTION_INVALID', message: /auto, record, replay/ });
  await said(fileCassette(path, { mode: 'record' }).model(scriptedModel(['x'])), 'a');
  const before = readFileSync(path, 'utf8');
  assert.throws(() => fileCassette(path, { mode: 'record' }), { code: 'OPTION_INVALID', message: /has a recording in it/ });
  assert.equal(readFileSync(path, 'utf8'), before);
  writeFileSync(path, `${before}nonsense\n`);
  assert.throws(() => fileCassette(path, LOCAL), { code: 'SCHEMA_MISMATCH', message: /calls\.jsonl, line 2 is not JSON/ });
});

test('half a line at the end of the file is dropped, and what is recorded after it is whole', async (t) => {
  const path = place(t);
  await said(fileCassette(path, LOCAL).model(scriptedModel(['x'])), 'a');
  const whole = readFileSync(path, 'utf8');
  appendFileSync(path, whole.slice(0, 40));
  assert.deepEqual(await said(fileCassette(path, { mode: 'replay' }).model(), 'a'), one('x'));
  assert.deepEqual(await said(fileCassette(path, LOCAL).model(scriptedModel(['y'])), 'b'), one('y'));
  const text = readFileSync(path, 'utf8');
  assert.ok(text.startsWith(whole) && text.endsWith('\n'));
  assert.equal(fileCassette(path, { mode: 'replay' }).unused.length, 2);
});
