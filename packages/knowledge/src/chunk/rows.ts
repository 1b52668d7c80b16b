import { parse } from 'csv-parse/sync';
import { cut, limitsOf, type ChunkLimits, type Span } from './cut.ts';
import { ends, SEMANTIC } from './text.ts';

/** Rows and values. */
export const ROWS: ChunkLimits = { ...SEMANTIC, overlap: 0 };
const HEAD_MAX = 500;

/** Pieces of whole records, each under the head of its table; a text that is no CSV goes by its lines. @throws OPTION_INVALID */
export function csvChunks(
  text: string,
  delimiter: ',' | ';' | '\t' = delimiterOf(text),
  limits: Partial<ChunkLimits> = {},
): readonly Span[] {
  const all = limitsOf(ROWS, limits);
  const records = recordEnds(text, delimiter);
  const head = text.slice(0, records[0] ?? 0).trim();
  const context = head === '' || head.length > HEAD_MAX ? [] : [head];
  const breaks = [records, ends(text, /\n/g), ends(text, /[,;\t]/g), ends(text, /\s+/g)];
  return cut(text, { start: 0, end: text.length, limits: all, breaks }).map((span) => (span.start === 0 ? span : { ...span, context }));
}

/** Pieces of a JSON text that end with a value of the outermost levels, else with a line or a value. @throws OPTION_INVALID */
export function jsonChunks(text: string, limits: Partial<ChunkLimits> = {}): readonly Span[] {
  const all = limitsOf(ROWS, limits);
  const breaks = [
    ends(text, /\n(?= {0,2}["{[])/g),
    ends(text, /\n(?= {0,4}["{[])/g),
    ends(text, /\n/g),
    ends(text, /[,}\]]\s*/g),
    ends(text, /\s+/g),
  ];
  return cut(text, { start: 0, end: text.length, limits: all, breaks });
}

/** What stands most often in the first line. */
export function delimiterOf(text: string): ',' | ';' | '\t' {
  const [line = ''] = text.split('\n', 1);
  const count = (one: string): number => line.split(one).length;
  return count('\t') > count(',') && count('\t') >= count(';') ? '\t' : count(';') > count(',') ? ';' : ',';
}

/** Offsets after each record; quoted fields may hold line ends. */
function recordEnds(text: string, delimiter: string): readonly number[] {
  const offsets: number[] = [];
  let isPlain = true;
  let [bytes, at] = [0, 0];
  try {
    parse(text, {
      delimiter,
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
      max_record_size: 1_000_000,
      on_record: (_record, { bytes: upto }) => {
        // It counts bytes of UTF-8; we, UTF-16 units.
        isPlain &&= upto >= bytes;
        while (bytes < upto && at < text.length) {
          const point = text.codePointAt(at) ?? 0;
          bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
          at += point < 0x10000 ? 1 : 2;
        }
        offsets.push(at);
        return null;
      },
    });
  } catch {
    return offsets;
  }
  return isPlain ? offsets : [];
}
