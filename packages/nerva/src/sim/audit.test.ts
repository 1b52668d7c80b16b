import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAgent } from '../agent/index.ts';
import type { Json } from '../core/index.ts';
import { tool } from '../tool/index.ts';
import { simModel } from './model.ts';
import { runOnce, type SimReport } from './run.ts';

const LAW = 'sessions are isolated';

/** Two sessions that share a notebook; `tell` says how the tool shows what the other one wrote. */
const shared = (tell: (said: string) => Json): Promise<SimReport> =>
  runOnce({
    name: 'shared',
    agents: (outside) => [
      createAgent({
        name: 'writer',
        tools: [
          tool({
            name: 'notebook',
            inputSchema: { type: 'object', properties: { said: { type: 'string' } } },
            effect: 'read',
            execute: ({ said }: { readonly said?: string }) => {
              const before = outside.kept.get('last');
              outside.kept.set('last', said ?? '');
              return typeof before === 'string' ? tell(before) : 'empty';
            },
          }),
        ],
        model: simModel({
          script: ({ messages }) => {
            const [part] = messages.at(-1)?.parts ?? [];
            return part?.type === 'text' ? { calls: [{ name: 'notebook', input: { said: part.text } }] } : 'Seen.';
          },
        }),
      }),
    ],
    steps: ['s1', 's2'].map((sid, n) => ({ type: 'send', atMs: 10 + n * 60_000, sid, text: `Note «${sid}».` })),
  });

test('what another session said is found in a request, wherever it stands', async () => {
  for (const tell of [
    (said: string) => said,
    (said: string) => ({ deep: [{ said: [1, said] }] }),
    (said: string) => ({ [said]: null }),
  ] satisfies readonly ((said: string) => Json)[]) {
    const { violations } = await shared(tell);
    assert.equal(violations[0]?.invariant, LAW);
    assert.match(violations[0].message, /«?s2 and s1|s1 and s2/);
  }
});

test('two sessions that only know what was said to them are isolated', async () => {
  assert.deepEqual((await shared(() => 'nothing')).violations, []);
});

test('a second run looks at no law that its hash tells, and has the same hash', async () => {
  const leaking = {
    name: 'asks for nothing',
    agents: () => [createAgent({ name: 'a', model: simModel({ script: () => 'Hello.' }) })],
    steps: [{ type: 'send', atMs: 10, sid: 's1', text: '«elsewhere» and «s1»' }],
  } as const;
  const judged = await runOnce(leaking);
  const again = await runOnce(leaking, { isJudged: false });
  assert.equal(judged.violations[0]?.invariant, LAW);
  assert.deepEqual(again.violations, []);
  assert.equal(again.hash, judged.hash);
});
