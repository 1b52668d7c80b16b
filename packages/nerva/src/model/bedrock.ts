import { NervaError, type HttpRequest, type World } from '../core/index.ts';
import { BedrockDecoder, CONVERSE } from './dialects/bedrock-answer.ts';
import { EVENT_STREAM } from './dialects/bedrock-frames.ts';
import { BedrockEncoder } from './dialects/bedrock-request.ts';
import { bedrockRules, type BedrockRules } from './dialects/bedrock-rules.ts';
import { endpointOf, type EndpointOptions } from './endpoint.ts';
import type { Model } from './model.ts';
import { signed, type AwsCredentials } from './sigv4.ts';
import { httpModel } from './wire.ts';

/** A model behind AWS Bedrock. `apiKey` is a Bedrock API key, sent as a bearer token; without one requests are signed with `credentials`. */
export interface BedrockOptions extends EndpointOptions {
  /** As AWS names it: `us-east-1`. */
  readonly region: string;
  /** Keys of the account; a function is asked before each request, for keys that expire. */
  readonly credentials?: AwsCredentials | (() => AwsCredentials);
  /** `auto` (default): what the model can cache of tools, instructions and the last message is marked. */
  readonly cache?: 'auto' | 'off';
  /** Documents are sent so that the model cites them. Default false. */
  readonly citations?: boolean;
  /** What this model does otherwise than its id tells. */
  readonly rules?: Partial<BedrockRules>;
}

/**
 * A model behind AWS Bedrock's Converse. It streams exactly when `onDelta` is given. One HTTP request a call; what fails is for the caller to
 * repeat. Models other than Claude and Nova may refuse a message that comes right behind results: "conversation blocks and tool result blocks
 * cannot be provided in the same turn".
 * @throws OPTION_INVALID for an empty model name, a malformed URL or region, or when there is neither a key nor credentials.
 */
export function bedrock(options: BedrockOptions): Model {
  const { region, credentials, cache = 'auto', citations = false } = options;
  if (!/^[a-z0-9-]+$/.test(region)) throw new NervaError('OPTION_INVALID', `region is "${region}"; give one as AWS names it: us-east-1.`);
  if (credentials === undefined && (options.apiKey ?? '') === '')
    throw new NervaError('OPTION_INVALID', 'Bedrock needs credentials or apiKey; give the keys of an AWS account, or a Bedrock API key.');
  const domain = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const endpoint = endpointOf(options, { provider: 'bedrock', baseUrl: `https://bedrock-runtime.${region}.${domain}` });
  const rules: BedrockRules = { ...bedrockRules(options.model), ...(cache === 'off' ? { cache: 'none' } : {}), ...options.rules };
  const encoder = new BedrockEncoder(endpoint.name, options.model, { rules, citesDocuments: citations });
  const known = endpoint.secrets ?? [];
  const secrets = [...known];
  // Credentials that are fetched anew are secrets from then on; the last ones are enough.
  const used = (fetched: AwsCredentials): AwsCredentials => {
    const given = trimmed(fetched);
    for (const secret of [given.secretAccessKey, given.sessionToken ?? ''])
      if (secret !== '' && !secrets.includes(secret)) secrets.push(secret);
    if (secrets.length > known.length + SECRETS_MAX) secrets.splice(known.length, secrets.length - known.length - SECRETS_MAX);
    return given;
  };
  if (typeof credentials === 'object') used(credentials);
  return httpModel(
    {
      what: CONVERSE,
      framing: EVENT_STREAM,
      encode: (request, { isStream }) => encoder.encode(request, isStream),
      decoder: (onDelta) => new BedrockDecoder(endpoint.name, onDelta),
    },
    {
      ...endpoint,
      secrets,
      ...(credentials === undefined || (options.apiKey ?? '') !== ''
        ? {}
        : {
            sign: (request: HttpRequest, { clock, digest }: World) =>
              signed(
                request,
                used(typeof credentials === 'function' ? credentials() : credentials),
                { region, service: 'bedrock', atMs: clock.nowMs() },
                digest,
              ),
          }),
    },
  );
}

const SECRETS_MAX = 100;

/** As they are signed with: without the line break that ends the file they came from. */
function trimmed({ accessKeyId, secretAccessKey, sessionToken }: AwsCredentials): AwsCredentials {
  return {
    accessKeyId: accessKeyId.trim(),
    secretAccessKey: secretAccessKey.trim(),
    ...(sessionToken === undefined ? {} : { sessionToken: sessionToken.trim() }),
  };
}
