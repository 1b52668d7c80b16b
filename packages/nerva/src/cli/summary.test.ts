import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../core/index.ts';
import { summaryOf } from './summary.ts';

test('the line of a recall says how far the memory had been read, and whether it was looked for in other words', () => {
  const lineOf = (data: JsonObject): string =>
    summaryOf({ sid: 's', seq: 9, v: 1, type: 'memory.recalled', origin: 'system', atMs: 0, epoch: 0, data }, 100);
  const read = { call: 128, log: 'scope:user:ada', upto: 1024, notes: 1, blocks: 0 };
  assert.equal(lineOf(read), 'call 128 · log scope:user:ada · upto 1024 · notes 1 · blocks 0');
  assert.equal(
    lineOf({ ...read, deep: true, variations: 3 }),
    'call 128 · log scope:user:ada · upto 1024 · notes 1 · blocks 0 · deep true · variations 3',
  );
  assert.match(lineOf({ ...read, deep: false }), / · deep false$/);
});
