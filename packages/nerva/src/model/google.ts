import type { JsonObject } from '../core/index.ts';
import { GENERATED_CONTENT, GoogleDecoder } from './dialects/google-answer.ts';
import type { GoogleQuirks } from './dialects/google-quirks.ts';
import { GoogleEncoder } from './dialects/google-request.ts';
import { endpointOf, type EndpointOptions } from './endpoint.ts';
import { SSE } from './framing.ts';
import type { Model } from './model.ts';
import { httpModel } from './wire.ts';

/** An endpoint that speaks Google's generateContent. */
export interface GoogleOptions extends EndpointOptions {
  /** Whether thoughts are shown. Default: when `params.reasoning` asks for thinking. */
  readonly includeThoughts?: boolean;
  /** Google's own tools, such as `{googleSearch: {}}`, sent beside the agent's. */
  readonly tools?: readonly JsonObject[];
  /** What this model does differently from what its name says. */
  readonly quirks?: GoogleQuirks;
}

/** Google's address for the Gemini API. */
export const GOOGLE_URL = 'https://generativelanguage.googleapis.com/v1beta';

/**
 * A Gemini (or Gemma) model behind Google's generateContent (https://ai.google.dev/api/generate-content, read 2026-11).
 * It streams exactly when `onDelta` is given. The key goes into a header, never into the URL, where logs would keep it.
 * @throws OPTION_INVALID for an empty model name or a malformed URL.
 */
export function google(options: GoogleOptions): Model {
  const endpoint = endpointOf(options, {
    provider: 'google',
    baseUrl: GOOGLE_URL,
    authorize: (apiKey) => ({ 'x-goog-api-key': apiKey }),
  });
  const { includeThoughts, tools, quirks = {} } = options;
  const encoder = new GoogleEncoder(endpoint.name, options.model, {
    quirks,
    ...(includeThoughts === undefined ? {} : { includeThoughts }),
    ...(tools === undefined ? {} : { tools }),
  });
  return httpModel(
    {
      what: GENERATED_CONTENT,
      framing: SSE,
      encode: (request, { isStream }) => encoder.encode(request, isStream),
      decoder: (onDelta) => new GoogleDecoder(endpoint.name, onDelta),
    },
    endpoint,
  );
}
