import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NervaError } from '../core/index.ts';
import { eventsOf, memoryStore, type LogEvent, type SessionInfo, type Store } from '../log/index.ts';
import { openaiMock, type WireMock, type WireMockOptions } from '../testing/index.ts';
import type { HttpOptions } from './http.ts';
import type { ProxyCall } from './proxy-recorder.ts';
import { recordingProxy, type ProxyOptions, type RecordingProxy } from './proxy.ts';
import { nodeWorld } from './world.ts';

/** A key as long as real ones are. */
export const KEY = 'sk-proxy-0123456789abcdef0123456789';

/** A message of a client. */
export type Sent = Readonly<Record<string, unknown>>;

/** A proxy that runs, and what it told. */
export interface ProxyScene {
  readonly proxy: RecordingProxy;
  readonly store: Store;
  readonly calls: readonly ProxyCall[];
  readonly troubles: readonly NervaError[];
  /** Sends to the proxy, with the key. */
  send(path: string, init?: RequestInit): Promise<Response>;
  /** Asks for a chat completion. */
  chat(messages: readonly Sent[], rest?: Sent, init?: RequestInit): Promise<Response>;
  /** The same, read to its end: the message to go on with. A stream is put together. */
  ask(messages: readonly Sent[], rest?: Sent): Promise<Sent>;
  sessions(): Promise<readonly SessionInfo[]>;
  events(sid: string): Promise<readonly LogEvent[]>;
  /** Types of the only session's events. */
  types(): Promise<readonly string[]>;
  /** Ends the proxy and makes another on the same store. */
  restarted(): Promise<RecordingProxy>;
}

/** How the scene is set. */
export interface SceneOptions extends Partial<Omit<ProxyOptions, 'world'>> {
  readonly http?: HttpOptions;
}

/** Runs `body` with a proxy in front of `upstream`, and ends both. */
export async function withProxy(
  upstream: string,
  { http, ...options }: SceneOptions,
  body: (scene: ProxyScene) => Promise<void>,
): Promise<void> {
  const world = nodeWorld({ http: { proxy: false, ...http } });
  const store = options.store ?? memoryStore({ world });
  const calls: ProxyCall[] = [];
  const troubles: NervaError[] = [];
  const start = (): Promise<RecordingProxy> =>
    recordingProxy({
      upstream,
      world,
      onCall: (call) => calls.push(call),
      onTrouble: (error) => troubles.push(error),
      ...options,
      store,
    });
  let proxy = await start();
  const send: ProxyScene['send'] = (path, init = {}) =>
    fetch(`${proxy.url}${path}`, {
      ...init,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}`, ...(init.headers as object) },
    });
  const chat: ProxyScene['chat'] = (messages, rest = {}, init = {}) =>
    send('/chat/completions', { method: 'POST', body: JSON.stringify({ model: 'm', messages, ...rest }), ...init });
  const sessions = (): Promise<readonly SessionInfo[]> => store.list({ limit: 1_000 });
  const events: ProxyScene['events'] = async (sid) => (await store.read(sid)).flatMap(eventsOf);
  try {
    await body({
      get proxy() {
        return proxy;
      },
      store,
      calls,
      troubles,
      send,
      chat,
      async ask(messages, rest = {}) {
        const text = await (await chat(messages, rest)).text();
        return rest['stream'] === true ? joined(text) : (JSON.parse(text) as { choices: [{ message: Sent }] }).choices[0].message;
      },
      sessions,
      events,
      types: async () => {
        const [only, ...others] = await sessions();
        if (only === undefined || others.length > 0) throw new Error(`${others.length + 1} sessions`);
        return (await events(only.sid)).map(({ type }) => type);
      },
      async restarted() {
        await proxy.close({ graceMs: 1 });
        return (proxy = await start());
      },
    });
  } finally {
    await proxy.close({ graceMs: 1 });
    await world.transport.close();
  }
}

/** The same in front of the strict mock of OpenAI. */
export async function withMock(
  answer: WireMockOptions['answer'],
  options: SceneOptions & Pick<WireMockOptions, 'isRefusalExpected'>,
  body: (scene: ProxyScene & { readonly mock: WireMock }) => Promise<void>,
): Promise<void> {
  const { isRefusalExpected = false, ...rest } = options;
  const mock = await openaiMock({ answer, apiKey: KEY, isRefusalExpected });
  try {
    await withProxy(mock.baseUrl, rest, (scene) => body(Object.assign(scene, { mock })));
  } finally {
    await mock.close();
  }
}

/** Answers the n-th request, whose body has come. */
export type Answering = (incoming: IncomingMessage, outgoing: ServerResponse, n: number) => void | Promise<void>;

/** The same in front of a server that does as it is told. */
export async function withServer(
  answer: Answering,
  options: SceneOptions,
  body: (scene: ProxyScene & { readonly bodies: readonly string[] }) => Promise<void>,
): Promise<void> {
  const bodies: string[] = [];
  const server = createServer((incoming, outgoing) => {
    void text(incoming).then((said) => answer(incoming, outgoing, bodies.push(said) - 1));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    await withProxy(`http://127.0.0.1:${port}/v1`, options, (scene) => body(Object.assign(scene, { bodies })));
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** A whole chat completion. */
export function answerWith(outgoing: ServerResponse, content: string): void {
  const message = { role: 'assistant', content, refusal: null };
  const usage = { prompt_tokens: 1, completion_tokens: 1 };
  outgoing.writeHead(200, { 'content-type': 'application/json' });
  outgoing.end(JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, message, finish_reason: 'stop' }], usage }));
}

/** A chunk of a stream. */
export function chunk(delta: object, finish: string | null = null): string {
  return `data: ${JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
}

/** Resolves once it holds; of what a process does beside the test nothing else tells. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries > 1_000) throw new Error('It never came to hold.');
    await sleep(5);
  }
}

export const user = (content: unknown): Sent => ({ role: 'user', content });
export const system = (content: string): Sent => ({ role: 'system', content });

/** The message that a client makes of a stream of text and calls. */
function joined(stream: string): Sent {
  let content = '';
  const calls: { id: string; type: 'function'; function: { name: string; arguments: string } }[] = [];
  for (const [, json = ''] of stream.matchAll(/^data: (\{.*)$/gm)) {
    const [choice] = (JSON.parse(json) as { choices: { delta: { content?: string; tool_calls?: Delta[] } }[] }).choices;
    content += choice?.delta.content ?? '';
    for (const { index, id, function: called } of choice?.delta.tool_calls ?? []) {
      const call = (calls[index] ??= { id: '', type: 'function', function: { name: '', arguments: '' } });
      call.id += id ?? '';
      call.function.name += called.name ?? '';
      call.function.arguments += called.arguments ?? '';
    }
  }
  return { role: 'assistant', content, ...(calls.length === 0 ? {} : { tool_calls: calls }) };
}

interface Delta {
  readonly index: number;
  readonly id?: string;
  readonly function: { readonly name?: string; readonly arguments?: string };
}
