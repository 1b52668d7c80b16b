import { describe, test } from 'node:test';
import { answerLaws } from './model-answer.contract.ts';
import { failureLaws } from './model-failure.contract.ts';
import type { Law, ModelSubject } from './model-harness.ts';
import { historyLaws } from './model-history.contract.ts';
import { limitLaws } from './model-limit.contract.ts';
import { networkLaws } from './model-network.contract.ts';
import { streamLaws } from './model-stream.contract.ts';

/** Laws that wait are tried so many at once: nothing in them computes. */
const TOGETHER_MAX = 16;

/**
 * Registers the laws of the model port as tests of `node:test` under the subject's name. A model behind HTTP is asked through the real client
 * on loopback, against a mock as strict as its provider; of any other model, the laws that need no wire are tried.
 * Laws about what the wire has no place for (`features`) are left out, or ask that it is refused.
 */
export function modelContract(subject: ModelSubject): void {
  const law: Law = (title, body, { skip = false } = {}) => void test(title, { skip }, body);
  void describe(subject.name, () => {
    for (const laws of [answerLaws, streamLaws, networkLaws, failureLaws, historyLaws]) laws(law, subject);
    void describe('limits', { concurrency: TOGETHER_MAX }, () => limitLaws(law, subject));
  });
}
