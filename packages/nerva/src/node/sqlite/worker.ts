import { hash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { openEngine, type EngineOptions } from './engine.ts';
import { toFailure } from './errors.ts';
import type { Operation } from './group-commit.ts';

/** The writer's thread: one message in is a group, one message out its result. `close` ends the thread. */
const engine = openEngine({ ...(workerData as Omit<EngineOptions, 'digest'>), digest: (data) => hash('sha256', data) });

parentPort?.on('message', (group: readonly Operation[] | 'close') => {
  if (group === 'close') {
    engine.close();
    parentPort?.close();
    return;
  }
  const { outcomes, poisoned } = engine.commit(group);
  // An error object would lose its class on the way.
  const sent = outcomes.map((outcome) => (outcome.ok ? outcome : { ok: false, failure: toFailure(outcome.error) }));
  parentPort?.postMessage({ outcomes: sent, poisoned });
});
