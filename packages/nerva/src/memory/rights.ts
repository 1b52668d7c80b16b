import { NervaError } from '../core/index.ts';

/** What an agent may do with a memory through its tools: find entries and read blocks, keep entries, leave them out, change blocks. */
export const MEMORY_RIGHTS = ['recall', 'remember', 'forget', 'edit'] as const;
/** One of them. */
export type MemoryRight = (typeof MEMORY_RIGHTS)[number];

/** What each agent may do, by its name. Nobody may do anything before it is granted. */
export type Rights = Readonly<Record<string, readonly MemoryRight[]>>;

/** What rights are changed by. */
export interface RightsData {
  'memory.granted': RightsChanged;
  'memory.revoked': RightsChanged;
}
interface RightsChanged {
  readonly agent: string;
  readonly rights: readonly MemoryRight[];
  /** Who changes them, where that was said. */
  readonly by?: string;
}

/** What is said of a change of rights. */
export interface Granting {
  /** Who makes it, for the record: 1–200 characters. Nothing checks that it is true. */
  readonly by?: string;
}

/** Agents that have rights in one memory. */
const AGENTS_MAX = 1_000;
const BY_CHARS_MAX = 200;
/** As agents are named. */
const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

/** The rights after an event of the log; the same object when it changes none. Whoever may write the log may write anything into it. */
export function withRights(standing: Rights, type: string, { agent, rights }: Readonly<Record<string, unknown>>): Rights {
  if (type !== 'memory.granted' && type !== 'memory.revoked') return standing;
  if (typeof agent !== 'string' || !NAME.test(agent) || !Array.isArray(rights)) return standing;
  const had = rightsOf(standing, agent);
  const has = MEMORY_RIGHTS.filter((one) => (rights.includes(one) ? type === 'memory.granted' : had.includes(one)));
  if (has.length === had.length) return standing;
  const others = Object.fromEntries(Object.entries(standing).filter(([name]) => name !== agent));
  if (has.length === 0) return others;
  return had.length === 0 && Object.keys(others).length >= AGENTS_MAX ? standing : { ...others, [agent]: has };
}

/** What an agent may do. */
export function rightsOf(standing: Rights, agent: string): readonly MemoryRight[] {
  return Object.hasOwn(standing, agent) ? (standing[agent] ?? []) : [];
}

/** @throws OPTION_INVALID for a name or a right that is none; MEMORY_FULL for one agent too many. Nothing was changed. */
export function checkRights(standing: Rights, { agent, rights, by }: RightsChanged): void {
  if (typeof agent !== 'string' || !NAME.test(agent))
    throw new NervaError(
      'OPTION_INVALID',
      `An agent is named with 1 to 64 of A-Za-z0-9_.-; ${JSON.stringify(String(agent).slice(0, 80))} came. Nothing was changed.`,
    );
  const isList = Array.isArray(rights) && rights.length > 0;
  const wrong: unknown = isList ? rights.find((one) => !MEMORY_RIGHTS.includes(one)) : rights;
  if (!isList || wrong !== undefined)
    throw new NervaError(
      'OPTION_INVALID',
      `Rights are some of ${MEMORY_RIGHTS.join(', ')}; ${JSON.stringify(wrong ?? null)} came. Nothing was changed.`,
    );
  if (by !== undefined && (typeof by !== 'string' || by === '' || by.length > BY_CHARS_MAX))
    throw new NervaError('OPTION_INVALID', `by is who changes rights, 1 to ${BY_CHARS_MAX} characters. Nothing was changed.`);
  if (rightsOf(standing, agent).length === 0 && Object.keys(standing).length >= AGENTS_MAX)
    throw new NervaError('MEMORY_FULL', `${AGENTS_MAX} agents have rights here, and no more may. Nothing was changed.`);
}
