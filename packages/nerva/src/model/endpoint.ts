import { NervaError, type HttpLimits } from '../core/index.ts';
import type { Capabilities } from './capability.ts';
import type { Endpoint } from './exchange.ts';
import { redact } from './failure.ts';
import type { Model, Price } from './model.ts';

/** What every model behind HTTP takes. */
export interface EndpointOptions {
  /** As the provider names it. */
  readonly model: string;
  /** Up to what is the same for all requests, such as `/v1`. Default: the provider's own. */
  readonly baseUrl?: string;
  /** Kept out of every error. Local servers need none. */
  readonly apiKey?: string;
  /** Sent with each request; names in lower case. Their values are kept out of errors too. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The part of the model's name before the slash. */
  readonly provider?: string;
  readonly contextTokensMax?: number;
  readonly price?: Price;
  readonly capabilities?: Capabilities;
  readonly limits?: Partial<HttpLimits>;
}

/** What a provider is unless the options say otherwise. */
export interface EndpointDefaults {
  readonly provider: string;
  readonly baseUrl: string;
  /** The headers that carry the key. Default a bearer token. */
  readonly authorize?: (apiKey: string) => Readonly<Record<string, string>>;
}

/** Checks the options of an endpoint. @throws OPTION_INVALID for an empty model name, a malformed URL, or a key that no header can carry. */
export function endpointOf(options: EndpointOptions, defaults: EndpointDefaults): Endpoint & { readonly host: string } {
  const { model, baseUrl = defaults.baseUrl } = options;
  const apiKey = keyOf(options.apiKey ?? '', `${options.provider ?? defaults.provider}/${String(model)}`);
  if (typeof model !== 'string' || model.trim() === '')
    throw new NervaError('OPTION_INVALID', 'model is empty; give the name that the provider uses.');
  // Where the name stands in the path, such a segment would lead elsewhere, with the key.
  if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(model))
    throw new NervaError(
      'OPTION_INVALID',
      `model is "${model.slice(0, 100)}"; give the name that the provider uses, without "." and ".." in it.`,
    );
  const parsed = URL.parse(baseUrl);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    throw new NervaError(
      'OPTION_INVALID',
      `baseUrl is "${redact(String(baseUrl).slice(0, 200), [])}"; give an http or https URL such as ${defaults.baseUrl}.`,
    );
  }
  const authorize = defaults.authorize ?? ((key: string) => ({ authorization: `Bearer ${key}` }));
  return {
    name: `${options.provider ?? defaults.provider}/${model}`,
    host: parsed.hostname,
    baseUrl: baseUrl.replace(/\/+$/, ''),
    headers: { ...options.headers, ...(apiKey === '' ? {} : authorize(apiKey)) },
    secrets: [...(apiKey === '' ? [] : [apiKey]), ...Object.values(options.headers ?? {})],
    ...pick(options),
  };
}

/** A key as it is sent: without the line break that ends the file it came from. */
function keyOf(given: string, name: string): string {
  const key = given.trim();
  const at = key.search(/[^\x21-\x7e]/);
  if (at < 0) return key;
  const what = `U+${(key.codePointAt(at) as number).toString(16).toUpperCase().padStart(4, '0')} at ${at}`;
  throw new NervaError(
    'OPTION_INVALID',
    `The key of ${name} holds a character that a key cannot have (${what}); copy it anew. Nothing was sent.`,
    { details: { option: 'apiKey' } },
  );
}

function pick({
  contextTokensMax,
  price,
  capabilities,
  limits,
}: EndpointOptions): Pick<Model, 'contextTokensMax' | 'price' | 'capabilities'> & Pick<Endpoint, 'limits'> {
  return {
    ...(contextTokensMax === undefined ? {} : { contextTokensMax }),
    ...(price === undefined ? {} : { price }),
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(limits === undefined ? {} : { limits }),
  };
}
