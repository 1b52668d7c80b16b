import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError } from '../core/index.ts';
import { checkTransition, type Status } from './index.ts';

const STATUSES: readonly Status[] = ['ready', 'waiting', 'idle', 'closed', 'quarantined'];
/** Written out by hand, row by row in the order above; the first row is birth. */
const MATRIX = ['11110', '11111', '11111', '11111', '00010', '00011'];

test('every pair of statuses is legal or refused as the matrix says', () => {
  for (const [row, from] of [null, ...STATUSES].entries()) {
    for (const [column, to] of STATUSES.entries()) {
      if (MATRIX[row]?.[column] === '1') checkTransition(from, to);
      else
        assert.throws(
          () => checkTransition(from, to),
          (error) => NervaError.is(error, 'STATUS_ILLEGAL'),
          `${from} → ${to}`,
        );
    }
  }
});
