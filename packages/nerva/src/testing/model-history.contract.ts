import assert from 'node:assert/strict';
import type { FilePart, Message, ModelRequest, Part } from '../model/index.ts';
import { memoryStore } from '../log/index.ts';
import { createAgent, createRuntime } from '../node/index.ts';
import { tool } from '../tool/index.ts';
import {
  ADD,
  callOf,
  CONTRACT_KEY,
  failureOf,
  isHttp,
  open,
  withModel,
  type HttpSubject,
  type Law,
  type ModelSubject,
  type Opened,
} from './model-harness.ts';
import { inProcessWorld } from './model-in-process.ts';
import { modelSubjects } from './model-subjects.ts';
import { callsIn, say, textOf, turnOf } from './model-turns.ts';
import type { MockAnswer } from './wire-mock.ts';

const IMAGE: FilePart = {
  type: 'file',
  mediaType: 'image/png',
  name: 'dot.png',
  data: 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
};
const FILES: Readonly<Record<'image' | 'document' | 'audio', FilePart>> = {
  image: IMAGE,
  document: { type: 'file', mediaType: 'application/pdf', name: 'a.pdf', data: 'JVBERi0xLjQK' },
  audio: { type: 'file', mediaType: 'audio/wav', name: 'a.wav', data: 'UklGRg==' },
};
/** Ids of calls as other providers make them, and worse. */
const IDS = [
  'functions.add:0',
  `toolu_${'x'.repeat(80)}`,
  'a b/c|é🌍',
  'D681PevKs',
  'call_0',
  '0',
  'chatcmpl-tool-5f1d5b5c6d9a4f0c9f0f5b0e1a2b3c4d',
];

/** Laws of histories: what goes back, pairs of calls and results, files, and conversations that another model began. */
export function historyLaws(law: Law, subject: ModelSubject): void {
  law('a call without its result is refused by this provider: the laws of histories can fail', async () => {
    const opened = await open(subject, { answer: () => 'hi', isRefusalExpected: true });
    try {
      const [answer] = turnOf([{ type: 'tool_call', id: 'call_a', name: 'add', input: {} }]) as [Message];
      for (const messages of [
        [say('go'), answer],
        [say('go'), answer, say('go on')],
      ])
        assert.equal((await failureOf(callOf(opened, { messages }))).code, 'MODEL_REFUSED');
    } finally {
      await opened.close();
    }
  });

  law('a turn that was cancelled while its tools ran leaves no call without a result in the next request', async () => {
    const answer = (n: number): MockAnswer =>
      n === 0
        ? {
            text: 'I look',
            calls: [
              { name: 'hang', input: { n: 1 } },
              { name: 'hang', input: { n: 2 } },
            ],
          }
        : { text: 'well' };
    await withModel(subject, { answer }, async (opened) => {
      const { requests, resultOfNext } = await cancelledTurn(opened);
      assert.equal(resultOfNext, 'well');
      assert.equal(requests, 2);
    });
  });

  law(
    'a conversation of ten steps goes back to the model that made it, whole and streamed in turn, and nothing of it is left out',
    async () => {
      await withModel(subject, { answer: (n) => stepOf(n, 10) }, async (opened) => {
        const messages: Message[] = [say('go')];
        for (let step = 0; step <= 10; step++) {
          const { parts, meta } = await callOf(opened, { messages: [...messages] }, { isStream: step % 2 === 1 });
          const left = meta?.['notSent'];
          if (subject.features.returnsReasoning || !subject.features.reasoning || step === 0) assert.equal(left, undefined);
          else assert.deepEqual(left, [`reasoning of ${step} earlier ${step === 1 ? 'part' : 'parts'}`]);
          messages.push(...turnOf(parts));
        }
        assert.equal(opened.requests.length, 11);
      });
    },
  );

  law('results that are errors, empty, or of any JSON go back', async () => {
    const outputs = ['', 'text', 0, null, true, [], {}, [1, { a: 'b' }], { $type: 'x' }] as const;
    const calls = outputs.map((_, index) => ({ id: `call_${index}`, name: 'add', input: {} }));
    await withModel(subject, { answer: (n) => (n === 0 ? { calls } : 'well') }, async (opened) => {
      const { parts } = await callOf(opened);
      const results = callsIn(parts).flatMap(({ id, name }, index): Part[] => [
        { type: 'tool_result', id, name, output: outputs[index] ?? null, ...(index % 2 === 0 ? {} : { isError: true as const }) },
      ]);
      const messages: Message[] = [
        say('hi'),
        { role: 'assistant', origin: 'model', parts },
        { role: 'tool', origin: 'tool', parts: results },
      ];
      assert.equal(textOf((await callOf(opened, { messages })).parts), 'well');
    });
  });

  law('ids of calls in any form are taken, also the same one in several steps, and each result stays with its call', async () => {
    const messages = [say('go')];
    for (const id of [...IDS, ...IDS])
      messages.push(...turnOf([{ type: 'tool_call', id, name: 'add', input: { n: id.length } }], () => `result of ${id.length}`));
    const pair = [IDS[0], IDS[2]].map((id): Part => ({ type: 'tool_call', id: id as string, name: 'add', input: {} }));
    messages.push(...turnOf(pair));
    await withModel(subject, { answer: () => 'well' }, async (opened) => {
      assert.equal(textOf((await callOf(opened, { messages })).parts), 'well');
    });
  });

  fileLaws(law, subject);
  for (const other of modelSubjects()) if (other.name !== subject.name) handOverLaw(law, subject, other);
}

