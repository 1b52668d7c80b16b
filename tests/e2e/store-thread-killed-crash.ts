/**
 * Preloaded into a process whose store commits in a thread: ends that thread at a group, before it is committed or after, when
 * the answer has not left yet. `NERVA_CRASH=<exit|throw|memory>:<before|after>:<group, from 1>`. Only the first thread is ended.
 */
import { isMainThread, parentPort, threadId } from 'node:worker_threads';

const [how = '', when = '', which = ''] = (process.env['NERVA_CRASH'] ?? '').split(':');

function crash(): void {
  if (how === 'exit') process.exit(3);
  if (how === 'memory') for (const kept: string[][] = []; ;) kept.push(new Array<string>(1_000_000).fill('x'));
  throw new Error('the thread was ended by the test');
}

if (!isMainThread && parentPort !== null && threadId === 1) {
  const port = parentPort;
  let group = 0;
  const send = port.postMessage.bind(port);
  port.addEventListener('message', (event) => {
    if (++group !== Number(which) || when !== 'before') return;
    event.stopImmediatePropagation(); // what a listener throws ends the thread only after the others had the message
    crash();
  });
  port.postMessage = (value) => {
    if (group === Number(which) && when === 'after') crash();
    send(value);
  };
}
