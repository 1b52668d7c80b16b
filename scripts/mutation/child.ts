import { run } from 'node:test';

/**
 * Runs test files in this process, in the order given, and ends at the first failure: `node child.ts FILE…`.
 * Exit code 0: all passed. 1: one failed, and the last line of the output is its file.
 */
const files = process.argv.slice(2);
let isWhole = false;
const tests = run({ files, isolation: 'none', concurrency: false });
tests.on('test:fail', ({ file }) => {
  console.log(`\n${file ?? ''}`);
  process.exit(1);
});
tests.on('end', () => {
  isWhole = true;
});
// A process that runs dry before the last test has ended has not passed.
process.on('exit', (code) => {
  if (code === 0 && !isWhole) process.exitCode = 1;
});
tests.resume();
