/** The thread of `thread.ts`: reads one packed file after the other. Nothing that it imports may import `nerva`, which a thread finds only where its process does. */
import { parentPort } from 'node:worker_threads';
import { FileProblem } from '../problem.ts';
import { extractPacked } from './packed.ts';
import type { Asked, Said } from './thread.ts';

parentPort?.on('message', ({ path, bytes, limits }: Asked) => {
  const say = (said: Said): void => parentPort?.postMessage(said);
  void extractPacked(path, bytes, limits).then(
    (extracted) => say({ extracted }),
    // An error loses its class on the way, and a bug is to be told as one.
    (error: unknown) =>
      say(error instanceof FileProblem ? { problem: { code: error.code, message: error.message } } : { bug: String(error) }),
  );
});
