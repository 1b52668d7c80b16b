import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { createAgent, foldAt, replaySession, type View } from '../agent/index.ts';
import { memoryStore } from '../log/index.ts';
import { scriptedModel, type Message } from '../model/index.ts';
import { tool } from '../tool/index.ts';
import { answerWith, KEY, system, until, user, withMock, withServer, type ProxyScene, type Sent } from './proxy-scene.test.ts';
import { nodeWorld } from './world.ts';

const PAY = {
  type: 'function',
  function: { name: 'pay', description: 'Pays.', parameters: { type: 'object', properties: { usd: { type: 'number' } } } },
};
const result = (id: string, content: string): Sent => ({ role: 'tool', tool_call_id: id, content });

/** What a session says, a line each: who, and what. */
function said({ messages }: Pick<View, 'messages'>): readonly string[] {
  return messages.flatMap(({ role, origin, parts }: Message) =>
    parts.map((part) => {
      const who = role === 'user' && origin !== 'person' ? origin : role;
      if (part.type === 'text') return `${who}: ${part.text}`;
      if (part.type === 'tool_call') return `${who} calls ${part.name} ${JSON.stringify(part.input)}`;
      return part.type === 'tool_result' ? `${who} gives ${JSON.stringify(part.output)}` : `${who} sends a ${part.type}`;
    }),
  );
}

/** The only session, folded. */
async function only({ store, sessions }: ProxyScene): Promise<View> {
  const all = await sessions();
  assert.equal(all.length, 1);
  return foldAt(store, all[0]?.sid ?? '');
}

for (const stream of [false, true]) {
  test(`requests that grow become one session with its calls, results and answers (${stream ? 'streamed' : 'whole'})`, () =>
    withMock(
      (_request, n) => (n === 0 ? { text: 'One moment.', calls: [{ name: 'pay', input: { usd: 7 } }] } : `answer ${n}`),
      {},
      async (scene) => {
        const { ask, calls, mock } = scene;
        const rest = { stream, tools: [PAY], temperature: 0 };
        const talk: Sent[] = [system('Be brief.'), user('Pay 7 USD.')];
        talk.push(await ask(talk, rest), result('call_0', 'paid'));
        talk.push(await ask(talk, rest), user('And now?'));
        await ask(talk, rest);
        const view = await only(scene);
        assert.deepEqual(said(view), [
          'user: Pay 7 USD.',
          'assistant: One moment.',
          'assistant calls pay {"usd":7}',
          'tool gives "paid"',
          'assistant: answer 1',
          'user: And now?',
          'assistant: answer 2',
        ]);
        assert.deepEqual(
          (await scene.events(view.sid)).map(({ type }) => type).filter((type) => !type.startsWith('model.')),
          [
            'session.created',
            'message.received',
            'turn.started',
            'tool.called',
            'tool.returned',
            'turn.ended',
            'message.received',
            'turn.started',
            'turn.ended',
          ],
        );
        assert.deepEqual(
          calls.map(({ sid, end, model, usage }) => [sid, end, model, usage]),
          calls.map(() => [view.sid, 'answered', 'm', { inputTokens: 10, outputTokens: 5 }]),
        );
        assert.deepEqual([calls.length, mock.requests.length, mock.requests[2]?.body['messages']], [3, 3, talk]);
        const { status, agent } = await scene.store.info(view.sid);
        assert.deepEqual([status, agent, (await scene.store.verify(view.sid)).ok], ['idle', 'proxy', true]);
      },
    ));
}

test('a recorded session replays against an agent of the same definition, and another definition is told by the first difference', () =>
  withMock(
    (_request, n) => (n === 0 ? { calls: [{ name: 'pay', input: { usd: 7 } }] } : 'done'),
    {},
    async (scene) => {
      const rest = { tools: [PAY], tool_choice: 'auto', temperature: 0.5, max_tokens: 100, user: 'u1', stream: true, stream_options: {} };
      const talk: Sent[] = [system('Be brief.'), user('Pay 7 USD.')];
      talk.push(await scene.ask(talk, rest), result('call_0', 'paid'));
      talk.push(await scene.ask(talk, rest), user('Thanks.'));
      await scene.ask(talk, rest);
      const { sid } = await only(scene);
      const pay = tool({ name: 'pay', description: 'Pays.', inputSchema: PAY.function.parameters, execute: () => 'paid' });
      const agent = (instructions: string) =>
        createAgent({
          name: 'proxy',
          instructions,
          model: scriptedModel([]),
          tools: [pay],
          params: { temperature: 0.5, maxOutputTokens: 100, extra: { user: 'u1' } },
        });
      const { store } = scene;
      const world = nodeWorld();
      const same = await replaySession({ store, sid, world, agent: agent('Be brief.') });
      assert.deepEqual([same.divergence, same.decisions], [null, 8]);
      const other = await replaySession({ store, sid, world, agent: agent('Be long.') });
      assert.deepEqual([other.divergence?.at, other.divergence?.decided?.type], [`${sid}:3`, 'model.called']);
      await world.transport.close();
    },
  ));

