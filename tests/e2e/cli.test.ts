import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Place } from './cli-process.ts';

test('run prints the answer alone on stdout and exits 0', async (t) => {
  const place = new Place(t);
  const { code, out, err } = await place.run('run', 'agents.ts#helper', 'hello');
  assert.deepEqual([code, out], [0, 'You said: hello\n']);
  assert.match(err, /^session [0-9a-f]{32}: answered, 1 step\n$/);
});

test('run goes on in a session, reads stdin and sends JSON', async (t) => {
  const place = new Place(t);
  const sid = await place.session('hello');
  const piped = await place.start(['run', 'agents.ts#helper', '-', '--session', sid], { stdin: 'from a pipe' }).ended;
  assert.equal(piped.out, 'You said: from a pipe\n');
  const { lines } = await place.json('run', 'agents.ts#helper', '--data', '{"a":1}', '--session', sid, '--by', 'ann');
  assert.equal(lines.at(-1)?.['status'], 'answered');
  const shown = await place.json('show', sid);
  const received = shown.lines.filter((line) => (line['event'] as { readonly type?: string } | undefined)?.type === 'message.received');
  assert.deepEqual(
    received.map((line) => line['by']),
    ['cli', 'cli', 'ann'],
  );
  assert.deepEqual((received[2]!['event'] as { readonly data: unknown }).data, { data: { a: 1 } });
});

test('run by name uses the registered agents: of --agents, or of nerva.config.ts', async (t) => {
  const place = new Place(t);
  assert.equal((await place.run('run', 'helper', 'hi', '--agents', 'agents.ts')).out, 'You said: hi\n');
  const unknown = await place.run('run', 'helpr', 'hi', '--agents', 'agents.ts');
  assert.deepEqual([unknown.code, unknown.out], [1, '']);
  assert.match(unknown.err, /^AGENT_UNKNOWN: No agent is named "helpr"; registered are: endless, helper, slow, stubborn\. .*--agents FILE/);
  place.write('nerva.config.ts', "export * from './agents.ts';\n");
  assert.equal((await place.run('run', 'helper', 'hi')).out, 'You said: hi\n');
});

test('a call that waits for approval exits 3 and tells the commands that answer it', async (t) => {
  const place = new Place(t);
  const { code, out } = await place.run('run', 'agents.ts#helper', 'pay');
  assert.equal(code, 3);
  const commands = [...out.matchAll(/^ {4}nerva (approve|deny) (\S+) (\d+) --agents agents\.ts$/gm)];
  assert.deepEqual(
    commands.map((match) => match[1]),
    ['approve', 'deny'],
  );
  assert.ok(out.startsWith('One moment.\nWaiting for a person:\n'));
  // What is printed works as it stands.
  const typed = String(commands[0]?.[0]).trim().split(' ').slice(1);
  const approved = await place.run(...typed);
  assert.deepEqual([approved.code, approved.out], [0, 'Result: {"paid":true}\n']);
  const again = await place.run(...typed);
  assert.deepEqual([again.code, again.out], [1, '']);
  assert.match(again.err, /^APPROVAL_SETTLED: .*The first answer stands/);
});

test('approve gives the answer of ask_person, and deny its reason', async (t) => {
  const place = new Place(t);
  const asked = await place.session('ask');
  const answered = await place.run('approve', asked, `${asked}:5`, '--answer', '"Tuesday"', '--agents', 'agents.ts');
  assert.deepEqual([answered.code, answered.out], [0, 'Result: Tuesday\n']);
  const paid = await place.session('pay');
  const denied = await place.run('deny', paid, '5', '--why', 'too dear', '--agents', 'agents.ts');
  assert.equal(denied.code, 0);
  assert.match(denied.out, /too dear/);
});

test('without its agent an answer is recorded, and resume goes on from it', async (t) => {
  const place = new Place(t);
  const sid = await place.session('pay');
  const recorded = await place.run('approve', sid, '5');
  assert.equal(recorded.code, 0);
  assert.match(recorded.out, /^Recorded as event 6 \(approval\.granted\)\. .*\n {4}nerva resume \S+ --agents FILE\n$/);
  assert.deepEqual((await place.types(sid)).slice(5), ['approval.requested', 'approval.granted']);
  const resumed = await place.run('resume', '--agents', 'agents.ts');
  assert.deepEqual([resumed.code, resumed.out], [0, `${sid}  idle  Result: {"paid":true}\n`]);
});

