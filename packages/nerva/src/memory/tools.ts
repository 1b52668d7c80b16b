import { checkOptions, NervaError, type Json } from '../core/index.ts';
import type { EventId } from '../log/index.ts';
import { tool, type Tool, type ToolContext } from '../tool/index.ts';
import type { Edit } from './edit.ts';
import { ENTRY_KINDS } from './kinds.ts';
import type { Memory } from './memory.ts';
import { rightsOf, type MemoryRight } from './rights.ts';

/** Whose memory a call is about. Contract: the same for the same session. */
export type MemoryOf = (context: Pick<ToolContext, 'session'>) => Memory | Promise<Memory>;

/** How tools of a memory are held. */
export interface Guard {
  /** Whether an agent needs rights of the memory (`memory.grant`): without any it is refused. Default false: whoever has the tools may use them. */
  readonly isGuarded?: boolean;
  /** What their names begin with, `team` for `team_recall`: for an agent with the tools of several memories. 1–32 of `A-Za-z0-9_-`. */
  readonly prefix?: string;
}

const TEXT = { type: 'string' } as const;

/**
 * A memory as tools for a model: `recall`, `remember`, `forget`, `memory_read` and `memory_edit`. A call that is repeated after a crash is
 * made once. What recall gives is in the session's log, with the place in the memory's log up to which it had been read; it is data, and
 * has no more authority than any result of a tool. @throws OPTION_UNKNOWN, OPTION_INVALID
 */
export function memoryTools(memory: Memory | MemoryOf, options: Guard = {}): readonly Tool[] {
  checkOptions(options, ['isGuarded', 'prefix'], 'memoryTools');
  const of: MemoryOf = typeof memory === 'function' ? memory : () => memory;
  const { isGuarded = false, prefix } = options;
  const tools = [recallTool(of), rememberTool(of), forgetTool(of), readTool(of), editTool(of)] as unknown as readonly Tool[];
  const held = isGuarded ? tools.map((one) => guarded(one, of)) : tools;
  return prefix === undefined ? held : held.map((one) => prefixed(one, checkPrefix(prefix)));
}

function checkPrefix(prefix: unknown): string {
  if (typeof prefix === 'string' && /^[A-Za-z0-9_-]{1,32}$/.test(prefix)) return prefix;
  throw new NervaError(
    'OPTION_INVALID',
    `prefix has 1 to 32 of A-Za-z0-9_-; ${String(JSON.stringify(prefix)).slice(0, 50)} came. No tool was made.`,
  );
}

/** The same tool under a name that says which memory it is of. */
function prefixed(one: Tool, prefix: string): Tool {
  const called = { name: `${prefix}_${one.name}`, description: `${one.description} Of the memory "${prefix}".` };
  return { ...one, ...called, definition: { ...one.definition, ...called } };
}

/** Which right a tool takes. */
const TAKES: Readonly<Record<string, MemoryRight>> = {
  recall: 'recall',
  remember: 'remember',
  forget: 'forget',
  memory_read: 'recall',
  memory_edit: 'edit',
};

/** A tool that refuses whoever has no right to it now. */
function guarded(one: Tool, of: MemoryOf): Tool {
  const right = TAKES[one.name] ?? 'edit';
  return {
    ...one,
    execute: async (input, context) => {
      const memory = await of(context);
      await memory.refresh();
      const { agent } = context.session;
      const rights = rightsOf(memory.rights, agent);
      // What takes the place of an entry leaves it out, as forgetting it does.
      const isEnding = right === 'remember' && (input as { readonly supersedes?: unknown }).supersedes !== undefined;
      const lacking = (isEnding ? ([right, 'forget'] as const) : [right]).find((needed) => !rights.includes(needed));
      if (lacking === undefined) return one.execute(input, context);
      return { refused: `Agent ${agent} may not ${lacking} in ${memory.sid}: nobody granted it that. Nothing was changed.` };
    },
  };
}

/** Refusals are results that the model reads; all else is a failure of the call. */
async function orRefusal(act: () => Promise<Json>): Promise<Json> {
  try {
    return await act();
  } catch (error) {
    if (NervaError.is(error) && (error.code.startsWith('MEMORY_') || error.code === 'OPTION_INVALID')) return { refused: error.message };
    throw error;
  }
}

