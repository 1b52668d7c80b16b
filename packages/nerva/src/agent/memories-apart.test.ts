import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eraseSubject, memoryStore } from '../log/index.ts';
import { memoryTools, openMemory, type Memory } from '../memory/index.ts';
import { scriptedModel, type ModelRequest } from '../model/index.ts';
import { memoryKeys, testWorld } from '../testing/index.ts';
import { createAgent, createRuntime, type MemoryUse } from './index.ts';
import { all } from './session-scene.test.ts';

const USERS = { ada: 'red', bob: 'red', cyd: 'blue' } as const;
type User = keyof typeof USERS;
const NAMES = Object.keys(USERS) as User[];
const userOf = (sid: string): User => sid.slice(0, 3) as User;

/** Three users of two teams, each with a memory of their own, which is theirs, and that of their team. */
async function users(isTeamFirst: boolean) {
  const world = testWorld();
  const keys = memoryKeys();
  const store = memoryStore({ world, keys });
  const memories = new Map<string, Memory>();
  for (const user of NAMES) memories.set(user, await openMemory({ store, world, scope: `user:${user}`, subject: user }));
  for (const team of ['red', 'blue']) memories.set(team, await openMemory({ store, world, scope: `team:${team}` }));
  let isFailing = false;
  const ownOf: MemoryUse['of'] = ({ session }) => {
    if (isFailing) throw new Error('not now');
    return memories.get(userOf(session.sid)) as Memory;
  };
  const teamOf: MemoryUse['of'] = ({ session }) => memories.get(USERS[userOf(session.sid)]) as Memory;
  const requests: string[] = [];
  const model = scriptedModel(({ messages, instructions }) => {
    requests.push(JSON.stringify([instructions, messages]));
    const name = requests.length % 2 === 0 ? 'own_recall' : 'team_recall';
    return messages.at(-1)?.role === 'tool' ? 'So.' : { calls: [{ name, input: { query: 'a secret' } }] };
  });
  const tools = [
    ...memoryTools(({ session }) => memories.get(userOf(session.sid)) as Memory, { prefix: 'own' }),
    ...memoryTools(({ session }) => memories.get(USERS[userOf(session.sid)]) as Memory, { prefix: 'team' }),
  ];
  const uses = [{ of: ownOf }, { of: teamOf, recall: 2 }];
  const memory = isTeamFirst ? uses.toReversed() : uses;
  const agent = createAgent({ name: 'a', model, memory, tools, context: { turnsMax: 2, strategy: 'drop' } });
  const runtime = createRuntime({ store, world, agents: [agent] });
  const sids = new Map(NAMES.map((user) => [user, [`${user}-0`]]));
  const erased = new Set<string>();
  const isThere = async (sid: string): Promise<boolean> => (await store.list()).some((one) => one.sid === sid);
  const sidsOf = (user: User): string[] => sids.get(user) as string[];

  async function ask(user: User, sid: string): Promise<void> {
    const before = requests.length;
    await runtime.session(sid, { agent: 'a' }).send('I ask for a secret.').result;
    const forbidden = NAMES.filter((other) => other !== user || erased.has(other)).map((other) => `of ${other}`);
    const words = [...forbidden, `of the ${USERS[user] === 'red' ? 'blue' : 'red'} team`];
    for (const request of requests.slice(before)) for (const word of words) assert.ok(!request.includes(word), `${word}: ${request}`);
  }
  const acts: Readonly<Record<string, (user: User, at: number, sid: string) => Promise<unknown>>> = {
    ask: (user, _at, sid) => ask(user, sid),
    fail: async (user, _at, sid) => {
      isFailing = true;
      await ask(user, sid);
      isFailing = false;
    },
    note: async (user, at) => erased.has(user) || (await memories.get(user)?.remember(`A secret of ${user}: ${at}.`)),
    block: async (user, at) =>
      erased.has(user) || (await memories.get(user)?.setBlock({ label: 'human', text: `The block of ${user}, ${at}.` })),
    team: async (user, at) => memories.get(USERS[user])?.remember(`A secret of the ${USERS[user]} team: ${at}.`),
    erase: async (user) => {
      if (!erased.has(user)) await eraseSubject({ store, keys, world, subject: user });
      erased.add(user);
      await runtime.idle();
    },
    fork: async (user, _at, sid) => {
      if (erased.has(user) || !(await isThere(sid))) return;
      const as = `${user}-${sidsOf(user).length}`;
      await runtime.session(sid).fork((await store.head(sid)) - 1, { effects: 'live', sid: as });
      sidsOf(user).push(as);
    },
  };
  return {
    act: (type: string, user: User, at: number) => acts[type]?.(user, at, sidsOf(user)[at % sidsOf(user).length] as string),
    // What was erased cannot be digested again.
    replayed: async () => {
      for (const sid of NAMES.filter((user) => !erased.has(user)).flatMap(sidsOf))
        if (await isThere(sid)) assert.equal((await runtime.session(sid, { agent: 'a' }).replay()).divergence, null);
      await runtime.close();
    },
  };
}

