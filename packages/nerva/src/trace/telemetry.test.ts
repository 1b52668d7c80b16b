import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createRuntime as runtimeOn } from '../agent/index.ts';
import { memoryProjectionRows, memoryStore } from '../log/index.ts';
import { scriptedModel } from '../model/index.ts';
import { createAgent, createRuntime, nodeWorld, openSqlite } from '../node/index.ts';
import { testWorld } from '../testing/index.ts';
import { tool } from '../tool/index.ts';
import { otlp, telemetry, type Span, type TelemetryPort, type TurnTelemetry } from './index.ts';

const ANY = { type: 'object' } as const;
const look = tool({ name: 'look', effect: 'read', inputSchema: ANY, execute: () => ({ secret: 'sky' }) });
const pay = tool({ name: 'pay', inputSchema: ANY, needsApproval: true, execute: () => 'paid' });
const USAGE = { inputTokens: 12, outputTokens: 3 };
const script = () =>
  scriptedModel(
    [
      {
        calls: [
          { name: 'look', input: { at: 'secret place' } },
          { name: 'pay', input: {} },
        ],
        usage: USAGE,
      },
      { text: 'done', usage: USAGE },
      { error: { code: 'MODEL_AUTH', message: 'no key' } },
    ],
    { name: 'openai/gpt-x' },
  );

/** A port that keeps what it is given, and refuses so many times first. */
function kept(refusals = 0): TelemetryPort & { readonly turns: TurnTelemetry[]; tries: number } {
  const turns: TurnTelemetry[] = [];
  return {
    turns,
    tries: 0,
    export(given) {
      if (this.tries++ < refusals) return Promise.reject(new Error('the collector is away'));
      turns.push(...given);
      return Promise.resolve();
    },
  };
}

/** One turn with a read, a payment that a person approves, and an answer; then one that fails. */
async function played(store = memoryStore({ world: testWorld() })) {
  const world = testWorld({ ticking: true });
  const agent = createAgent({ name: 'clerk', model: script(), tools: [look, pay] });
  const runtime = runtimeOn({ store, world, agents: [agent] });
  const session = runtime.session('s', { agent: 'clerk' });
  const { pending } = await session.send('go').result;
  await session.respond(pending[0]?.id ?? 's:0', { decision: 'approve' }).result;
  await session.send('again').result;
  await runtime.close();
  return { store, world };
}

const tree = (spans: readonly Span[]): string[] =>
  spans.map(({ name, parentSpanId, spanId, status }) => {
    const parent = spans.find((other) => other.spanId === parentSpanId);
    assert.ok(spans.filter((other) => other.spanId === spanId).length === 1);
    return `${parent === undefined ? '' : '  '}${name}${status === 'error' ? ' !' : ''}`;
  });

test('a turn is a tree of spans: the agent above its model calls, its tools and the wait for a person', async () => {
  const { store, world } = await played();
  const port = kept();
  await telemetry({ store, rows: memoryProjectionRows(), world, port }).flush();
  const [first, second] = port.turns as [TurnTelemetry, TurnTelemetry];
  assert.deepEqual(tree(first.spans).toSorted(), [
    '  chat gpt-x',
    '  chat gpt-x',
    '  execute_tool look',
    '  execute_tool pay',
    '  wait_for_person pay',
    'invoke_agent clerk',
  ]);
  assert.deepEqual(tree(second.spans), ['invoke_agent clerk !', '  chat gpt-x !']);
  const chat = first.spans.find(({ name }) => name === 'chat gpt-x');
  assert.equal(chat?.attributes['gen_ai.provider.name'], 'openai');
  assert.equal(chat?.attributes['gen_ai.usage.input_tokens'], 12);
  assert.equal(chat?.kind, 'client');
  for (const span of [...first.spans, ...second.spans]) {
    assert.match(`${span.traceId} ${span.spanId}`, /^[0-9a-f]{32} [0-9a-f]{16}$/);
    assert.ok(span.endMs >= span.startMs);
  }
  assert.equal(new Set(first.spans.map(({ traceId }) => traceId)).size, 1);
  assert.deepEqual([second.spans[0]?.attributes['error.type'], second.spans[1]?.attributes['error.type']], ['MODEL_AUTH', 'MODEL_AUTH']);
  const tokens = first.measurements.filter(({ name }) => name === 'gen_ai.client.token.usage').map(({ value }) => value);
  assert.deepEqual(tokens, [12, 3, 12, 3]);
  assert.equal(first.measurements.filter(({ name }) => name === 'gen_ai.client.operation.duration').length, 2);
});

