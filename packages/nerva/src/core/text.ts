/** Most texts have none: found by compiled code, many letters at a time. */
const BEYOND_ASCII = /[\u0080-\uffff]/;

/** Bytes of `text` in UTF-8. A lone surrogate counts 3, as it becomes U+FFFD. O(n), allocates nothing. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  if (!BEYOND_ASCII.test(text)) return bytes;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (isPair(text, i)) {
      bytes += 2;
      i++;
    } else bytes += 2;
  }
  return bytes;
}

/**
 * The beginning of `text` in at most `bytesMax` bytes of UTF-8, never cut inside a code point.
 * When something was cut the result ends in a note with the number of bytes cut, counted within `bytesMax`;
 * a `bytesMax` too small for the note gives the bare beginning.
 */
export function excerpt(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax) return text;
  const bytes = utf8Bytes(text);
  if (bytes <= bytesMax) return text;
  // The note's length is taken from the largest number it could hold, so it fits whatever is cut.
  const noteBytes = utf8Bytes(note(bytes));
  const room = noteBytes > bytesMax ? bytesMax : bytesMax - noteBytes;
  const isAscii = bytes === text.length; // a byte a unit: nothing is to be measured
  const end = isAscii ? room : fitting(text, room);
  const kept = text.slice(0, end);
  return room === bytesMax ? kept : kept + note(bytes - (isAscii ? end : utf8Bytes(kept)));
}

/** A path into a value as people and models write it: `$.items[2].name`, `$["a b"]`; the root is `$`. */
export function formatPath(path: readonly (string | number)[]): string {
  let out = '$';
  for (const key of path) {
    if (typeof key === 'number') out += `[${key}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) out += `.${key}`;
    else out += `[${JSON.stringify(key.length > 64 ? `${key.slice(0, 64).toWellFormed()}…` : key)}]`;
  }
  return out;
}

function note(bytes: number): string {
  return `… [${bytes} bytes cut]`;
}

/** The index after the last code point that ends within `room` bytes. */
function fitting(text: string, room: number): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const pair = unit >= 0x800 && isPair(text, i);
    bytes += unit < 0x80 ? 1 : unit < 0x800 ? 2 : pair ? 4 : 3;
    if (bytes > room) return i;
    if (pair) i++;
  }
  return text.length;
}

function isPair(text: string, i: number): boolean {
  return (text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00;
}
