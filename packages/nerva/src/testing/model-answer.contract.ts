import assert from 'node:assert/strict';
import type { Delta, ModelAnswer, Part, Usage } from '../model/index.ts';
import { ADD, askOnce, callOf, withModel, type Law, type ModelFeatures, type ModelSubject } from './model-harness.ts';
import { callsIn, say, textOf, turnOf } from './model-turns.ts';
import type { MockAnswer } from './wire-mock.ts';

/** One of everything: characters of 1 to 4 bytes, line ends, reasoning and two calls. */
export const RICH: MockAnswer = {
  reasoning: 'Häm… 🤔\nso',
  text: 'Grüße\r\n\n– 東京 🌍!',
  calls: [
    { id: 'call_a', name: 'add', input: { n: 1, why: 'ä "q" \\ 🌍' } },
    { id: 'call_b', name: 'add', input: { n: 2 } },
  ],
};

/** Laws of answers: the same whole and streamed, told piece by piece, whatever they hold. */
export function answerLaws(law: Law, subject: ModelSubject): void {
  const { features } = subject;

  law('an answer that is streamed equals the same answer in one piece', async () => {
    for (const answer of [RICH, { text: 'plain' }, { calls: [{ id: 'call_a', name: 'add', input: {} }] }] satisfies MockAnswer[]) {
      const { streamed, deltas } = await streamedOf(subject, answer);
      assert.deepEqual(streamed, await askOnce(subject, answer));
      assert.ok(deltas.length > 0);
    }
    const { parts, finish } = await askOnce(subject, RICH);
    assert.equal(textOf(parts), RICH.text);
    assert.equal(textOf(parts, 'reasoning'), features.reasoning ? RICH.reasoning : '');
    assert.deepEqual(namedInputs(parts), inputsOf(RICH));
    assert.equal(finish, 'tool_calls');
  });

  law('the pieces of a stream add up to the parts of its answer', async () => {
    const { streamed, deltas } = await streamedOf(subject, RICH);
    for (const [index, part] of streamed.parts.entries()) {
      const own = deltas.filter((delta) => delta.index === index);
      const joined = own.map((delta) => ('text' in delta ? delta.text : '')).join('');
      if (part.type === 'text' || part.type === 'reasoning') {
        assert.equal(joined, part.text);
        assert.ok(own.every(({ type }) => type === part.type));
      } else if (part.type === 'tool_call') {
        assert.deepEqual(own[0], { type: 'tool_call', index, id: part.id, name: part.name });
        assert.deepEqual(JSON.parse(joined === '' ? '{}' : joined), part.input);
      }
    }
    const indexes = new Set(deltas.map(({ index }) => index));
    assert.ok([...indexes].every((index) => streamed.parts[index] !== undefined));
  });

  law('parallel calls keep their order, ids that differ and their own arguments, and their results go back in one request', async () => {
    const calls = ['add', 'sub', 'add'].map((name, n) => ({ id: `call_${n}`, name, input: { n } }));
    const tools = [ADD, { ...ADD, name: 'sub' }];
    for (const isStream of [false, true]) {
      await withModel(subject, { answer: (n) => (n === 0 ? { calls } : 'done') }, async (opened) => {
        const { parts } = await callOf(opened, { tools }, { isStream });
        assert.deepEqual(namedInputs(parts), inputsOf({ calls }));
        assert.equal(new Set(callsIn(parts).map(({ id }) => id)).size, calls.length);
        const again = await callOf(opened, { tools, messages: [say('hi'), ...turnOf(parts)] }, { isStream });
        assert.deepEqual([textOf(again.parts), again.finish], ['done', 'stop']);
        assert.equal(opened.requests.length, 2);
      });
    }
  });

  for (const form of ['whole', 'streamed'] as const) {
    if (features.malformed === 'none' || (features.malformed === 'stream' && form === 'whole')) continue;
    law(`arguments that are no JSON stay text and are marked, ${form}, and go back in a form that is taken`, async () => {
      for (const input of ['{"n": 1', 'nonsense', '{"n": 1e999}', '\u0000']) {
        await withModel(
          subject,
          { answer: (n) => (n === 0 ? { calls: [{ id: 'call_a', name: 'add', input }] } : 'sorry') },
          async (opened) => {
            const { parts } = await callOf(opened, {}, { isStream: form === 'streamed' });
            const [call] = callsIn(parts);
            assert.deepEqual([call?.name, call?.input, call?.malformed], ['add', input, true]);
            const again = await callOf(opened, { messages: [say('hi'), ...turnOf(parts, () => 'not JSON')] });
            assert.equal(textOf(again.parts), 'sorry');
            assert.ok(stringsIn(opened.requests[1]).includes(input), 'it goes back as it was written');
          },
        );
      }
    });
  }

  law('an empty answer is an answer without parts that are shown, and goes back without being refused', async () => {
    for (const isStream of [false, true]) {
      await withModel(subject, { answer: (n) => (n === 0 ? { text: '' } : 'well') }, async (opened) => {
        const { parts, finish } = await callOf(opened, {}, { isStream });
        assert.deepEqual([textOf(parts), callsIn(parts).length, finish], ['', 0, 'stop']);
        const again = await callOf(opened, { messages: [say('hi'), ...turnOf(parts), say('go on')] }, { isStream });
        assert.equal(textOf(again.parts), 'well');
      });
    }
  });

  law('emoji and surrogates: pairs that a stream cuts are joined, lone ones become U+FFFD, in texts and in arguments', async () => {
    const answer: MockAnswer = {
      text: '👩‍👩‍👧‍👦🌍🌍🌍 \ud83c lone \udf0d',
      calls: [{ id: 'call_a', name: 'add', input: { '🔑': '🌍\ud83c', n: 1 } }],
    };
    for (const { parts } of [await askOnce(subject, answer), (await streamedOf(subject, answer)).streamed]) {
      assert.equal(textOf(parts), answer.text?.toWellFormed());
      assert.deepEqual(callsIn(parts)[0]?.input, { '🔑': '🌍\ufffd', n: 1 });
    }
  });

  law('what people, models and tools say arrives as it was said, emoji too', async () => {
    await withModel(
      subject,
      { answer: (n) => (n === 0 ? { text: 'ja 🌍', calls: [{ id: 'call_a', name: 'add', input: { say: '東京 🗼' } }] } : 'ok') },
      async (opened) => {
        const first = say('Grüße 👩‍👧 "q" \\ \u2028');
        const { parts } = await callOf(opened, { messages: [first] });
        await callOf(opened, { messages: [first, ...turnOf(parts, () => ({ result: '🧮\n"42"' }))] });
        const sent = stringsIn(opened.requests[1]).join('\n');
        for (const text of ['Grüße 👩‍👧 "q" \\ \u2028', 'ja 🌍', '東京 🗼', '🧮', '42']) assert.ok(sent.includes(text), text);
      },
    );
  });

  law('usage is read with its totals inclusive, and what is not told is null', async () => {
    const usage: Usage = { inputTokens: 100, outputTokens: 50, cachedInputTokens: 40, cacheWriteTokens: 10, reasoningTokens: 20 };
    const told = Object.fromEntries(
      Object.entries(usage).filter(([name]) => /^(?:in|out)put/.test(name) || features.usage.includes(name as never)),
    );
    for (const given of [told as unknown as Usage, { inputTokens: 7, outputTokens: 3 }]) {
      for (const answer of [
        await askOnce(subject, { text: 'a', usage: given }),
        (await streamedOf(subject, { text: 'a', usage: given })).streamed,
      ])
        assert.deepEqual(withoutZeros(answer.usage), usageBy(features, given));
    }
  });

  law('why a model stopped is told in one of five words', async () => {
    for (const [word, finish] of Object.entries(features.finishes)) {
      const answer: MockAnswer = { text: 'a', finish: word };
      for (const { finish: read } of [await askOnce(subject, answer), (await streamedOf(subject, answer)).streamed])
        assert.equal(read, finish, word);
    }
    assert.equal((await askOnce(subject, { text: 'a' })).finish, 'stop');
  });
}

