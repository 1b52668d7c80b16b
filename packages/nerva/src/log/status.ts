import { NervaError } from '../core/index.ts';
import type { Status } from './store.ts';

/**
 * Where a frame, a release or a claim may move a session. Staying is always legal. `closed` is final.
 * `quarantined` is left only by `unquarantine`, which a person calls, or by closing.
 */
export const TRANSITIONS: Readonly<Record<Status, readonly Status[]>> = {
  ready: ['ready', 'waiting', 'idle', 'closed', 'quarantined'],
  waiting: ['ready', 'waiting', 'idle', 'closed', 'quarantined'],
  idle: ['ready', 'waiting', 'idle', 'closed', 'quarantined'],
  closed: ['closed'],
  quarantined: ['quarantined', 'closed'],
};

/** A session is born in any of these. */
const BIRTH: readonly Status[] = ['ready', 'waiting', 'idle', 'closed'];

/** @param from null for a session that is being created. @throws STATUS_ILLEGAL */
export function checkTransition(from: Status | null, to: Status): void {
  const legal = from === null ? BIRTH : TRANSITIONS[from];
  if (legal.includes(to)) return;
  const came = from === null ? `A session cannot be created ${to}` : `A session cannot move from ${from} to ${to}`;
  throw new NervaError('STATUS_ILLEGAL', `${came}; expected one of ${legal.join(', ')}. Nothing was changed.`, { details: { from, to } });
}

/**
 * Whether a session was claimed twice without progress: it may be what brings the process down. Suspects are handed out one at a time,
 * so that the guilty one uses up its attempts alone and the others, once they move, are suspects no more.
 */
export function isSuspect(row: { readonly attempts: number }): boolean {
  return row.attempts >= SUSPECT_ATTEMPTS;
}

const SUSPECT_ATTEMPTS = 2;
