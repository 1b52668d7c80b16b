import { inflateRawSync } from 'node:zlib';
import { FileProblem } from '../problem.ts';

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const COMMENT_MAX = 65_535;
const FILES_MAX = 10_000;
/** A text in XML packs to a tenth, seldom to a fiftieth; what is below this size may do as it likes. */
const RATIO_MAX = 200;
const RATIO_FREE = 1_000_000;

interface Part {
  readonly name: string;
  readonly method: number;
  readonly isEncrypted: boolean;
  readonly packed: number;
  readonly unpacked: number;
  readonly offset: number;
}

/**
 * Some files of a ZIP archive. What they unpack to is bounded by what the archive's directory says before anything is unpacked, and again while it is.
 * @throws FileProblem `bomb`, `encrypted`, `broken`.
 */
export function unzip(bytes: Uint8Array, wanted: RegExp, unpackedBytesMax: number): ReadonlyMap<string, Uint8Array> {
  const parts = directory(bytes);
  const unpacked = parts.reduce((sum, part) => sum + part.unpacked, 0);
  if (unpacked > unpackedBytesMax || (unpacked > RATIO_FREE && unpacked > RATIO_MAX * bytes.length))
    throw new FileProblem(
      'bomb',
      `Its ${bytes.length} bytes say that they unpack to ${unpacked}; ${unpackedBytesMax} (unpackedBytesMax) and ${RATIO_MAX} times its size are the limits. Save it anew, or name it in .gitignore. Nothing was unpacked.`,
    );
  const files = new Map<string, Uint8Array>();
  let left = unpackedBytesMax;
  for (const part of parts) {
    if (!wanted.test(part.name)) continue;
    const file = contentOf(bytes, part, left);
    left -= file.length;
    files.set(part.name, file);
  }
  return files;
}

function directory(bytes: Uint8Array): readonly Part[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - END_BYTES;
  const first = Math.max(0, end - COMMENT_MAX);
  while (end >= first && view.getUint32(end, true) !== END) end--;
  if (end < first) throw broken('its directory is not there');
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  if (count > FILES_MAX) throw new FileProblem('bomb', `It holds ${count} files; ${FILES_MAX} is the limit. Nothing was unpacked.`);
  const parts: Part[] = [];
  for (let index = 0; index < count; index++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== CENTRAL) throw broken('its directory is damaged');
    const nameBytes = view.getUint16(at + 28, true);
    const next = at + 46 + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    parts.push({
      name: new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameBytes)),
      isEncrypted: (view.getUint16(at + 8, true) & 1) === 1,
      method: view.getUint16(at + 10, true),
      packed: view.getUint32(at + 20, true),
      unpacked: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
    });
    at = next;
  }
  return parts;
}

function contentOf(bytes: Uint8Array, { name, method, isEncrypted, packed, unpacked, offset }: Part, left: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isEncrypted) throw new FileProblem('encrypted', `${name} in it is encrypted. Save it without a password. Nothing of it was taken.`);
  if (offset + 30 > bytes.length || view.getUint32(offset, true) !== LOCAL) throw broken(`${name} in it is not where its directory says`);
  const start = offset + 30 + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
  const content = bytes.subarray(start, start + packed);
  if (content.length < packed) throw broken(`${name} in it is cut off`);
  if (method === 0) return content;
  if (method !== 8) throw broken(`${name} in it is packed by method ${method}; 0 and 8 are known`);
  try {
    // What the directory says may be a lie: never more than that, whatever comes out.
    return inflateRawSync(content, { maxOutputLength: Math.max(1, Math.min(unpacked, left)) });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new FileProblem(
        'bomb',
        `${name} in it unpacks to more than the ${unpacked} bytes that its directory says. Unpacking was stopped there.`,
        {
          cause,
        },
      );
    throw broken(`${name} in it does not unpack`, cause);
  }
}

function broken(what: string, cause?: unknown): FileProblem {
  return new FileProblem(
    'broken',
    `It is no whole ZIP archive, as a DOCX is: ${what}. Save it anew, or name it in .gitignore. Nothing of it was taken.`,
    { cause },
  );
}
