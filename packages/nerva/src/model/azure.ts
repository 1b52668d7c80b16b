import { NervaError } from '../core/index.ts';
import type { ChatQuirks } from './dialects/openai-chat-quirks.ts';
import type { ResponsesOptions } from './dialects/openai-responses-request.ts';
import { endpointOf, type EndpointOptions } from './endpoint.ts';
import type { Model } from './model.ts';
import { chatModel } from './openai.ts';
import { responsesModel } from './responses.ts';

/** A deployment at Azure OpenAI. */
export interface AzureOptions extends Omit<EndpointOptions, 'model' | 'provider'>, Omit<ResponsesOptions, 'path'> {
  /** The deployment's name, by which Azure knows the model. */
  readonly deployment?: string;
  /** The same as `deployment`. */
  readonly model?: string;
  /** Name of the resource; its address is `https://NAME.openai.azure.com`. Either this or `baseUrl`, which may end with `/openai` or `/openai/v1`. */
  readonly resource?: string;
  /** A dated version such as `2025-04-01-preview` asks by the older addresses. Default: the v1 API, which needs none. */
  readonly apiVersion?: string;
  /** Default `chat`. */
  readonly api?: 'chat' | 'responses';
  /** A token of Microsoft Entra ID in place of a key. */
  readonly token?: string;
  /** What else the deployed model does differently in chat completions. */
  readonly quirks?: ChatQuirks;
}

/**
 * A model deployed at Azure OpenAI, over chat completions or the Responses API. The verdicts of its content filter are kept in `meta`:
 * `promptFilterResults` and `contentFilterResults` of chat completions, `contentFilters` of responses; a prompt that is filtered is MODEL_REFUSED.
 *
 * Addresses by "Azure OpenAI API version lifecycle" and "Azure OpenAI REST API reference" (learn.microsoft.com/azure/foundry/openai, read in
 * November 2026): `/openai/v1/…` with the deployment in the body; dated versions `/openai/deployments/NAME/chat/completions?api-version=…`, and
 * `/openai/responses?api-version=…`.
 * @throws OPTION_INVALID for a missing deployment, resource or malformed URL.
 */
export function azureOpenai(options: AzureOptions): Model {
  const { deployment = options.model ?? '', apiVersion, api = 'chat' } = options;
  const endpoint = endpointOf(
    {
      ...options,
      ...(options.token === undefined ? {} : { apiKey: options.token }),
      model: deployment,
      baseUrl: azureRoot(options),
      provider: 'azure',
    },
    {
      provider: 'azure',
      baseUrl: 'https://my-resource.openai.azure.com',
      authorize: (key) => (options.token === undefined ? { 'api-key': key } : { authorization: `Bearer ${key}` }),
    },
  );
  const path = pathOf(api, deployment, apiVersion);
  if (api === 'responses') return responsesModel(endpoint, { ...options, model: deployment, path });
  return chatModel(endpoint, deployment, { ...options.quirks, path });
}

/** Address of the resource, without what the API's version adds. @throws OPTION_INVALID for a name that no resource can have. */
export function azureRoot({ resource, baseUrl }: Pick<AzureOptions, 'resource' | 'baseUrl'>): string {
  if (baseUrl !== undefined) return baseUrl.replace(/\/+$/, '').replace(/\/openai(?:\/v1)?$/, '');
  // It becomes a part of the host's name.
  if (resource === undefined || !/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(resource)) {
    throw new NervaError(
      'OPTION_INVALID',
      `resource is ${resource === undefined ? 'missing' : `"${resource.slice(0, 80)}"`}; give the name of the Azure resource, or baseUrl.`,
    );
  }
  return `https://${resource}.openai.azure.com`;
}

function pathOf(api: 'chat' | 'responses', deployment: string, apiVersion: string | undefined): string {
  const call = api === 'chat' ? '/chat/completions' : '/responses';
  if (apiVersion === undefined || apiVersion === 'v1') return `/openai/v1${call}`;
  const query = `?api-version=${encodeURIComponent(apiVersion)}`;
  if (!/^\d/.test(apiVersion)) return `/openai/v1${call}${query}`;
  return api === 'chat' ? `/openai/deployments/${encodeURIComponent(deployment)}${call}${query}` : `/openai${call}${query}`;
}
