import { createHash, createHmac } from 'node:crypto';

/** The account that the mock knows. */
export const MOCK_ACCOUNT = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' } as const;

const SKEW_MS = 5 * 60_000;

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/**
 * Why AWS would refuse the signature of a request, or null: the mock signs what it got once more, on its own, and compares. It must name host
 * and time and every `x-amz-` header, be of the region's Bedrock, and not be older than five minutes.
 */
export function signatureFault(request: {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly text: string;
}): string | null {
  const { method, path, headers, text } = request;
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([a-z0-9-]+)\/([a-z]+)\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/.exec(
      String(headers['authorization']),
    );
  if (match === null) return 'Missing Authentication Token';
  const [, account = '', date = '', region = '', service = '', signedNames = '', signature = ''] = match;
  if (account !== MOCK_ACCOUNT.accessKeyId) return 'The security token included in the request is invalid.';
  if (service !== 'bedrock') return `Credential should be scoped to correct service: 'bedrock'.`;
  const time = String(headers['x-amz-date']);
  const atMs = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!time.startsWith(date) || !(Math.abs(Date.now() - atMs) <= SKEW_MS)) return `Signature expired: ${time}.`;
  const names = signedNames.split(';');
  const required = ['host', 'x-amz-date', ...Object.keys(headers).filter((name) => name.startsWith('x-amz-'))];
  const unsigned = required.find((name) => !names.includes(name));
  if (unsigned !== undefined) return `'${unsigned}' must be a signed header.`;
  const lines = names.map((name) => `${name}:${String(headers[name]).trim()}`);
  const encodedPath = path.split('/').map(encodeURIComponent).join('/');
  const canonical = [method, encodedPath, '', ...lines, '', signedNames, sha256(text)].join('\n');
  const scope = `${date}/${region}/${service}/aws4_request`;
  const key = [date, region, service, 'aws4_request'].reduce<string | Buffer>(
    (from, part) => createHmac('sha256', from).update(part).digest(),
    `AWS4${MOCK_ACCOUNT.secretAccessKey}`,
  );
  const expected = createHmac('sha256', key)
    .update(['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n'))
    .digest('hex');
  return expected === signature ? null : 'The request signature we calculated does not match the signature you provided.';
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
