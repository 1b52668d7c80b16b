import type { Knowledge, Written } from './base.ts';
import type { DocumentData } from './events.ts';
import { extract, ExtractThread } from './extract/index.ts';
import type { KnownDocument } from './fold.ts';
import { sketchOf, Sketches } from './near.ts';
import { checkIngest, ingestLimits, type IngestLimits, type IngestOptions, type Progress } from './options.ts';
import { pieces } from './pieces.ts';
import { FileProblem, isSkipped, type Problem } from './problem.ts';
import { readFile } from './read-file.ts';
import { walk, type Walked } from './walk.ts';

/** What an ingestion did. */
export interface IngestReport {
  readonly added: number;
  readonly changed: number;
  readonly unchanged: number;
  readonly removed: number;
  /** Of those added or changed: they say the same as another one. */
  readonly duplicates: number;
  readonly chunksWritten: number;
  readonly chunksKept: number;
  readonly chunksRemoved: number;
  /** Of the files that were read. */
  readonly bytes: number;
  /** So many files and folders were left out as `.gitignore` says. */
  readonly ignored: number;
  /** Of these nothing was expected: pictures, links. */
  readonly skipped: readonly Problem[];
  /** These should be there and are not, or not as they are now; what was known of them stays. */
  readonly failed: readonly Problem[];
  /** It was aborted; the same again goes on. */
  readonly stopped: boolean;
}

/** Changes when the same file would be read or cut otherwise than before: then it is made anew. */
const MAKER = 1;

/**
 * Brings a knowledge base up to date with files and folders: what is new is added, what changed is cut anew, what is gone is removed, and
 * what is as it was costs no write. One file that cannot be read never ends it. A kill at any moment loses nothing: the same again goes on.
 * @throws OPTION_UNKNOWN, OPTION_INVALID (a path that is not there), and as `Knowledge.put`.
 */
export async function ingest(base: Knowledge, paths: readonly string[], options: IngestOptions = {}): Promise<IngestReport> {
  checkIngest(options);
  const limits = ingestLimits(options.limits);
  await base.refresh();
  const run = new Run(base, options, limits);
  const { gitignore = true, links = 'skip', signal } = options;
  try {
    const walked = await walk(paths, { isIgnoring: gitignore, isFollowing: links === 'inside', signal, ...limits });
    await run.all(walked);
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  } finally {
    await run.close();
  }
  return run.report();
}

interface Counts {
  added: number;
  changed: number;
  unchanged: number;
  removed: number;
  duplicates: number;
  chunksWritten: number;
  chunksKept: number;
  chunksRemoved: number;
  bytes: number;
  ignored: number;
}

