/** Text that ends nothing and begins nothing where it stands between marks. */
export const escapeMarkup = (text: string): string => text.replace(/[&<>"]/g, (character) => ESCAPES[character] ?? '');
const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

const OPEN = '<core_memory>';
const CLOSE = '</core_memory>';

/** Rows between the marks of the core. Empty for none. */
export const coreOf = (rows: readonly string[]): string => (rows.length === 0 ? '' : `${OPEN}\n${rows.join('\n')}\n${CLOSE}`);

/** Bytes of `coreOf` of rows of so many each. */
export function coreBytes(rows: readonly number[]): number {
  return rows.length === 0 ? 0 : rows.reduce((sum, bytes) => sum + bytes + 1, OPEN.length + 1 + CLOSE.length);
}
