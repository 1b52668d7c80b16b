import type { Json } from '../core/index.ts';
import { redact } from './failure.ts';

/** Members whose text is a secret, whatever it looks like. */
const NAMES = /^(?:proxy-)?authorization$|^(?:set-)?cookie$|api[-_]?key$|password$|(?:access|auth|bearer|session)[-_]?token$/i;

/** How much is taken out. */
export interface Secrets {
  /** Taken out wherever they stand; shorter ones than 4 characters are none. */
  readonly secrets: readonly string[];
  /** Whether an object named `headers` holds header values: then none of them stays. */
  readonly isHeaders: boolean;
}

/**
 * A copy of a value without secrets, its keys sorted and what is undefined left out: equal content gives equal copies, whatever the order in
 * which a program wrote it and whichever key it used.
 */
export function clean(value: unknown, how: Secrets): Json {
  if (typeof value === 'string') return redact(value, how.secrets);
  if (Array.isArray(value)) return value.map((member: unknown) => (member === undefined ? null : clean(member, how)));
  if (typeof value !== 'object' || value === null) return value as Json;
  const copy: Record<string, Json> = {};
  for (const name of Object.keys(value).sort()) {
    const member = (value as Readonly<Record<string, unknown>>)[name];
    if (member !== undefined) copy[name] = cleanMember(name, member, how);
  }
  return copy;
}

function cleanMember(name: string, member: unknown, how: Secrets): Json {
  if (typeof member === 'string' && NAMES.test(name)) return '[key]';
  const isHeaders = how.isHeaders && /^(?:\w+-)?headers$/i.test(name) && typeof member === 'object' && member !== null;
  return isHeaders ? Object.fromEntries(Object.keys(member).map((header) => [header, '[header]'])) : clean(member, how);
}
