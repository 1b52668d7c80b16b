import { NervaError } from '../core/index.ts';
import type { Sid } from '../log/index.ts';

/** A key that stood for another change. */
export function reused(key: string | undefined): NervaError {
  return new NervaError(
    'OPTION_INVALID',
    `Another change was made under the key ${JSON.stringify(key?.slice(0, 80))}: each has a key of its own. Nothing was changed.`,
  );
}

/** A log that takes no change. */
export function refused(sid: Sid, why: 'fenced' | 'closed' | 'limit'): NervaError {
  if (why === 'limit')
    return new NervaError('SESSION_FULL', `${sid} reached the limit of its log. Nothing was changed.`, { details: { sid } });
  return new NervaError('SESSION_CLOSED', `${sid} is ${why}. Nothing was changed.`, { details: { sid } });
}
