import { NervaError } from '../core/index.ts';

/**
 * A change of a text. `replace` and each part of `patch`: `old` must stand there exactly once. `insert`: before that line, counted from 1;
 * one past the last appends. `rethink`: another text in place of the whole.
 */
export type Edit =
  | { readonly type: 'append'; readonly text: string }
  | { readonly type: 'replace'; readonly old: string; readonly new: string }
  | { readonly type: 'insert'; readonly line: number; readonly text: string }
  | { readonly type: 'rethink'; readonly text: string }
  | { readonly type: 'patch'; readonly parts: readonly { readonly old: string; readonly new: string }[] };

/**
 * The text after an edit: all of it, or nothing.
 * @throws MEMORY_EDIT, which says what stands there: for the model, to try again; OPTION_INVALID for what is no edit.
 */
export function edited(text: string, edit: Edit): string {
  const texts: unknown = edit.type === 'patch' ? edit.parts : [edit];
  const needs = NEEDS[edit.type] as readonly string[] | undefined;
  if (needs === undefined || !Array.isArray(texts) || !texts.every((part: unknown) => hasTexts(part, needs)))
    throw new NervaError(
      'OPTION_INVALID',
      `An edit is {type: append or rethink, text}, {type: insert, line, text}, {type: replace, old, new} or {type: patch, parts: [{old, new}]}; ${shown(JSON.stringify(edit) ?? '')} came. Nothing was changed.`,
    );
  switch (edit.type) {
    case 'append':
      return text === '' ? edit.text : `${text}\n${edit.text}`;
    case 'rethink':
      return edit.text;
    case 'replace':
      return replaced(text, edit);
    case 'patch':
      return edit.parts.reduce((before, part) => replaced(before, part), text);
    case 'insert': {
      const lines = text === '' ? [] : text.split('\n');
      if (!Number.isInteger(edit.line) || edit.line < 1 || edit.line > lines.length + 1)
        throw new NervaError('MEMORY_EDIT', `Line ${edit.line} is not there: the text has ${lines.length} lines. Nothing was changed.`);
      return lines.toSpliced(edit.line - 1, 0, edit.text).join('\n');
    }
  }
}

/** Which texts each edit needs, or each part of it. */
const NEEDS: Readonly<Record<Edit['type'], readonly string[]>> = {
  append: ['text'],
  rethink: ['text'],
  insert: ['text'],
  replace: ['old', 'new'],
  patch: ['old', 'new'],
};
const hasTexts = (part: unknown, needs: readonly string[]): boolean =>
  typeof part === 'object' && part !== null && needs.every((name) => typeof (part as Readonly<Record<string, unknown>>)[name] === 'string');

function replaced(text: string, { old, new: by }: { readonly old: string; readonly new: string }): string {
  if (old === '') throw new NervaError('MEMORY_EDIT', 'The text to replace is empty; use append or insert. Nothing was changed.');
  const first = text.indexOf(old);
  if (first < 0)
    throw new NervaError(
      'MEMORY_EDIT',
      `${shown(old)} does not stand there. Copy it exactly, also spaces and line ends. Nothing was changed.`,
    );
  if (text.includes(old, first + 1))
    throw new NervaError('MEMORY_EDIT', `${shown(old)} stands there more than once. Take more of what is around it. Nothing was changed.`);
  return text.slice(0, first) + by + text.slice(first + old.length);
}

const shown = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
