/** A flag: `--name` (a switch), `--name VALUE`, or one that may be given several times. */
export interface Flag {
  readonly kind: 'switch' | 'value' | 'list';
  /** What stands for the value in the help. */
  readonly value?: string;
  readonly help: string;
}

/** A command as its users see it. */
export interface Command {
  /** Its arguments, as in the usage line. */
  readonly usage: string;
  /** How many positional arguments it takes. */
  readonly count: readonly [min: number, max: number];
  readonly help: string;
  readonly flags: Readonly<Record<string, Flag>>;
  readonly examples: readonly string[];
  /** More about it, a line each. */
  readonly notes?: readonly string[];
}

const toggle = (help: string): Flag => ({ kind: 'switch', help });
const value = (name: string, help: string): Flag => ({ kind: 'value', value: name, help });

/** Flags of every command. */
export const SHARED: Readonly<Record<string, Flag>> = {
  store: value('URL', 'file:PATH or memory: (default file:.nerva/nerva.db)'),
  agents: {
    kind: 'list',
    value: 'FILE',
    help: 'file whose exports are agents; may be repeated (default nerva.config.ts or .mjs, when there is one)',
  },
  keys: value('FILE', 'keys of subjects, for a store whose sessions hold personal data'),
  json: toggle('one JSON object a line; errors too, on stderr'),
  help: toggle('help for the command'),
};

const by = value('WHO', 'who answers, for the record (default cli)');