test('a changed past is a session of its own, which holds that past as the client told it', () =>
  withServer(
    (_incoming, outgoing, n) => answerWith(outgoing, `answer ${n}`),
    {},
    async (scene) => {
      const { ask, sessions, store } = scene;
      const first = await ask([user('a')]);
      await ask([user('a'), first, user('b')]);
      await ask([user('A'), first, user('b'), system('Now in French.'), result('x', 'found')]);
      const [one, two, ...more] = (await sessions()).map(({ sid }) => sid);
      assert.equal(more.length, 0);
      const views = [await foldAt(store, String(one)), await foldAt(store, String(two))].map(said).toSorted((a, b) => a.length - b.length);
      assert.deepEqual(views, [
        ['user: a', 'assistant: answer 0', 'user: b', 'assistant: answer 1'],
        [
          'user: A',
          'user: {"role":"assistant","content":"answer 0","refusal":null}',
          'user: b',
          'system: Now in French.',
          'user: {"role":"tool","tool_call_id":"x","content":"found"}',
          'assistant: answer 2',
        ],
      ]);
      const sid = String((await foldAt(store, String(one))).messages.length === 4 ? two : one);
      const received = (await scene.events(sid)).filter(({ type }) => type === 'message.received');
      assert.deepEqual(
        received.map(({ origin }) => origin),
        ['person', 'model', 'person', 'system', 'tool'],
      );
    },
  ));

test('of two requests that go on from one place the second has a session of its own; instructions and tools may change', () =>
  withMock(
    () => 'fine',
    {},
    async (scene) => {
      const talk = [user('a'), await scene.ask([user('a')])];
      await Promise.all(['b', 'c'].map((text) => scene.ask([...talk, user(text)])));
      const heads = async () => (await scene.sessions()).map(({ head }) => head).toSorted((one, other) => one - other);
      assert.deepEqual(await heads(), [8, 11]);
      await scene.ask([system('New rules.'), ...talk, user('b'), { role: 'assistant', content: 'fine' }, user('d')], { tools: [PAY] });
      assert.deepEqual(await heads(), [8, 16]);
    },
  ));

test('agents of other instructions who happen to say the same stay apart', () =>
  withMock(
    () => 'fine',
    {},
    async (scene) => {
      const agents = ['A', 'B', 'C'].map((name) => ({ name, talk: [system(name), user('hi')] }));
      for (const { talk } of agents) talk.push(await scene.ask(talk), user('go on'));
      const [a, b, c] = scene.calls.map(({ sid }) => sid);
      for (const { talk } of agents) await scene.ask(talk);
      assert.deepEqual(
        scene.calls.slice(3).map(({ sid }) => sid),
        [a, b, c],
      );
    },
  ));

test('conversations that run at once, some after the answer of another, are kept apart', () =>
  withMock(
    ({ body }) => `to ${JSON.stringify((body['messages'] as Sent[]).at(-1)?.['content'])}`,
    {},
    async (scene) => {
      const names = Array.from({ length: 24 }, (_, index) => `n${index}`);
      await Promise.all(
        names.map(async (name, index) => {
          const talk: Sent[] = [];
          for (let turn = 0; turn < 5; turn++) {
            talk.push(user(`${name}.${turn}`));
            talk.push(await scene.ask(talk, { stream: (index + turn) % 2 === 0 }));
          }
        }),
      );
      const sessions = await scene.sessions();
      assert.equal(sessions.length, names.length);
      for (const { sid } of sessions) {
        const lines = said(await foldAt(scene.store, sid));
        const name = /n\d+/.exec(lines[0] ?? '')?.[0] ?? '';
        assert.deepEqual(
          lines,
          [0, 1, 2, 3, 4].flatMap((turn) => [`user: ${name}.${turn}`, `assistant: to "${name}.${turn}"`]),
        );
      }
      assert.deepEqual(scene.troubles, []);
    },
  ));

