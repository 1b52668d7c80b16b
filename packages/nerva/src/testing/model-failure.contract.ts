import assert from 'node:assert/strict';
import type { ErrorCode } from '../core/index.ts';
import { callOf, CONTRACT_KEY, failureOf, isHttp, withModel, type Law, type ModelSubject } from './model-harness.ts';
import { textOf } from './model-turns.ts';
import type { MockAnswer } from './wire-mock.ts';

/** What each status is, and whether calling again may help. */
const STATUSES: readonly (readonly [status: number, code: ErrorCode, retry: boolean])[] = [
  [400, 'MODEL_REFUSED', false],
  [401, 'MODEL_AUTH', false],
  [402, 'MODEL_AUTH', false],
  [403, 'MODEL_AUTH', false],
  [404, 'MODEL_REFUSED', false],
  [405, 'MODEL_REFUSED', false],
  [408, 'MODEL_UNAVAILABLE', true],
  [409, 'MODEL_UNAVAILABLE', true],
  [413, 'MODEL_REFUSED', false],
  [422, 'MODEL_REFUSED', false],
  [424, 'MODEL_UNAVAILABLE', true],
  [429, 'MODEL_RATE_LIMITED', true],
  [500, 'MODEL_UNAVAILABLE', true],
  [502, 'MODEL_UNAVAILABLE', true],
  [503, 'MODEL_UNAVAILABLE', true],
  [504, 'MODEL_UNAVAILABLE', true],
  [529, 'MODEL_UNAVAILABLE', true],
];

const HTML = '<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>';
const DAY_MS = 86_400_000;

