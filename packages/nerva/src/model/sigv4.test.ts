import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import type { HttpRequest } from '../core/index.ts';
import { basicTime, hmac, signed } from './sigv4.ts';

const digest = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
const CREDENTIALS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const AT_MS = Date.UTC(2015, 7, 30, 12, 36);
const SCOPE = { region: 'us-east-1', service: 'service', atMs: AT_MS };

const signatureOf = (request: HttpRequest, scope = SCOPE, credentials: Parameters<typeof signed>[1] = CREDENTIALS): string =>
  /Signature=([0-9a-f]{64})$/.exec(signed(request, credentials, scope, digest).headers?.['authorization'] ?? '')?.[1] ?? 'none';

/** From the Signature Version 4 test suite that AWS published (general reference, "Signature Version 4 test suite"; awslabs/aws-c-auth, 2026-11). */
const VECTORS: readonly (readonly [name: string, request: HttpRequest, signature: string])[] = [
  [
    'get-vanilla',
    { method: 'GET', url: 'https://example.amazonaws.com/' },
    '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
  ],
  [
    'post-vanilla',
    { method: 'POST', url: 'https://example.amazonaws.com/' },
    '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
  ],
  [
    'get-vanilla-query-order-key-case',
    { method: 'GET', url: 'https://example.amazonaws.com/?Param2=value2&Param1=value1' },
    'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
  ],
  [
    'get-utf8',
    { method: 'GET', url: 'https://example.amazonaws.com/ሴ' },
    '8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85',
  ],
  [
    'get-space',
    { method: 'GET', url: 'https://example.amazonaws.com/example space/' },
    '652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741',
  ],
  [
    'get-header-value-trim',
    { method: 'GET', url: 'https://example.amazonaws.com/', headers: { 'my-header1': ' value1', 'my-header2': ' "a   b   c"' } },
    'acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736',
  ],
  [
    'post-x-www-form-urlencoded',
    {
      method: 'POST',
      url: 'https://example.amazonaws.com/',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'Param1=value1',
    },
    'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
  ],
];

for (const [name, request, signature] of VECTORS) {
  test(`the published example ${name} has its published signature`, () => {
    assert.equal(signatureOf(request), signature);
  });
}

test('the published example of IAM has its published signature and authorization', () => {
  const request: HttpRequest = {
    method: 'GET',
    url: 'https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08',
    headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
  };
  assert.deepEqual(signed(request, CREDENTIALS, { ...SCOPE, service: 'iam' }, digest).headers, {
    'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
    'x-amz-date': '20150830T123600Z',
    authorization:
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, ' +
      'Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
  });
});

test('a session token is sent and signed; headers that proxies change are not signed', () => {
  const request: HttpRequest = { method: 'POST', url: 'https://example.amazonaws.com/', body: 'ü', headers: { 'user-agent': 'a' } };
  const { headers } = signed(request, { ...CREDENTIALS, sessionToken: 'token==' }, SCOPE, digest);
  assert.equal(headers?.['x-amz-security-token'], 'token==');
  assert.match(headers?.['authorization'] ?? '', /SignedHeaders=host;x-amz-date;x-amz-security-token,/);
  assert.equal(signatureOf({ ...request, headers: { 'user-agent': 'b' } }), signatureOf(request));
  assert.equal(signatureOf({ ...request, body: new TextEncoder().encode('ü') }), signatureOf(request));
  for (const other of [
    { ...request, body: 'u' },
    { ...request, method: 'PUT' as const },
    { ...request, headers: { 'x-a': 'b' } },
  ])
    assert.notEqual(signatureOf(other), signatureOf(request));
});

test('any HMAC is the one that the platform makes', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ minLength: 65, maxLength: 130 })),
      fc.string({ unit: 'grapheme' }),
      (key, text) => {
        assert.deepEqual(Buffer.from(hmac(key, text, digest)), createHmac('sha256', key).update(text).digest());
      },
    ),
  );
});

test('any time is written as the platform writes it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (atMs) => {
      assert.equal(basicTime(atMs), new Date(atMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, ''));
    }),
  );
});
