/** Text that ends nothing and begins nothing where it stands between marks. */
export const escapeMarkup = (text: string): string => text.replace(/[&<>"]/g, (character) => ESCAPES[character] ?? '');
const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

const OPEN = '<core_memory';
const CLOSE = '</core_memory>';

/** An attribute that says whose a mark is; none for null. */
export const scopeMark = (scope: string | null): string => (scope === null ? '' : ` scope="${escapeMarkup(scope)}"`);

/** Rows between the marks of the core, which may name its scope. Empty for none. */
export const coreOf = (rows: readonly string[], scope: string | null = null): string =>
  rows.length === 0 ? '' : `${OPEN}${scopeMark(scope)}>\n${rows.join('\n')}\n${CLOSE}`;

/** Bytes of `coreOf` of so many rows, which have so many together, without a scope. */
export function coreBytes(rows: number, bytes: number): number {
  return rows === 0 ? 0 : OPEN.length + 1 + bytes + rows + 1 + CLOSE.length;
}
