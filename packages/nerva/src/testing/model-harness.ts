import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { NervaError, type ErrorCode, type HttpLimits, type Json, type World } from '../core/index.ts';
import type { CallOptions, Delta, FinishReason, Model, ModelAnswer, ModelRequest } from '../model/index.ts';
import { nodeWorld } from '../node/index.ts';
import { say } from './model-turns.ts';
import { wireMock, type MockAnswer, type MockDialect, type MockRequest, type WireMockOptions } from './wire-mock.ts';

/** A model behind HTTP under test, with the strict mock of its provider. */
export interface HttpSubject {
  /** What the tests are grouped under. */
  readonly name: string;
  /** Makes the model; key and limits must reach it. */
  readonly make: (baseUrl: string, options: { readonly apiKey: string; readonly limits?: Partial<HttpLimits> }) => Model;
  /** A provider that remembers nothing of another one. */
  readonly mock: () => MockDialect;
  /** The key that the provider takes. Default `CONTRACT_KEY`. */
  readonly apiKey?: string;
  readonly features: ModelFeatures & HttpFeatures;
}

/** Any other model under test, with whatever stands for its provider. */
export interface PortSubject {
  readonly name: string;
  readonly open: (answer: OpenOptions['answer']) => Promise<Opened>;
  readonly features: ModelFeatures;
}

/** A model port that runs the contract. */
export type ModelSubject = HttpSubject | PortSubject;

/** What the way to the model carries: laws about what it has no place for are left out, or ask that it is refused. */
export interface ModelFeatures {
  /** Whether reasoning comes with an answer. */
  readonly reasoning: boolean;
  /** Whether it goes back to the model that made it. */
  readonly returnsReasoning: boolean;
  /** Where the arguments of a call come as text, which may be no JSON: in streams alone, in both forms, or nowhere. */
  readonly malformed: 'both' | 'stream' | 'none';
  /** Tokens that are told beside the totals, with the mock's usage. */
  readonly usage: readonly ('cachedInputTokens' | 'cacheWriteTokens' | 'reasoningTokens')[];
  /** Words of the provider for why it stopped. */
  readonly finishes: Readonly<Record<string, FinishReason>>;
  /** Files that a person may send. */
  readonly files: readonly ('image' | 'document' | 'audio')[];
}

/** What only a model behind HTTP has. */
export interface HttpFeatures {
  /** The errors by which this provider says that a conversation is too long, as published. */
  readonly tooLong: readonly { readonly status: number; readonly body: Json }[];
  /** How it says inside a stream that it is overloaded, in these words. */
  readonly overloaded: (message: string) => string | Uint8Array;
}

/** How a provider is started. */
export interface OpenOptions {
  readonly answer: (n: number, request: MockRequest | undefined) => MockAnswer | string | Promise<MockAnswer | string>;
  readonly limits?: Partial<HttpLimits>;
  readonly tls?: NonNullable<WireMockOptions['tls']>;
  readonly isRefusalExpected?: boolean;
}

/** A model with its provider. */
export interface Opened {
  readonly model: Model;
  readonly world: World;
  /** What the provider was asked, oldest first: the bodies of requests, or what stands for them. */
  readonly requests: readonly unknown[];
  /** Connections that the provider accepted, where there are any. */
  readonly connectionCount?: number;
  readonly baseUrl?: string;
  /** Rejects when the provider refused a request as malformed and that was not expected. */
  close(): Promise<void>;
}

/** Registers one law. `skip` says why it cannot be tried here. */
export type Law = (name: string, body: () => Promise<void>, options?: { readonly skip?: string | false }) => void;

/** The key of the models under test; no error may hold it. */
export const CONTRACT_KEY = 'sk-contract-0123456789abcdef';
/** Far above what a call on loopback takes, and below what a person waits for. */
const SHORT: Partial<HttpLimits> = { connectMs: 10_000, firstByteMs: 10_000, idleMs: 10_000, totalMs: 30_000 };
/** A tool that models under test may call. */
export const ADD = { name: 'add', description: 'adds', inputSchema: { type: 'object', properties: { n: { type: 'number' } } } } as const;

/** Whether the subject is spoken to over HTTP. */
export function isHttp(subject: ModelSubject): subject is HttpSubject {
  return 'mock' in subject;
}

/** Starts the provider of a subject. */
export async function open(subject: ModelSubject, options: OpenOptions): Promise<Opened> {
  if (!isHttp(subject)) return subject.open(options.answer);
  const { apiKey = CONTRACT_KEY } = subject;
  const { answer, limits = SHORT, tls, isRefusalExpected = false } = options;
  const mock = await wireMock(subject.mock(), {
    ...(tls === undefined ? {} : { tls }),
    isRefusalExpected,
    apiKey,
    answer: (request, n) => answer(n, request),
  });
  const world = nodeWorld();
  return {
    model: subject.make(mock.baseUrl, { apiKey, limits }),
    world,
    get requests() {
      return mock.requests.map(({ body }) => body);
    },
    get connectionCount() {
      return mock.connectionCount;
    },
    baseUrl: mock.baseUrl,
    async close() {
      await world.transport.close();
      await mock.close();
    },
  };
}

/** Runs `body` with a model and its provider, and ends both. */
export async function withModel(subject: ModelSubject, options: OpenOptions, body: (opened: Opened) => Promise<void>): Promise<void> {
  const opened = await open(subject, options);
  try {
    await body(opened);
  } finally {
    await opened.close();
  }
}

/** One call. `isStream` asks for a stream whose pieces nobody reads. */
export function callOf(
  { model, world }: Pick<Opened, 'model' | 'world'>,
  request: Partial<ModelRequest> = {},
  options: Omit<CallOptions, 'world'> & { readonly isStream?: boolean } = {},
): Promise<ModelAnswer> {
  const { isStream = false, ...rest } = options;
  const asked = { instructions: 'be brief', tools: [ADD], params: {}, messages: [say('hi')], ...request };
  return model.call(asked, { world, ...(isStream ? { onDelta: () => undefined } : {}), ...rest });
}

/** Asks a fresh provider once. */
export async function askOnce(
  subject: ModelSubject,
  answer: MockAnswer,
  options: {
    readonly onDelta?: (delta: Delta) => void;
    readonly limits?: Partial<HttpLimits>;
    readonly request?: Partial<ModelRequest>;
  } = {},
): Promise<ModelAnswer> {
  const { limits, request, ...rest } = options;
  const opened = await open(subject, { answer: () => answer, ...(limits === undefined ? {} : { limits }) });
  try {
    return await callOf(opened, request, rest);
  } finally {
    await opened.close();
  }
}

/** What a call failed with. The key is nowhere in it: not in its message, not in its details, not in its causes. */
export async function failureOf(call: Promise<unknown>, key = CONTRACT_KEY): Promise<NervaError> {
  try {
    await call;
  } catch (error) {
    assert.ok(NervaError.is(error), `a call rejects with a NervaError; this came: ${inspect(error)}`);
    assert.ok(!inspect(error, { depth: 12, showHidden: true }).includes(key), `a key stands in the error ${error.code}`);
    return error;
  }
  return assert.fail('the call gave an answer where it should have failed');
}

/** The code of what a call failed with. */
export async function codeOf(call: Promise<unknown>): Promise<ErrorCode> {
  return (await failureOf(call)).code;
}
