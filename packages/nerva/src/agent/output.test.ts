import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { scriptedModel } from '../model/index.ts';
import { requestProblem } from '../testing/index.ts';
import { scene } from './session-scene.test.ts';

const CITY = {
  type: 'object',
  properties: { city: { type: 'string' }, people: { type: 'integer' } },
  required: ['city', 'people'],
  additionalProperties: false,
} as const;

test('an answer that is twice not JSON of the schema and then is takes three model calls and gives the value', async () => {
  const model = scriptedModel(['Rome, I think', '{"city": "Rome", "people": "many"}', '{"city": "Rome", "people": 2800000}']);
  const { session, of } = scene({ model, output: CITY });
  const { status, output } = await session.send('Which city?').result;
  assert.deepEqual([model.callCount, status, output], [3, 'answered', { city: 'Rome', people: 2_800_000 }]);
  const told = (await of('output.rejected')).map(({ data }) => data.message);
  assert.equal(told.length, 2);
  assert.match(told[0] ?? '', /not JSON.*Answer again with JSON only/);
  assert.match(told[1] ?? '', /\$\.people.*integer/);
  assert.equal(requestProblem(model.requests[2] ?? { messages: [] }), null);
  assert.deepEqual(model.requests[0]?.params.outputSchema, CITY);
});

test('a Standard Schema gives the value it parses to', async () => {
  const output = z.object({ city: z.string().transform((name) => name.toUpperCase()) });
  const { session } = scene({ script: ['{"city": "Rome"}'], output });
  assert.deepEqual((await session.send('Which?').result).output, { city: 'ROME' });
});

test('retries that are used up end the turn as failed with SCHEMA_MISMATCH, and the next turn works', async () => {
  const model = scriptedModel(['no', 'no', 'no', '{"city": "Rome", "people": 1}']);
  const { session } = scene({ model, output: CITY });
  const failed = await session.send('Which?').result;
  assert.deepEqual([failed.status, failed.reason, failed.output, model.callCount], ['failed', 'error', null, 3]);
  assert.match(failed.why, /^SCHEMA_MISMATCH: /);
  assert.equal((await session.send('Again').result).status, 'answered');
});

test('with outputRetriesMax 0 the first bad answer is the last', async () => {
  const model = scriptedModel(['no']);
  const { session, of } = scene({ model, output: CITY, outputRetriesMax: 0 });
  assert.equal((await session.send('Which?').result).status, 'failed');
  assert.deepEqual([model.callCount, (await of('output.rejected')).length], [1, 0]);
});

test('retries count as steps', async () => {
  const { session } = scene({ script: () => 'no', output: CITY, outputRetriesMax: 10, stepsMax: 2 });
  const { status, steps } = await session.send('Which?').result;
  assert.deepEqual([status, steps], ['stopped', 2]);
});
