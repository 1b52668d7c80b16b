import { parentPort } from 'node:worker_threads';
import { perform, type Job } from './sim-jobs.ts';

/** A thread of `npm run sim`: takes a job, answers what it did or why it could not. */
parentPort?.on('message', (job: Job) => {
  perform(job).then(
    (done) => parentPort?.postMessage({ done }),
    (error: unknown) => parentPort?.postMessage({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
