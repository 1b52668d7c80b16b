import { styleText } from 'node:util';

/** Where the command prints. Nothing throws when the reader of a pipe has gone. */
export interface Output {
  readonly isJson: boolean;
  /** False once nobody reads stdout any more (`nerva show … | head`). */
  readonly isRead: boolean;
  /** Whether progress is worth showing: stderr is a terminal. */
  readonly isWatched: boolean;
  /** Text to stdout as it is; on a terminal without control characters. */
  write(text: string): void;
  /** A line to stdout, as it is: what others wrote goes through `brief` or `plain` first. */
  line(text?: string): void;
  /** An object as a line to stdout. */
  json(value: unknown): void;
  /** A line to stderr. */
  note(text: string, style?: Style): void;
  /** Only on a terminal that shows colours, and never with NO_COLOR. */
  paint(style: Style, text: string): string;
}

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

/** The process's own streams. */
export function processOutput(isJson: boolean): Output {
  let isRead = true;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    isRead = false;
  });
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  const write = (text: string): void => {
    if (isRead) process.stdout.write(text);
  };
  return {
    isJson,
    get isRead() {
      return isRead;
    },
    isWatched: process.stderr.isTTY && !isJson,
    write: (text) => write(process.stdout.isTTY ? plain(text) : text),
    line: (text = '') => write(`${text}\n`),
    json: (value) => write(`${JSON.stringify(value)}\n`),
    note: (text, style) =>
      void process.stderr.write(`${style === undefined ? text : styleText(style, text, { stream: process.stderr })}\n`),
    paint: (style, text) => styleText(style, text, { stream: process.stdout }),
  };
}

/** Text without what could move a terminal's cursor, hide or turn around what follows: control and bidirectional characters but newline and tab. */
export function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}

/** A value on one line, cut to `charactersMax` with a note of how much is missing. */
export function brief(value: unknown, charactersMax: number): string {
  const text = plain(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
    .replaceAll(/\s*\n\s*/g, ' ⏎ ')
    .replaceAll('\t', ' ');
  if (text.length <= charactersMax) return text;
  const cut = text.slice(0, charactersMax).toWellFormed();
  return `${cut}… (${text.length - charactersMax} more)`;
}

/** Columns padded to their widest cell. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => rows.reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), 0));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** A time as people and sorting like it: `2026-01-31 12:00:00` in UTC. */
export function time(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 19).replace('T', ' ');
}