/** Laws of failures that the provider answers: each is typed, says whether to call again and when, quotes the reason, and holds no key. */
export function failureLaws(law: Law, subject: ModelSubject): void {
  if (!isHttp(subject)) return;
  const { mock: dialect, features, apiKey: key = CONTRACT_KEY } = subject;

  law('each status of failure has its code, says whether to call again, and quotes the reason without the key in it', async () => {
    const { failure } = dialect();
    let answer: MockAnswer = {};
    await withModel(subject, { answer: () => answer }, async (opened) => {
      for (const [status, code, retry] of STATUSES) {
        answer = {
          raw: {
            status,
            body: JSON.stringify(failure(status, `because of ${status}; the key was ${key}`)),
            headers: { 'content-type': 'application/json' },
          },
        };
        for (const isStream of [false, true]) {
          const error = await failureOf(callOf(opened, {}, { isStream }), key);
          assert.deepEqual([error.code, error.retry, error.details['status']], [code, retry, status], String(status));
          assert.ok(error.message.includes(`because of ${status}`), error.message);
        }
      }
      assert.equal(opened.requests.length, 2 * STATUSES.length, 'one request a call');
    });
  });

  law('how long to wait is read from Retry-After in seconds, as a date, and in milliseconds; what cannot be read is left out', async () => {
    const date = new Date(Date.now() + 60_000).toUTCString();
    const table: readonly (readonly [Readonly<Record<string, string>>, (ms: unknown) => boolean])[] = [
      [{ 'retry-after': '7' }, (ms) => ms === 7_000],
      [{ 'retry-after': '0' }, (ms) => ms === 0],
      [{ 'retry-after': date }, (ms) => Number(ms) > 50_000 && Number(ms) <= 61_000],
      [{ 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }, (ms) => ms === 0],
      [{ 'retry-after-ms': '1500', 'retry-after': '2' }, (ms) => ms === 1_500],
      [{ 'retry-after': '999999999' }, (ms) => ms === DAY_MS],
      [{ 'retry-after': 'soon' }, (ms) => ms === undefined],
      [{}, (ms) => ms === undefined],
    ];
    let answer: MockAnswer = {};
    await withModel(subject, { answer: () => answer }, async (opened) => {
      for (const [headers, isRight] of table)
        for (const status of [429, 503]) {
          answer = { raw: { status, headers, body: JSON.stringify(dialect().failure(status, 'slow down')) } };
          const { details } = await failureOf(callOf(opened), key);
          assert.ok(isRight(details['retryAfterMs']), `${JSON.stringify(headers)}: ${String(details['retryAfterMs'])}`);
        }
    });
  });

  law('the id that a provider gave the request stands in the failure, to be asked about', async () => {
    let answer: MockAnswer = {};
    await withModel(subject, { answer: () => answer }, async (opened) => {
      for (const header of ['x-request-id', 'request-id', 'x-amzn-requestid']) {
        answer = { raw: { status: 500, headers: { [header]: `req_${header}` }, body: JSON.stringify(dialect().failure(500, 'oops')) } };
        assert.equal((await failureOf(callOf(opened), key)).details['requestId'], `req_${header}`);
      }
    });
  });

  law("a conversation that is too long is CONTEXT_TOO_LONG in this provider's own words", async () => {
    assert.ok(features.tooLong.length > 0);
    let answer: MockAnswer = {};
    await withModel(subject, { answer: () => answer }, async (opened) => {
      for (const { status, body } of features.tooLong)
        for (const isStream of [false, true]) {
          answer = { raw: { status, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } };
          const { code, retry } = await failureOf(callOf(opened, {}, { isStream }), key);
          assert.deepEqual([code, retry], ['CONTEXT_TOO_LONG', false], JSON.stringify(body));
        }
    });
  });

  law('a page of HTML is a failure: by its status, or MODEL_GARBAGE where the status says that all is well', async () => {
    let status = 200;
    const answer = (): MockAnswer => ({ raw: { status, body: HTML, headers: { 'content-type': 'text/html; charset=utf-8' } } });
    await withModel(subject, { answer }, async (opened) => {
      for (const [given, code] of [
        [200, 'MODEL_GARBAGE'],
        [302, 'MODEL_GARBAGE'],
        [403, 'MODEL_AUTH'],
        [404, 'MODEL_REFUSED'],
        [502, 'MODEL_UNAVAILABLE'],
      ] as const) {
        status = given;
        for (const isStream of [false, true]) {
          const error = await failureOf(callOf(opened, {}, { isStream }), key);
          assert.equal(error.code, code, String(given));
          assert.ok(error.message.includes('<!doctype html>') && error.message.length < 1_000, error.message);
        }
      }
    });
  });

  law('an answer of another content type than it should have is MODEL_GARBAGE, and it says which', async () => {
    const answer: MockAnswer = {
      text: 'hi',
      send: (outgoing, { bytes }) => void outgoing.writeHead(200, { 'content-type': 'application/octet-stream' }).end(bytes),
    };
    await withModel(subject, { answer: () => answer }, async (opened) => {
      const { code, message } = await failureOf(callOf(opened, {}, { isStream: true }), key);
      assert.equal(code, 'MODEL_GARBAGE');
      assert.match(message, /application\/octet-stream/);
    });
  });

  law('a good answer under another status than 200 is no answer: MODEL_GARBAGE, by its status', async () => {
    let status = 0;
    const send: MockAnswer['send'] = (outgoing, { mediaType, bytes }) =>
      void outgoing.writeHead(status, { 'content-type': mediaType }).end(bytes);
    await withModel(subject, { answer: () => ({ text: 'hi', send }) }, async (opened) => {
      for (const given of [201, 206, 302])
        for (const isStream of [false, true]) {
          status = given;
          const { code, details } = await failureOf(callOf(opened, {}, { isStream }), key);
          assert.deepEqual([code, details['status']], ['MODEL_GARBAGE', given]);
        }
    });
  });

  law('what is no answer of this wire is MODEL_GARBAGE with what came, never an answer, and without the key that it quotes', async () => {
    let body = '';
    await withModel(subject, { answer: () => ({ raw: { body } }) }, async (opened) => {
      for (const came of ['', 'null', '[]', '{}', '"text"', '42', '{"a":', 'nonsense', `{"echo":"${key}"}`, '[{"b":{"c":[]}}]']) {
        body = came;
        const { code, message } = await failureOf(callOf(opened), key);
        assert.equal(code, 'MODEL_GARBAGE', came);
        assert.ok(message.includes(came.replace(key, '[key]').replace(/^"|"$/g, '')), message);
      }
    });
  });

  law('an answer that is nested without end is MODEL_GARBAGE', async () => {
    const body = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    await withModel(subject, { answer: () => ({ raw: { body } }) }, async (opened) => {
      const { code, message } = await failureOf(callOf(opened), key);
      assert.equal(code, 'MODEL_GARBAGE');
      assert.match(message, /nested too deeply/);
    });
  });

  law('a wrong key is MODEL_AUTH, and the key is nowhere in the error', async () => {
    const wrong = 'sk-wrong-9876543210fedcba';
    await withModel(
      { ...subject, make: (baseUrl, options) => subject.make(baseUrl, { ...options, apiKey: wrong }) },
      { answer: () => 'hi' },
      async (opened) => {
        for (const isStream of [false, true]) assert.equal((await failureOf(callOf(opened, {}, { isStream }), wrong)).code, 'MODEL_AUTH');
        assert.equal(opened.requests.length, 0);
      },
    );
  });

  law('a failure leaves the model as it was: the next call works over the same connection', async () => {
    const answer = (n: number): MockAnswer =>
      n % 2 === 0 ? { raw: { status: 500, body: JSON.stringify(dialect().failure(500, 'oops')) } } : { text: 'well' };
    await withModel(subject, { answer }, async (opened) => {
      for (let round = 0; round < 5; round++) {
        assert.equal((await failureOf(callOf(opened), key)).code, 'MODEL_UNAVAILABLE');
        assert.equal(textOf((await callOf(opened)).parts), 'well');
      }
      assert.equal(opened.connectionCount, 1);
    });
  });
}
