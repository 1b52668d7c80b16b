import { createReadStream } from 'node:fs';
import { NervaError, toWellFormed, type World } from '../core/index.ts';
import type { EventId } from '../log/index.ts';
import {
  fromServerBlock,
  takenAs,
  type Block,
  type BlockChange,
  type Entry,
  type Memory,
  type Remembered,
  type ServerBlock,
} from '../memory/index.ts';
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
 * are taken. What is there already is not taken again: the same text with the same tags and kind and, where the line says them, since when and source, as often as it is in the file. What
 * ended in the file ends here at the same time, whatever ended it, and if nothing did. O(entries) of memory.
 */
export async function importMemory({ out, world }: Context, memory: Memory, file: string): Promise<ExitCode> {
  const counts: Counts = { imported: 0, known: 0, refused: 0 };
  const taker = new Taker(memory, world);
  let number = 0;
  const without = (supersedes: string): void => {
    if (out.isJson) out.note(JSON.stringify({ type: 'without', line: number, supersedes }));
    else
      out.note(
        `line ${number} was imported without ${brief(JSON.stringify(supersedes), 100)}, whose place it takes: no line before it has that`,
      );
  };
  try {
    for await (const line of linesOf(file)) {
      number++;
      try {
        const text = textOf(line);
        if (text.trim() !== '') counts[await taker.take(text, without)]++;
      } catch (error) {
        if (!NervaError.is(error) || !OF_LINE.has(error.code)) throw error;
        counts.refused++;
        if (out.isJson) out.note(JSON.stringify({ type: 'refused', line: number, code: error.code, message: error.message }));
        else out.note(`line ${number} was refused: ${brief(error.message, 300)}`);
      }
    }
    await taker.end();
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

/** Called for what a line takes the place of, where no line before it has that. */
type Without = (supersedes: string) => void;

class Taker {
  readonly #memory: Memory;
  readonly #world: World;
  readonly #there = new There();
  /** How often the file said the same before, by a digest of it. */
  readonly #times = new Map<string, number>();
  /** Ids of entries that lines had, also of those that were refused. */
  readonly #lines = new Set<string>();
  /** What stands here for an entry of the file. */
  readonly #idOf = new Map<string, EventId>();
  /** Until before when the file says that what stands here holds. */
  readonly #endMs = new Map<EventId, number>();
  /** What ended, by what the file says took its place, as long as no line had that. */
  readonly #waiting = new Map<string, EventId[]>();
  /** What took the place of an entry that no line had then. */
  readonly #early = new Map<string, EventId>();

  constructor(memory: Memory, world: World) {
    this.#memory = memory;
    this.#world = world;
    for (const entry of memory.entries()) this.#there.add(entry, this.#saying(entry));
  }

  /** @throws NervaError, and the line has changed nothing. */
  async take(line: string, without: Without): Promise<keyof Counts> {
    const { type, ...data } = objectOf(line);
    if (type === 'memory' && 'sid' in data) return 'known';
    if (type === 'block') {
      const { about, version: _version, ...rest } = data;
      if (about === undefined) throw invalid('it is a block without `about`, the type of what it says, such as "human"');
      return this.#block({ ...rest, type: about } as unknown as BlockChange);
    }
    if (type === 'entry') return this.#entry(data as unknown as Entry, without);
    if (type === undefined && typeof data['label'] === 'string' && typeof data['value'] === 'string')
      return this.#block(fromServerBlock(data as unknown as ServerBlock));
    const named = typeof type === 'string' ? await this.#named(type, data, line) : null;
    if (named !== null) return named;
    throw invalid(`it is of the type ${JSON.stringify(type) ?? 'undefined'}; "entry" or "block" was expected`);
  }

  /** Ends what ended in the file by something that no line had. */
  async end(): Promise<void> {
    for (const ids of this.#waiting.values()) for (const id of ids) await this.#end(id, undefined);
  }

  /** What was kept under a name of elsewhere; the same line again is the same record. */
  async #named(name: string, data: Readonly<Record<string, unknown>>, line: string): Promise<keyof Counts | null> {
    const taken = takenAs(name, data);
    if (taken === null) return null;
    if (taken.is === 'block') return this.#block(taken.block);
    const key = `import ${this.#world.digest(line.trim())}`;
    if (taken.is === 'entry') {
      const { text, options } = taken;
      if (this.#there.has(this.#saying({ text, ...options }), options)) return 'known';
      await this.#remember(text, { ...options, key });
      return 'imported';
    }
    const { head } = this.#memory;
    const item = { ...taken.item, key: taken.item.key ?? key };
    if (JSON.stringify(this.#memory.item(item.key)) !== JSON.stringify(item.value)) await this.#memory.setItem(item);
    return this.#memory.head === head ? 'known' : 'imported';
  }

  async #block(block: BlockChange): Promise<keyof Counts> {
    const before: Block | undefined = this.#memory.core.find(({ label }) => label === block.label);
    const isSame = before !== undefined && Object.entries(block).every(([name, value]) => before[name as keyof Block] === value);
    if (isSame) return 'known';
    await this.#memory.setBlock(block);
    return 'imported';
  }

  async #entry(entry: Entry, without: Without): Promise<keyof Counts> {
    const { id, text, supersedes, forgottenMs } = entry;
    if (typeof id !== 'string' || typeof text !== 'string') throw invalid('an entry has an id and a text');
    if (this.#idOf.has(id)) throw invalid(`a line before it has the id ${JSON.stringify(id)}`);
    const endMs = endOf(entry);
    const old = typeof supersedes === 'string' ? this.#idOf.get(supersedes) : undefined;
    const ended = this.#waiting.get(id) ?? [];
    this.#lines.add(id);
    this.#waiting.delete(id); // also where the line is refused: what would have ended by it holds
    const key = `import ${this.#world.digest(`${this.#timesOf(entry)} ${saidBy(entry)}`)}`;
    const there = this.#there.take(this.#saying(entry), entry);
    const now = there ?? (await this.#new(entry, key, this.#placeOf(entry, old, ended)));
    this.#idOf.set(id, now);
    if (endMs !== null) this.#endMs.set(now, endMs);
    for (const one of old === undefined ? ended : [old, ...ended]) await this.#end(one, now);
    if (typeof supersedes === 'string' && old === undefined) {
      this.#early.set(supersedes, now);
      if (there === undefined) without(supersedes);
    }
    await this.#endOrWait(entry, now);
    if (typeof forgottenMs === 'number') await this.#memory.forget(now);
    return there === undefined ? 'imported' : 'known';
  }

  /** Ends what stands for an entry of the file, where what ended it was before it; else when that comes. */
  async #endOrWait({ id, supersededBy }: Entry, now: EventId): Promise<void> {
    const by = typeof supersededBy?.id === 'string' ? supersededBy.id : '';
    const newer = this.#early.get(id) ?? this.#idOf.get(by);
    if (newer !== undefined) return this.#end(now, newer);
    if (!this.#endMs.has(now) || this.#lines.has(by)) return;
    const waiting = this.#waiting.get(by);
    if (waiting === undefined) this.#waiting.set(by, [now]);
    else waiting.push(now);
  }

  async #new(entry: Entry, key: string, supersedes: EventId | undefined): Promise<EventId> {
    const { text, kind, tags, importance, validMs, source } = entry;
    const { id } = await this.#remember(text, {
      kind,
      tags,
      importance,
      validMs,
      ...(supersedes === undefined ? {} : { supersedes }),
      ...(typeof source === 'string' ? { source } : {}),
      ...this.#subjectOf(entry),
      key,
    });
    this.#there.took(id);
    return id;
  }

  /** Whose data it is: as the line says, unless all that is imported is somebody's. */
  #subjectOf({ subject }: Pick<Entry, 'subject'>): { readonly subject?: string } {
    if (this.#memory.subject !== undefined || subject === undefined || subject === null) return {};
    if (typeof subject === 'string' && subject !== '' && subject.length <= 256) return { subject };
    throw invalid('its subject is no string of 1 to 256 characters');
  }

  /** @throws MEMORY_UNKNOWN also where the key is known, and what was imported under it is gone. */
  async #remember(text: string, options: Remembered): Promise<Entry> {
    try {
      const entry = await this.#memory.remember(text, options);
      this.#there.add(entry, this.#saying(entry));
      return entry;
    } catch (error) {
      if (!NervaError.is(error, 'MEMORY_UNKNOWN') || error.details['id'] === options.supersedes) throw error;
      const message = 'it was imported before, and its entry was erased here: it is not taken again. Nothing of it was imported.';
      throw new NervaError('MEMORY_UNKNOWN', message, { details: error.details, cause: error });
    }
  }

  /**
   * What a new entry takes the place of here, so that this ends when it does in the file: what the line names, or else one that ended by it without
   * being named, as `memory.evolved` ends it.
   */
  #placeOf(entry: Entry, old: EventId | undefined, ended: readonly EventId[]): EventId | undefined {
    if (old !== undefined) return this.#markOf(old)?.id ?? old;
    const untilMs = Math.min(entry.validMs, endOf(entry) ?? Infinity);
    return ended.find((one) => this.#endMs.get(one) === untilMs && this.#memory.entry(one).supersededBy === null);
  }

  /**
   * Ends what the file says ended, and what is here did not end yet, or later. The end is of whom what ended it is of: when that is erased, it holds
   * again, as in the memory that it came from.
   */
  async #end(id: EventId, by: EventId | undefined): Promise<void> {
    const newer = by === undefined ? undefined : this.#memory.entry(by);
    const endMs = this.#endMs.get(id) ?? newer?.validMs;
    const isEnded = this.#memory.entry(id).endings.some(({ atMs }) => endMs === undefined || atMs <= endMs);
    if (endMs !== undefined && !isEnded) {
      const key = `import ended ${this.#world.digest(`${id} ${endMs}`)}`;
      await this.#memory.end(id, endMs, { ...(newer === undefined ? {} : this.#subjectOf(newer)), key });
    }
    const mark = this.#markOf(id);
    if (mark?.forgottenMs === null) await this.#memory.forget(mark.id);
  }

  /** What an import of before `memory.ended` put in the place of an entry that had ended, to be forgotten at once. */
  #markOf(id: EventId): Entry | null {
    const { supersededBy } = this.#memory.entry(id);
    const by = supersededBy === null ? null : this.#memory.entry(supersededBy.id);
    return by?.text === 'It holds no longer.' && by.tags.includes('import.end') ? by : null;
  }

  /** How often the file said the same before. */
  #timesOf(entry: Entry): number {
    const saying = `${this.#saying(entry)} ${entry.importance} ${entry.validMs}`;
    const times = this.#times.get(saying) ?? 0;
    this.#times.set(saying, times + 1);
    return times;
  }

  #saying({ text, kind = 'note', tags = [] }: Pick<Entry, 'text'> & Pick<Remembered, 'kind' | 'tags'>): string {
    return this.#world.digest(JSON.stringify([toWellFormed(text), kind, tags])).slice(0, 32);
  }
}

