import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { NervaError } from '../../core/index.ts';
import { isNoDatabase } from './errors.ts';

/** "Nrva" in the header of the file: tells a store from any other SQLite database. */
export const APPLICATION_ID = 0x4e727661;

/** The first bytes of a rollback journal (https://sqlite.org/fileformat2.html#the_rollback_journal). */
const JOURNAL_MAGIC = Buffer.from('d9d505f920a163d7', 'hex');
/** Where a journal says how many pages the database had before its transaction. */
const JOURNAL_PAGES_AT = 16;
const HEADER_BYTES = 100;
/** For `pragma writable_schema`, which a defensive connection ignores; types of Node 24 do not know it yet. */
const LOOKING = { readOnly: true, defensive: false };

/**
 * What stands at the path, before anything is opened that could write: `empty` also when there is no file, `half-made` when a crash
 * cut the making of a store and took the header with it. Changes nothing, makes no file: SQLite would roll back the journal or take
 * up the log of whatever it opens.
 * @throws STORE_CORRUPT when it is another program's.
 */
export function kindOf(path: string): 'empty' | 'store' | 'half-made' {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) return 'empty';
  let application: number;
  try {
    application = applicationOf(path);
  } catch (error) {
    if (isNoDatabase(error) && isMakingCut(path)) return 'half-made';
    throw error;
  }
  if (application === APPLICATION_ID) return 'store';
  const message = `${path} is an SQLite database but no Nerva store (application_id ${application}). It was left as it is.`;
  throw new NervaError('STORE_CORRUPT', message, { details: { path } });
}

/**
 * The id in the header. An immutable connection takes no lock and looks at no journal and no log; a store has its id in the file
 * itself since it was made. Read by `node:fs` instead, the file's closing would drop this process's locks on it.
 */
function applicationOf(path: string): number {
  const database = new DatabaseSync(`${pathToFileURL(path).href}?immutable=1`, LOOKING);
  try {
    // Takes a file that is shorter than its header says: the rest is in the journal or the log.
    database.exec('pragma writable_schema=on');
    return Number(database.prepare('pragma application_id').get()?.['application_id']);
  } finally {
    database.close();
  }
}

/** A header of zeros, and a journal that takes back to nothing. No connection of this process has such a file open. */
function isMakingCut(path: string): boolean {
  const journal = `${path}-journal`;
  if (statSync(journal, { throwIfNoEntry: false }) === undefined) return false;
  const head = headOf(journal);
  const isFromNothing = head.subarray(0, JOURNAL_MAGIC.length).equals(JOURNAL_MAGIC) && head.readUInt32BE(JOURNAL_PAGES_AT) === 0;
  return isFromNothing && headOf(path).every((byte) => byte === 0);
}

/** Its first bytes, filled up with zeros. */
function headOf(path: string): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, 'r');
  try {
    readSync(file, head, 0, HEADER_BYTES, 0);
  } finally {
    closeSync(file);
  }
  return head;
}
