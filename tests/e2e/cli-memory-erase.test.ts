/** `nerva memory erase`, as it is typed. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Place } from './cli-process.ts';

test('a person’s data are erased when --yes says so, and what stays is told', async (t) => {
  const place = new Place(t);
  const line = (id: string, text: string) =>
    JSON.stringify({ type: 'entry', id, text, kind: 'note', tags: [], importance: 0.5, validMs: 5 });
  place.write('ada.jsonl', line('a', 'Zyxomma of Ada'));
  place.write('other.jsonl', line('b', 'the weather'));
  const keys = ['--keys', 'keys'];
  await place.run('memory', 'import', 's', 'ada.jsonl', '--subject', 'ada', ...keys);
  await place.run('memory', 'import', 's', 'other.jsonl', ...keys);
  const asked = await place.run('memory', 'erase', 's', '--subject', 'ada', ...keys);
  assert.equal(asked.code, 2);
  assert.match(asked.err, /1 events of scope:s, .* 2 events of it are of others and stay\. Say --yes/);
  assert.match((await place.run('memory', 'search', 's', 'zyxomma', ...keys)).out, /Zyxomma of Ada/);
  assert.match((await place.run('memory', 'erase', 's', ...keys)).err, /needs --subject/);
  assert.match((await place.run('memory', 'erase', 's', '--subject', 'bob', ...keys)).err, /holds nothing of the subject "bob"/);
  const erased = await place.run('memory', 'erase', 's', '--subject', 'ada', '--yes', ...keys);
  assert.deepEqual([erased.code, erased.err], [0, '']);
  assert.match(erased.out, /1 sessions held: scope:s\.\nUnchanged: 2 events of scope:s/);
  assert.equal((await place.run('memory', 'search', 's', 'zyxomma', ...keys)).out, 'Nothing fits.\n');
  assert.match((await place.run('memory', 'search', 's', 'weather', ...keys)).out, /the weather/);
  for (const name of readdirSync(join(place.path, '.nerva')))
    assert.equal(/zyxomma/i.test(readFileSync(join(place.path, '.nerva', name), 'latin1')), false, name);
});
