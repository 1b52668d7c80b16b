import { checkOptions, checkRange, civilDate, utf8Bytes } from '../core/index.ts';
import { tool, type Tool, type ToolContext } from '../tool/index.ts';
import { SaidIndex, type Said } from './history-index.ts';

/** What `historyTool` takes: how much it keeps in memory between calls. What is not kept is read again from the log. */
export interface HistoryToolOptions {
  /** Conversations, the ones last searched. 1–10,000, default 32. */
  readonly sessionsMax?: number;
  /** Of what was said in all of them together, and in one: of a longer one the newest is searched. 1,000–1,000,000,000, default 33,554,432. */
  readonly bytesMax?: number;
}

const NAME = 'search_conversation';
/** Of the texts of one result. */
const FOUND_BYTES_MAX = 12_288;
const FOUND_MAX = 10;
const DAY_MS = 86_400_000;

/**
 * A tool by which a model finds what was said earlier in its own conversation, also when it was left out of the prompt to make room: by its words,
 * from the session's log. A fork has what it inherited; no other session can be asked for, and what was erased is not found.
 * What it finds is the result of a tool and has no more authority than that, whoever said it then.
 * @throws OPTION_UNKNOWN, OPTION_INVALID
 */
export function historyTool(options: HistoryToolOptions = {}): Tool {
  checkOptions(options, ['sessionsMax', 'bytesMax'], 'historyTool');
  const sessionsMax = checkRange('sessionsMax', options.sessionsMax ?? 32, 1, 10_000);
  const bytesMax = checkRange('bytesMax', options.bytesMax ?? 33_554_432, 1_000, 1_000_000_000);
  const known = new Kept(sessionsMax, bytesMax);
  return tool({
    name: NAME,
    description:
      'Finds what was said earlier in this conversation, word by word, also what is no longer before you. Ask with the words that it was likely said in; again with others when nothing fits.',
    effect: 'read',
    inputSchema: {
      type: 'object',
      properties: { query: { type: 'string' }, limit: { type: 'integer', minimum: 1, maximum: FOUND_MAX } },
      required: ['query'],
      additionalProperties: false,
    },
    execute: async ({ query, limit = 5 }, context) => {
      const index = known.of(context);
      await index.refresh(context.readLog, context.signal);
      known.trim(index);
      const found = bounded(index.search(query, limit));
      return { found, ...(index.earliest === null ? {} : { searchedFrom: index.earliest }) };
    },
  }) as unknown as Tool;
}

/** As many of the best as there is room for; a piece is never cut, so that what is read was said. */
function bounded(hits: readonly Said[]): readonly Readonly<Record<string, string | number>>[] {
  let bytes = 0;
  return hits
    .filter(({ text }) => (bytes += utf8Bytes(text)) <= FOUND_BYTES_MAX)
    .map(({ id, by, name, text, atMs, piece }) => ({
      id,
      by,
      ...(name === null ? {} : { tool: name }),
      day: dayOf(atMs),
      text,
      ...(piece === 0 ? {} : { piece }),
    }));
}

function dayOf(ms: number): string {
  const { year, month, day } = civilDate(Math.floor(ms / DAY_MS));
  return [year, month, day].map((part) => String(part).padStart(2, '0')).join('-');
}

/** The conversations that were last searched, the latest last. */
class Kept {
  readonly #indexes = new Map<string, SaidIndex>();
  readonly #sessionsMax: number;
  readonly #bytesMax: number;

  constructor(sessionsMax: number, bytesMax: number) {
    this.#sessionsMax = sessionsMax;
    this.#bytesMax = bytesMax;
  }

  /** Two stores may have sessions of one name: an index goes on only from a log that it has read. */
  of({ session: { tenant, sid } }: ToolContext): SaidIndex {
    const key = `${tenant}/${sid}`;
    const index = this.#indexes.get(key) ?? new SaidIndex({ tool: NAME, bytesMax: this.#bytesMax });
    this.#indexes.delete(key);
    this.#indexes.set(key, index);
    return index;
  }

  /** Makes room for one that has grown: the others go, the one that was not searched for longest first. */
  trim(grown: SaidIndex): void {
    let bytes = 0;
    for (const index of this.#indexes.values()) bytes += index.bytes;
    for (const [key, index] of this.#indexes) {
      if (this.#indexes.size <= this.#sessionsMax && bytes <= this.#bytesMax) return;
      if (index === grown) continue;
      this.#indexes.delete(key);
      bytes -= index.bytes;
    }
  }
}