class Run {
  readonly #base: Knowledge;
  readonly #options: IngestOptions;
  readonly #limits: IngestLimits;
  readonly #made: string;
  readonly #sketches: Sketches | null;
  readonly #thread = new ExtractThread();
  readonly #skipped: Problem[] = [];
  readonly #failed: Problem[] = [];
  readonly #counts: Counts = {
    added: 0,
    changed: 0,
    unchanged: 0,
    removed: 0,
    duplicates: 0,
    chunksWritten: 0,
    chunksKept: 0,
    chunksRemoved: 0,
    bytes: 0,
    ignored: 0,
  };

  constructor(base: Knowledge, options: IngestOptions, limits: IngestLimits) {
    const { chunks = {}, encoding, nearDuplicates } = options;
    this.#base = base;
    this.#options = options;
    this.#limits = limits;
    this.#made = base
      .digest(JSON.stringify([MAKER, chunks.by ?? 'auto', chunks.limits ?? {}, encoding ?? null, nearDuplicates ?? null]))
      .slice(0, 16);
    this.#sketches = nearDuplicates === undefined ? null : new Sketches();
    for (const { path, sketch, duplicateOf, subject } of base.documents())
      if (sketch !== undefined && duplicateOf === null && subject === options.subject) this.#sketches?.set(path, sketch);
  }

  async all(walked: Walked): Promise<void> {
    this.#counts.ignored = walked.ignored;
    for (const problem of walked.problems) (isSkipped(problem.code) ? this.#skipped : this.#failed).push(problem);
    await this.#removeGone(walked);
    const total = walked.files.length;
    for (const [index, path] of walked.files.entries()) {
      if (this.#options.signal?.aborted === true) return;
      const outcome = await this.#file(path, walked.named.has(path));
      this.#options.onProgress?.({ path, outcome, done: index + 1, total });
    }
    // One whose original changed after its turn stands for itself now.
    for (;;) {
      const left = walked.files.filter((path) => isOrphan(this.#base, this.#base.document(path)));
      if (left.length === 0 || this.#options.signal?.aborted === true) return;
      for (const path of left) if ((await this.#file(path, walked.named.has(path))) === 'failed') return;
    }
  }

  /** Whatever ended it. */
  close(): Promise<void> {
    return this.#thread.close();
  }

  report(): IngestReport {
    return { ...this.#counts, skipped: this.#skipped, failed: this.#failed, stopped: this.#options.signal?.aborted === true };
  }

  /** What lay below a folder that was looked into, and is not there any more. What could not be looked at is not gone. */
  async #removeGone({ files, roots, problems }: Walked): Promise<void> {
    if (problems.some(({ code }) => code === 'too-many')) return;
    const there = new Set(files);
    const blocked = problems.filter(({ code }) => !isSkipped(code)).map(({ path }) => path);
    const gone = this.#base
      .documents()
      .map(({ path }) => path)
      .filter(
        (path) =>
          !there.has(path) && roots.some((root) => isBelow(path, root)) && !blocked.some((one) => path === one || isBelow(path, one)),
      );
    if (gone.length === 0) return;
    for (const path of gone) {
      this.#sketches?.delete(path);
      this.#counts.chunksRemoved += this.#base.document(path)?.chunks.length ?? 0;
    }
    this.#counts.removed += await this.#base.remove(gone);
  }

  async #file(path: string, isNamed: boolean): Promise<Progress['outcome']> {
    try {
      const { links = 'skip' } = this.#options;
      const bytes = await readFile(path, { bytesMax: this.#limits.fileBytesMax, isFollowed: isNamed || links === 'inside' });
      this.#counts.bytes += bytes.length;
      const hash = this.#base.digest(bytes);
      const known = this.#base.document(path);
      const isIts = known?.subject === this.#subjectOf(path);
      if (known?.hash === hash && known.made === this.#made && isIts && !isOrphan(this.#base, known)) {
        this.#counts.unchanged++;
        return 'unchanged';
      }
      const { isDuplicate, written } = await this.#put(path, hash, bytes);
      this.#count(written, isDuplicate);
      return isDuplicate ? 'duplicate' : written.outcome;
    } catch (error) {
      if (!(error instanceof FileProblem)) throw error;
      const { code, message } = error;
      // Whoever names a file expects it to be there.
      const isExpected = isNamed || !isSkipped(code);
      (isExpected ? this.#failed : this.#skipped).push({ path, code, message });
      return isExpected ? 'failed' : 'skipped';
    }
  }

  async #put(path: string, hash: string, bytes: Uint8Array): Promise<{ readonly isDuplicate: boolean; readonly written: Written }> {
    const { encoding, chunks = {}, nearDuplicates, signal } = this.#options;
    const packed = (at: string, content: Uint8Array) => this.#thread.extract(at, content, this.#limits, signal);
    const whole = await extract(path, bytes, { ...this.#limits, encoding, packed });
    const { text, type, title, tags } = whole.extracted;
    const plain = text.normalize('NFC').replaceAll(/\s+/g, ' ').trim();
    if (plain === '') throw new FileProblem('empty', 'It holds no text. Nothing was taken of it.');
    const textHash = this.#base.digest(plain);
    const sketch = nearDuplicates === undefined ? undefined : sketchOf(plain);
    const subject = this.#subjectOf(path);
    const duplicateOf = this.#original(path, textHash, sketch);
    const its = duplicateOf === null ? pieces(whole, chunks) : [];
    const { chunksMax } = this.#limits;
    if (its.length > chunksMax)
      throw new FileProblem(
        'text-too-long',
        `It has ${its.length} pieces; ${chunksMax} is the limit (chunksMax). Split it, or raise the limit. Nothing of it was taken.`,
      );
    const said = { path, hash, textHash, made: this.#made, bytes: bytes.length, type, title, tags, duplicateOf };
    const data: DocumentData = sketch === undefined ? said : { ...said, sketch };
    const written = await this.#base.put({ data, subject, chunks: its });
    if (duplicateOf !== null || sketch === undefined || subject !== this.#options.subject) this.#sketches?.delete(path);
    else this.#sketches?.set(path, sketch);
    return { isDuplicate: duplicateOf !== null, written };
  }

  /** What was sealed once is not written in the clear because nobody said whose it is. */
  #subjectOf(path: string): string | undefined {
    return this.#options.subject ?? this.#base.document(path)?.subject;
  }

  /** The document that says this already, or nearly this; of the same subject, for it may be erased. */
  #original(path: string, textHash: string, sketch: string | undefined): DocumentData['duplicateOf'] {
    const subject = this.#subjectOf(path);
    const same = this.#base.documentSaying(textHash, subject);
    if (same !== undefined && same.path !== path) return { path: same.path, document: same.id, similarity: 1 };
    const { nearDuplicates = 1 } = this.#options;
    const near =
      sketch === undefined || subject !== this.#options.subject ? null : (this.#sketches?.nearest(path, sketch, nearDuplicates) ?? null);
    const original = near === null ? undefined : this.#base.document(near.path);
    return near === null || original === undefined ? null : { path: near.path, document: original.id, similarity: near.similarity };
  }

  #count(written: Written, isDuplicate: boolean): void {
    this.#counts[written.outcome]++;
    if (isDuplicate && written.outcome !== 'unchanged') this.#counts.duplicates++;
    this.#counts.chunksWritten += written.chunksWritten;
    this.#counts.chunksKept += written.chunksKept;
    this.#counts.chunksRemoved += written.chunksRemoved;
  }
}

/** Whether it says the same as a document that is gone, or says something else now. */
function isOrphan(base: Knowledge, known: KnownDocument | undefined): boolean {
  if (known === undefined || known.duplicateOf === null) return false;
  return base.document(known.duplicateOf.path)?.id !== known.duplicateOf.document;
}

const isBelow = (path: string, folder: string): boolean => path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
