import { parseArgs } from 'node:util';
import { InputProblem } from './data.ts';

/** What the user asks for. null means the default. */
export interface Options {
  readonly help: boolean;
  readonly json: boolean;
  readonly wait: boolean;
  readonly seed: number;
  readonly kills: number;
  readonly count: number | null;
  readonly modelMax: number;
  readonly dataPath: string | null;
  readonly rulesPath: string | null;
  readonly dir: string | null;
  readonly store: string | null;
}

export const USAGE = `Settles 10,000 wildlife-strike reports with Nerva and with a hand-written loop, kills both, and asks the bank what happened.

npm start -- [options]

  --kills N       how often each side is killed with SIGKILL (5; 0 to 50)
  --seed N        from which the moments of the kills come (1)
  --count N       how many reports, spread evenly over the file (all)
  --wait          you do the killing: prints the worker's pid and goes slowly
  --data FILE     a CSV file of your own, with --rules
  --rules FILE    rules as data; copy examples/01-settle/rules.json
  --model-max N   how many unclear reports may go to a model, if one is found (25; 0 asks none)
  --dir FOLDER    where the ledger, the store and the checkpoint go (a new temporary folder)
  --store URL     the Nerva store (file:<dir>/nerva.db)
  --json          prints the result as one JSON object
  --help

A model is found through OPENAI_BASE_URL, OPENAI_API_KEY (OPENAI_MODEL names it) or a running Ollama.
Exit code: 0 when Nerva paid everything due exactly once, 1 when not, 2 for a wrong option or file.`;

const SPECIFICATION = {
  help: { type: 'boolean', short: 'h', default: false },
  json: { type: 'boolean', default: false },
  wait: { type: 'boolean', default: false },
  seed: { type: 'string', default: '1' },
  kills: { type: 'string', default: '5' },
  count: { type: 'string' },
  'model-max': { type: 'string', default: '25' },
  data: { type: 'string' },
  rules: { type: 'string' },
  dir: { type: 'string' },
  store: { type: 'string' },
} as const;

/** @throws InputProblem naming the option and what it takes. */
export function parseOptions(commandLine: readonly string[]): Options {
  let values;
  try {
    values = parseArgs({ args: [...commandLine], options: SPECIFICATION, allowPositionals: false }).values;
  } catch (error) {
    throw new InputProblem((error as Error).message);
  }
  if (values.data !== undefined && values.rules === undefined)
    throw new InputProblem('--data needs --rules: the rules say which columns mean what.');
  return {
    help: values.help,
    json: values.json,
    wait: values.wait,
    seed: whole('seed', values.seed, 0, 4_294_967_295),
    kills: whole('kills', values.kills, 0, 50),
    count: values.count === undefined ? null : whole('count', values.count, 1, 10_000_000),
    modelMax: whole('model-max', values['model-max'], 0, 10_000_000),
    dataPath: values.data ?? null,
    rulesPath: values.rules ?? null,
    dir: values.dir ?? null,
    store: values.store ?? null,
  };
}

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new InputProblem(`--${name} takes a whole number from ${least} to ${most}, not ${JSON.stringify(text)}.`);
  return value;
}
