// A process of its own that effects are counted by: it appends to a ledger and fsyncs before it answers. It never refuses a repetition: it counts.
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';

/** One line of the ledger. */
export interface Entry {
  readonly kind: 'effect' | 'accepted' | 'refused';
  readonly effect?: string;
  readonly sid: string;
  readonly step?: number;
  readonly key?: string;
  readonly attempt?: number;
}

const ledger = openSync(process.argv[2] ?? 'ledger.jsonl', 'a');
const done = new Set<string>();
const fences = new Map<string, number>();
let lines: string[] = [];
let answers: (() => void)[] = [];

/** One fsync for all that wait: an answer is given only after it. */
function record(entry: Entry, answer: () => void): void {
  lines.push(`${JSON.stringify(entry)}\n`);
  answers.push(answer);
  if (answers.length > 1) return;
  setImmediate(() => {
    writeSync(ledger, lines.join(''));
    fsyncSync(ledger);
    const ready = answers;
    lines = [];
    answers = [];
    for (const go of ready) go();
  });
}

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(parts).toString() || '{}') as Entry;
    const answer = (value: unknown): void => void response.end(JSON.stringify(value));
    const key = body.key ?? '';
    if (request.url === '/fence') {
      // From here on an attempt up to this one can no longer happen.
      fences.set(key, Math.max(fences.get(key) ?? 0, body.attempt ?? 0));
      return answer({ done: done.has(key) });
    }
    if (request.url === '/accepted') return record({ kind: 'accepted', sid: body.sid }, () => answer({}));
    if ((fences.get(key) ?? 0) >= (body.attempt ?? 0))
      return record({ ...body, kind: 'refused' }, () => ((response.statusCode = 409), answer({})));
    done.add(key);
    record({ ...body, kind: 'effect' }, () => answer({ ok: true }));
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(JSON.stringify({ url: `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}` }));
});
process.on('SIGTERM', () => {
  closeSync(ledger);
  process.exit(0);
});