function fileLaws(law: Law, subject: ModelSubject): void {
  for (const [kind, file] of Object.entries(FILES) as [keyof typeof FILES, FilePart][]) {
    const messages: readonly Message[] = [{ role: 'user', origin: 'person', parts: [{ type: 'text', text: 'look' }, file] }];
    if (subject.features.files.includes(kind)) {
      law(`a file of a person is sent: ${kind}`, async () => {
        await withModel(subject, { answer: () => 'seen' }, async (opened) => {
          assert.equal(textOf((await callOf(opened, { messages })).parts), 'seen');
          assert.ok(JSON.stringify(opened.requests[0]).includes(String(file.data)));
        });
      });
    } else if (isHttp(subject)) {
      law(`a file that has no place here is MODEL_REFUSED by its kind, and nothing is sent: ${kind}`, async () => {
        await withModel(subject, { answer: () => 'seen' }, async (opened) => {
          const { code, message } = await failureOf(callOf(opened, { messages }));
          assert.equal(code, 'MODEL_REFUSED');
          assert.match(message, new RegExp(`${kind}|${file.mediaType}`));
          assert.match(message, /Nothing was sent/);
          assert.equal(opened.requests.length, 0);
        });
      });
    }
  }
}

/** Any conversation that another model began goes on here. */
function handOverLaw(law: Law, subject: ModelSubject, other: HttpSubject): void {
  law(`a conversation that ${other.name} began goes on here: nothing is refused, and what is left out of it is named`, async () => {
    const made = await conversationBy(other);
    const messages = subject.features.files.includes('image') ? withImage(made) : made;
    const reasonings = isSameMaker(subject, other) ? 0 : partsIn(messages).filter(({ type }) => type === 'reasoning').length;
    for (const params of [{}, { reasoning: 'low' }] satisfies ModelRequest['params'][]) {
      const { parts, meta } = await continued(subject, { messages, params });
      assert.equal(textOf(parts), 'I go on');
      const left = ((meta?.['notSent'] ?? []) as readonly string[]).join('; ');
      if (reasonings === 0) assert.doesNotMatch(left, /reasoning/);
      else assert.match(left, new RegExp(`reasoning of ${reasonings} earlier part`));
      assert.match(left, /citations of 1 earlier part/);
    }
  });
}

/** Whether reasoning goes back to this model though another way to it made it. */
function isSameMaker(subject: ModelSubject, other: HttpSubject): boolean {
  const [name, otherName] = [subject, other].map((each) =>
    isHttp(each) ? each.make('https://provider.test', { apiKey: CONTRACT_KEY }).name : null,
  );
  return name === otherName && subject.features.returnsReasoning && other.features.returnsReasoning;
}