test('a call in doubt is settled by what a person found', async (t) => {
  const place = new Place(t);
  const happened = await place.run('run', 'agents.ts#helper', 'doubt', '--session', 'one');
  assert.equal(happened.code, 3);
  assert.match(happened.out, /5 {2}in doubt \(threw\): doubtful\(\{\}\)\n.*approve one 5 --agents agents\.ts --output JSON/);
  const bare = await place.run('approve', 'one', '5', '--agents', 'agents.ts');
  assert.equal(bare.code, 2);
  assert.match(bare.err, /in doubt: say what it returned with --output JSON/);
  assert.equal((await place.run('approve', 'one', '5', '--output', '"it arrived"', '--agents', 'agents.ts')).out, 'Result: it arrived\n');
  await place.run('run', 'agents.ts#helper', 'doubt', '--session', 'two');
  const denied = await place.run('deny', 'two', '5', '--agents', 'agents.ts');
  assert.equal(denied.code, 0);
  assert.match(denied.out, /did not happen/);
});

test('sessions lists by status and agent, in pages', async (t) => {
  const place = new Place(t);
  for (const sid of ['a', 'b', 'c']) await place.run('run', 'agents.ts#helper', sid === 'b' ? 'pay' : 'hi', '--session', sid);
  const sids = async (...args: readonly string[]): Promise<unknown[]> =>
    (await place.json('sessions', ...args)).lines.map((line) => line['sid']);
  assert.deepEqual(await sids(), ['a', 'b', 'c']);
  assert.deepEqual(await sids('--status', 'waiting'), ['b']);
  assert.deepEqual(await sids('--agent', 'other'), []);
  assert.deepEqual(await sids('--limit', '1', '--after', 'a'), ['b']);
  assert.deepEqual(await sids('--tenant', 'default', '--limit', '2'), ['a', 'b']);
  const page = await place.run('sessions', '--limit', '2');
  assert.match(page.out, /^SESSION +STATUS.*\na +idle +helper +6 .*\nb +waiting +helper +6 .*\n$/);
  assert.match(page.err, /nerva sessions --after b/);
});

test('show prints log, state and what waits; --at goes back; long values are cut unless --full', async (t) => {
  const place = new Place(t);
  await place.run('run', 'agents.ts#helper', 'x'.repeat(500), '--session', 'long');
  const cut = await place.run('show', 'long');
  assert.match(cut.out, /1 {2}\S+ \S+ {2}person {2}message\.received +x{100}… \(400 more\)\n/);
  assert.match(cut.err, /--full/);
  const full = await place.run('show', 'long', '--full');
  assert.ok(full.out.includes('x'.repeat(500)) && full.err === '');
  await place.run('run', 'agents.ts#helper', 'pay', '--session', 'paid');
  const now = await place.run('show', 'paid');
  assert.match(now.out, /waiting for a person:\n {2}5 {2}needs approval: pay\(\{\}\)\n {4}nerva approve paid 5\n/);
  const then = await place.run('show', 'paid', '--at', '1');
  assert.match(then.out, /after event 1: 0 messages, no turn yet, 0 tokens\nqueued: pay\n$/);
  const { lines } = await place.json('show', 'paid', '--at', '3');
  assert.deepEqual(
    lines.map((line) => line['type']),
    ['event', 'event', 'event', 'event', 'view'],
  );
  assert.deepEqual([lines[4]?.['seq'], lines[2]?.['id']], [3, 'paid:2']);
});

test('fork shares the past, asks before it acts unless live, and diff tells what each side changed', async (t) => {
  const place = new Place(t);
  await place.run('run', 'agents.ts#helper', 'hi', '--session', 'root');
  const { lines } = await place.json('fork', 'root', '--at', '5', '--as', 'live', '--live');
  assert.deepEqual(lines[0], { type: 'fork', sid: 'live', parent: 'root', at: 5, effects: 'live', status: 'idle' });
  const made = await place.run('fork', 'root', '--at', '5');
  const fork = made.out.trim();
  assert.match(fork, /^[0-9a-f]{32}$/);
  await place.run('run', 'agents.ts#helper', 'one', '--session', 'root');
  await place.run('run', 'agents.ts#helper', 'two', '--session', fork);
  const [different] = (await place.json('diff', fork)).lines;
  assert.deepEqual([different?.['between'], different?.['base']], [['root', fork], { sid: 'root', at: 5 }]);
  const paths = (side: string): unknown[] =>
    (different![side] as { readonly path: readonly unknown[] }[]).map(({ path }) => path.join('.'));
  assert.deepEqual(
    paths('ours').filter((path) => String(path).startsWith('messages')),
    ['messages.2', 'messages.3'],
  );
  assert.ok(paths('conflicts').includes('messages.2'));
  const text = await place.run('diff', 'live', fork);
  assert.equal(text.code, 0);
  assert.match(text.out, /live changed nothing\n[^]*\+ messages\.3: .*You said: two[^]*No conflicts\.\n$/);
  await place.run('run', 'agents.ts#helper', 'hi', '--session', 'stranger');
  const stranger = await place.run('diff', 'root', 'stranger');
  assert.equal(stranger.code, 1);
  assert.match(stranger.err, /no event in common/);
  assert.equal((await place.run('diff', 'root')).code, 2);
});

