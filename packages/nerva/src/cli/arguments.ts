import { parseArgs } from 'node:util';
import { nearestOf, NervaError, type Json } from '../core/index.ts';
import { COMMANDS, SHARED, type Command, type CommandName, type Flag } from './commands.ts';

/** What was typed makes no sense: exit 2, with the usage line of `command`. */
export class UsageError extends Error {
  readonly command: CommandName | null;

  constructor(message: string, command: CommandName | null) {
    super(message);
    this.command = command;
  }
}

/** What was typed, checked against the table of commands. */
export type Typed =
  | { readonly kind: 'help'; readonly command: CommandName | null }
  | { readonly kind: 'version' }
  | { readonly kind: 'command'; readonly command: CommandName; readonly positionals: readonly string[]; readonly flags: Flags };

/** The flags that were given. */
export interface Flags {
  has(name: string): boolean;
  /** The last value given. */
  text(name: string): string | undefined;
  texts(name: string): readonly string[];
  /** @throws UsageError unless a whole number of at least `min`. */
  number(name: string, min: number): number | undefined;
  /** @throws UsageError unless it is JSON. */
  json(name: string): Json | undefined;
}

/** @throws UsageError, naming the nearest known command or flag. */
export function readArguments(argv: readonly string[]): Typed {
  const [first, ...rest] = argv;
  if (first === undefined) throw new UsageError('No command was given.', null);
  if (first === '--version' || first === '-v') return { kind: 'version' };
  if (first === '--help' || first === '-h') return { kind: 'help', command: null };
  if (first === 'help') return { kind: 'help', command: rest[0] === undefined ? null : commandOf(rest[0]) };
  const command = commandOf(first);
  if (rest.includes('-h') || rest.includes('--help')) return { kind: 'help', command };
  return { kind: 'command', command, ...parse(command, rest) };
}

function commandOf(name: string): CommandName {
  if (Object.hasOwn(COMMANDS, name)) return name as CommandName;
  if (name.startsWith('-')) throw new UsageError(`A command was expected before the flag ${name}.`, null);
  throw new UsageError(`There is no command "${name}".${hint(nearestOf(name, Object.keys(COMMANDS)))}`, null);
}

/** What was perhaps meant, for the end of a message. */
export const hint = (nearest: string | null): string => (nearest === null ? '' : ` Did you mean "${nearest}"?`);

function parse(command: CommandName, args: readonly string[]): { readonly positionals: readonly string[]; readonly flags: Flags } {
  const { count, flags: own }: Command = COMMANDS[command];
  const known: Readonly<Record<string, Flag>> = { ...own, ...SHARED };
  const options = Object.fromEntries(
    Object.entries(known).map(([name, { kind }]) => [
      name,
      { type: kind === 'switch' ? ('boolean' as const) : ('string' as const), multiple: true },
    ]),
  );
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true, allowPositionals: true });
  const positionals: string[] = [];
  const given = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const flag = Object.hasOwn(known, token.name) ? known[token.name] : undefined;
    if (flag === undefined || !token.rawName.startsWith('--')) throw unknownFlag(command, token.rawName, Object.keys(known));
    given.set(token.name, [...(given.get(token.name) ?? []), valueOf(command, flag, token)]);
  }
  const [min, max] = count;
  if (positionals.length < min || positionals.length > max) {
    const expected = min === max ? String(min) : max === Infinity ? `${min} or more` : `${min} or ${max}`;
    throw new UsageError(`${command} takes ${expected} argument${expected === '1' ? '' : 's'}, ${positionals.length} came.`, command);
  }
  return { positionals, flags: flagsOf(command, given) };
}

function unknownFlag(command: CommandName, name: string, known: readonly string[]): UsageError {
  const nearest = nearestOf(name.replace(/^-+/, ''), known);
  const text = name.startsWith('--') ? '' : ' (an argument that begins with "-" goes after "--")';
  return new UsageError(`${command} has no flag ${name}${text}.${hint(nearest === null ? null : `--${nearest}`)}`, command);
}

function valueOf(
  command: CommandName,
  { kind, value }: Flag,
  token: { readonly rawName: string; readonly value: string | undefined; readonly inlineValue: boolean | undefined },
): string {
  if (kind === 'switch') {
    if (token.value !== undefined) throw new UsageError(`${token.rawName} takes no value; "${token.value}" came.`, command);
    return '';
  }
  const isMissing = token.value === undefined || (token.inlineValue !== true && token.value.startsWith('--'));
  if (isMissing) throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${value ?? 'VALUE'}.`, command);
  return token.value ?? '';
}

function flagsOf(command: CommandName, given: ReadonlyMap<string, readonly string[]>): Flags {
  const text = (name: string): string | undefined => given.get(name)?.at(-1);
  return {
    has: (name) => given.has(name),
    text,
    texts: (name) => given.get(name) ?? [],
    number(name, min) {
      const came = text(name);
      if (came === undefined) return undefined;
      const number = /^\d{1,15}$/.test(came) ? Number(came) : Number.NaN;
      if (number >= min) return number;
      throw new UsageError(`--${name} takes a whole number of at least ${min}; "${came}" came.`, command);
    },
    json: (name) => (given.has(name) ? parseJson(`--${name}`, text(name) ?? '', command) : undefined),
  };
}

function parseJson(where: string, text: string, command: CommandName): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new UsageError(
      `${where} takes JSON (a text is written '"…"'); ${JSON.stringify(text)} came: ${(error as Error).message}`,
      command,
    );
  }
}

/** The event's position in `sid:seq`, or of `seq` alone. @throws APPROVAL_UNKNOWN when it is neither, or of another session. */
export function callId(sid: string, call: string): `${string}:${number}` {
  if (/^\d{1,15}$/.test(call)) return `${sid}:${Number(call)}`;
  const at = call.lastIndexOf(':');
  if (call.slice(0, at) === sid && /^\d{1,15}$/.test(call.slice(at + 1))) return `${sid}:${Number(call.slice(at + 1))}`;
  throw new NervaError(
    'APPROVAL_UNKNOWN',
    `${JSON.stringify(call)} names no call of session ${sid}; expected a number, or ${sid}:NUMBER. Nothing was written.`,
  );
}

/** A calendar day in UTC, or a time with its zone; null for what is neither. A day that does not exist is not moved to one that does. */
export function momentMs(text: string): number | null {
  const match = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/.exec(text);
  const day = match?.[1] ?? '';
  const dayMs = Date.parse(`${day}T00:00:00Z`);
  const isDay = !Number.isNaN(dayMs) && new Date(dayMs).toISOString().startsWith(day);
  const ms = isDay ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? null : ms;
}
