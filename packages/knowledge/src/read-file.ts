import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { FileProblem } from './problem.ts';

/** How a file is read. */
export interface ReadFileOptions {
  readonly bytesMax: number;
  /** Follow it when it is a symbolic link. */
  readonly isFollowed: boolean;
  /** Default: the one of `node:fs`. */
  readonly open?: (path: string, flags: number) => Promise<FileHandle>;
}

/** Reads begun anew when somebody writes the file. */
const TRIES = 3;

/**
 * Reads a whole file as it was at one moment, as far as its times tell. A larger one than `bytesMax` is not read, and a pipe is not waited for.
 * @throws FileProblem `too-large`, `kind`, `changing`, `link`, `unreadable`
 */
export async function readFile(path: string, options: ReadFileOptions): Promise<Uint8Array> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const bytes = await readOnce(path, options);
    if (bytes !== null) return bytes;
  }
  throw new FileProblem(
    'changing',
    `It was written while it was read, ${TRIES} times. Ingest it again when it is at rest; what was known of it stays.`,
  );
}

/** @returns null when it changed meanwhile. */
async function readOnce(path: string, { bytesMax, isFollowed, open: opened = open }: ReadFileOptions): Promise<Uint8Array | null> {
  // On Windows neither flag exists, nor do such files.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (isFollowed ? 0 : (constants.O_NOFOLLOW ?? 0));
  let file: FileHandle | null = null;
  try {
    file = await opened(path, flags);
    const before = await file.stat({ bigint: true });
    if (!before.isFile()) throw new FileProblem('kind', 'It is no regular file. Nothing was read of it.');
    if (before.size > BigInt(bytesMax))
      throw new FileProblem(
        'too-large',
        `It has ${before.size} bytes; ${bytesMax} is the limit (fileBytesMax). It was not read; raise the limit, or name it in .gitignore.`,
      );
    const bytes = Buffer.allocUnsafe(Number(before.size));
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    const after = await file.stat({ bigint: true });
    return length === bytes.length && after.size === before.size && after.mtimeNs === before.mtimeNs ? bytes : null;
  } catch (error) {
    if (error instanceof FileProblem) throw error;
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP')
      throw new FileProblem('link', 'It is a symbolic link, which are not followed. Nothing was read of it.', { cause: error });
    throw new FileProblem(
      'unreadable',
      `It cannot be read (${code}). Check its permissions and ingest it again; what was known of it stays.`,
      {
        cause: error,
      },
    );
  } finally {
    await file?.close();
  }
}
