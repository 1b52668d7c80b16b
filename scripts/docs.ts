import { readFileSync, writeFileSync } from 'node:fs';
import { ERRORS } from '../packages/nerva/src/core/errors.ts';
import { EVENTS } from '../packages/nerva/src/agent/events.ts';
import { MEMORY_EVENTS } from '../packages/nerva/src/memory/events.ts';
import { FAULTS } from '../packages/nerva/src/sim/faults.ts';

type Catalogue = Readonly<Record<string, { readonly kind: string; readonly retry: boolean; readonly help: string }>>;
/** Of types, what an event is for and each field in one line. */
type Told = Readonly<Record<string, { readonly help: string; readonly data: Readonly<Record<string, string | undefined>> }>>;
type Vocabulary = Told & Readonly<Record<string, { readonly kind: string; readonly origin: string }>>;

const MADE = '<!-- Made by `npm run docs`. Change the source named below, not this page. -->';

/** docs/errors.md from the catalogue. */
export function errorsPage(errors: Catalogue): string {
  const rows = Object.keys(errors)
    .toSorted()
    .map(
      (code) =>
        `| \`${code}\` | ${errors[code]?.kind} | ${errors[code]?.retry === true ? 'yes' : 'no'} | ${cell(errors[code]?.help ?? '')} |`,
    );
  return `${MADE}
# Errors

Every failure is a \`NervaError\` with a \`code\` from this catalogue (\`packages/nerva/src/core/errors.ts\`). Codes are permanent: one may be added,
none is renamed. Decide on \`code\`, \`kind\` and \`retry\`, never on the message; the message says what came, what was expected, what to do and
what was left unchanged. \`NervaError.is(error, code)\` also knows an error made by another copy of the package.

A bug is an assertion, not one of these. A tool that failed, a refusal or a budget reached is an event that the model can read, not one of these either.

| kind | meaning |
|---|---|
| invalid | what was handed in is wrong; change it |
| conflict | it does not fit the state of things; look again |
| limit | a named limit was reached |
| unavailable | something outside, or absent, stands in the way |
| corrupt | data is damaged or not what it claims to be |
| denied | not allowed |
| cancelled | the caller gave up |

| code | kind | retry | when, and what to do |
|---|---|---|---|
${rows.join('\n')}
`;
}

/** docs/events.md from the vocabularies. */
export function eventsPage(events: Vocabulary, ofMemories: Told): string {
  const groups = Map.groupBy(Object.keys(events), (type) => type.slice(0, type.indexOf('.')));
  const partOf = (type: string): string => eventPart(type, events[type], `${events[type]?.kind} · origin ${events[type]?.origin}`);
  const parts = [...groups].map(([group, types]) => `## ${group}\n\n${types.map(partOf).join('\n')}`);
  return `${MADE}
# Events

What a session's log holds (\`packages/nerva/src/agent/events.ts\`). A **decision** is appended at an expected head and refused if the head moved; a **fact** is
taken at whatever head there is. The origin says whose words the event carries: only \`person\` and \`system\` content is trusted. A type's meaning
never changes: a change is a new version \`v\`, and old events are lifted when they are read. What the log of a [memory](memory.md) holds is
[at the end](#in-the-log-of-a-memory).

${parts.join('\n')}
## In the log of a memory

What the log \`scope:…\` of a memory holds (\`packages/nerva/src/memory/events.ts\`). Each is a decision, of the origin \`system\`. It belongs to the
memory’s subject, where that has one; what records, ends, clears, promotes, evicts or makes something of an entry with a subject of its own belongs to
that; the first event to nobody. Beside them stands \`subject.erased\`, as in any log. An entry’s id is \`sid:seq\`, the place of its \`memory.recorded\`.

${Object.keys(ofMemories)
  .map((type) => eventPart(type, ofMemories[type]))
  .join('\n')}`;
}

type Faults = Readonly<
  Record<string, { readonly area: string; readonly at: readonly string[]; readonly help: string; readonly like?: string }>
>;