/** Asks for a stream. */
export async function streamedOf(
  subject: ModelSubject,
  answer: MockAnswer,
): Promise<{ readonly streamed: ModelAnswer; readonly deltas: readonly Delta[] }> {
  const deltas: Delta[] = [];
  const streamed = await askOnce(subject, answer, { onDelta: (delta) => deltas.push(delta) });
  return { streamed, deltas };
}

const namedInputs = (parts: readonly Part[]): unknown[] => callsIn(parts).map(({ name, input }) => [name, input]);
const inputsOf = ({ calls = [] }: MockAnswer): unknown[] => calls.map(({ name, input }) => [name, input]);

/** A detail of zero tokens and one that is not told are the same. */
function withoutZeros({ inputTokens, outputTokens, ...details }: Usage): Usage {
  return { inputTokens, outputTokens, ...Object.fromEntries(Object.entries(details).filter(([, count]) => count !== 0)) };
}

/** Every text in a request, also in JSON that stands in a text. */
function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') {
    try {
      const inner: unknown = JSON.parse(value);
      return typeof inner === 'object' ? [value, ...stringsIn(inner)] : [value];
    } catch {
      return [value];
    }
  }
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}

/** The mock's usage as this wire can tell it. */
function usageBy({ usage }: ModelFeatures, told: Usage): Usage {
  const details = Object.fromEntries(usage.filter((name) => told[name] !== undefined).map((name) => [name, told[name]]));
  return { inputTokens: told.inputTokens, outputTokens: told.outputTokens, ...details };
}
