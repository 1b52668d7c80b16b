import type { Json, JsonObject } from '../core/index.ts';
import type { EventDraft } from '../log/index.ts';

/** Types whose data is what people, models and tools said. */
const PERSONAL = new Set([
  'message.received',
  'model.answered',
  'model.interrupted',
  'tool.returned',
  'tool.failed',
  'policy.decided',
  'approval.granted',
  'approval.denied',
  'output.rejected',
  'memory.told',
]);

/** Types that hold such words only in some of their events: in which member. */
const SOMETIMES: Readonly<Record<string, string>> = {
  'turn.ended': 'output',
  'tool.in_doubt': 'message',
  'model.failed': 'message',
  'context.compacted': 'summary',
  'context.failed': 'message',
  'memory.failed': 'message',
};

/** Whether an event says something that belongs to the session's subject. */
export function isPersonal({ type, data }: EventDraft): boolean {
  return PERSONAL.has(type) || data[SOMETIMES[type] ?? ''] !== undefined;
}

/** What stands in place of words that may not be kept any more. */
const BLANK: Readonly<Record<string, Json>> = {
  parts: [],
  summary: '[erased]',
  fixed: '',
  core: '',
  entries: [],
  output: '[erased]',
  message: '[erased]',
  why: 'erased',
};

/** The same data without words: positions, counts and kinds stay, so that what happened is still known. */
export function withoutContent(data: JsonObject): JsonObject {
  const { answer, meta: _meta, via: _via, ...rest } = data;
  const kept: Record<string, Json> = typeof answer === 'number' ? { ...rest, answer } : { ...rest };
  for (const [name, blank] of Object.entries(BLANK)) if (name in kept && !(name === 'why' && isKind(kept[name]))) kept[name] = blank;
  return kept;
}

/** Reasons of the vocabulary are kinds; those of people are words. */
function isKind(why: Json | undefined): boolean {
  return typeof why === 'string' && KINDS.has(why);
}

const KINDS = new Set([
  'threw',
  'timeout',
  'cancelled',
  'not done',
  'bad input',
  'bad output',
  'unknown tool',
  'denied',
  'forked',
  'crash',
  'lost',
  'error',
]);

/**
 * Content of a session that belongs to a subject is named as that subject's. What is left of words whose subject is gone is where and what kind:
 * of the session's own once it is erased, but for input, which is for the store to refuse; and of others, such as memories.
 */
export function stamped(
  events: readonly EventDraft[],
  { subject, isErased }: { readonly subject: string | null; readonly isErased: boolean },
  gone: ReadonlySet<string>,
): readonly EventDraft[] {
  if (subject === null && gone.size === 0) return events;
  return events.map((event) => {
    const { subject: owner, ...rest } = event;
    if (owner !== undefined) return owner !== subject && gone.has(owner) ? { ...rest, data: withoutContent(event.data) } : event;
    if (subject === null || !isPersonal(event)) return event;
    return isErased && event.type !== 'message.received' ? { ...event, data: withoutContent(event.data) } : { ...event, subject };
  });
}
