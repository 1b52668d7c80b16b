import type { Json } from '../core/index.ts';
import type { Seq } from '../log/index.ts';
import type { Message, Part } from '../model/index.ts';
import type { SentFile } from './files.ts';
import { renderEntries, scopeMark, type ToldEntry } from '../memory/index.ts';
import { push } from './list.ts';
import type { Summary, Turns } from './state.ts';

/** A message in the user's place: from a person, or a note of the runtime. */
export const userMessage = (text: string, origin: 'person' | 'system', files: readonly SentFile[] = []): Message => ({
  role: 'user',
  parts: [
    ...(text === '' && files.length > 0 ? [] : [{ type: 'text' as const, text }]),
    ...files.map((file) => ({ type: 'file' as const, ...file })),
  ],
  origin,
});

/** The messages that a model call made now would see: steering input and notes join here. */
export function taken(slice: Turns, takes: readonly Seq[], withNotes = false): Turns {
  if (takes.length === 0 && !(withNotes && slice.notes.length > 0)) return slice;
  let { messages } = slice;
  if (withNotes) for (const note of slice.notes) messages = push(messages, userMessage(note, 'system'));
  for (const waiting of slice.inbox) if (takes.includes(waiting.seq)) messages = push(messages, waiting.message);
  return { ...slice, messages, notes: withNotes ? [] : slice.notes, inbox: slice.inbox.filter(({ seq }) => !takes.includes(seq)) };
}

/** The tool calls among the parts of an answer, in order. */
export function toolCalls(parts: readonly Part[]): (Part & { readonly type: 'tool_call' })[] {
  return parts.filter((part) => part.type === 'tool_call');
}

/** The text of a message, its text parts joined. */
export function textOf(parts: readonly Part[]): string {
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

/** A message that opened a turn, or joined one. */
export const isQuestion = ({ role, origin }: Message): boolean => role === 'user' && origin === 'person';

/** What stands in place of messages that were left out. It is the words of a model: nobody's orders. */
export function summaryMessage({ text, messages }: Summary): Message {
  const left = `${messages} earlier message${messages === 1 ? '' : 's'} of this conversation`;
  const told =
    text === ''
      ? `[${left} left out.]`
      : `[${left} left out. In their place:]\n<summary>\n${noteText(text).replace(/<(?=\/?summary\b)/gi, '&lt;')}\n</summary>`;
  return { role: 'user', parts: [{ type: 'text', text: told }], origin: 'model' };
}

/**
 * What a memory says, as data beside the conversation; null where the subject of the memory was erased. Its texts are escaped: none ends it.
 * `scope`: of which memory it is, where there are several.
 */
export function memoryNote(said: { readonly core: string; readonly entries: readonly ToldEntry[] } | null, scope: string | null): Message {
  const rows = said === null ? ['[erased]'] : [said.core, renderEntries(said.entries)].filter((row) => row !== '');
  return { role: 'user', parts: [{ type: 'text', text: `${openingOf(scope)}\n${rows.join('\n')}\n</memory>` }], origin: 'tool' };
}

const openingOf = (scope: string | null): string => `<memory${scopeMark(scope)}>`;

/** Whether a note is of the memory of this scope. */
export const isNoteOf = (message: Message, scope: string | null): boolean =>
  isMemoryNote(message) && textOf(message.parts).startsWith(openingOf(scope));

/** Nobody else speaks in the user's place with the authority of a tool. */
export const isMemoryNote = ({ role, origin }: Message): boolean => role === 'user' && origin === 'tool';

/** A summary as text. */
export const noteText = (text: Json): string => (typeof text === 'string' ? text : JSON.stringify(text, null, 2));
