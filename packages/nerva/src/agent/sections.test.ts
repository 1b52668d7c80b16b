import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../log/index.ts';
import { openMemory } from '../memory/index.ts';
import { scriptedModel, type Message, type ModelRequest, type ToolResultPart } from '../model/index.ts';
import { testWorld } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { bind } from './definition.ts';
import { createAgent, createRuntime, foldAt, type ContextOptions } from './index.ts';
import { cutMessages, cutText, meterOf } from './meter.ts';
import { ANY, scene } from './session-scene.test.ts';
import { tokenEstimator } from './tokens.ts';

const count = tokenEstimator('other');
const textIn = ({ parts }: Message): string => parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
const resultsIn = ({ messages }: ModelRequest): readonly ToolResultPart[] =>
  messages.flatMap(({ parts }) => parts.filter((part) => part.type === 'tool_result'));
const spoken = (text: ToolResultPart['output'] | undefined): string => (typeof text === 'string' ? text : JSON.stringify(text));

const give = (outputs: Readonly<Record<string, unknown>>) =>
  Object.entries(outputs).map(([name, output]) => tool({ name, effect: 'read', inputSchema: ANY, execute: () => output as never }));
const callsOf = (...names: readonly string[]) => ({ calls: names.map((name) => ({ name, input: {} })) });