test('replay agrees with its own agent and names the first difference of another', async (t) => {
  const place = new Place(t);
  const sid = await place.session('hi');
  const same = await place.run('replay', sid, '--agents', 'agents.ts');
  assert.equal(same.code, 0);
  assert.match(same.out, /^same: 6 events, \d+ decisions made again, no call made\n$/);
  place.write(
    'other.ts',
    "import { createAgent, scriptedModel } from 'nerva';\nexport const helper = createAgent({ name: 'helper', instructions: 'Be short.', model: scriptedModel(['hi']) });\n",
  );
  const other = await place.run('replay', sid, '--against', 'other.ts');
  assert.equal(other.code, 1);
  assert.match(
    other.out,
    new RegExp(`^differs at ${sid}:3, decision \\d+\\n {2}recorded: model\\.called .*\\n {2}decided: {2}model\\.called `),
  );
  const missing = await place.run('replay', sid);
  assert.equal(missing.code, 1);
  assert.match(missing.err, /^AGENT_UNKNOWN: .*--agents FILE/);
});

test('close ends a session at rest for good, once, without its agent, and prune then drops it', async (t) => {
  const place = new Place(t);
  await place.run('run', 'agents.ts#helper', 'hi', '--session', 'done');
  // A fact that nothing follows from leaves a session ready although nothing in it is open.
  await place.store((store) =>
    store.append({ id: 'late', sid: 'done', expected: 'fact', events: [{ type: 'cancel.requested', data: { why: 'late' } }] }),
  );
  assert.equal((await place.json('prune', '--before', '2999-01-01')).lines[0]?.['sessions'], 0);
  const closed = await place.json('close', 'done', '--why', 'settled', '--by', 'ann');
  assert.deepEqual([closed.code, closed.lines], [0, [{ type: 'closed', sid: 'done', before: 'ready' }]]);
  const { lines } = await place.json('show', 'done');
  const { by, event } = lines.at(-2) as { readonly by: string; readonly event: { readonly type: string; readonly data: unknown } };
  assert.deepEqual([by, event.type, event.data], ['ann', 'session.closed', { why: 'settled' }]);
  assert.match((await place.run('run', 'agents.ts#helper', 'more', '--session', 'done')).err, /^SESSION_CLOSED: /);
  assert.match((await place.run('close', 'done')).out, /was closed already/);
  assert.equal((await place.json('prune', '--before', '2999-01-01')).lines[0]?.['sessions'], 1);
  assert.match((await place.run('close', 'nobody')).err, /^SESSION_UNKNOWN: /);
});

test('close leaves a session with an open turn, or with input that waits, as it is and says what to do', async (t) => {
  const place = new Place(t);
  await place.run('run', 'agents.ts#helper', 'pay', '--session', 'open');
  await place.run('run', 'agents.ts#helper', 'pay', '--session', 'stuck');
  await place.run('run', 'agents.ts#helper', 'hi', '--session', 'queued');
  await place.store(async (store) => {
    const fact = { id: 'x', expected: 'fact' } as const;
    await store.append({ ...fact, sid: 'stuck', events: [{ type: 'note.taken', data: {} }], then: { status: 'quarantined' } });
    await store.append({ ...fact, sid: 'queued', events: [{ type: 'message.received', data: { text: 'more' } }] });
  });
  const cases: readonly (readonly [string, RegExp])[] = [
    ['open', /open has an open turn: answer what waits with `nerva approve` or `nerva deny` .*, or let `nerva resume open` end it/],
    ['stuck', /stuck has an open turn: .* or `nerva release stuck`, then let `nerva resume stuck` end it/],
    ['queued', /queued has input that no turn has taken: let `nerva resume queued` end it/],
  ];
  for (const [sid, expected] of cases) {
    const before = await place.types(sid);
    const { code, out, err } = await place.run('close', sid);
    assert.deepEqual([code, out, err.startsWith('SESSION_BUSY: ')], [1, '', true]);
    assert.match(err, expected);
    assert.deepEqual(await place.types(sid), before);
  }
  await place.run('deny', 'open', '5', '--agents', 'agents.ts');
  assert.equal((await place.run('close', 'open')).code, 0);
});

