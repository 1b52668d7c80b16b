/** A session of ten thousand turns on a store in a file, with a model that has a window and counts by itself: no request is ever longer. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createAgent, createRuntime, NervaError, tool, type Model } from 'nerva';
import { historyTool, type ContextOptions } from 'nerva/agent';
import { scriptedModel, type Message, type ModelRequest, type ScriptStep } from 'nerva/model';

const WINDOW = 4_000;
const OUTPUT = 100;

/** How the model splits texts: words of up to seven letters, three digits, and every other character alone. Its vocabulary is nobody's. */
const pieces = (text: string): number => text.match(/ ?[a-z]{1,7}|\d{1,3}|[^\sa-z\d]|\n/gi)?.length ?? 0;

/** What a request is charged for. */
const counted = ({ instructions, messages, tools }: ModelRequest): number =>
  messages.reduce((sum, message) => sum + messageCount(message), pieces(instructions) + toolCount(tools));

const counts = new WeakMap<object, number>();
const once = (key: object, count: () => number): number => {
  const known = counts.get(key) ?? count();
  counts.set(key, known);
  return known;
};
const toolCount = (tools: ModelRequest['tools']): number => once(tools, () => pieces(JSON.stringify(tools)));
const messageCount = (message: Message): number => once(message, () => 4 + pieces(wordsOf(message)));

const wordsOf = ({ parts }: Message): string =>
  parts
    .map((part) => {
      if (part.type === 'text') return part.text;
      if (part.type === 'tool_call') return `${part.name} ${JSON.stringify(part.input)}`;
      return part.type === 'tool_result'
        ? `${part.name} ${typeof part.output === 'string' ? part.output : JSON.stringify(part.output)}`
        : '';
    })
    .join('\n');

/** A result follows its call at once, and a call its result. */
function checkPairs({ messages }: ModelRequest): void {
  let open: readonly string[] = [];
  for (const { role, parts } of messages) {
    const ids = parts.flatMap((part) => (part.type === (role === 'tool' ? 'tool_result' : 'tool_call') ? [part.id] : []));
    if (role === 'tool') assert.deepEqual(ids, open, 'the results of the calls before');
    else assert.deepEqual(open, [], 'a call without its result');
    open = role === 'assistant' ? ids : [];
  }
  assert.deepEqual(open, []);
}

const SAID = [
  (n: number) =>
    `Order ${n} of Mrs Smith has not arrived yet; she wants to know when it will, and whether we pay for the delay. `.repeat(2),
  (n: number) =>
    `Für Bestellung ${n} gilt eine Lieferfrist von drei Tagen; bitte prüfe, ob die Rückerstattung schon veranlasst wurde. `.repeat(2),
  (n: number) => `订单${n}已经付款，为什么现在还没有发货？请帮我查一下物流信息。`.repeat(3),
  (n: number) =>
    JSON.stringify({ order: n, lines: Array.from({ length: 6 }, (_, i) => ({ sku: `A-${n}-${i}`, cents: 100 * i, paid: i % 2 === 0 })) }),
  (n: number) => `Заказ ${n} до сих пор не отправлен; проверьте, пожалуйста, оплату и адрес. `.repeat(2),
];

interface Office {
  readonly model: Model;
  /** Of requests that were taken. */
  readonly most: () => number;
  readonly refused: () => number;
  readonly summaries: () => number;
  readonly finds: readonly string[];
}

/** A clerk with a window. `density`: how many tokens it makes of a piece. */
function office({ density, isCounting }: { readonly density: number; readonly isCounting: boolean }): Office {
  const seen = { most: 0, refused: 0, summaries: 0 };
  const finds: string[] = [];
  const model = scriptedModel(
    (request) => {
      const inputTokens = Math.ceil(density * counted(request));
      if (inputTokens + OUTPUT > WINDOW) {
        seen.refused++;
        return { error: new NervaError('CONTEXT_TOO_LONG', `prompt is too long: ${inputTokens + OUTPUT} tokens > ${WINDOW} maximum`) };
      }
      seen.most = Math.max(seen.most, inputTokens + OUTPUT);
      const answer = answerTo(request, finds);
      if (answer.text?.startsWith('Summary') === true) seen.summaries++;
      return isCounting ? { ...answer, usage: { inputTokens, outputTokens: 20 } } : answer;
    },
    { contextTokensMax: WINDOW, requestsMax: 0 },
  );
  return { model, most: () => seen.most, refused: () => seen.refused, summaries: () => seen.summaries, finds };
}

function answerTo(request: ModelRequest, finds: string[]): ScriptStep {
  if (request.instructions.startsWith('You keep the record'))
    return {
      text: `Summary: orders up to ${wordsOf(request.messages[0] as Message)
        .match(/\d+/g)
        ?.at(-1)}.`,
    };
  assert.match(request.instructions, /^You are a clerk\./);
  checkPairs(request);
  const last = request.messages.at(-1) as Message;
  const words = wordsOf(last);
  if (last.role === 'tool') {
    if (words.startsWith('search_conversation')) finds.push(words);
    return { text: 'It is on its way.' };
  }
  if (words.startsWith('Find')) return { calls: [{ name: 'search_conversation', input: { query: words.slice(5), limit: 3 } }] };
  if (words.startsWith('Look'))
    return {
      calls: [
        { name: 'look', input: { order: Number(/\d+/.exec(words)?.[0]) } },
        { name: 'look', input: { order: 0 } },
      ],
    };
  return { text: 'I see to it.' };
}

