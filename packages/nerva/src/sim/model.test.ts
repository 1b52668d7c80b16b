import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileSchema, type JsonObject } from '../core/index.ts';
import type { ModelAnswer, ModelRequest, Part, ToolSpec } from '../model/index.ts';
import { testWorld } from '../testing/index.ts';
import { diceOf } from './dice.ts';
import { seeded, simModel, type Profile } from './model.ts';

const SCHEMA = {
  type: 'object',
  properties: {
    amount: { type: 'integer', minimum: 10 },
    currency: { enum: ['EUR', 'CHF'] },
    lines: { type: 'array', items: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] } },
    isUrgent: { anyOf: [{ type: 'boolean' }, { type: 'null' }] },
  },
  required: ['amount', 'currency', 'lines', 'isUrgent'],
} as const satisfies JsonObject;
const TOOLS: readonly ToolSpec[] = [
  { name: 'pay', description: '', inputSchema: SCHEMA },
  { name: 'look', description: '', inputSchema: { type: 'object' } },
];

const say = (n: number, tools = TOOLS): ModelRequest => ({
  instructions: '',
  messages: [{ role: 'user', parts: [{ type: 'text', text: `Message ${n}` }], origin: 'person' }],
  tools,
  params: {},
});

const ask = (n: number, profile: Profile, seed = 1, tools = TOOLS): Promise<ModelAnswer> =>
  simModel({ profile, seed }).call(say(n, tools), { world: testWorld() });

const many = (profile: Profile, count = 300, tools = TOOLS): Promise<readonly ModelAnswer[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => ask(n, profile, 1, tools)));

const callsOf = ({ parts }: ModelAnswer): readonly Extract<Part, { type: 'tool_call' }>[] =>
  parts.filter((part) => part.type === 'tool_call');
const textOf = ({ parts }: ModelAnswer): string => parts.map((part) => (part.type === 'text' ? part.text : '')).join('');

for (const profile of ['obedient', 'chatty', 'malformed', 'adversarial'] as const) {
  test(`1,000 calls of a model that is ${profile} give the same bytes in any order and interleaving`, async () => {
    const count = 1_000;
    const model = simModel({ profile, seed: 3 });
    const forwards: ModelAnswer[] = [];
    for (let n = 0; n < count; n++) forwards.push(await model.call(say(n), { world: testWorld() }));
    const shuffled = Array.from({ length: count }, (_, n) => n).sort((a, b) => ((a * 7_919) % count) - ((b * 7_919) % count));
    const other = simModel({ profile, seed: 3 });
    const world = testWorld();
    const together = await Promise.all(shuffled.map(async (n) => [n, await other.call(say(n), { world })] as const));
    const back = together.toSorted(([a], [b]) => a - b).map(([, answer]) => answer);
    // Ids that the script does not give hold the number of the call, which is where it stands in the order.
    const bytes = (answers: readonly ModelAnswer[]): string => JSON.stringify(answers).replace(/"call_\d+_/g, '"call_');
    assert.equal(bytes(back), bytes(forwards));
  });
}

test('another seed answers otherwise, and a simulation’s seed is taken where none was given', async () => {
  const answersOf = async (seed: number): Promise<string> =>
    JSON.stringify(await Promise.all(Array.from({ length: 20 }, (_, n) => ask(n, 'obedient', seed))));
  assert.notEqual(await answersOf(1), await answersOf(2));
  const free = seeded(simModel(), 7);
  const bound = seeded(simModel({ seed: 9 }), 7);
  const world = testWorld();
  const text = async (model: typeof free): Promise<string> =>
    JSON.stringify(await Promise.all(Array.from({ length: 20 }, (_, n) => model.call(say(n), { world }))));
  assert.equal(await text(free), await text(simModel({ seed: 7 })));
  assert.equal(await text(bound), await text(simModel({ seed: 9 })));
});

test('an obedient model calls tools that are there with arguments that fit, and comes to an end', async () => {
  const schema = compileSchema(SCHEMA);
  const answers = await many('obedient');
  const calls = answers.flatMap(callsOf);
  assert.ok(calls.length > 100 && calls.length < answers.length);
  for (const call of calls) {
    if (call.name === 'pay') assert.ok((await schema.parse(call.input)).ok, JSON.stringify(call.input));
    else assert.equal(call.name, 'look');
  }
  for (const answer of answers) assert.ok(callsOf(answer).length <= 1 && (callsOf(answer).length === 1 || textOf(answer) !== ''));
  for (const answer of await many('obedient', 50, [])) assert.equal(callsOf(answer).length, 0);
});

test('an obedient model makes at most stepsMax calls for a message', async () => {
  const world = testWorld();
  const model = simModel({ stepsMax: 2 });
  for (let n = 0; n < 100; n++) {
    let request = say(n);
    let steps = 0;
    for (;;) {
      const answer = await model.call(request, { world });
      const [call] = callsOf(answer);
      if (call === undefined) break;
      steps++;
      request = {
        ...request,
        messages: [
          ...request.messages,
          { role: 'assistant', parts: answer.parts, origin: 'model' },
          { role: 'tool', parts: [{ type: 'tool_result', id: call.id, name: call.name, output: null }], origin: 'tool' },
        ],
      };
    }
    assert.ok(steps <= 2, `${steps} steps`);
  }
});

test('a chatty model reasons in each answer and calls several tools at once', async () => {
  const answers = await many('chatty');
  assert.ok(answers.every(({ parts }) => parts[0]?.type === 'reasoning' && parts[0].text.length > 30));
  assert.ok(Math.max(...answers.map((answer) => callsOf(answer).length)) > 2);
});

test('a malformed model sends arguments that are no JSON or do not fit, and empty answers', async () => {
  const answers = await many('malformed');
  const schema = compileSchema(SCHEMA);
  const calls = answers.flatMap(callsOf);
  assert.ok(calls.some(({ malformed }) => malformed === true));
  const whole = calls.filter(({ malformed, name }) => malformed !== true && name === 'pay');
  assert.ok(whole.length > 0);
  for (const { input } of whole) assert.equal((await schema.parse(input)).ok, false);
  assert.ok(answers.some(({ parts }) => parts.length === 0));
});

test('an adversarial model calls what does not exist, asks twice under one id and poses as the system', async () => {
  const answers = await many('adversarial');
  const calls = answers.flatMap(callsOf);
  assert.ok(calls.some(({ name }) => name === 'rm_rf'));
  assert.ok(calls.some(({ name }) => name === '__proto__'));
  assert.ok(answers.some((answer) => callsOf(answer).filter(({ id }) => id === 'same').length === 2));
  assert.ok(answers.some((answer) => textOf(answer).includes('SYSTEM:')));
  assert.ok(answers.some((answer) => textOf(answer).length > 10_000));
});

test('a script stands for the profile, and its dice belong to one request alone', async () => {
  const model = simModel({ script: (_request, dice) => String(dice.below(1_000_000)) });
  const world = testWorld();
  const alone = textOf(await model.call(say(5), { world }));
  for (let n = 0; n < 5; n++) await model.call(say(n), { world });
  assert.equal(textOf(await model.call(say(5), { world })), alone);
  assert.notEqual(textOf(await model.call(say(6), { world })), alone);
  assert.ok(diceOf(1, 'x').roll() < 1);
});