/** One call with a history, over the strict mock without a socket where that can be. */
async function continued(subject: ModelSubject, request: Partial<ModelRequest>) {
  if (isHttp(subject)) {
    const { apiKey = CONTRACT_KEY } = subject;
    const mock = subject.mock();
    const model = subject.make(`https://provider.test${mock.basePath}`, { apiKey });
    return callOf({ model, world: inProcessWorld(mock, { answer: () => ({ text: 'I go on' }) }) }, request);
  }
  const opened = await open(subject, { answer: () => 'I go on' });
  try {
    return await callOf(opened, request);
  } finally {
    await opened.close();
  }
}

const conversations = new Map<string, Promise<readonly Message[]>>();

/** A conversation that a model had with its strict mock: reasoning, parallel calls, a call whose arguments are no JSON, an error, a citation. */
function conversationBy(subject: HttpSubject): Promise<readonly Message[]> {
  const known = conversations.get(subject.name) ?? haveConversation(subject);
  conversations.set(subject.name, known);
  return known;
}

async function haveConversation(subject: HttpSubject): Promise<readonly Message[]> {
  const { apiKey = CONTRACT_KEY, features } = subject;
  const mock = subject.mock();
  const model = subject.make(`https://provider.test${mock.basePath}`, { apiKey });
  const world = inProcessWorld(mock, { answer: (n) => stepOf(n, 3) });
  const messages: Message[] = [say('go')];
  for (let step = 0; step <= 3; step++) {
    const { parts } = await callOf(
      { model, world },
      { messages: [...messages], params: features.returnsReasoning ? { reasoning: 'low' } : {} },
      { isStream: step % 2 === 0 },
    );
    messages.push(...turnOf(parts), ...(step === 1 ? [say('I also want …')] : []));
  }
  const broken: Part = { type: 'tool_call', id: 'call_broken', name: 'add', input: '{"n": 1', malformed: true };
  messages.push(say('again'), { role: 'assistant', origin: 'model', parts: [broken] });
  messages.push({
    role: 'tool',
    origin: 'tool',
    parts: [{ type: 'tool_result', id: 'call_broken', name: 'add', output: 'not JSON', isError: true }],
  });
  messages.push({
    role: 'assistant',
    origin: 'model',
    parts: [{ type: 'text', text: 'as they say', citations: [{ url: 'https://example.com/a', title: 'A' }] }],
  });
  return [...messages, say('and now?')];
}

/** Reasons, speaks and calls until the last step, which only speaks. */
function stepOf(n: number, last: number): MockAnswer {
  const calls = [
    { name: 'add', input: { n } },
    { name: 'add', input: { n: -n } },
  ];
  return { reasoning: `thought ${n} 🤔`, text: `step ${n}`, ...(n < last ? { calls } : {}) };
}

function withImage(messages: readonly Message[]): Message[] {
  const [first, ...rest] = messages as [Message, ...Message[]];
  return [{ ...first, parts: [...first.parts, IMAGE] }, ...rest];
}

const partsIn = (messages: readonly Message[]): readonly Part[] => messages.flatMap(({ parts }) => parts);

/** A session whose first turn is cancelled while its tools hang, and its next turn. */
async function cancelledTurn(opened: Opened): Promise<{ readonly requests: number; readonly resultOfNext: string }> {
  const { model, world } = opened;
  let started = 0;
  let bothRun: () => void = () => undefined;
  const running = new Promise<void>((resolve) => (bothRun = resolve));
  const hang = tool({
    ...ADD,
    name: 'hang',
    effect: 'read',
    execute: (_, { signal }) => {
      if (++started === 2) bothRun();
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true }));
    },
  });
  const runtime = await createRuntime({ store: memoryStore({ world }), world, agents: [createAgent({ name: 'a', model, tools: [hang] })] });
  try {
    const session = runtime.session(undefined, { agent: 'a' });
    const first = session.send('go');
    await Promise.race([running, first.result]);
    await session.cancel();
    const { status } = await first.result;
    assert.equal(status, 'cancelled');
    const { text } = await session.send('again').result;
    return { requests: opened.requests.length, resultOfNext: text };
  } finally {
    await runtime.close();
  }
}