const look = tool({
  name: 'look',
  effect: 'read',
  inputSchema: { type: 'object', properties: { order: { type: 'integer' } }, required: ['order'] },
  // Some are longer than the window.
  execute: ({ order }) =>
    order === 0 ? 'nothing' : { order, steps: Array.from({ length: order % 900 }, (_, day) => `day ${day}: in transit`) },
});

interface Run {
  readonly office: Office;
  readonly turns: number;
  readonly context?: ContextOptions;
  /** After each turn. */
  readonly onTurn?: (turn: number) => void;
}

async function run(
  t: TestContext,
  { office: { model }, turns, context, onTurn }: Run,
): Promise<{ readonly replayed: unknown; readonly messages: number }> {
  // Every commit is synced, and what a disk takes for that says nothing here.
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nerva-long-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const agent = createAgent({
    name: 'clerk',
    model,
    instructions: 'You are a clerk. Be kind.',
    tools: [look, historyTool()],
    params: { maxOutputTokens: OUTPUT },
    context: { sections: { results: 0.25 }, ...context },
  });
  const runtime = await createRuntime({ store: `file:${join(folder, 's.db')}`, agents: [agent] });
  const session = runtime.session('long', { agent: 'clerk' });
  const say = async (text: string): Promise<void> => assert.equal((await session.send(text).result).status, 'answered', text.slice(0, 80));
  await say('My locker is in the blue corridor behind the aquarium.');
  for (let n = 1; n < turns; n++) {
    if (n >= 0.9 * turns && n % 100 === 99) await say('Find locker aquarium corridor');
    else if (n % 9 === 0) await say(`Look at order ${n}.`);
    else await say((SAID[n % SAID.length] as (n: number) => string)(n));
    onTurn?.(n);
  }
  const { divergence } = await session.replay();
  const { state } = await session.at();
  await runtime.close();
  return { replayed: divergence, messages: state.turn.messages.count };
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const heapMiB = (): number => (collect(), process.memoryUsage().heapUsed / 2 ** 20);

test('in ten thousand turns no request is longer than the window, no call is without its result, and what was said first is found', async (t) => {
  const clerk = office({ density: 1, isCounting: false });
  const heaps: number[] = [];
  const { replayed, messages } = await run(t, {
    office: clerk,
    turns: 10_000,
    onTurn: (turn) => void (turn % 1_000 === 0 && turn < 9_000 && heaps.push(heapMiB())),
  });
  t.diagnostic(`most ${clerk.most()} of ${WINDOW} tokens, ${clerk.summaries()} summaries, heap ${heaps.map(Math.round).join(', ')} MiB`);
  assert.equal(clerk.refused(), 0, 'the provider never had to say that it is too long');
  assert.ok(clerk.most() > WINDOW / 2 && clerk.most() <= WINDOW, `${clerk.most()} tokens at most`);
  assert.ok(clerk.summaries() > 100);
  assert.equal(replayed, null);
  assert.ok(messages < 200, 'a state holds the prompt, not the history');
  assert.equal(clerk.finds.length, 10);
  for (const found of clerk.finds) assert.match(found, /blue corridor behind the aquarium/);
  // Up to here nothing was searched for: from then on the words that were said are kept to be found.
  assert.ok(Math.max(...heaps) - (heaps[0] ?? 0) < 8, `${heaps.join(', ')} MiB`);
});

test('a model that takes more tokens than is estimated refuses with its own error; the conversation is compacted and every turn is answered', async (t) => {
  const clerk = office({ density: 2.5, isCounting: false });
  const { replayed } = await run(t, { office: clerk, turns: 300, context: { sections: { results: 0.1 } } });
  assert.ok(clerk.refused() > 0, 'it is refused now and then');
  assert.ok(clerk.most() <= WINDOW);
  assert.equal(replayed, null);
});

test('what the provider counted corrects an estimate that is far too low: it refuses less', async (t) => {
  const [told, untold] = [office({ density: 2.5, isCounting: true }), office({ density: 2.5, isCounting: false })];
  for (const clerk of [told, untold]) await run(t, { office: clerk, turns: 200, context: { sections: { results: 0.1 } } });
  assert.ok(told.refused() < untold.refused(), `${told.refused()} and ${untold.refused()}`);
});

test('with the tokenizer of the model the window is used to its mark', async (t) => {
  const exact = office({ density: 1, isCounting: false });
  await run(t, { office: exact, turns: 300, context: { countTokens: pieces, compactAt: 1 } });
  assert.equal(exact.refused(), 0);
  assert.ok(exact.most() > 0.85 * WINDOW, `${exact.most()} tokens at most`);
});
