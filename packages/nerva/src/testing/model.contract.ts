import { describe, test } from 'node:test';
import { answerLaws } from './model-answer.contract.ts';
import { failureLaws } from './model-failure.contract.ts';
import type { Law, ModelSubject } from './model-harness.ts';
import { historyLaws } from './model-history.contract.ts';
import { limitLaws } from './model-limit.contract.ts';
import { networkLaws } from './model-network.contract.ts';
import { streamLaws } from './model-stream.contract.ts';

/**
 * Registers the laws of the model port as tests of `node:test` under the subject's name. A model behind HTTP is asked through the real client
 * on loopback, against a mock as strict as its provider; of any other model, the laws that need no wire are tried.
 * Laws about what the wire has no place for (`features`) are left out, or ask that it is refused.
 */
export function modelContract(subject: ModelSubject): void {
  const law: Law = (title, body, { skip = false } = {}) => void test(title, { skip }, body);
  void describe(subject.name, () => {
    for (const laws of [answerLaws, streamLaws, networkLaws, failureLaws, historyLaws]) laws(law, subject);
    begunTogether(law, (waiting) => limitLaws(waiting, subject));
  });
}

/** Laws that only wait are all begun with the first of them. The runner's own concurrency is not used: with `--test-randomize` it tries two at once. */
function begunTogether(law: Law, laws: (waiting: Law) => void): void {
  const bodies: (() => Promise<void>)[] = [];
  let begun: readonly Promise<void>[] | undefined;
  const begin = (body: () => Promise<void>): Promise<void> => {
    const run = body();
    // It is awaited by its own test, which may be later.
    run.catch(() => undefined);
    return run;
  };
  laws((title, body, options) => {
    const at = bodies.push(body) - 1;
    law(title, async () => (begun ??= bodies.map(begin))[at], options);
  });
}
