import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NervaError } from '../core/index.ts';
import { scriptedModel, type Model, type ScriptStep } from '../model/index.ts';
import { tool } from '../tool/index.ts';
import type { AgentEvent, StreamItem } from './index.ts';
import { ANY, all, gate, scene } from './session-scene.test.ts';

type Word = 'start' | 'delta' | 'reset' | 'end' | 'error' | 'cut';

/** What a call's events and pieces spell: `start delta* end`, `start delta* cut`, `start error` or `start delta* reset error`; nothing comes after. */
const AUTOMATON: Readonly<Record<string, Readonly<Partial<Record<Word, string>>>>> = {
  none: { start: 'open' },
  open: { delta: 'saying', reset: 'lost', end: 'done', error: 'done', cut: 'done' },
  saying: { delta: 'saying', reset: 'lost', end: 'done', cut: 'done' },
  lost: { error: 'done' },
  done: {},
};

function accepts(words: readonly Word[]): boolean {
  let state: string | undefined = 'none';
  for (const word of words) state = state === undefined ? undefined : AUTOMATON[state]?.[word];
  return state === 'done';
}

/** The call that an event of a model belongs to, and its word; null for other events. */
function wordOf(event: AgentEvent): readonly [number, Word] | null {
  if (event.type === 'model.called') return [event.seq, 'start'];
  if (event.type === 'model.answered') return [event.data.call, 'end'];
  if (event.type === 'model.failed') return [event.data.call, 'error'];
  if (event.type === 'model.interrupted') return [event.data.call, 'cut'];
  return null;
}

function byCall(words: Iterable<readonly [number, Word]>): ReadonlyMap<number, readonly Word[]> {
  const calls = new Map<number, Word[]>();
  for (const [call, word] of words) calls.set(call, [...(calls.get(call) ?? []), word]);
  return calls;
}

function wordsOf(items: readonly StreamItem[]): ReadonlyMap<number, readonly Word[]> {
  return byCall(
    items.flatMap((item): (readonly [number, Word])[] => {
      if (item.type === 'event') return [wordOf(item.event)].filter((pair) => pair !== null);
      return [[Number(item.call.split(':')[1]), item.type]];
    }),
  );
}

interface Step extends ScriptStep {
  /** The stream breaks after the text. */
  readonly isCut?: true;
}

/** A scripted model whose streams can break in the middle. */
function breaking(steps: readonly Step[]): Model {
  let count = 0;
  return {
    name: 'scripted/breaking',
    async call(request, options) {
      const given = steps[count++] ?? { text: 'end' };
      const answer = await scriptedModel([given]).call(request, options);
      if (given.isCut === true) throw new NervaError('HTTP_BROKEN', 'the stream broke');
      return answer;
    },
  };
}

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ text: fc.constantFrom('', 'one', 'one two three') }),
  fc.record({ text: fc.constantFrom('', 'one two three'), isCut: fc.constant(true as const) }),
  fc.record({ reasoning: fc.constantFrom('hm', 'let me think'), text: fc.constant('done then') }),
  fc.record({ text: fc.constantFrom('', 'looking'), calls: fc.constant([{ name: 'look', input: { a: 'b c d' } }]) }),
  fc.record({ error: fc.constantFrom(new NervaError('MODEL_REFUSED', 'no'), new NervaError('MODEL_AUTH', 'no')) }),
);
const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => Promise.resolve('seen') });

function assertCalls(items: readonly StreamItem[], events: readonly AgentEvent[]): void {
  const logged = byCall(events.flatMap((event) => [wordOf(event)].filter((pair) => pair !== null)));
  assert.ok(logged.size > 0);
  // The log has no pieces, so it has no reset either.
  for (const [call, words] of logged) assert.ok(accepts(words), `the log, call ${call}: ${words.join(' ')}`);
  const seen = wordsOf(items);
  assert.deepEqual([...seen.keys()], [...logged.keys()]);
  for (const [call, words] of seen) assert.ok(accepts(words), `the stream, call ${call}: ${words.join(' ')}`);
}

test('any run’s model calls each begin once, stream, and end once, in the log and in what a reader sees', async () => {
  const ends = new Set<Word>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 5 }), async (steps) => {
      const { session, events, world } = scene({ model: breaking(steps), tools: [look] });
      const run = session.send('go');
      let isOver = false;
      const read = all(run).finally(() => (isOver = true));
      // A failure that may pass is tried again after a while.
      for (let round = 0; round < 200 && !isOver; round++) await world.advance(1_000).then(() => new Promise(setImmediate));
      const items = await read;
      assertCalls(items, await events());
      for (const words of wordsOf(items).values()) for (const word of words) ends.add(word);
    }),
    { numRuns: 100 },
  );
  assert.deepEqual([...ends].toSorted(), ['delta', 'end', 'error', 'reset', 'start'], 'all of them happened');
});

test('a call that is cancelled in the middle of its stream ends once, as cut', async () => {
  const begun = gate();
  const model: Model = {
    name: 'held',
    call: (_request, { signal, onDelta }) =>
      new Promise((_resolve, reject) => {
        onDelta?.({ type: 'text', index: 0, text: 'hal' });
        signal?.addEventListener('abort', () => {
          onDelta?.({ type: 'text', index: 0, text: 'late' });
          reject(new NervaError('CANCELLED', 'aborted'));
        });
        begun.open();
      }),
  };
  const { session, events } = scene({ model });
  const run = session.send('go');
  const read = all(run);
  await begun.opened;
  await session.cancel();
  await run.result;
  const items = await read;
  assertCalls(items, await events());
  assert.deepEqual(
    [...wordsOf(items).values()].map((words) => words.at(-1)),
    ['cut'],
  );
});

test('what is no such sequence is recognised', () => {
  const good = ['start end', 'start delta delta end', 'start error', 'start delta reset error', 'start reset error', 'start delta cut'];
  const bad = [
    '',
    'start',
    'end',
    'start end end',
    'start end delta',
    'delta start end',
    'start start end',
    'start reset end',
    'start reset delta error',
    'start cut error',
    'start delta error',
  ];
  const words = (text: string): Word[] => text.split(' ').filter((word) => word !== '') as Word[];
  assert.deepEqual(
    good.filter((text) => !accepts(words(text))),
    [],
  );
  assert.deepEqual(
    bad.filter((text) => accepts(words(text))),
    [],
  );
});
