import type { Mutant } from './mutant.ts';

const APPEND = 'log/memory-append.ts';
const ROWS = 'log/memory-rows.ts';
const WORK = 'log/memory-work.ts';
const JUDGE = 'log/judge.ts';

/** Bugs of the log: taking frames, handing out work, forks, reading, tenants. */
export const STORE_MUTANTS: readonly Mutant[] = [
  {
    name: 'fence-not-checked',
    file: JUDGE,
    find: `  if (frame.fence !== undefined && frame.fence.epoch < row.epoch) return 'fenced';`,
    replace: ``,
    says: 'The store takes decisions of a driver that was taken over.',
  },
  {
    name: 'head-not-checked',
    file: JUDGE,
    find: `  if (frame.expected !== 'fact' && frame.expected !== row.head) return 'conflict';`,
    replace: ``,
    says: 'The store takes a decision that was made at another head.',
  },
  {
    name: 'closed-not-checked',
    file: JUDGE,
    find: `  if (row.status === 'closed') return 'closed';`,
    replace: ``,
    says: 'A closed session takes more events.',
  },
  {
    name: 'fact-wakes-nobody',
    file: JUDGE,
    find: `(isSeen(row, then) ? then?.status : undefined) ?? (wakes ? 'ready' : kept);`,
    replace: `(isSeen(row, then) ? then?.status : undefined) ?? kept;`,
    says: 'A fact does not make a resting session ready.',
  },
  {
    name: 'status-set-unseen',
    file: JUDGE,
    find: `  return then?.ifHead === undefined || then.ifHead === (row?.head ?? 0);`,
    replace: `  return true;`,
    says: 'A frame sets the row by a state in which something is missing (fix reverted).',
  },
  {
    name: 'frame-not-deduplicated',
    file: APPEND,
    find: `  if (known !== null) return known;`,
    replace: `  if (known !== null && frame.expected !== 'fact') return known;`,
    says: 'A fact that is appended again is there twice.',
  },
  {
    name: 'conflict-called-repeated',
    file: APPEND,
    find: `  if (envelope === undefined || envelope.id !== frame.id) return null;`,
    replace: `  if (envelope === undefined) return null;`,
    says: 'A decision at a position that is taken is called a repetition.',
  },
  {
    name: 'sequence-with-holes',
    file: APPEND,
    find: `  row.head += envelope.count;`,
    replace: `  row.head += envelope.count + (envelope.fact && row.frames.length > 1 ? 1 : 0);`,
    says: 'After a fact a position is left out.',
  },
  {
    name: 'time-goes-back',
    file: APPEND,
    find: `    atMs: Math.max(row.atMs, frame.atMs ?? nowMs),`,
    replace: `    atMs: frame.atMs ?? nowMs,`,
    says: 'The time of a session follows a clock that goes back.',
  },
  {
    name: 'hint-not-sent',
    file: APPEND,
    find: `  if (memory.work.has(row)) hintAll(memory, row.sid, row.tenant);
  return`,
    replace: `  return`,
    says: 'The store does not say that a session became ready.',
  },
  {
    name: 'tail-not-woken',
    file: APPEND,
    find: `  wakeAll(row.waiters);
  wakeAll(memory.feedWaiters);`,
    replace: `  wakeAll(memory.feedWaiters);`,
    says: 'A reader that waits for the next frame is not woken.',
  },
  {
    name: 'chain-forgets',
    file: APPEND,
    find: `frameHash(memory.world, row.hash, open, checked.text)`,
    replace: `frameHash(memory.world, '', open, checked.text)`,
    says: 'The hash of a frame does not cover the one before.',
  },
  {
    name: 'fork-inherits-too-much',
    file: ROWS,
    find: `upto: Math.min(segment.upto, at) }`,
    replace: `upto: Math.min(segment.upto, at + 1) }`,
    says: 'A fork reads one event of its parent too many.',
  },
  {
    name: 'page-skips-frame',
    file: ROWS,
    find: `frameIndex(segment.holder, Math.max(segment.from, after + 1));`,
    replace: `frameIndex(segment.holder, Math.max(segment.from, after < 3 ? after + 1 : after + 2));`,
    says: 'A page leaves out a frame of one event at its beginning.',
  },
  {
    name: 'tenant-not-checked',
    file: ROWS,
    find: `  if (row !== undefined) return tenant === null || tenant === row.tenant ? row : null;`,
    replace: `  if (row !== undefined) return row;`,
    says: 'A handle sees the sessions of every tenant.',
  },
  {
    name: 'claims-of-any-tenant',
    file: WORK,
    find: `    if (row.owner !== null || (tenant !== null && row.tenant !== tenant)) continue;`,
    replace: `    if (row.owner !== null) continue;`,
    says: 'A tenant’s runtime is given the sessions of others.',
  },
  {
    name: 'take-over-without-epoch',
    file: WORK,
    find: `      row.epoch++;
      return { epoch: row.epoch };`,
    replace: `      return { epoch: row.epoch };`,
    says: 'A take-over does not raise the epoch.',
  },
  {
    name: 'claim-without-epoch',
    file: WORK,
    find: `        row.epoch++;
        claimed.push(`,
    replace: `        claimed.push(`,
    says: 'A claim does not raise the epoch.',
  },
  {
    name: 'claim-not-counted',
    file: WORK,
    find: `        row.attempts++;`,
    replace: ``,
    says: 'Claims are not counted: a session that kills its process is claimed for ever.',
  },
  {
    name: 'claim-without-owner',
    file: WORK,
    find: `        row.owner = owner;
        row.epoch++;`,
    replace: `        row.epoch++;`,
    says: 'A session that was claimed can be claimed again at once.',
  },
  {
    name: 'release-clears-nothing',
    file: WORK,
    find: `      checkTransition(row.status, status);
      row.owner = null;`,
    replace: `      checkTransition(row.status, status);`,
    says: 'A session that was given back stays with its owner.',
  },
  {
    name: 'release-ignores-head',
    file: WORK,
    find: `      if (fence.epoch < row.epoch || row.head !== expected) return false;`,
    replace: `      if (fence.epoch < row.epoch) return false;`,
    says: 'A driver that lets go of a session overrides what came meanwhile.',
  },
  {
    name: 'release-says-nothing',
    file: WORK,
    find: `      if (memory.work.has(row)) hintAll(memory, sid, row.tenant);
      return true;`,
    replace: `      return true;`,
    says: 'A session that is given back unfinished is announced to nobody.',
  },
];