function recallTool(of: MemoryOf) {
  return tool({
    name: 'recall',
    description:
      'Finds what was remembered, by its words. Ask with the words that it was likely said in; again with others when nothing fits.',
    effect: 'read',
    inputSchema: {
      type: 'object',
      properties: { query: TEXT, limit: { type: 'integer', minimum: 1, maximum: 20 }, tags: { type: 'array', items: TEXT } },
      required: ['query'],
      additionalProperties: false,
    },
    execute: async ({ query, limit = 5, tags = [] }, context) => {
      const memory = await of(context);
      await memory.refresh();
      const { found, variations } = await memory.search(query, { limit, tags, signal: context.signal });
      return {
        from: { scope: memory.sid, head: memory.head },
        // The log says when it was looked for in other words too, and in which.
        ...(variations.length > 1 ? { asked: variations } : {}),
        found: found.map(({ entry: { id, text, kind, tags: its, validMs } }) => ({ id, text, kind, tags: its, since: validMs })),
      };
    },
  });
}

/** What an agent itself is, people say: entries of that kind stand in the prompt for good. */
const KINDS = ENTRY_KINDS.filter((kind) => kind !== 'self');

function rememberTool(of: MemoryOf) {
  return tool({
    name: 'remember',
    description:
      'Keeps a text for good, as it is. One fact in each. `supersedes`: the id of what is no longer so; both stay, and the old one is found as of then.',
    effect: 'idempotent',
    inputSchema: {
      type: 'object',
      properties: {
        text: TEXT,
        kind: { type: 'string', enum: KINDS },
        tags: { type: 'array', items: TEXT },
        supersedes: TEXT,
      },
      required: ['text'],
      additionalProperties: false,
    },
    execute: ({ text, kind = 'note', tags = [], supersedes }, context) =>
      orRefusal(async () => {
        const { sid } = context.session;
        const entry = await (
          await of(context)
        ).remember(text, {
          kind: kind as (typeof ENTRY_KINDS)[number],
          tags,
          key: context.idempotencyKey,
          source: `${sid}:${Number(context.callId.slice(sid.length + 1))}`,
          ...(supersedes === undefined ? {} : { supersedes: supersedes as EventId }),
        });
        return { id: entry.id, name: entry.name };
      }),
  });
}

function forgetTool(of: MemoryOf) {
  return tool({
    name: 'forget',
    description: 'Leaves an entry out of recall from now on. Take the id from recall.',
    effect: 'idempotent',
    inputSchema: { type: 'object', properties: { id: TEXT }, required: ['id'], additionalProperties: false },
    execute: ({ id }, context) =>
      orRefusal(async () => {
        await (await of(context)).forget(id as EventId, { key: context.idempotencyKey });
        return { forgotten: id };
      }),
  });
}

function readTool(of: MemoryOf) {
  return tool({
    name: 'memory_read',
    description: 'Shows the blocks of memory, with their versions.',
    effect: 'read',
    inputSchema: { type: 'object', properties: {}, additionalProperties: false },
    execute: async (_input, context) => {
      const memory = await of(context);
      await memory.refresh();
      return {
        from: { scope: memory.sid, head: memory.head },
        blocks: memory.core.map(({ label, type, description, text, isReadOnly, version }) => ({
          label,
          type,
          description,
          text,
          isReadOnly,
          version,
        })),
      };
    },
  });
}

function editTool(of: MemoryOf) {
  return tool({
    name: 'memory_edit',
    description:
      'Edits a block of memory: append a text, replace a text that stands there exactly once, insert before a line (from 1), rethink: another text for the whole, or patch: several replacements (`parts`) at once. Give the version that you have read.',
    effect: 'idempotent',
    inputSchema: {
      type: 'object',
      properties: {
        label: TEXT,
        type: { type: 'string', enum: ['append', 'replace', 'insert', 'rethink', 'patch'] },
        text: TEXT,
        old: TEXT,
        line: { type: 'integer', minimum: 1 },
        parts: {
          type: 'array',
          items: { type: 'object', properties: { old: TEXT, new: TEXT }, required: ['old', 'new'], additionalProperties: false },
        },
        version: { type: 'integer', minimum: 1 },
      },
      required: ['label', 'type'],
      additionalProperties: false,
    },
    execute: ({ label, type, text: given, old = '', line = 1, parts = [], version }, context) =>
      orRefusal(async () => {
        const memory = await of(context);
        const text = given as string; // an edit that lacks it is refused
        const edit: Edit =
          type === 'patch'
            ? { type, parts }
            : type === 'replace'
              ? { type, old, new: text }
              : type === 'insert'
                ? { type, line, text }
                : { type: type as 'append' | 'rethink', text };
        await memory.editBlock(label, edit, { key: context.idempotencyKey, ...(version === undefined ? {} : { version }) });
        const block = memory.core.find((one) => one.label === label);
        return { label, version: block?.version ?? null };
      }),
  });
}