test('whatever three users of two teams do, no request and no tool holds a word of another user, of another team, or of who was erased', async () => {
  const type = fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom('note', 'block', 'team', 'ask', 'ask', 'ask', 'fork', 'fail') },
    { weight: 1, arbitrary: fc.constant('erase') },
  );
  const step = fc.tuple(type, fc.constantFrom(...NAMES), fc.nat(3));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 18 }), fc.boolean(), async (steps, isTeamFirst) => {
      const { act, replayed } = await users(isTeamFirst);
      for (const [what, user, at] of steps) await act(what, user, at);
      await replayed();
    }),
    { numRuns: 60 },
  );
});

test('an agent has the tools of two memories, each under its name, and what is recalled with either counts as told', async () => {
  const world = testWorld();
  const store = memoryStore({ world });
  const [own, team] = [await openMemory({ store, world, scope: 'user:ada' }), await openMemory({ store, world, scope: 'team:desk' })];
  await team.remember('The walrus is fed at noon.');
  const requests: ModelRequest[] = [];
  const steps = [
    {
      calls: [
        { name: 'own_remember', input: { text: 'Ada likes the walrus.' } },
        { name: 'team_recall', input: { query: 'walrus' } },
      ],
    },
    'At noon.',
  ];
  const model = scriptedModel((request, n) => (requests.push(request), steps[n] ?? 'Yes.'));
  const tools = [...memoryTools(own, { prefix: 'own' }), ...memoryTools(team, { prefix: 'team' })];
  const agent = createAgent({
    name: 'a',
    model,
    memory: [
      { of: own, recall: 0 },
      { of: team, recall: 0 },
    ],
    tools,
  });
  const session = createRuntime({ store, world, agents: [agent] }).session('s', { agent: 'a' });
  assert.equal((await session.send('When is the walrus fed?').result).text, 'At noon.');
  assert.equal(requests[0]?.tools.length, 10);
  assert.match(requests[0].tools.find(({ name }) => name === 'team_recall')?.description ?? '', /Of the memory "team"\.$/);
  assert.deepEqual(
    own.entries().map(({ text }) => text),
    ['Ada likes the walrus.'],
  );
  const results = (await all(session.log())).filter(({ type }) => type === 'tool.returned');
  assert.match(JSON.stringify(results), /"scope":"scope:team:desk".*fed at noon/);
  assert.deepEqual([(await team.tend({ sessions: ['s'] })).accesses, (await own.tend({ sessions: ['s'] })).accesses], [1, 0]);
  const bare = [...memoryTools(own), ...memoryTools(team)];
  assert.throws(() => createAgent({ name: 'a', model, tools: bare }), { code: 'TOOL_INVALID' });
  for (const prefix of ['', 'a b', 'x'.repeat(33), 5])
    assert.throws(() => memoryTools(own, { prefix: prefix as string }), { code: 'OPTION_INVALID' });
  const guarded = memoryTools(team, { prefix: 'team', isGuarded: true });
  const context = { session: { sid: 's', tenant: 'default', agent: 'a' } } as Parameters<(typeof guarded)[number]['execute']>[1];
  assert.match(JSON.stringify(await guarded[0]?.execute({ query: 'walrus' }, context)), /may not recall in scope:team:desk/);
});