test('what was said goes along only when it is asked for', async () => {
  const { store, world } = await played();
  for (const isContent of [false, true]) {
    const port = kept();
    await telemetry({ store, rows: memoryProjectionRows(), world, port, isContent }).flush();
    assert.equal(/secret place/.test(JSON.stringify(port.turns)) && /sky/.test(JSON.stringify(port.turns)), isContent);
  }
});

test('a turn is sent once, its cursor is kept, and the same turn always has the same ids', async () => {
  const { store, world } = await played();
  const [rows, port, again] = [memoryProjectionRows(), kept(), kept()];
  await telemetry({ store, rows, world, port }).flush();
  await telemetry({ store, rows, world, port }).flush();
  assert.equal(port.turns.length, 2);
  await telemetry({ store, rows: memoryProjectionRows(), world, port: again }).flush();
  assert.deepEqual(again.turns, port.turns);
});

test('a collector that is away is asked again, and after so many tries its turns are set aside and said so', async () => {
  const { store } = await played();
  const world = nodeWorld();
  const quick = { clock: { ...world.clock, sleep: () => Promise.resolve() }, digest: world.digest };
  const back = kept(3);
  const late = telemetry({ store, rows: memoryProjectionRows(), world: quick, port: back });
  await late.flush();
  assert.deepEqual([back.turns.length, back.tries, late.status.sent], [2, 4, 2]);
  const gone = kept(100);
  const given = telemetry({ store, rows: memoryProjectionRows(), world: quick, port: gone, triesMax: 2 });
  await given.flush();
  assert.deepEqual(given.status, { sent: 0, aside: 2, why: 'the collector is away' });
  assert.equal(gone.tries, 2);
  await world.transport.close();
});