/** What the simulator does not bring about: why, and what looks at it instead. */
const ELSEWHERE: readonly (readonly [fault: string, why: string])[] = [
  ['an fsync that lies: acknowledged by the disk, then lost', 'unsupported: no store can survive it; run on disks that keep their word'],
  ['a changed byte in an SQLite file', 'covered by `verify` and the chain: tests/e2e/store-torn.test.ts'],
  ['I/O errors and a full disk under SQLite, kill at any system call', 'covered with real system calls: tests/e2e/store-syscalls.test.ts'],
  ['power loss under SQLite', 'covered by rebuilding the files after every write: tests/e2e/power-loss.test.ts'],
  ['the writer thread dies', 'covered: tests/e2e/store-thread-killed.test.ts'],
  ['broken TLS, half-open sockets, endless bodies', 'covered with real sockets: tests/e2e/http-shapes.test.ts'],
  ['an older or newer release on one store', 'covered by the logs of every release: tests/golden/releases.test.ts'],
  [
    'a snapshot that is stale, of another version or cannot be kept',
    'covered: packages/nerva/src/log/fold.test.ts, fold-ends.test.ts; drivers use none',
  ],
  ['a database server: deadlock, query timeout, an exhausted pool', 'unsupported: there is no store behind a server yet'],
  ['out of memory, too many open files, a slow processor', 'unsupported: outside of what a World holds'],
  ['replication lag, quorum loss, split brain between machines', 'unsupported: there is no distributed store yet'],
  [
    'an embedder, a rewriter or a reranker that fails or answers nonsense',
    'covered, each in turn: packages/nerva/src/memory/hybrid.test.ts, derived-sim.test.ts',
  ],
  ['a memory whose store fails', 'covered here: the scenario `remembering` keeps its memory in the simulated store'],
  ['MCP servers, calls between agents, sandboxes, WebAssembly', 'unsupported: these subsystems do not exist yet'],
];

/** docs/faults.md from the kinds of faults. */
export function faultsPage(faults: Faults): string {
  const areas = [...new Set(Object.values(faults).map(({ area }) => area))];
  const rows = Object.entries(faults).map(([kind, { area, at, help, like }]) => {
    const marks = areas.map((one) => (one === area ? 'covered' : '')).join(' | ');
    const where = at.map((point) => `\`${point.endsWith('.') ? `${point}*` : point}\``).join(', ');
    return `| \`${kind}\` | ${cell(help)}${like === undefined ? '' : ` (in pairs: \`${like}\`)`} | ${where} | ${marks} |`;
  });
  return `${MADE}
# Faults

What the simulator can do to a run (\`packages/nerva/src/sim/faults.ts\`). A test holds that each of them fires and changes the run. A plan is a list of
\`{point, kind, occurrence}\`: at that visit of that point, this happens.

| kind | what happens | points | ${areas.join(' | ')} |
|---|---|---|${areas.map(() => '---|').join('')}
${rows.join('\n')}

## Not brought about here

| fault | |
|---|---|
${ELSEWHERE.map(([fault, why]) => `| ${cell(fault)} | ${cell(why)} |`).join('\n')}
`;
}

function eventPart(type: string, row: Told[string] | undefined, how?: string): string {
  const fields = Object.entries(row?.data ?? {}).map(([field, text]) => `| \`${field}\` | ${cell(text ?? '')} |`);
  const table = fields.length === 0 ? '' : `\n| field | |\n|---|---|\n${fields.join('\n')}\n`;
  return `### \`${type}\`\n\n${how === undefined ? '' : `${how}\n\n`}${row?.help}\n${table}`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** The generated pages, by path from the root. */
export function generatedPages(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/errors.md', errorsPage(ERRORS)],
    ['docs/events.md', eventsPage(EVENTS, MEMORY_EVENTS)],
    ['docs/faults.md', faultsPage(FAULTS)],
  ]);
}

if (process.argv.includes('--write')) {
  for (const [page, text] of generatedPages()) {
    const file = new URL(`../${page}`, import.meta.url);
    let before = '';
    try {
      before = readFileSync(file, 'utf8');
    } catch {
      // The page does not exist yet.
    }
    if (before !== text) writeFileSync(file, text);
    console.log(`${before === text ? 'unchanged' : 'written'}: ${page}`);
  }
}