/** The commands, in the order of the help. */
export const COMMANDS = {
  run: {
    usage: '<file.ts[#export]|name> <input>',
    count: [1, 2],
    help: 'send input to an agent and print its answer as it comes',
    flags: {
      session: value('ID', 'go on in this session (default: a new one)'),
      data: value('JSON', 'send JSON in place of text'),
      deliver: value('HOW', 'queue, steer or interrupt a session that is busy (default queue)'),
      by: value('WHO', 'who sends, for the record (default cli)'),
    },
    examples: [
      'nerva run agent.ts "What is due today?"',
      'nerva run agent.ts#billing - < question.txt',
      'nerva run billing "And tomorrow?" --session 3f0c…',
    ],
    notes: [
      'The input "-" is read from stdin. A name is one of a registered agent (--agents, or nerva.config.ts).',
      'The first Ctrl-C cancels the turn and leaves the session clean; a second one stops at once, and `nerva resume` goes on.',
    ],
  },
  sessions: {
    usage: '',
    count: [0, 0],
    help: 'list the sessions, oldest first',
    flags: {
      status: value('STATUS', 'ready, waiting, idle, closed or quarantined'),
      agent: value('NAME', 'only those of this agent'),
      tenant: value('NAME', 'only those of this tenant'),
      limit: value('N', 'at most so many (default 100)'),
      after: value('ID', 'those after this one: the last of the page before'),
    },
    examples: ['nerva sessions', 'nerva sessions --status waiting --json'],
  },
  show: {
    usage: '<id>',
    count: [1, 1],
    help: 'print a session: its log, its state and what waits',
    flags: { at: value('N', 'as it was after event N'), full: toggle('do not cut long values') },
    examples: ['nerva show 3f0c…', 'nerva show 3f0c… --at 7 --full'],
  },
  resume: {
    usage: '[id]',
    count: [0, 1],
    help: 'take up what an earlier process left open: one session, or all that are ready',
    flags: {},
    examples: ['nerva resume --agents agent.ts', 'nerva resume 3f0c… --agents agent.ts'],
    notes: ['Ctrl-C cancels the turn of a named session. Without an id it stops driving, and the sessions stay as they are.'],
  },
  fork: {
    usage: '<id> --at N',
    count: [1, 1],
    help: 'make a new session that shares events 0…N of this one',
    flags: {
      at: value('N', 'the last event that is shared'),
      live: toggle('its calls are made (default: a person is asked before each that is not a read)'),
      as: value('ID', 'id of the fork (default: a random one)'),
    },
    examples: ['nerva fork 3f0c… --at 7', 'nerva fork 3f0c… --at 7 --live --as retry && nerva resume retry'],
    notes: ['Open calls and approvals stay those of the parent. A fork does not undo what was done outside.'],
  },
  diff: {
    usage: '<id> [other]',
    count: [1, 2],
    help: 'what two sessions with a common past changed since, and where they conflict; merges nothing',
    flags: { full: toggle('do not cut long values') },
    examples: ['nerva diff 9a41…', 'nerva diff 3f0c… 9a41… --json'],
    notes: ['With one id, a fork is compared with its parent.'],
  },
  replay: {
    usage: '<id>',
    count: [1, 1],
    help: 'decide again from the record, without any call, and name the first difference',
    flags: { against: value('FILE', 'another definition of the agent: file.ts[#export]') },
    examples: ['nerva replay 3f0c… --agents agent.ts', 'nerva replay 3f0c… --against new-agent.ts'],
    notes: ['Exit 1 when a decision differs.'],
  },
  verify: {
    usage: '[id]',
    count: [0, 1],
    help: 'recompute the hash chain of one session or of all, and name the first bad frame',
    flags: { head: value('HASH', 'the hash that the last frame had when it was noted elsewhere (needs an id)') },
    examples: ['nerva verify', 'nerva verify 3f0c… --head 51b0…'],
    notes: ['Exit 1 when something does not verify. Without a head kept elsewhere this finds damage, not tampering.'],
  },
  approve: {
    usage: '<id> <call>',
    count: [2, 2],
    help: 'allow a call that waits, or say that a call in doubt happened',
    flags: {
      answer: value('JSON', 'what the person answers, for tools that ask'),
      output: value('JSON', 'for a call in doubt: it happened, and this is its result'),
      digest: value('HASH', 'of what was shown; refused when something else is asked now'),
      by,
    },
    examples: ['nerva approve 3f0c… 5', `nerva approve 3f0c… 5 --answer '"Tuesday"'`, `nerva approve 3f0c… 9 --output '{"paid":true}'`],
    notes: ['<call> is what `nerva show` lists: 5, or 3f0c…:5. The session goes on here when its agent is registered.'],
  },
  deny: {
    usage: '<id> <call>',
    count: [2, 2],
    help: 'refuse a call that waits, or say that a call in doubt did not happen',
    flags: { why: value('TEXT', 'the reason, which the agent reads'), digest: value('HASH', 'of what was shown'), by },
    examples: ['nerva deny 3f0c… 5 --why "too expensive"', 'nerva deny 3f0c… 9'],
  },
  stats: {
    usage: '',
    count: [0, 0],
    help: 'totals of the store',
    flags: {
      tenant: value('NAME', 'of this tenant only'),
      usage: toggle('also what each agent did and took; kept in the store, so that the next call reads only what is new'),
    },
    examples: ['nerva stats', 'nerva stats --usage', 'nerva stats --json'],
  },
  models: {
    usage: '',
    count: [0, 0],
    help: 'list the providers that a model may be named by, whether their keys are there, and what is known of their models',
    flags: {
      provider: value('NAME', 'only this one, with its models'),
      needs: {
        kind: 'list',
        value: 'CAPABILITY[=N]',
        help: 'only models known to have it, at a strength of N (1 to 4) or more; may be repeated',
      },
    },
    examples: ['nerva models', 'nerva models --provider anthropic', 'nerva models --needs vision --needs tool_use=3 --json'],
    notes: ['Keys are read from the environment and never printed. Prices carry the day on which they were published.'],
  },
  doctor: {
    usage: '',
    count: [0, 0],
    help: 'look at what runs need (store, sessions, models, agents) and say what to do; changes nothing',
    flags: {
      online: toggle('ask each provider that has a key for its list of models, which is no call and costs nothing'),
      timeout: value('MS', 'with --online: so long for each provider (default 10000)'),
    },
    examples: ['nerva doctor', 'nerva doctor --online', 'nerva doctor --agents agent.ts --json'],
    notes: ['Exit 1 when something fails. Without --online nobody is asked but an Ollama on this machine or where OLLAMA_HOST says.'],
  },
  proxy: {
    usage: '--to URL',
    count: [0, 0],
    help: 'hand on what another program asks of an OpenAI-compatible server, and record it as sessions, until Ctrl-C',
    flags: {
      to: value('URL', 'the server that answers, up to what all its paths share'),
      port: value('N', 'of the loopback interface (default: one that is free)'),
      request: value('BYTES', 'the largest request that is taken (default 33554432)'),
      answer: value('BYTES', 'the largest answer that is handed on (default 67108864)'),
      conversations: value('N', 'that are remembered so that they may go on (default 2000)'),
    },
    examples: [
      'nerva proxy --to https://api.openai.com/v1 --port 4100',
      'OPENAI_BASE_URL=http://127.0.0.1:4100/v1 python agent.py',
      'nerva proxy --to http://127.0.0.1:11434/v1 --store file:traffic.db --json',
    ],
    notes: [
      'It listens on 127.0.0.1 alone. The key is the client’s: it goes upstream and is never stored.',
      'Chat completions are recorded as sessions of the agent "proxy", a conversation each; all else is handed on and not recorded.',
    ],
  },
  sim: {
    usage: '<file.ts[#export]>',
    count: [1, 1],
    help: 'run a scenario, or an agent, under faults and print the smallest case that breaks an invariant',
    flags: {
      seeds: value('N', 'so many random plans of faults, a seed each (default 100)'),
      from: value('S', 'the first seed (default 1)'),
      exhaustive: toggle('every single fault that can strike, each alone'),
      pairs: toggle('with --exhaustive: every pair of them too'),
      minutes: value('M', 'for so long, led by what is new; prints how many situations were seen'),
      seed: value('S', 'one seed: with its random plan, or with --faults'),
      faults: value('JSON', 'the plan for --seed: [{"point","kind","occurrence"}]'),
      case: value('FILE', 'run again what a failing run wrote'),
      trace: toggle('with --seed or --case: print everything that happened'),
      input: value('TEXT', 'for an agent: what it is sent (default "Hello.")'),
      profile: value('NAME', "a simulated model in place of the agents' own: obedient, chatty, malformed or adversarial"),
      once: toggle('do not run each seed a second time to compare the two'),
      out: value('FILE', 'where the sessions of a failing run go (default .nerva/sim/NAME-SEED.db)'),
    },
    examples: [
      'nerva sim refunds.ts#refunds --seeds 500',
      'nerva sim refunds.ts --exhaustive --pairs',
      'nerva sim agent.ts --profile adversarial --input "Refund order 7"',
      'nerva sim refunds.ts --case .nerva/sim/refunds-1.json --trace',
    ],
    notes: [
      'A file exports a scenario {name, agents, steps, invariants}, or an agent, which is then sent a few messages.',
      'Exit 0 when all held, 1 when something broke, 2 when it could not be run.',
    ],
  },
  memory: {
    usage: '<verb> <scope> [what]',
    count: [2, 3],
    help: 'what a memory keeps: find in it, print it, say where an entry comes from, carry it elsewhere, erase a person’s data',
    flags: {
      limit: value('N', 'with search: at most so many, 1 to 100 (default 10); with list: 1 to 1000 (default 100)'),
      'as-of': value('DATE', 'with search, list and count: what held then: 2026-01-31, or with a time 2026-01-31T12:00:00Z'),
      at: value('N', 'as it stood after event N of its log'),
      subject: value('NAME', 'with erase: whose data goes; with import: whose data it is'),
      after: value('ID', 'with list: what was recorded after this entry, for the next page'),
      all: toggle('with list and count: also what does not hold now'),
      tags: value('LIST', 'with list and count: only what has all of these'),
      kinds: value('LIST', 'with list and count: only what is of one of these kinds'),
      until: value('DATE', 'with end: until before when the entry holds, as with --as-of (default now)'),
      yes: toggle('with clear, reset and erase: do it'),
      rights: value('LIST', 'with grant and revoke: some of recall,remember,forget,edit (revoke: default all)'),
      by: value('WHO', 'with grant and revoke: who does it, for the record (default cli)'),
      to: value('SCOPE', 'with share: whose memory the entry goes to'),
      tenant: value('NAME', 'the memory of this tenant'),
    },
    examples: [
      'nerva memory search user:ada "Where does she live?"',
      'nerva memory search user:ada "Where does she live?" --as-of 2026-01-31',
      'nerva memory list user:ada --kinds person,task --limit 20',
      'nerva memory count user:ada --all',
      'nerva memory why user:ada scope:user:ada:7',
      'nerva memory export user:ada > ada.jsonl',
      'nerva memory import user:ada ada.jsonl --store file:other.db',
      'nerva memory tend user:ada s1',
      'nerva memory grant team:support clerk --rights recall,remember',
      'nerva memory share user:ada scope:user:ada:7 --to team:support',
      'nerva memory end user:ada scope:user:ada:7 --until 2026-01-31',
      'nerva memory reset user:ada --yes',
      'nerva memory erase user:ada --subject ada --keys keys.txt --yes',
    ],
    notes: [
      'search SCOPE QUESTION finds entries by their words; show SCOPE prints blocks and entries; why SCOPE ID says where an entry comes from; stats SCOPE counts.',
      'list SCOPE prints the entries that hold, oldest first, a page at a time; count SCOPE says how many those are.',
      'export SCOPE prints blocks and entries as JSON lines; import SCOPE FILE takes them in, each once however often it is run; exit 1 when a line was refused.',
      'tend SCOPE SESSION reads what a session was told of it, and decides which entries stand among the blocks.',
      'grant and revoke SCOPE AGENT change what an agent may do through tools that are guarded; rights SCOPE says who was granted what, and when it was revoked; share SCOPE ID takes an entry to another scope.',
      'end SCOPE ID says that an entry holds until --until or now only, and nothing takes its place; an end is moved to sooner only.',
      'clear SCOPE forgets all entries; reset SCOPE removes blocks and items too. Their record stays, and is found as of before.',
      'erase SCOPE --subject NAME destroys the key of a subject and so all that the store holds of it, in every session.',
    ],
  },
  ingest: {
    usage: '<path>...',
    count: [1, Infinity],
    help: 'take files and folders into a knowledge base, or bring it up to date with them; needs the package @nerva/knowledge',
    flags: {
      base: value('NAME', 'the knowledge base (default "default")'),
      watch: toggle('stay, and again whenever something changes, until Ctrl-C'),
      ignored: toggle('also what .gitignore files name'),
      links: toggle('follow symbolic links that lead to something inside'),
      encoding: value('NAME', 'windows-1252: what files are read as that are not UTF-8'),
      near: value('N', 'documents at least so much alike, 0.5 to 1, count as one'),
      'file-bytes': value('N', 'the largest file that is read (default 50000000)'),
      'text-characters': value('N', 'the longest text of one file (default 5000000)'),
      'unpacked-bytes': value('N', 'what a packed file may become (default 200000000)'),
      'unpack-ms': value('N', 'how long a PDF or DOCX may take, in ms (default 60000)'),
      files: value('N', 'at most so many files (default 100000)'),
      depth: value('N', 'folders below the one that is named (default 64)'),
      subject: value('NAME', 'whose data it is: sealed under that key where there are --keys, and gone when it is erased'),
      tenant: value('NAME', 'the base of this tenant'),
    },
    examples: ['nerva ingest docs', 'nerva ingest docs src README.md --base project', 'nerva ingest docs --watch'],
    notes: [
      'Text, Markdown, code, HTML, PDF, DOCX, CSV and JSON. What is as it was costs no write; what is gone is removed.',
      'Exit 1 when a file failed; the others are there. After a kill or Ctrl-C the same command goes on.',
    ],
  },
  query: {
    usage: '<question>',
    count: [1, 1],
    help: 'find passages in a knowledge base and say where they stand; changes nothing',
    flags: {
      base: value('NAME', 'the knowledge base (default "default")'),
      limit: value('N', 'at most so many, 1 to 100 (default 5)'),
      under: value('PATH', 'only in this file or folder'),
      full: toggle('do not cut long passages'),
      tenant: value('NAME', 'the base of this tenant'),
    },
    examples: ['nerva query "How do I retry a call?"', 'nerva query "exit codes" --under docs --limit 3 --json'],
  },
  close: {
    usage: '<id>',
    count: [1, 1],
    help: 'close a session at rest for good',
    flags: { why: value('TEXT', 'the reason, for the record'), by },
    examples: ['nerva close 3f0c… --why "settled"'],
    notes: ['A session with an open turn, or with input that waits, is refused.'],
  },
  release: {
    usage: '<id>',
    count: [1, 1],
    help: 'set a quarantined session ready again',
    flags: {},
    examples: ['nerva sessions --status quarantined', 'nerva release 3f0c…'],
  },
  prune: {
    usage: '--before DATE',
    count: [0, 0],
    help: 'drop the contents of closed sessions; their envelopes and chains stay',
    flags: { before: value('DATE', 'those whose last event is older: 2026-01-31, or with a time 2026-01-31T12:00:00Z') },
    examples: ['nerva prune --before 2026-01-31'],
  },
  delete: {
    usage: '<id>',
    count: [1, 1],
    help: 'delete a session and leave a tombstone',
    flags: { cascade: toggle('its forks too') },
    examples: ['nerva delete 3f0c…', 'nerva delete 3f0c… --cascade'],
  },
} as const satisfies Readonly<Record<string, Command>>;

/** The name of a command. */
export type CommandName = keyof typeof COMMANDS;