/** A collector that takes OTLP over HTTP and refuses what is not its protocol. */
async function collector(t: TestContext): Promise<{
  readonly url: string;
  readonly spans: Readonly<Record<string, unknown>>[];
  readonly metrics: unknown[];
  readonly wrong: string[];
}> {
  const [spans, metrics, wrong]: [Readonly<Record<string, unknown>>[], unknown[], string[]] = [[], [], []];
  const server = createServer((incoming, outgoing) => {
    void bodyOf(incoming).then((text) => {
      const body = JSON.parse(text) as never;
      const fault =
        incoming.url === '/v1/traces'
          ? tracesFault(body, spans)
          : incoming.url === '/v1/metrics'
            ? metricsFault(body, metrics)
            : 'no such path';
      if (fault !== null || incoming.headers['content-type'] !== 'application/json') wrong.push(fault ?? 'content type');
      outgoing.writeHead(fault === null ? 200 : 400, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, metrics, wrong };
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of incoming) text += String(piece);
  return text;
}

interface OtlpSpan {
  readonly [name: string]: unknown;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
}

/** opentelemetry-proto, trace/v1/trace.proto in its JSON encoding: ids in hex, times as decimal texts, enums as numbers, no other members. */
function tracesFault(
  body: {
    readonly resourceSpans: readonly {
      readonly resource: unknown;
      readonly scopeSpans: readonly { readonly scope: unknown; readonly spans: readonly OtlpSpan[] }[];
    }[];
  },
  spans: object[],
): string | null {
  const known = new Set([
    'traceId',
    'spanId',
    'parentSpanId',
    'name',
    'kind',
    'startTimeUnixNano',
    'endTimeUnixNano',
    'attributes',
    'events',
    'status',
  ]);
  for (const span of body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans))) {
    for (const name of Object.keys(span)) if (!known.has(name)) return `unknown member ${name}`;
    if (!/^[0-9a-f]{32}$/.test(String(span['traceId'])) || !/^[0-9a-f]{16}$/.test(String(span['spanId']))) return 'an id';
    if (!/^\d{19}$/.test(String(span['startTimeUnixNano'])) || !/^\d{19}$/.test(String(span['endTimeUnixNano']))) return 'a time';
    if (span['kind'] !== 1 && span['kind'] !== 3) return 'a kind';
    for (const { key, value } of span.attributes) {
      const [type, ...more] = Object.keys(value);
      if (key === '' || more.length > 0 || !['stringValue', 'boolValue', 'intValue', 'doubleValue', 'arrayValue'].includes(type ?? ''))
        return `attribute ${key}`;
      if (type === 'intValue' && !/^-?\d+$/.test(String(value['intValue']))) return `a number of ${key}`;
    }
    spans.push(span);
  }
  return null;
}

function metricsFault(
  body: {
    readonly resourceMetrics: readonly {
      readonly scopeMetrics: readonly {
        readonly metrics: readonly {
          readonly histogram: {
            readonly dataPoints: readonly {
              readonly count: string;
              readonly bucketCounts: readonly string[];
              readonly explicitBounds: readonly number[];
            }[];
          };
        }[];
      }[];
    }[];
  },
  metrics: unknown[],
): string | null {
  for (const metric of body.resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))) {
    for (const { count, bucketCounts, explicitBounds } of metric.histogram.dataPoints) {
      if (bucketCounts.length !== explicitBounds.length + 1) return 'buckets';
      if (bucketCounts.reduce((sum, bucket) => sum + Number(bucket), 0) !== Number(count)) return 'a count';
    }
    metrics.push(metric);
  }
  return null;
}

test('a runtime with telemetry sends each turn to a collector over OTLP, and a restart sends nothing twice', async (t) => {
  const { url, spans, metrics, wrong } = await collector(t);
  const folder = mkdtempSync(join(tmpdir(), 'nerva-otlp-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const world = nodeWorld();
  for (const input of ['one', 'two']) {
    const store = await openSqlite(join(folder, 's.db'), { world });
    const agent = createAgent({ name: 'clerk', model: scriptedModel([{ text: 'hello', usage: USAGE }], { name: 'openai/gpt-x' }) });
    const runtime = await createRuntime({ store, agents: [agent], world, telemetry: { port: otlp({ url, world, service: 'desk' }) } });
    await runtime.session(input, { agent: 'clerk' }).send('hi').result;
    await runtime.close();
    await store.close();
  }
  await world.transport.close();
  assert.deepEqual(wrong, []);
  assert.deepEqual(
    spans.map(({ name }) => name),
    ['invoke_agent clerk', 'chat gpt-x', 'invoke_agent clerk', 'chat gpt-x'],
  );
  assert.equal(spans[1]?.['parentSpanId'], spans[0]?.['spanId']);
  assert.ok(metrics.length >= 2);
});

test('a collector that is not there holds up no turn, and a close by two seconds at most', async () => {
  const world = nodeWorld();
  const agent = createAgent({ name: 'clerk', model: scriptedModel(['hello']) });
  const runtime = await createRuntime({
    store: 'memory:',
    agents: [agent],
    world,
    telemetry: { port: otlp({ url: 'http://127.0.0.1:9', world }) },
  });
  assert.equal((await runtime.session('s', { agent: 'clerk' }).send('hi').result).text, 'hello');
  const startMs = performance.now();
  await runtime.close();
  assert.ok(performance.now() - startMs < 4_000);
  await world.transport.close();
});
