import { FileProblem } from './problem.ts';

/** How a file's bytes were read as text. */
export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252';

/** A file as text. */
export interface Decoded {
  /** Without the byte order mark. */
  readonly text: string;
  readonly encoding: Encoding;
  /** Length of the byte order mark. */
  readonly markBytes: number;
}

const MARKS: readonly (readonly [encoding: Encoding, mark: readonly number[]])[] = [
  ['utf-8', [0xef, 0xbb, 0xbf]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]],
];
/** Looked through for what no text has. */
const SNIFFED = 8_192;

/**
 * Reads bytes as text: by their mark, else as UTF-8, else as `fallback`.
 * @throws FileProblem `binary`, or `encoding` with the place of the first byte that does not fit.
 */
export function decode(bytes: Uint8Array, fallback?: 'windows-1252'): Decoded {
  for (const [encoding, mark] of MARKS) if (mark.every((byte, index) => bytes[index] === byte)) return read(bytes, encoding, mark.length);
  if (isBinary(bytes)) throw new FileProblem('binary', 'It holds bytes that no text has. Nothing was read of it.');
  if (fallback === undefined || isUtf8(bytes)) return read(bytes, 'utf-8', 0);
  return read(bytes, fallback, 0);
}

function read(bytes: Uint8Array, encoding: Encoding, markBytes: number): Decoded {
  try {
    return { text: new TextDecoder(encoding, { fatal: true }).decode(bytes), encoding, markBytes };
  } catch (cause) {
    const at = encoding === 'utf-8' ? ` from byte ${validUpTo(bytes)} on` : '';
    // Whoever marked it said what it is.
    const isMarked = markBytes > 0;
    const what = isMarked
      ? 'as its byte order mark says. Save it anew as UTF-8.'
      : 'Convert it (iconv -t UTF-8), or say that such files are Windows-1252 (encoding).';
    throw new FileProblem('encoding', `It is not ${encoding.toUpperCase()}${at}${isMarked ? ', ' : '. '}${what} Nothing of it was taken.`, {
      cause,
    });
  }
}

/** A zero, or more than one control character in ten. */
function isBinary(bytes: Uint8Array): boolean {
  const head = bytes.subarray(0, SNIFFED);
  let controls = 0;
  for (const byte of head) {
    if (byte === 0) return true;
    if (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0c && byte !== 0x0d && byte !== 0x1b) controls++;
  }
  return controls * 10 > head.length;
}

/** `isCut`: the last character may be cut off. */
function isUtf8(bytes: Uint8Array, isCut = false): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: isCut });
    return true;
  } catch {
    return false;
  }
}

/** How many bytes from the start are whole UTF-8. O(length · log). */
function validUpTo(bytes: Uint8Array): number {
  let [low, high] = [0, bytes.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (isUtf8(bytes.subarray(0, middle), true)) low = middle;
    else high = middle - 1;
  }
  while (!isUtf8(bytes.subarray(0, low))) low--;
  return low;
}

/** Offsets in bytes of the file for ascending offsets in its text. O(length of the text up to the last). */
export function byteOffsets({ text, encoding, markBytes }: Decoded, offsets: readonly number[]): readonly number[] {
  if (encoding === 'windows-1252') return offsets;
  if (encoding !== 'utf-8') return offsets.map((offset) => markBytes + 2 * offset);
  let [at, bytes] = [0, markBytes];
  return offsets.map((offset) => {
    for (; at < offset; at++) {
      const unit = text.charCodeAt(at);
      // Half of a pair is two of its four bytes.
      bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit & 0xf800) === 0xd800 ? 2 : 3;
    }
    return bytes;
  });
}
