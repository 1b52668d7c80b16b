import fc from 'fast-check';

/** Who asks: the operator's handle, or one that is scoped to a tenant. */
export type Asker = 'operator' | 'red' | 'blue';

/** Where a position lies, relative to what is there when the command runs. */
export type Place = 'zero' | 'behind' | 'head' | 'ahead' | 'invalid';

/** A frame in relative terms. */
export interface FrameCommand {
  readonly sid: string;
  /** One of a few ids, so that they meet again; null for a new one. */
  readonly id: string | null;
  readonly expected: Place | 'fact';
  readonly fence: 'none' | 'own' | 'stale';
  readonly texts: readonly string[];
  readonly kind: 'note.taken' | 'tool.returned' | 'message.received';
  readonly blob: boolean;
  readonly late: -1 | 0 | 1;
  readonly status?: 'ready' | 'waiting' | 'idle' | 'closed' | 'quarantined';
  /** The head at which the status counts. */
  readonly seen?: Place;
  /** Seconds from now; null clears. */
  readonly wake?: number | null;
  readonly agent?: 'one' | 'two';
  readonly owner?: 'ann' | 'bob';
  readonly progress?: boolean;
}

/** A call of the store port in relative terms: plain data, so that a failing trace can be shrunk and printed. */
export type Command =
  | ({ readonly do: 'append'; readonly as: Asker } & FrameCommand)
  | ({ readonly do: 'fork'; readonly as: Asker; readonly parent: string; readonly at: Place } & FrameCommand)
  | { readonly do: 'appendBatch'; readonly as: Asker; readonly frames: readonly FrameCommand[] }
  | { readonly do: 'appendAgain'; readonly as: Asker; readonly which: number }
  | { readonly do: 'appendInvalid'; readonly as: Asker; readonly sid: string; readonly which: number }
  | { readonly do: 'malformed'; readonly as: Asker; readonly sid: string; readonly which: number; readonly number: number }
  | {
      readonly do: 'claim';
      readonly as: Asker;
      readonly owner: 'ann' | 'bob';
      readonly countMax: number;
      readonly agents?: readonly string[];
    }
  | { readonly do: 'takeOver'; readonly as: Asker; readonly sid: string; readonly owner: 'ann' | 'bob' }
  | { readonly do: 'renew'; readonly as: Asker; readonly sid: string; readonly fence: 'own' | 'stale' }
  | {
      readonly do: 'release';
      readonly as: Asker;
      readonly sid: string;
      readonly fence: 'own' | 'stale';
      readonly expected: Place;
      readonly status: NonNullable<FrameCommand['status']>;
      readonly wake: number | null;
    }
  | { readonly do: 'unquarantine'; readonly as: Asker; readonly sid: string }
  | { readonly do: 'putBlob'; readonly as: Asker; readonly sid: string; readonly which: number; readonly subject?: string }
  | {
      readonly do: 'getBlob';
      readonly as: Asker;
      readonly which: number;
      readonly range?: { readonly start: number; readonly end: number };
    }
  | { readonly do: 'sweep'; readonly as: Asker; readonly ago: number }
  | { readonly do: 'putSnapshot'; readonly as: Asker; readonly sid: string; readonly key: 'k' | 'l'; readonly place: Place }
  | { readonly do: 'getSnapshot'; readonly as: Asker; readonly sid: string; readonly key: 'k' | 'l'; readonly place: Place }
  | { readonly do: 'info' | 'head' | 'verify'; readonly as: Asker; readonly sid: string }
  | {
      readonly do: 'read';
      readonly as: Asker;
      readonly sid: string;
      readonly after?: Place;
      readonly upto?: Place;
      readonly limit?: number;
    }
  | {
      readonly do: 'list';
      readonly as: Asker;
      readonly tenant?: 'red' | 'default';
      readonly status?: 'ready' | 'idle' | 'closed';
      readonly agent?: 'one';
      readonly after?: string;
      readonly limit?: number;
    }
  | { readonly do: 'feed'; readonly as: Asker; readonly after: number; readonly types?: readonly string[]; readonly limit?: number }
  | { readonly do: 'stats'; readonly as: Asker }
  | { readonly do: 'prune'; readonly as: Asker; readonly ago: number; readonly limit?: number }
  | { readonly do: 'delete'; readonly as: Asker; readonly sid: string; readonly cascade: boolean }
  | { readonly do: 'scope'; readonly as: Asker; readonly tenant: string };

/** A step of a trace: one command, several in one macrotask, time that goes by, or a store that is closed and opened. */
export type Step =
  | Command
  | { readonly do: 'together'; readonly commands: readonly Command[] }
  | { readonly do: 'wait'; readonly seconds: number }
  | { readonly do: 'reopen' };

/** How many different invalid frames `appendInvalid` knows. */
export const INVALID_FRAMES = 30;

/** How many different calls `malformed` knows. */
export const MALFORMED_CALLS = 10;

const as = fc.constantFrom<Asker>('operator', 'operator', 'operator', 'red', 'blue');
const sid = fc.constantFrom('s0', 's0', 's1', 's2', 'f0', 'f1');
const place = fc.constantFrom<Place>('zero', 'behind', 'head', 'head', 'head', 'ahead', 'invalid');
const status = fc.constantFrom(
  'ready' as const,
  'ready' as const,
  'waiting' as const,
  'idle' as const,
  'closed' as const,
  'quarantined' as const,
);
const owner = fc.constantFrom('ann' as const, 'bob' as const);
const text = fc.oneof(fc.constantFrom('', 'a', 'ü🙂', '\0', '\ud800', '["x"]', '"ref":"'), fc.string({ maxLength: 40 }));
const wake = fc.option(fc.integer({ min: -5, max: 9 }));
const fence = fc.constantFrom('own' as const, 'own' as const, 'stale' as const);

