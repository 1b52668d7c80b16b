import { createReadStream } from 'node:fs';
import { NervaError, toWellFormed, type World } from '../core/index.ts';
import type { EventId } from '../log/index.ts';
import { fromServerBlock, takenAs, type Block, type BlockChange, type Entry, type Memory, type ServerBlock } from '../memory/index.ts';
import type { Context, ExitCode } from './context.ts';
import { brief } from './output.ts';

/** `nerva memory export`: blocks that were set, and entries, the superseded and forgotten too, an object a line. What is kept for a while stays behind, and so does what was promoted: it is an entry. */
export function exportMemory({ out }: Context, memory: Memory): void {
  out.json({ type: 'memory', sid: memory.sid, head: memory.head });
  for (const { type: about, entry, ...block } of memory.core) if (entry === undefined) out.json({ type: 'block', about, ...block });
  for (const entry of memory.entries()) out.json({ type: 'entry', ...entry });
}

/** What came of the lines of a file. */
interface Counts {
  imported: number;
  known: number;
  refused: number;
}

/**
 * `nerva memory import`: takes in what `export` wrote, blocks of an agent server, and what was kept under a name of TAXONOMY, line by line. A line that is not understood is refused, with its number, and the others
 * are taken. What is there already is not taken again: the same text with the same times, tags and kind, as often as it is in the file.
 */
export async function importMemory({ out, world }: Context, memory: Memory, file: string): Promise<ExitCode> {
  const counts: Counts = { imported: 0, known: 0, refused: 0 };
  const taker = new Taker(memory, world);
  let number = 0;
  try {
    for await (const line of linesOf(file)) {
      number++;
      try {
        const text = textOf(line);
        if (text.trim() !== '') counts[await taker.take(text)]++;
      } catch (error) {
        if (!NervaError.is(error) || !OF_LINE.has(error.code)) throw error;
        counts.refused++;
        if (out.isJson) out.note(JSON.stringify({ type: 'refused', line: number, code: error.code, message: error.message }));
        else out.note(`line ${number} was refused: ${brief(error.message, 300)}`);
      }
    }
  } catch (error) {
    if (NervaError.is(error) || !(error instanceof Error) || !('syscall' in error)) throw error;
    throw new NervaError('OPTION_INVALID', `${file} cannot be read: ${error.message}. ${counts.imported} lines of it were imported.`, {
      cause: error,
    });
  }
  if (out.isJson) out.json({ type: 'imported', sid: memory.sid, ...counts });
  else out.line(`${counts.imported} imported, ${counts.known} were there already, ${counts.refused} lines refused`);
  return counts.refused === 0 ? 0 : 1;
}

/** What is wrong with a line; anything else ends the import. */
const OF_LINE: ReadonlySet<string> = new Set([
  'OPTION_INVALID',
  'OPTION_UNKNOWN',
  'MEMORY_TOO_LARGE',
  'MEMORY_FULL',
  'MEMORY_UNKNOWN',
  'MEMORY_CHANGED',
]);

/** Of a line: a text as long as one may be has six bytes a character where JSON escapes each. */
const LINE_BYTES_MAX = 8_000_000;

/** A line as it is in a file; of one that is too long nothing but how long it is. */
interface Line {
  readonly bytes: number;
  readonly parts: readonly Uint8Array[];
}

async function* linesOf(file: string): AsyncGenerator<Line> {
  let [bytes, parts]: [number, Uint8Array[]] = [0, []];
  const add = (part: Uint8Array): void => {
    bytes += part.length;
    if (bytes <= LINE_BYTES_MAX) parts.push(part);
    else parts = [];
  };
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      add(chunk.subarray(from, end));
      yield { bytes, parts };
      [bytes, parts] = [0, []];
      from = end + 1;
    }
    add(chunk.subarray(from));
  }
  if (bytes > 0) yield { bytes, parts };
}

/** @throws OPTION_INVALID: what is kept is what was said, and not what is left of it. */
function textOf({ bytes, parts }: Line): string {
  if (bytes > LINE_BYTES_MAX) throw invalid(`it has ${bytes} bytes; ${LINE_BYTES_MAX} is the limit of a line`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
  } catch {
    throw invalid('it is not UTF-8; convert the file (iconv -t UTF-8)');
  }
}