test('results that take more than their section are cut with a note, small ones are whole, and what was told stays as it was', async () => {
  const requests: ModelRequest[] = [];
  const answers = [callsOf('small', 'large', 'larger'), 'One.', 'Two.', 'Three.'];
  const model = scriptedModel((request, n) => (requests.push({ ...request, messages: [...request.messages] }), answers[n] ?? 'Yes.'));
  const large = 'A line of the large one. '.repeat(300);
  const larger = { rows: Array.from({ length: 400 }, (_, row) => ({ row, name: `name ${row}` })) };
  const made = scene({
    model,
    tools: give({ small: { ok: true }, large, larger }),
    context: { tokensMax: 4_000, sections: { results: 0.2 } },
  });
  for (const text of ['go', 'on', 'and on']) assert.equal((await made.session.send(text).result).status, 'answered');
  const [small, first, second] = resultsIn(requests[1] as ModelRequest);
  assert.deepEqual(small?.output, { ok: true });
  assert.match(spoken(first?.output), /^A line of the large one\. .*… \[\d+ bytes cut\]$/);
  assert.match(spoken(second?.output), /^\{"rows":\[\{"row":0,.*… \[\d+ bytes cut\]$/);
  const taken = [small, first, second].reduce((sum, result) => sum + count(spoken(result?.output)), 0);
  assert.ok(taken <= 800 && taken > 760, `${taken} tokens of 800`);
  const told = (requests[1] as ModelRequest).messages.slice(0, 3);
  for (const request of requests.slice(2))
    for (const index of [0, 1, 2]) assert.equal(request.messages[index], told[index], 'the same object');
  const returned = (await made.of('tool.returned')).map(({ data }) => data.output);
  assert.deepEqual(returned, [{ ok: true }, large, larger], 'the log has all of them');
  assert.equal((await made.session.replay()).divergence, null);
});

test('a result that stands beside the log is cut when it is sent', async () => {
  let last: ModelRequest | undefined;
  const model = scriptedModel((request, n) => ((last = request), n === 0 ? callsOf('long', 'small') : 'Yes.'));
  const made = scene({
    model,
    tools: give({ long: 'word '.repeat(20_000), small: 'fine' }),
    context: { tokensMax: 4_000, sections: { results: 0.25 } },
  });
  assert.equal((await made.session.send('go').result).status, 'answered');
  const [long, small] = resultsIn(last as ModelRequest);
  assert.match(spoken(long?.output), /^word .*… \[\d+ bytes cut\]$/);
  assert.equal(small?.output, 'fine');
  const tokens = count(spoken(long?.output));
  assert.ok(tokens <= 1_000 && tokens > 950, `${tokens} tokens`);
});

test('content beside the log that is denser than was counted for it is cut to that, with and without a section, alike each time', async () => {
  const digits = Array.from({ length: 60_000 }, (_, index) => (index * 7919) % 10);
  for (const sections of [{}, { results: 0.7 }, { results: 0.1 }]) {
    const requests: ModelRequest[] = [];
    const model = scriptedModel(
      (request, n) => (requests.push({ ...request, messages: [...request.messages] }), n === 0 ? callsOf('look') : 'Yes.'),
      {
        name: 'openai/gpt-5',
      },
    );
    const made = scene({ model, tools: give({ look: digits }), context: { tokensMax: 100_000, sections } });
    for (const text of ['go', 'on']) assert.equal((await made.session.send(text).result).status, 'answered');
    const max = sections.results === 0.1 ? 10_000 : 60_001;
    const [told, again] = requests.slice(1).map((request) => spoken(resultsIn(request)[0]?.output));
    const tokens = tokenEstimator('gpt')(told ?? '');
    assert.ok(tokens <= max && tokens > max - 5, `${tokens} tokens of ${max}`);
    assert.match(told ?? '', /^\[0,9,8,.*… \[\d+ bytes cut\]$/);
    assert.equal(again, told);
    assert.equal((await made.session.replay()).divergence, null);
  }
});

test('content beside the log that takes less than was counted for it is whole, and so is any where no window is known', async () => {
  const prose = 'The bridge was built long ago. '.repeat(1_000);
  const digits = Array.from({ length: 20_000 }, (_, index) => index % 10);
  for (const [output, context] of [
    [prose, { tokensMax: 100_000 }],
    [digits, { turnsMax: 100 }],
  ] as const) {
    let last: ModelRequest | undefined;
    const model = scriptedModel((request, n) => ((last = request), n === 0 ? callsOf('look') : 'Yes.'));
    const made = scene({ model, tools: give({ look: output }), context });
    assert.equal((await made.session.send('go').result).status, 'answered');
    assert.deepEqual(resultsIn(last as ModelRequest)[0]?.output, output);
  }
});

test('blocks of a memory are cut to their section, the least important first, and entries come as far as there is room', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const memory = await openMemory({ store, world, scope: 'user:ada' });
  await memory.setBlock({ label: 'human', type: 'human', text: 'Ada is an engineer. '.repeat(5), importance: 1 });
  await memory.setBlock({ label: 'notes', type: 'scratch', text: 'She said something about bridges. '.repeat(40), importance: 0.1 });
  for (let n = 0; n < 8; n++)
    await memory.remember(`Bridge ${n} crosses the river near the town number ${n}, and was built long ago by Ada.`);
  const requests: ModelRequest[] = [];
  const model = scriptedModel((request) => (requests.push({ ...request, messages: [...request.messages] }), 'Yes.'));
  const context: ContextOptions = { tokensMax: 3_000, sections: { memory: 0.1 } };
  const agent = createAgent({ name: 'a', model, context, memory: { of: memory, recall: 8 } });
  const runtime = createRuntime({ store, world, agents: [agent] });
  const session = runtime.session('s', { agent: 'a' });
  await session.send('Which bridge crosses the river?').result;
  const note = textIn(requests[0]?.messages[0] as Message);
  assert.ok(note.includes('Ada is an engineer. '.repeat(5)), 'the most important one is whole');
  assert.match(note, /label="notes">She said something .*… \[\d+ bytes cut\]<\/block>/);
  assert.ok(count(note) <= 320, `${count(note)} tokens`);
  assert.doesNotMatch(note, /<entry/);
  await session.send('And which bridge else crosses the river?').result;
  assert.equal(
    requests[1]?.messages.filter((message) => textIn(message).startsWith('<memory>')).length,
    1,
    'what did not change is not told again',
  );
  await memory.removeBlock('notes');
  await session.close('done');
  const other = runtime.session('t', { agent: 'a' });
  await other.send('Which bridge crosses the river?').result;
  const entries = textIn(requests.at(-1)?.messages[0] as Message).match(/<entry/g)?.length ?? 0;
  assert.ok(entries > 0 && entries < 8, `${entries} entries`);
  assert.ok(count(textIn(requests.at(-1)?.messages[0] as Message)) <= 320);
  assert.equal((await other.replay()).divergence, null);
});

async function remembering(context: ContextOptions | undefined, contextTokensMax?: number) {
  const world = testWorld();
  const store = memoryStore({ world });
  const memory = await openMemory({ store, world, scope: 'user:ada' });
  const requests: ModelRequest[] = [];
  const model = scriptedModel(
    (request) => (requests.push({ ...request, messages: [...request.messages] }), 'Yes.'),
    contextTokensMax === undefined ? {} : { contextTokensMax },
  );
  const agent = createAgent({
    name: 'a',
    model,
    instructions: 'Answer each question with care. '.repeat(20),
    memory: { of: memory },
    ...(context === undefined ? {} : { context }),
  });
  return { memory, requests, session: createRuntime({ store, world, agents: [agent] }).session('s', { agent: 'a' }) };
}

test('without a section a memory says no more than a quarter of what is left of the window, and fails no turn', async () => {
  const runs = [
    [{ tokensMax: 1_000 }, undefined],
    [undefined, 1_000],
  ] as const;
  for (const [context, window] of runs) {
    const { memory, requests, session } = await remembering(context, window);
    await memory.setBlock({ label: 'facts', text: 'word '.repeat(6_000) });
    for (let n = 0; n < 5; n++) await memory.remember(`Walrus ${n}: ${'peanuts. '.repeat(2_000)}`);
    for (const text of ['What of the walrus?', 'And the walrus?']) assert.equal((await session.send(text).result).status, 'answered');
    const tokens = count(textIn(requests[0]?.messages[0] as Message));
    const quarter = (1_000 - count('Answer each question with care. '.repeat(20))) / 4;
    assert.ok(tokens <= quarter + 20 && tokens > quarter - 10, `${tokens} of ${quarter} tokens`);
    assert.equal(requests[1]?.messages.filter((message) => textIn(message).startsWith('<memory>')).length, 1, 'told once');
    assert.equal((await session.replay()).divergence, null);
  }
});

test('blocks that there is no room to tell leave nothing in a conversation that is compacted', async () => {
  const { memory, requests, session } = await remembering({ tokensMax: 500, turnsMax: 1, strategy: 'drop', sections: { memory: 0.01 } });
  await memory.setBlock({ label: 'facts', text: 'word '.repeat(100) });
  for (let n = 0; n < 4; n++) assert.equal((await session.send(`Question ${n}?`).result).status, 'answered');
  assert.ok((await session.at()).state.context.summary !== null || (requests.at(-1)?.messages.length ?? 9) < 7);
  assert.doesNotMatch(JSON.stringify(requests), /memory|erased/);
});

test('an entry is told by its beginning where it is long, also where no window is known', async () => {
  const { memory, requests, session } = await remembering(undefined);
  for (let n = 0; n < 5; n++) await memory.remember(`Walrus ${n} ${'peanuts. '.repeat(5_000)}`);
  assert.equal((await session.send('What of the walrus?').result).status, 'answered');
  const note = textIn(requests[0]?.messages[0] as Message);
  assert.equal(note.match(/<entry [^>]*>Walrus \d [^<]*… \[\d+ bytes cut\]<\/entry>/g)?.length, 5);
  assert.ok(note.length < 41_000, `${note.length} characters`);
});

test('an agent whose instructions and tools do not fit alone is refused when it is made, with what came and what to do', () => {
  const model = scriptedModel([], { contextTokensMax: 1_000 });
  const instructions = 'Answer each question with care. '.repeat(60);
  const made =
    (context: ContextOptions, more = {}) =>
    () =>
      createAgent({ name: 'a', model, instructions, context, ...more });
  assert.throws(made({ sections: { fixed: 0.3 } }), {
    code: 'AGENT_INVALID',
    message:
      /agent "a": instructions, tools and what follows the instructions take about \d{3} tokens; context\.sections\.fixed 0\.3 of 1000 tokens allows 300\. Shorten them, raise the limit, or give context\.countTokens/,
  });
  assert.throws(made({}, { params: { maxOutputTokens: 900 } }), {
    code: 'AGENT_INVALID',
    message: /context\.tokensMax 1000 and params\.maxOutputTokens 900 leave 100\./,
  });
  assert.equal(made({ sections: { fixed: 0.3 }, countTokens: (text) => text.length / 100 })().name, 'a');
  assert.equal(made({})().name, 'a');
});

test('blocks of a memory that outgrow the section of what is fixed end the turn with an error, and nothing is left out for them', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const memory = await openMemory({ store, world, scope: 'user:ada' });
  const context: ContextOptions = { tokensMax: 1_000, sections: { fixed: 0.2 } };
  const agent = createAgent({ name: 'a', model: scriptedModel(() => 'Yes.'), instructions: 'Be kind.', context, memory: { of: memory } });
  const runtime = createRuntime({ store, world, agents: [agent] });
  const session = runtime.session('s', { agent: 'a' });
  for (const text of ['one', 'two', 'three']) assert.equal((await session.send(text).result).status, 'answered');
  await memory.setBlock({ label: 'me', type: 'persona', text: 'A careful clerk. '.repeat(250), isReadOnly: true });
  assert.equal((await session.send('four').result).status, 'failed');
  const { state } = await foldAt(store, 's');
  assert.match(
    state.turn.last?.why ?? '',
    /^CONTEXT_TOO_LONG: instructions, tools .* take about \d+ tokens; context\.sections\.fixed 0\.2 of 1000 tokens allows 200\./,
  );
  assert.equal(state.context.settledBy, null, 'compaction would not help');
  assert.equal((await session.replay()).divergence, null);
});

test('sections are shares of one window that is known', () => {
  const made =
    (context: ContextOptions, contextTokensMax: number | undefined = 1_000) =>
    () =>
      createAgent({ name: 'a', model: scriptedModel([], contextTokensMax === 0 ? {} : { contextTokensMax }), context });
  assert.throws(made({ sections: { fixed: 0.5, memory: 0.3, results: 0.3 } }), { code: 'OPTION_INVALID', message: /add up to 1\.1/ });
  assert.throws(made({ sections: { results: 0 } }), { code: 'OPTION_INVALID', message: /context\.sections\.results/ });
  assert.throws(made({ sections: { result: 0.1 } as object }), { code: 'OPTION_UNKNOWN', message: /results/ });
  assert.throws(made({ turnsMax: 5, sections: { results: 0.1 } }, 0), { code: 'AGENT_INVALID', message: /window that nobody knows/ });
  assert.throws(made({ countTokens: 'gpt' as never }), { code: 'OPTION_INVALID', message: /countTokens must be a function/ });
  assert.equal(made({ sections: { fixed: 0.7, memory: 0.2, results: 0.1 } })().name, 'a');
  const { digest } = testWorld();
  const plain = bind(made({})(), digest).definition['context'];
  assert.deepEqual(Object.keys(plain as object).toSorted(), ['compactAt', 'keep', 'model', 'strategy', 'summaryTokensMax', 'tokensMax']);
  const told = bind(made({ sections: { results: 0.1 }, countTokens: (text) => text.length })(), digest).definition['context'];
  assert.deepEqual((told as Readonly<Record<string, unknown>>)['sections'], { results: 0.1 });
  assert.match(String((told as Readonly<Record<string, unknown>>)['countTokens']), /text\.length/);
});

test('a tokenizer that throws, or gives what is no count, is stood in for by the estimate', () => {
  const made = (countTokens: (text: string) => number) =>
    meterOf({ model: '', countTokens, resultsMax: Infinity, specs: [], params: {} }).text('Hello there.');
  assert.equal(
    made(() => 7.2),
    8,
  );
  for (const bad of [NaN, -1, Infinity])
    assert.equal(
      made(() => bad),
      count('Hello there.'),
    );
  const thrower = (): number => {
    throw new Error('Disallowed special token');
  };
  assert.equal(made(thrower), count('Hello there.'));
});

test('a text is cut to tokens, whatever counts them, and never inside a character', () => {
  for (const text of ['word '.repeat(500), '订单已经付款。'.repeat(200), '🎉'.repeat(300)])
    for (const max of [20, 100]) {
      const cut = cutText(text, max, count);
      assert.ok(count(cut) <= max && count(cut) > max - 5, `${count(cut)} of ${max}`);
      assert.match(cut, /… \[\d+ bytes cut\]$/);
      assert.equal(cut, cut.toWellFormed());
    }
  assert.equal(cutText('short', 20, count), 'short');
});

test('who summarises is told of a result what the model was told, and a summary takes no more tokens than it may, in any script', async () => {
  const asked: ModelRequest[] = [];
  const model = scriptedModel(
    (request, n) => {
      if (request.instructions.startsWith('You keep the record'))
        return (asked.push(request), asked.length === 1 ? '- 短。' : `- ${'订单已经付款。'.repeat(100)}`);
      return n === 0 ? callsOf('long') : 'Yes.';
    },
    { requestsMax: 0 },
  );
  const made = scene({
    model,
    tools: give({ long: 'word '.repeat(2_000) }),
    context: { tokensMax: 2_000, strategy: 'observations', summaryTokensMax: 100, sections: { results: 0.2 } },
  });
  for (let n = 0; n < 60; n++)
    assert.equal((await made.session.send(`Question ${n}: ${'what of the bridge? '.repeat(8)}`).result).status, 'answered');
  const [first] = asked.map(({ messages }) => textIn(messages[0] as Message));
  assert.match(first ?? '', /result of long: word .*… \[\d+ bytes cut\]/);
  assert.ok(count(first ?? '') < 2_000);
  const summaries = (await made.of('context.compacted')).map(({ data }) => String(data.summary));
  assert.ok(summaries.length >= 2);
  assert.match(summaries[1] ?? '', /^- 短。\n- 订单/);
  for (const summary of summaries) assert.ok(count(summary) <= 100, `${count(summary)} tokens`);
});

test('what is said twice is cut alike whether it is one object or two: a state that is folded anew has no object twice', () => {
  const said: Message = { role: 'user', parts: [{ type: 'text', text: 'word '.repeat(500) }], origin: 'person' };
  const cut = (messages: readonly Message[]) => cutMessages(messages, 300, count);
  assert.deepEqual(cut([said, said]), cut([structuredClone(said), structuredClone(said)]));
  assert.ok(cut([said, said]).reduce((sum, message) => sum + count(textIn(message)), 0) <= 300);
});
