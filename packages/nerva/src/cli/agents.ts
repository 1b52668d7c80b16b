import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Agent } from '../agent/index.ts';
import { NervaError } from '../core/index.ts';

/** Looked for in the working directory when no `--agents` is given. */
export const CONFIGS: readonly string[] = ['nerva.config.ts', 'nerva.config.mts', 'nerva.config.mjs', 'nerva.config.js'];

/** An agent and the name under which its file exports it. */
export interface Found {
  readonly exported: string;
  readonly agent: Agent;
}

/**
 * The agents that a file exports, alone or in lists; each once.
 * @throws AGENT_INVALID when the file is absent, does not load (the message names where) or exports no agent.
 */
export async function loadAgents(file: string): Promise<readonly Found[]> {
  const path = resolve(file);
  if (!existsSync(path))
    throw new NervaError('AGENT_INVALID', `There is no file ${path}. Nothing was started.`, { details: { file: path } });
  const found: Found[] = [];
  for (const [exported, value] of Object.entries(await load(path))) {
    for (const one of Array.isArray(value) ? (value as readonly unknown[]) : [value]) {
      if (isAgent(one) && !found.some(({ agent }) => agent === one)) found.push({ exported, agent: one });
    }
  }
  if (found.length > 0) return found;
  throw new NervaError(
    'AGENT_INVALID',
    `${path} exports no agent. Export what createAgent() returns, e.g. export const agent = createAgent({…}).`,
    { details: { file: path } },
  );
}

/**
 * The one agent that `file.ts` or `file.ts#export` names.
 * @throws AGENT_INVALID also when there are several to choose from.
 */
export async function loadAgent(reference: string): Promise<Agent> {
  const at = reference.lastIndexOf('#');
  const file = at < 0 ? reference : reference.slice(0, at);
  const wanted = at < 0 ? null : reference.slice(at + 1);
  const all = await loadAgents(file);
  const fitting = wanted === null ? all : all.filter(({ exported, agent }) => exported === wanted || agent.name === wanted);
  const [first, second] = fitting;
  const names = all.map(({ exported }) => `${file}#${exported}`).join(', ');
  if (first === undefined)
    throw new NervaError('AGENT_INVALID', `${file} exports no agent "${wanted ?? ''}"; it exports ${names}. Nothing was started.`);
  if (second !== undefined)
    throw new NervaError('AGENT_INVALID', `${file} exports several agents; say which: ${names}. Nothing was started.`);
  return first.agent;
}

/** Whether the first argument of `run` is a file and not the name of a registered agent. */
export function isFileReference(reference: string): boolean {
  const file = reference.replace(/#[^#/\\]*$/, '');
  return /[/\\]/.test(file) || /\.[cm]?[jt]s$/.test(file);
}

/**
 * What a file exports; `nerva` in it is found wherever it lies.
 * @throws AGENT_INVALID when it does not load; the message names where.
 */
export async function load(path: string): Promise<Readonly<Record<string, unknown>>> {
  resolveNerva();
  try {
    return (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    if (NervaError.is(error)) throw error;
    const { message, where } = told(error, path);
    throw new NervaError('AGENT_INVALID', `${path} does not load: ${message}${where}. Nothing was started.`, {
      cause: error,
      details: { file: path },
    });
  }
}

/** The first line of an error and, if its stack says so, the line of the user's own file. */
function told(error: unknown, path: string): { readonly message: string; readonly where: string } {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const line = stack.split('\n').find((one) => one.includes(path) && /:\d+/.test(one) && !text.includes(one.trim()));
  const position = line === undefined ? null : /:(\d+)(?::\d+)?\)?$/.exec(line.trim());
  return { message: (text.split('\n')[0] ?? '').replace(/\.$/, ''), where: position === null ? '' : ` (line ${position[1] ?? ''})` };
}

function isAgent(value: unknown): value is Agent {
  if (typeof value !== 'object' || value === null) return false;
  const { name, tools, stepsMax, model, policy } = value as Readonly<Record<string, unknown>>;
  return typeof name === 'string' && Array.isArray(tools) && typeof stepsMax === 'number' && (model !== undefined || policy !== undefined);
}

let isHooked = false;

/**
 * Lets a file import `nerva` wherever it lies: the copy its own project has installed, else this one. In a checkout the sources are
 * meant, for `dist` may be older or absent.
 */
function resolveNerva(): void {
  if (isHooked) return;
  isHooked = true;
  const more = import.meta.url.endsWith('.ts') ? ['nerva-source'] : [];
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier !== 'nerva' && !specifier.startsWith('nerva/')) return next(specifier, context);
      const here = { ...context, conditions: [...more, ...context.conditions] };
      try {
        return next(specifier, here);
      } catch {
        return next(specifier, { ...here, parentURL: import.meta.url });
      }
    },
  });
}