test('any client, whatever it goes on from, edits or asks again, finds each of its conversations in a session', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ from: fc.nat(6), cut: fc.nat(3), text: fc.constantFrom('a', 'b', 'é\ud800'), stream: fc.boolean() }), {
        maxLength: 8,
      }),
      (steps) =>
        withMock(
          ({ body }) => `re ${(body['messages'] as Sent[]).length}`,
          {},
          async (scene) => {
            const talks: Sent[][] = [[]];
            for (const { from, cut, text, stream } of steps) {
              const base = talks[from % talks.length] ?? [];
              const talk = [...base.slice(0, base.length - cut * 2), user(text)];
              talk.push(await scene.ask(talk, { stream }));
              talks.push(talk);
              const sid = scene.calls.at(-1)?.sid ?? '';
              const recorded = await foldAt(scene.store, sid);
              assert.deepEqual(said(recorded).length, talk.length);
              const last = recorded.messages.slice(-2).map(({ parts }) => parts[0]?.type === 'text' && parts[0].text);
              assert.deepEqual(last, [text.toWellFormed(), talk.at(-1)?.['content']]);
            }
            assert.deepEqual(scene.troubles, []);
            for (const { sid, status } of await scene.sessions()) {
              assert.equal(status, 'idle');
              assert.equal((await scene.store.verify(sid)).ok, true);
            }
          },
        ),
    ),
    { numRuns: 25 },
  ));

test('what got no answer and is asked again goes on in its session', () =>
  withMock(
    (_request, n) =>
      n === 0 ? { raw: { status: 529, headers: { 'retry-after': '7' }, body: '{"error":{"message":"busy"}}' } } : 'at last',
    {},
    async (scene) => {
      const refused = await scene.chat([user('a')]);
      assert.deepEqual(
        [refused.status, refused.headers.get('retry-after'), await refused.text()],
        [529, '7', '{"error":{"message":"busy"}}'],
      );
      await scene.ask([user('a')]);
      const view = await only(scene);
      assert.deepEqual(said(view), ['user: a', 'assistant: at last']);
      const failed = (await scene.events(view.sid)).find(({ type }) => type === 'model.failed');
      const started = (await scene.events(view.sid)).filter(({ type }) => type === 'turn.started');
      assert.deepEqual(
        started.map(({ data }) => data['takes']),
        [[1], [1]],
      );
      assert.deepEqual(
        [failed?.data['code'], failed?.data['retry'], failed?.data['retryAfterMs'], failed?.data['partial']],
        ['MODEL_UNAVAILABLE', true, 7_000, undefined],
      );
      assert.deepEqual(
        scene.calls.map(({ end, code, usage }) => [end, code, usage?.inputTokens]),
        [
          ['failed', 'MODEL_UNAVAILABLE', undefined],
          ['answered', null, 10],
        ],
      );
    },
  ));

test('a client that goes on without the results of its calls leaves them in doubt', () =>
  withMock(
    (_request, n) =>
      n === 0
        ? {
            calls: [
              { name: 'pay', input: {} },
              { name: 'pay', input: { usd: 1 } },
            ],
          }
        : 'fine',
    { isRefusalExpected: true },
    async (scene) => {
      const asked = await scene.ask([user('pay')], { tools: [PAY] });
      assert.equal((await scene.sessions())[0]?.status, 'waiting');
      await scene.chat([user('pay'), asked, result('call_1', 'paid'), user('never mind')], { tools: [PAY] });
      const types = await scene.types();
      assert.deepEqual(types.slice(5, 13), [
        'tool.called',
        'tool.called',
        'tool.returned',
        'tool.in_doubt',
        'turn.ended',
        'message.received',
        'turn.started',
        'model.called',
      ]);
    },
  ));

