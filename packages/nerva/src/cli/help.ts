import { RELEASE } from '../log/index.ts';
import { COMMANDS, SHARED, type Command, type CommandName, type Flag } from './commands.ts';

const EXITS = [
  '0  answered, done',
  '1  failed',
  '2  wrong usage',
  '3  waiting for a person',
  '4  another process writes the store',
  '130  interrupted',
];

/** The help of the whole command. */
export function mainHelp(): string {
  const rows = Object.entries<Command>(COMMANDS).map(([name, { usage, help }]): [string, string] => [`${name} ${usage}`.trim(), help]);
  return [
    `nerva ${RELEASE}: run agents whose log is all they are`,
    '',
    'Usage: nerva <command> [arguments] [flags]',
    '',
    'Commands:',
    ...table(rows),
    '',
    'Flags of every command:',
    ...flagRows(SHARED),
    '',
    'Examples:',
    '  nerva run agent.ts "What is due today?"',
    '  nerva sessions --status waiting',
    '  nerva approve 3f0c… 5 --agents agent.ts',
    '  nerva resume --agents agent.ts',
    '',
    'Exit codes:',
    ...EXITS.map((line) => `  ${line}`),
    '',
    '`nerva <command> --help` says more.',
    '',
  ].join('\n');
}

/** The help of one command. */
export function commandHelp(name: CommandName): string {
  const { help, flags, examples, notes = [] }: Command = COMMANDS[name];
  return [
    `nerva ${name}: ${help}`,
    '',
    usageLine(name),
    '',
    ...(Object.keys(flags).length === 0 ? [] : ['Flags:', ...flagRows(flags), '']),
    'Flags of every command:',
    ...flagRows(SHARED),
    '',
    'Examples:',
    ...examples.map((line) => `  ${line}`),
    '',
    ...(notes.length === 0 ? [] : [...notes, '']),
  ].join('\n');
}

/** One line that says how a command is called. */
export function usageLine(name: CommandName | null): string {
  if (name === null) return 'Usage: nerva <command> [arguments] [flags]; `nerva --help` lists the commands.';
  const { usage, flags }: Command = COMMANDS[name];
  const more = Object.entries(flags).filter(([flag]) => !usage.includes(`--${flag}`));
  return ['Usage: nerva', name, usage, ...more.map(([flag, shape]) => `[${flagText(flag, shape)}]`)]
    .filter((word) => word !== '')
    .join(' ');
}

function flagText(name: string, { value }: Flag): string {
  return value === undefined ? `--${name}` : `--${name} ${value}`;
}

function flagRows(flags: Readonly<Record<string, Flag>>): string[] {
  return table(Object.entries(flags).map(([name, flag]): [string, string] => [flagText(name, flag), flag.help]));
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