test('stats --usage keeps its rows in the store, and beside a writer counts from the first event and says so', async (t) => {
  const place = new Place(t);
  await place.session('hi');
  await place.session('pay');
  const usage = async (): Promise<unknown> => (await place.json('stats', '--usage')).lines[0]?.['usage'];
  const first = await usage();
  const { sessions, turns, modelCalls, unknownCalls } =
    (first as Readonly<Record<string, Readonly<Record<string, unknown>>>>)['helper'] ?? {};
  assert.deepEqual([sessions, turns, modelCalls, unknownCalls], [2, { answer: 1 }, 2, 2]);
  assert.deepEqual(await usage(), first);
  const kept = await place.run('stats', '--usage');
  assert.match(kept.out, /\nAGENT +SESSIONS +TURNS .*\nhelper +2 +1 answer +2 +0 \/ 0 \(2 unknown\)/);
  assert.equal(kept.err, '');
  const beside = await place.store(async () => place.run('stats', '--usage'));
  assert.deepEqual([beside.code, beside.out.split('AGENT')[1]], [0, kept.out.split('AGENT')[1]]);
  assert.match(beside.err, /^Usage was counted from the first event/);
});

test('stats counts, prune drops the closed, release frees the quarantined, delete leaves a tombstone', async (t) => {
  const place = new Place(t);
  for (const sid of ['closed', 'stuck', 'gone', 'parent']) await place.run('run', 'agents.ts#helper', 'hi', '--session', sid);
  await place.store(async (store) => {
    const end = async (sid: string, status: 'closed' | 'quarantined'): Promise<unknown> =>
      store.append({
        id: `end-${sid}`,
        sid,
        expected: 'fact',
        events: [{ type: status === 'closed' ? 'session.closed' : 'cancel.requested', data: { why: 'test' } }],
        then: { status },
      });
    await end('closed', 'closed');
    await end('stuck', 'quarantined');
  });
  const [stats] = (await place.json('stats')).lines;
  assert.deepEqual(stats?.['sessions'], { ready: 0, waiting: 0, idle: 2, closed: 1, quarantined: 1 });
  assert.match((await place.run('stats')).out, /^sessions +4 \(2 idle, 1 closed, 1 quarantined\)\n/);
  const [{ usage } = {}] = (await place.json('stats', '--usage')).lines as readonly {
    readonly usage?: Readonly<Record<string, { readonly sessions: number; readonly turns: object }>>;
  }[];
  assert.deepEqual([usage?.['helper']?.sessions, usage?.['helper']?.turns], [4, { answer: 4 }]);
  assert.match((await place.run('stats', '--usage')).out, /\nAGENT +SESSIONS +TURNS .*\nhelper +4 +4 answer/);
  assert.match((await place.run('release', 'gone')).out, /is idle, not quarantined; nothing was changed/);
  assert.equal((await place.json('release', 'stuck')).lines[0]?.['released'], true);
  assert.deepEqual(
    (await place.json('sessions', '--status', 'ready')).lines.map((line) => line['sid']),
    ['stuck'],
  );
  assert.equal((await place.json('prune', '--before', '2020-01-01')).lines[0]?.['sessions'], 0);
  assert.equal((await place.json('prune', '--before', '2999-01-01T00:00:00Z')).lines[0]?.['sessions'], 1);
  assert.match((await place.run('show', 'closed')).err, /^LOG_PRUNED: /);
  assert.equal((await place.run('verify', 'closed')).code, 0);
  assert.equal((await place.run('delete', 'gone')).code, 0);
  assert.match((await place.run('show', 'gone')).err, /^SESSION_DELETED: /);
  await place.run('fork', 'parent', '--at', '5', '--as', 'child');
  const refused = await place.run('delete', 'parent');
  assert.deepEqual([refused.code, refused.err.startsWith('SESSION_HAS_FORKS: ')], [1, true]);
  assert.equal((await place.run('delete', 'parent', '--cascade')).code, 0);
});