test('tools that change between a call and its result are a new definition in the open turn', () =>
  withMock(
    (_request, n) => (n === 0 ? { calls: [{ name: 'pay', input: {} }] } : 'fine'),
    {},
    async (scene) => {
      const asked = await scene.ask([user('pay')], { tools: [PAY] });
      await scene.ask([user('pay'), asked, result('call_0', 'x'.repeat(20_000)), system('Hurry.')], { tools: [PAY], temperature: 1 });
      assert.deepEqual((await scene.types()).slice(6), [
        'tool.returned',
        'session.configured',
        'message.received',
        'model.called',
        'model.answered',
        'turn.ended',
      ]);
      const { state, sid } = await only(scene);
      assert.deepEqual([state.turn.open, state.turn.inbox], [null, []]);
      const returned = (await scene.events(sid)).find(({ type }) => type === 'tool.returned');
      assert.equal((returned?.data['output'] as { bytes?: number } | undefined)?.bytes, 20_000, 'what is long is kept beside the log');
    },
  ));

test('a beginning that is too long for one frame is several, and an answer that no frame holds is told as a failure', () =>
  withMock(
    (_request, n) => (n === 0 ? 'fine' : 'x'.repeat(9_000_000)),
    {},
    async (scene) => {
      const talk = Array.from({ length: 400 }, (_, index) => user(`${index} ${'x'.repeat(12_000)}`));
      await scene.ask(talk);
      const { sid } = await only(scene);
      const frames = await scene.store.read(sid);
      assert.deepEqual([frames.length, frames[0]?.events.length === 1, said(await only(scene)).length], [3, false, 401]);
      await scene.ask([user('b')]);
      assert.deepEqual(
        scene.calls.map(({ end, code }) => [end, code]),
        [
          ['answered', null],
          ['failed', 'FRAME_INVALID'],
        ],
      );
      assert.deepEqual(scene.troubles, []);
    },
  ));