const frame = {
  sid,
  id: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.constantFrom('a', 'b') }),
  expected: fc.constantFrom<Place | 'fact'>('head', 'head', 'head', 'head', 'fact', 'fact', 'zero', 'behind', 'ahead'),
  fence: fc.constantFrom('none' as const, 'none' as const, 'none' as const, 'own' as const, 'stale' as const),
  texts: fc.array(text, { minLength: 1, maxLength: 3 }),
  kind: fc.constantFrom('note.taken' as const, 'tool.returned' as const, 'message.received' as const),
  blob: fc.constantFrom(false, false, false, true),
  late: fc.constantFrom(0 as const, 0 as const, -1 as const, 1 as const),
};
const seen = fc.constantFrom<Place>('zero', 'behind', 'head', 'ahead');
const optional = { status, seen, wake, agent: fc.constantFrom('one' as const, 'two' as const), owner, progress: fc.boolean() };
const required = Object.keys(frame) as (keyof typeof frame)[];
const frames = fc.record({ ...frame, ...optional }, { requiredKeys: required });
const limit = fc.integer({ min: 0, max: 4 });

const append = fc.record({ do: fc.constant('append' as const), as, ...frame, ...optional }, { requiredKeys: ['do', 'as', ...required] });
const fork = fc.record(
  { do: fc.constant('fork' as const), as, parent: sid, at: place, ...frame, sid: fc.constantFrom('f0', 'f1', 's2'), ...optional },
  { requiredKeys: ['do', 'as', 'parent', 'at', ...required] },
);
/** Commands that write: they may go into one macrotask, where the writer takes them as one transaction. */
const writing: readonly fc.WeightedArbitrary<Command>[] = [
  { weight: 30, arbitrary: append },
  { weight: 6, arbitrary: fork },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('appendAgain' as const), as, which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('appendInvalid' as const), as, sid, which: fc.nat(INVALID_FRAMES - 1) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('malformed' as const),
      as,
      sid,
      which: fc.nat(MALFORMED_CALLS - 1),
      number: fc.constantFrom(Number.NaN, -1, 0.5, Infinity, -Infinity, 2 ** 60),
    }),
  },
  {
    weight: 7,
    arbitrary: fc.record(
      { do: fc.constant('claim' as const), as, owner, countMax: limit, agents: fc.subarray(['one', 'two', 'three']) },
      { requiredKeys: ['do', 'as', 'owner', 'countMax'] },
    ),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('takeOver' as const), as, sid, owner }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('release' as const), as, sid, fence, expected: place, status, wake }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('unquarantine' as const), as, sid }) },
  {
    weight: 4,
    arbitrary: fc.record(
      { do: fc.constant('putBlob' as const), as, sid, which: fc.nat(4), subject: fc.constantFrom('ada', 'bo') },
      { requiredKeys: ['do', 'as', 'sid', 'which'] },
    ),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sweep' as const), as, ago: fc.integer({ min: -2, max: 20 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('putSnapshot' as const), as, sid, key: fc.constantFrom('k' as const, 'l' as const), place }),
  },
  {
    weight: 2,
    arbitrary: fc.record(
      { do: fc.constant('prune' as const), as, ago: fc.integer({ min: -2, max: 20 }), limit },
      { requiredKeys: ['do', 'as', 'ago'] },
    ),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), as, sid, cascade: fc.boolean() }) },
];

const range = fc.record({ start: fc.integer({ min: -3, max: 9 }), end: fc.integer({ min: -3, max: 9 }) });

const reading: readonly fc.WeightedArbitrary<Step>[] = [
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('appendBatch' as const), as, frames: fc.array(frames, { minLength: 1, maxLength: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('renew' as const), as, sid, fence }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('getBlob' as const), as, which: fc.nat(5), range }, { requiredKeys: ['do', 'as', 'which'] }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('getSnapshot' as const), as, sid, key: fc.constantFrom('k' as const, 'l' as const), place }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('info' as const, 'head' as const, 'verify' as const), as, sid }) },
  {
    weight: 4,
    arbitrary: fc.record(
      { do: fc.constant('read' as const), as, sid, after: place, upto: place, limit },
      { requiredKeys: ['do', 'as', 'sid'] },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record(
      {
        do: fc.constant('list' as const),
        as,
        tenant: fc.constantFrom('red' as const, 'default' as const),
        status: fc.constantFrom('ready' as const, 'idle' as const, 'closed' as const),
        agent: fc.constant('one' as const),
        after: sid,
        limit,
      },
      { requiredKeys: ['do', 'as'] },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record(
      {
        do: fc.constant('feed' as const),
        as,
        after: fc.integer({ min: -2, max: 30 }),
        types: fc.subarray(['note.taken', 'tool.returned']),
        limit,
      },
      { requiredKeys: ['do', 'as', 'after'] },
    ),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stats' as const), as }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('scope' as const), as, tenant: fc.constantFrom('red', 'green', '', 'no such') }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
];

const together: fc.WeightedArbitrary<Step> = {
  weight: 12,
  arbitrary: fc.record({ do: fc.constant('together' as const), commands: fc.array(fc.oneof(...writing), { minLength: 2, maxLength: 6 }) }),
};

/** Traces of at most `stepsMax` steps. They shrink to fewer and simpler steps. */
export function traces(stepsMax: number): fc.Arbitrary<readonly Step[]> {
  return fc.array(fc.oneof(...writing, ...reading, together), { minLength: 1, maxLength: stepsMax, size: 'max' });
}