/** What may be known of when something holds, and of where it comes from. */
interface Since {
  readonly validMs?: number | undefined;
  readonly source?: string | null | undefined;
}

/** Entries that a memory has, by what they say and, where a line tells them, their time and source. O(entries). */
class There {
  readonly #ids = new Map<string, { readonly ids: EventId[]; next: number }>();
  readonly #added = new Set<EventId>();
  readonly #taken = new Set<EventId>();

  add({ id, validMs, source }: Entry, saying: string): void {
    if (this.#added.has(id)) return;
    this.#added.add(id);
    for (const time of [validMs, undefined])
      for (const from of source === null ? [undefined] : [source, undefined]) {
        const at = atOf(saying, { validMs: time, source: from });
        const same = this.#ids.get(at);
        if (same === undefined) this.#ids.set(at, { ids: [id], next: 0 });
        else same.ids.push(id);
      }
  }

  /** A line stands for it. */
  took(id: EventId): void {
    this.#taken.add(id);
  }

  has(saying: string, since: Since): boolean {
    return this.#ids.has(atOf(saying, since));
  }

  /** One that no line stands for yet: what is in the file twice is kept twice. */
  take(saying: string, since: Since): EventId | undefined {
    const same = this.#ids.get(atOf(saying, since));
    if (same === undefined) return undefined;
    for (; same.next < same.ids.length; same.next++) {
      const id = same.ids[same.next];
      if (id === undefined || this.#taken.has(id)) continue;
      this.#taken.add(id);
      return id;
    }
    return undefined;
  }
}

const saidBy = ({ text, kind, tags, importance, validMs }: Entry): string =>
  JSON.stringify([toWellFormed(text), kind, tags, importance, validMs]);
const atOf = (saying: string, { validMs, source }: Since): string => `${saying} ${validMs ?? ''} ${source ?? ''}`;

/** Until before when an entry holds; null: for ever. @throws OPTION_INVALID */
function endOf({ endings, invalidMs }: Partial<Entry>): number | null {
  const end: unknown = (Array.isArray(endings) ? (endings as Entry['endings']).at(-1)?.atMs : undefined) ?? invalidMs ?? null;
  if (end === null || (typeof end === 'number' && Math.abs(end) <= 8_640_000_000_000_000)) return end;
  throw invalid('it ends at what is no time');
}

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