class Taker {
  readonly #memory: Memory;
  readonly #world: World;
  /** Entries that the memory has, by what they say, and so many of each have been met in the file. */
  readonly #there = new Map<string, { readonly ids: EventId[]; met: number }>();
  /** What stands here for an entry of the file. */
  readonly #idOf = new Map<string, EventId>();

  constructor(memory: Memory, world: World) {
    this.#memory = memory;
    this.#world = world;
    for (const entry of memory.entries()) this.#sameAs(saidBy(entry)).ids.push(entry.id);
  }

  /** @throws NervaError, and the line has changed nothing. */
  async take(line: string): Promise<keyof Counts> {
    const { type, ...data } = objectOf(line);
    if (type === 'memory' && 'sid' in data) return 'known';
    if (type === 'block') {
      const { about, version: _version, ...rest } = data;
      return this.#block({ ...rest, type: about } as unknown as BlockChange);
    }
    if (type === 'entry') return this.#entry(data as unknown as Entry);
    if (type === undefined && typeof data['label'] === 'string' && typeof data['value'] === 'string')
      return this.#block(fromServerBlock(data as unknown as ServerBlock));
    const named = typeof type === 'string' ? await this.#named(type, data, line) : null;
    if (named !== null) return named;
    throw invalid(`it is of the type ${JSON.stringify(type) ?? 'undefined'}; "entry" or "block" was expected`);
  }

  /** What was kept under a name of elsewhere; the same line again is the same record. */
  async #named(name: string, data: Readonly<Record<string, unknown>>, line: string): Promise<keyof Counts | null> {
    const taken = takenAs(name, data);
    if (taken === null) return null;
    if (taken.is === 'block') return this.#block(taken.block);
    const key = `import ${this.#world.digest(line.trim())}`;
    const { head } = this.#memory;
    if (taken.is === 'entry') await this.#memory.remember(taken.text, { ...taken.options, key });
    else {
      const item = { ...taken.item, key: taken.item.key ?? key };
      if (JSON.stringify(this.#memory.item(item.key)) !== JSON.stringify(item.value)) await this.#memory.setItem(item);
    }
    return this.#memory.head === head ? 'known' : 'imported';
  }

  async #block(block: BlockChange): Promise<keyof Counts> {
    const before: Block | undefined = this.#memory.core.find(({ label }) => label === block.label);
    const isSame = before !== undefined && Object.entries(block).every(([name, value]) => before[name as keyof Block] === value);
    if (isSame) return 'known';
    await this.#memory.setBlock(block);
    return 'imported';
  }

  async #entry(entry: Entry): Promise<keyof Counts> {
    const { id, text, kind, tags, importance, validMs, source, supersedes, forgottenMs } = entry;
    if (typeof id !== 'string' || typeof text !== 'string') throw invalid('an entry has an id and a text');
    if (this.#idOf.has(id)) throw invalid(`a line before it has the id ${JSON.stringify(id)}`);
    const said = saidBy(entry);
    const same = this.#sameAs(said);
    const there = same.ids[same.met];
    const old = typeof supersedes === 'string' ? this.#idOf.get(supersedes) : undefined;
    if (there === undefined && typeof supersedes === 'string' && old === undefined)
      throw invalid(`it supersedes ${JSON.stringify(supersedes)}, which no line before it has`);
    const key = `import ${this.#world.digest(`${same.met} ${said}`)}`;
    const known = {
      kind,
      tags,
      importance,
      validMs,
      ...(old === undefined ? {} : { supersedes: old }),
      ...(source === null ? {} : { source }),
    };
    const now = there ?? (await this.#memory.remember(text, { ...known, key })).id;
    if (there === undefined) same.ids.push(now);
    same.met++;
    this.#idOf.set(id, now);
    if (typeof forgottenMs === 'number') await this.#memory.forget(now);
    return there === undefined ? 'imported' : 'known';
  }

  #sameAs(said: string): { readonly ids: EventId[]; met: number } {
    const same = this.#there.get(said) ?? { ids: [], met: 0 };
    this.#there.set(said, same);
    return same;
  }
}

const saidBy = ({ text, kind, tags, importance, validMs }: Entry): string =>
  JSON.stringify([toWellFormed(text), kind, tags, importance, validMs]);

function objectOf(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw invalid(`it is no JSON: ${(error as Error).message}`);
  }
  throw invalid('it is no JSON object');
}

const invalid = (says: string): NervaError => new NervaError('OPTION_INVALID', `${says}. Nothing of it was imported.`);
