import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';

/** A cell: blank is null; a number only in a column that the rules declare as one, and only when it reads as one. */
export type Cell = string | number | null;

/** One record to settle. */
export interface Report {
  /** 32 hex digits of the SHA-256 of the row's cells: the same row has the same id in every run. */
  readonly id: string;
  /** Where it stands in the file. */
  readonly line: number;
  readonly fields: Readonly<Record<string, Cell>>;
}

/** A problem in what the user gave (a file, a rule, an option): shown without a stack. */
export class InputProblem extends Error {
  override readonly name = 'InputProblem';
}

const RECORD_BYTES_MAX = 1_048_576;

/** The birdstrikes table as the npm package vega-datasets ships it; SOURCE.md has source and licence. */
export function birdstrikesPath(): string {
  const entry = createRequire(import.meta.url).resolve('vega-datasets');
  for (let folder = dirname(entry); folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, 'data', 'birdstrikes.csv');
    if (existsSync(path)) return path;
  }
  throw new InputProblem(`vega-datasets holds no data/birdstrikes.csv (looked above ${entry}). Run npm ci again.`);
}

/**
 * Reads a CSV file: RFC 4180 quotes, newlines in quotes, CRLF, a UTF-8 byte order mark, and `,` `;` or tab between the cells.
 * @param numbers names of the columns that hold numbers, such as `1,234` or `$12,000`. What does not read as one stays text.
 * @throws InputProblem with the line (and column) when the file is not such a table; nothing is returned then.
 */
export function loadReports(path: string, numbers: readonly string[]): readonly Report[] {
  const text = decode(path);
  const rows = parseRows(path, text);
  const header = rows[0]?.cells.map((name) => name.trim());
  if (header === undefined) throw new InputProblem(`${path} is empty: expected a first line with the names of the columns.`);
  checkHeader(path, header);
  for (const name of numbers) {
    if (!header.includes(name))
      throw new InputProblem(`${path} has no column ${JSON.stringify(name)}, which the rules need. Its columns: ${header.join(', ')}`);
  }
  if (rows.length === 1) throw new InputProblem(`${path} has names of columns but no records.`);
  const seen = new Map<string, number>();
  return rows.slice(1).map(({ cells, line }) => {
    const content = JSON.stringify(cells);
    const copy = seen.get(content) ?? 0;
    seen.set(content, copy + 1);
    const id = createHash('sha256')
      .update(copy === 0 ? content : `${content} copy ${copy}`)
      .digest('hex')
      .slice(0, 32);
    return {
      id,
      line,
      fields: Object.fromEntries(header.map((name, index) => [name, toCell(cells[index] ?? '', numbers.includes(name))])),
    };
  });
}

/** Reads `1,234.50`, `$12,000`, `-3` or `1e3` as a number; anything else (also `1,23` and `007`) is null. */
export function toNumber(text: string): number | null {
  const plain = text.trim().replace(/^(-?)\s*\$\s*/, '$1');
  if (!/^-?(0|[1-9]\d*|[1-9]\d{0,2}(,\d{3})+)(\.\d+)?(e[+-]?\d{1,2})?$/i.test(plain)) return null;
  return Number(plain.replaceAll(',', ''));
}

function toCell(text: string, isNumber: boolean): Cell {
  const trimmed = text.trim();
  if (trimmed === '') return null;
  return isNumber ? (toNumber(trimmed) ?? trimmed) : trimmed;
}

function decode(path: string): string {
  let data: Uint8Array;
  try {
    data = readFileSync(path);
  } catch (error) {
    throw new InputProblem(`Cannot read ${path}: ${(error as Error).message}`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(data);
  } catch {
    throw new InputProblem(`${path} is not UTF-8 text. Save it as "CSV UTF-8" and try again.`);
  }
}

function checkHeader(path: string, header: readonly string[]): void {
  header.forEach((name, index) => {
    if (name === '') throw new InputProblem(`${path} line 1, column ${index + 1}: the column has no name.`);
    if (header.indexOf(name) !== index) {
      throw new InputProblem(
        `${path} line 1, column ${index + 1}: ${JSON.stringify(name)} is also the name of column ${header.indexOf(name) + 1}.`,
      );
    }
  });
}

function parseRows(path: string, text: string): readonly { readonly cells: readonly string[]; readonly line: number }[] {
  try {
    const rows = parse(text, { delimiter: delimiterOf(text), info: true, max_record_size: RECORD_BYTES_MAX, skip_empty_lines: true });
    return (rows as unknown as { record: string[]; info: { lines: number } }[]).map(({ record, info }) => ({
      cells: record,
      line: info.lines,
    }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const column = typeof error['column'] === 'number' ? `, column ${error['column'] + 1}` : '';
    throw new InputProblem(
      `${path} line ${String(error['lines'] ?? '?')}${column}: ${error.message} (${error.code}). Nothing was settled.`,
    );
  }
}

/** The separator seen most often in the first line, outside quotes. */
function delimiterOf(text: string): string {
  const first = /^(?:"(?:[^"]|"")*"|[^"\r\n])*/.exec(text)?.[0].replace(/"(?:[^"]|"")*"/g, '') ?? '';
  const count = (delimiter: string): number => first.split(delimiter).length - 1;
  return [',', ';', '\t'].reduce((best, delimiter) => (count(delimiter) > count(best) ? delimiter : best));
}
