import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { NervaError } from '../../core/index.ts';
import type { KeyPort } from '../../log/index.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Base64 of a key. */
const KEY_CHARS = 44;
const GONE = '-'.repeat(KEY_CHARS);
const LINE = /^([A-Za-z0-9+/]{43}=|-{44}) (".*")$/;

interface Entry {
  /** Null once destroyed. */
  key: Buffer | null;
  /** Where its characters begin in the file. */
  readonly offset: number;
}

/**
 * Keys of subjects in one file (mode 0600): AES-256-GCM, a random key a subject, made and synced at its first use. Keep the file
 * apart from the store and its backups: a copy of it undoes every later erasure. `destroy` overwrites the key in place and syncs.
 * One process writes the file: the one that writes the store.
 * @throws STORE_CORRUPT when it is not a file of keys, STORE_READONLY when it cannot be opened. `close` releases the file.
 */
export function fileKeys(path: string): KeyPort & { close(): void } {
  const file = openFile(path);
  const entries = new Map<string, Entry>();
  let end = load(path, file, entries);

  const write = (text: string, offset: number): void => {
    writeSync(file, text, offset);
    fsyncSync(file);
  };
  const add = (subject: string, key: Buffer | null): Entry => {
    const line = `${key === null ? GONE : key.toString('base64')} ${JSON.stringify(subject)}\n`;
    write(line, end);
    const entry: Entry = { key, offset: end };
    end += Buffer.byteLength(line);
    entries.set(subject, entry);
    return entry;
  };
  return {
    seal(subject, text) {
      const { key } = entries.get(subject) ?? add(subject, randomBytes(KEY_BYTES));
      if (key === null)
        throw new NervaError(
          'SUBJECT_ERASED',
          `The key of subject ${JSON.stringify(subject)} was destroyed. Nothing was sealed or written.`,
        );
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64');
    },
    open(subject, sealed) {
      const key = entries.get(subject)?.key ?? null;
      return key === null ? null : decrypt(key, Buffer.from(sealed, 'base64'));
    },
    destroy(subject) {
      const entry = entries.get(subject);
      if (entry === undefined) return void add(subject, null);
      write(GONE, entry.offset);
      entry.key?.fill(0);
      entry.key = null;
    },
    close: () => closeSync(file),
  };
}

function decrypt(key: Buffer, bytes: Buffer): string | null {
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString('utf8');
  } catch {
    // A damaged or foreign seal: the port says null.
    return null;
  }
}

function openFile(path: string): number {
  try {
    // `a+` would force every write to the end; a key is overwritten where it stands.
    const file = openSync(path, isThere(path) ? 'r+' : 'wx+', 0o600);
    const directory = openSync(dirname(path), 'r');
    fsyncSync(directory);
    closeSync(directory);
    return file;
  } catch (error) {
    throw new NervaError(
      'STORE_READONLY',
      `${path}: the file of keys cannot be opened for writing. Check that its directory exists and is writable.`,
      { cause: error, details: { path } },
    );
  }
}

function isThere(path: string): boolean {
  try {
    closeSync(openSync(path, 'r'));
    return true;
  } catch {
    return false;
  }
}

/** Reads the file and cuts a torn last line, whose key was never used. @returns where the next line begins. */
function load(path: string, file: number, entries: Map<string, Entry>): number {
  const bytes = readFileSync(file);
  const end = bytes.lastIndexOf(0x0a) + 1;
  let offset = 0;
  for (const line of bytes.subarray(0, end).toString('utf8').split('\n')) {
    if (line === '') continue;
    const parts = LINE.exec(line);
    if (parts === null) {
      closeSync(file);
      throw new NervaError('STORE_CORRUPT', `${path} is no file of keys: the line at byte ${offset} is malformed. It was left as it is.`, {
        details: { path, offset },
      });
    }
    entries.set(JSON.parse(parts[2] as string) as string, {
      key: parts[1] === GONE ? null : Buffer.from(parts[1] as string, 'base64'),
      offset,
    });
    offset += Buffer.byteLength(line) + 1;
  }
  if (fstatSync(file).size > end) ftruncateSync(file, end);
  return end;
}
