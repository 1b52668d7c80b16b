import { appendFileSync, closeSync, existsSync, ftruncateSync, openSync, readFileSync } from 'node:fs';
import { checkOptions, NervaError } from '../core/index.ts';
import { cassetteLine, readCassette, recordModel, replayModel, type CassetteEntry, type Model } from '../model/index.ts';

/** How a cassette in a file is used. */
export interface FileCassetteOptions {
  /**
   * `replay`: only what is in the file · `record`: makes a new file, live calls only · `auto` (default): what is in the file is replayed, what is not
   * is recorded, and refused in continuous integration.
   */
  readonly mode?: 'auto' | 'record' | 'replay';
  /** Default: whether the environment says CI=1 or CI=true. */
  readonly isCi?: boolean;
  /** Taken out wherever they stand, beside what looks like a key. */
  readonly secrets?: readonly string[];
}

/** A cassette in a file, a call a line. */
export interface FileCassette {
  /**
   * The model that records, replays or both. One for a file: equal requests of two models would get each other's answers.
   * @param live whose calls are recorded, and whose name and price a replay has. Needed but in `replay`.
   * @throws OPTION_INVALID when it is needed and absent.
   */
  model(live?: Model): Model;
  /** What was in the file when it was opened and was not asked for so far. */
  readonly unused: readonly CassetteEntry[];
}

const MODES: readonly string[] = ['auto', 'record', 'replay'];
/** The file is small where it matters and shared with whoever reads the repository. */
const FILE_MODE = 0o644;

/**
 * Opens a cassette. Lines are only ever added, each in one write; a piece of the last line, which whoever was killed while it wrote may leave, is
 * dropped. Several models may be recorded one after another, but by one process at a time.
 * @throws OPTION_INVALID (`record` and the file has something in it; `replay` and there is none), SCHEMA_MISMATCH.
 */
export function fileCassette(path: string, options: FileCassetteOptions = {}): FileCassette {
  checkOptions(options, ['mode', 'isCi', 'secrets'], 'fileCassette');
  const { mode = 'auto', isCi = ['1', 'true'].includes(process.env['CI'] ?? ''), secrets = [] } = options;
  if (!MODES.includes(mode)) throw new NervaError('OPTION_INVALID', `fileCassette: mode is "${mode}"; it is one of ${MODES.join(', ')}.`);
  const text = existsSync(path) ? readFileSync(path, 'utf8') : null;
  if (mode === 'record' && text !== null && text !== '') {
    throw new NervaError(
      'OPTION_INVALID',
      `${path} has a recording in it. Delete it to record anew, or take the mode "auto" to add to it. It was left as it is.`,
    );
  }
  const isLive = mode === 'record' || (mode === 'auto' && !isCi);
  if (text === null && !isLive)
    throw new NervaError('OPTION_INVALID', `There is no cassette at ${path}. Record it first (mode "auto" outside CI). No call was made.`);
  const entries = readCassette(text ?? '', path);
  if (isLive && text !== null) dropHalfLine(path, text);
  const recorded: CassetteEntry[] = [];
  const replays: { readonly unused: readonly unknown[] }[] = [];
  return {
    model(live) {
      if (live === undefined && isLive)
        throw new NervaError('OPTION_INVALID', `The cassette ${path} is open to record: give the model whose calls are recorded.`);
      const sink = (entry: CassetteEntry): void => {
        appendFileSync(path, `${cassetteLine(entry)}\n`, { mode: FILE_MODE });
        recorded.push(entry);
      };
      const after = [...entries, ...recorded];
      const otherwise = live === undefined || !isLive ? {} : { otherwise: recordModel(live, sink, { secrets, after }) };
      const replay = replayModel(entries, { secrets, ...(live === undefined ? {} : { as: live }), ...otherwise });
      replays.push(replay);
      return replay;
    },
    get unused() {
      return entries.filter((entry) => replays.every(({ unused }) => unused.includes(entry)));
    },
  };
}

/** A line that follows a piece of one would be lost with it. */
function dropHalfLine(path: string, text: string): void {
  if (text === '' || text.endsWith('\n')) return;
  const file = openSync(path, 'r+');
  try {
    ftruncateSync(file, Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1)));
  } finally {
    closeSync(file);
  }
}
