import type { JsonObject } from '../core/index.ts';
import { AnthropicDecoder, MESSAGE } from './dialects/anthropic-answer.ts';
import { AnthropicEncoder } from './dialects/anthropic-request.ts';
import { claudeRules, type ClaudeRules } from './dialects/anthropic-rules.ts';
import { endpointOf, type EndpointOptions } from './endpoint.ts';
import { SSE } from './framing.ts';
import type { Model } from './model.ts';
import { httpModel } from './wire.ts';

/** An endpoint that speaks Anthropic's Messages API. */
export interface AnthropicOptions extends EndpointOptions {
  /** `auto` (default): tools, instructions and the last message are marked for the provider's cache; a mark costs nothing where too little stands before it. */
  readonly cache?: 'auto' | 'off';
  /** Features in beta, as the provider names them. */
  readonly betas?: readonly string[];
  /** Documents are sent so that the model cites them. Default false; not together with an output schema. */
  readonly citations?: boolean;
  /** Whether the text of thinking is shown. Default: it is, as a summary where the model gives no more. */
  readonly thinkingDisplay?: 'summarized' | 'omitted';
  /** Tools that run at the provider (web search …), as its documentation has them. */
  readonly serverTools?: readonly JsonObject[];
  /** What this model does otherwise than its name tells. */
  readonly rules?: Partial<ClaudeRules>;
}

/** Anthropic's address. */
export const ANTHROPIC_URL = 'https://api.anthropic.com/v1';
/** Sent with each request. The only version since ("Versions", platform.claude.com, read 2026-11). */
export const ANTHROPIC_VERSION = '2023-06-01';

/**
 * A model behind Anthropic's Messages API. It streams exactly when `onDelta` is given. One HTTP request a call; what fails is for the caller
 * to repeat. `finish: 'other'` with `meta.stopReason: 'pause_turn'` is a long turn that pauses: sent back as it is, it goes on.
 * @throws OPTION_INVALID for an empty model name or a malformed URL.
 */
export function anthropic(options: AnthropicOptions): Model {
  const { cache = 'auto', betas = [], citations = false, serverTools = [], thinkingDisplay, rules } = options;
  const endpoint = endpointOf(options, {
    provider: 'anthropic',
    baseUrl: ANTHROPIC_URL,
    authorize: (key) => ({ 'x-api-key': key }),
  });
  const encoder = new AnthropicEncoder(endpoint.name, options.model, {
    rules: { ...claudeRules(options.model), ...rules },
    cache,
    citesDocuments: citations,
    serverTools,
    ...(thinkingDisplay === undefined ? {} : { display: thinkingDisplay }),
  });
  const beta = betas.length === 0 ? {} : { 'anthropic-beta': betas.join(',') };
  return httpModel(
    {
      what: MESSAGE,
      framing: SSE,
      encode: (request, { isStream }) => encoder.encode(request, isStream),
      decoder: (onDelta) => new AnthropicDecoder(endpoint.name, onDelta),
    },
    { ...endpoint, headers: { 'anthropic-version': ANTHROPIC_VERSION, ...beta, ...endpoint.headers } },
  );
}
