import { nearestOf } from '../core/index.ts';
import { CAPABILITIES, findModels, MODELS, type Capabilities, type ModelInfo } from '../model/index.ts';
import { PROVIDER_ENTRIES, type ProviderEntry } from '../node/index.ts';
import { hint, UsageError } from './arguments.ts';
import type { Context, ExitCode } from './context.ts';
import { columns } from './output.ts';

/** `nerva models`: the providers that a name may begin with, and what is known of their models. Keys are never printed, only whether they are there. */
export function models({ out, flags }: Context): Promise<ExitCode> {
  const only = flags.text('provider');
  const needs = needsOf(flags.texts('needs'));
  const entries = PROVIDER_ENTRIES.filter(({ id }) => only === undefined || id === only);
  if (entries.length === 0)
    throw unknown(
      `There is no provider "${only ?? ''}".`,
      only ?? '',
      PROVIDER_ENTRIES.map(({ id }) => id),
    );
  const rows = entries
    .map((entry) => ({ entry, known: findModels({ needs, models: MODELS.filter(({ name }) => name.startsWith(`${entry.id}/`)) }) }))
    .filter(({ known }) => known.length > 0 || Object.keys(needs).length === 0);
  for (const { entry, known } of out.isJson ? rows : []) out.json(asJson(entry, known));
  if (out.isJson) return Promise.resolve(0);
  const lines = [
    ['provider', 'configured', 'dialect', 'verified', 'models known', 'variables'],
    ...rows.map(({ entry, known }) => [
      entry.id,
      entry.isConfigured(process.env) ? 'yes' : 'no',
      entry.dialect,
      entry.verified === 'unverified' ? 'unverified' : `${entry.verified.on} by ${entry.verified.by}`,
      String(known.length),
      [...entry.keyVariables, ...entry.urlVariables].join(' '),
    ]),
  ];
  for (const line of columns(lines)) out.line(line);
  for (const { name, price, asOf, contextTokensMax } of only === undefined && Object.keys(needs).length === 0
    ? []
    : rows.flatMap(({ known }) => known))
    out.line(
      `${name}  ${price === undefined ? 'price unknown' : `${price.inputUsd} in, ${price.outputUsd} out USD per million tokens`} (${asOf})${contextTokensMax === undefined ? '' : `, ${contextTokensMax} tokens`}`,
    );
  return Promise.resolve(0);
}

function asJson(entry: ProviderEntry, known: readonly ModelInfo[]): object {
  const { id, title, dialect, isLocal, verified, keyVariables, urlVariables } = entry;
  return {
    type: 'provider',
    provider: id,
    title,
    configured: entry.isConfigured(process.env),
    dialect,
    verified,
    local: isLocal,
    variables: [...keyVariables, ...urlVariables],
    models: known.map(({ name, capabilities, price, contextTokensMax, outputTokensMax, asOf, source }) => ({
      name,
      capabilities,
      price: price ?? null,
      contextTokensMax: contextTokensMax ?? null,
      outputTokensMax: outputTokensMax ?? null,
      asOf,
      source,
    })),
  };
}

/** `vision`, or `vision=3`. */
function needsOf(given: readonly string[]): Capabilities {
  const needs: Record<string, number> = {};
  for (const text of given) {
    const [name = '', strength = '1'] = text.split('=');
    const known: readonly string[] = [...CAPABILITIES, 'documents', 'audio'];
    if (!known.includes(name)) throw unknown(`There is no capability "${name}".`, name, known);
    if (!/^[0-4]$/.test(strength))
      throw new UsageError(`--needs takes a strength of 0 to 4 after the capability (vision=3); "${text}" came.`, 'models');
    needs[name] = Number(strength);
  }
  return needs as Capabilities;
}

const unknown = (what: string, name: string, known: readonly string[]): UsageError =>
  new UsageError(`${what}${hint(nearestOf(name, known))} There are: ${known.join(', ')}.`, 'models');