test('files and long texts are kept beside the log, and the upstream gets them as they were', () =>
  withServer(
    (_incoming, outgoing) => answerWith(outgoing, 'seen'),
    {},
    async (scene) => {
      const image = Buffer.alloc(40_000, 7).toString('base64');
      const content = [
        { type: 'text', text: 'x'.repeat(50_000) },
        { type: 'image_url', image_url: { url: `data:image/png;base64,${image}` } },
        { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
      ];
      await scene.ask([user(content)]);
      const { sid } = await only(scene);
      const received = (await scene.events(sid)).find(({ type }) => type === 'message.received');
      const files = received?.data['files'] as readonly { mediaType: string; data: { ref: string; bytes: number; url?: string } }[];
      assert.deepEqual(
        files.map(({ mediaType, data }) => [mediaType, data.bytes ?? data.url]),
        [
          ['text/plain', 50_000],
          ['image/png', 40_000],
          ['image/*', 'https://example.com/a.png'],
        ],
      );
      assert.deepEqual(await scene.store.blobs.get(files[1]?.data.ref ?? ''), new Uint8Array(Buffer.alloc(40_000, 7)));
      assert.deepEqual((JSON.parse(scene.bodies[0] ?? '') as { messages: Sent[] }).messages[0]?.['content'], content);
    },
  ));

test('a conversation goes on in its session after a restart, and a call that nobody ended is lost', () =>
  withMock(
    (_request, n) => (n === 1 ? { calls: [{ name: 'pay', input: {} }] } : `answer ${n}`),
    {},
    async (scene) => {
      const talk: Sent[] = [user('a')];
      talk.push(await scene.ask(talk), user('b'));
      await scene.restarted();
      talk.push(await scene.ask(talk, { tools: [PAY] }), result('call_0', 'paid'));
      const { sid, head } = (await scene.sessions())[0] ?? { sid: '', head: 0 };
      // As a process leaves it that is killed in a call.
      await scene.store.append({
        id: 'killed',
        sid,
        expected: head,
        events: [
          { type: 'tool.returned', origin: 'tool', data: { call: head - 1, output: 'paid' } },
          { type: 'model.called', data: { digest: 'd' } },
        ],
        then: { status: 'ready' },
      });
      await scene.restarted();
      const { status } = await scene.store.info(sid);
      assert.equal(status, 'idle');
      assert.deepEqual((await scene.types()).slice(-4), ['tool.returned', 'model.called', 'model.failed', 'turn.ended']);
      // What was asked is not known to be what the client has: it goes on in a session of its own.
      await scene.ask(talk, { tools: [PAY] });
      assert.deepEqual([(await scene.sessions()).length, scene.troubles], [2, []]);
    },
  ));

test('a session that is closed, written by somebody else or full is left, and the conversation goes on in another', async () => {
  const world = nodeWorld();
  const store = memoryStore({ world, limits: { eventsMax: 22 } });
  await withMock(
    () => 'fine',
    { store },
    async (scene) => {
      const talk: Sent[] = [];
      const go = async (): Promise<void> => {
        talk.push(user('go'));
        talk.push(await scene.ask(talk));
      };
      const sids = async (): Promise<number> => (await scene.sessions()).length;
      for (const count of [1, 1, 1, 1, 2]) {
        await go(); // the fifth turn does not fit
        assert.equal(await sids(), count);
      }
      const sid = (): string => scene.calls.at(-1)?.sid ?? '';
      const { head } = await store.info(sid());
      await store.append({ id: 'other', sid: sid(), expected: head, events: [{ type: 'note.taken', data: {} }] });
      await go();
      assert.equal(await sids(), 3);
      const closed = await store.info(sid());
      const events = [{ type: 'session.closed', data: { why: 'x' } }];
      await store.append({ id: 'c', sid: sid(), expected: closed.head, events, then: { status: 'closed' } });
      await go();
      assert.equal(await sids(), 4);
      await store.delete(sid(), { cascade: false });
      await go();
      assert.deepEqual([await sids(), scene.troubles], [4, []]);
    },
  );
  await world.transport.close();
});

test('only so many conversations are remembered; the one that went on last is not the one forgotten', () =>
  withMock(
    () => 'fine',
    { conversationsMax: 2 },
    async (scene) => {
      const talks = new Map<string, Sent[]>();
      const go = async (name: string): Promise<string> => {
        const talk = [...(talks.get(name) ?? []), user(name)];
        talks.set(name, [...talk, await scene.ask(talk)]);
        return scene.calls.at(-1)?.sid ?? '';
      };
      const [a, b] = [await go('a'), await go('b')];
      assert.equal(await go('a'), a);
      await go('c');
      assert.equal(await go('a'), a);
      assert.notEqual(await go('b'), b);
      // What was said again in the same words is young again.
      await scene.ask([user('same')]);
      await scene.ask([user('other')]);
      await scene.ask([user('same')]);
      const sid = scene.calls.at(-1)?.sid;
      await scene.ask([user('same'), { role: 'assistant', content: 'fine' }, user('more')]);
      assert.equal(scene.calls.at(-1)?.sid, sid);
    },
  ));

test('the key is nowhere in the store, also when a client or an upstream repeats it', () => {
  const answers = [
    { body: `{"choices":[{"message":{"role":"assistant","content":"Your key is ${KEY}."},"finish_reason":"stop"}]}` },
    { status: 401, body: `{"error":{"message":"bad key ${KEY}"}}` },
    { body: `bad key ${KEY}` },
    { body: `{"choices":"${'x'.repeat(170)}${KEY}"}` }, // the excerpt of it would end in the key
    { status: 302, body: `bad key ${KEY}` },
  ];
  return withMock(
    (_request, n) => ({ raw: answers[n] ?? { body: '' } }),
    {},
    async (scene) => {
      const answer = await scene.ask([user(`My key is ${KEY}, is it not?`)], { user: KEY });
      assert.equal(answer['content'], `Your key is ${KEY}.`);
      for (const { body } of answers.slice(1)) assert.equal(await (await scene.chat([user('a')], {}, { redirect: 'manual' })).text(), body);
      await until(() => scene.calls.length === answers.length);
      assert.deepEqual(
        scene.calls.map(({ code }) => code),
        [null, 'MODEL_AUTH', 'MODEL_GARBAGE', 'MODEL_GARBAGE', 'MODEL_GARBAGE'],
      );
      const texts: string[] = [];
      for (const { sid } of await scene.sessions())
        for (const { type, data } of await scene.events(sid)) {
          texts.push(JSON.stringify(data));
          if (type === 'turn.started')
            texts.push(Buffer.from(await scene.store.blobs.get((data['definition'] as { ref: string }).ref)).toString());
        }
      assert.equal(texts.join('\n').includes(KEY.slice(0, 12)), false);
      assert.match(texts.join('\n'), /My key is \[key\]/);
    },
  );
});
