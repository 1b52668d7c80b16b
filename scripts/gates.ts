import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * `npm test`: every gate, the fast ones first. Stops at the first one that fails.
 * Each is an npm script of its own, so what fails here can be run alone.
 */
const GATES = ['lint', 'fmt:check', 'types', 'tidy', 'dead', 'unit', 'sim', 'build', 'e2e'] as const;

interface Counted {
  readonly code: number;
  readonly tests: number;
  readonly skipped: number;
}

const startMs = performance.now();
let tests = 0;
let skipped = 0;
let failed: string | undefined;
for (const [index, gate] of GATES.entries()) {
  console.log(`\n▶ ${gate} (${index + 1} of ${GATES.length})`);
  const gateMs = performance.now();
  const counted = await run(gate);
  tests += counted.tests;
  skipped += counted.skipped;
  if (counted.code !== 0) {
    failed = `${gate} (exit ${counted.code})`;
    break;
  }
  console.log(`✔ ${gate}: ${secondsSince(gateMs)} s`);
}
if (failed === undefined) {
  console.log(`\n✔ npm test passed: ${GATES.length} gates, ${tests} tests, ${skipped} skipped, ${secondsSince(startMs)} s`);
} else {
  console.log(`\n✖ npm test failed at ${failed} after ${secondsSince(startMs)} s`);
  process.exitCode = 1;
}

/** Runs one npm script, lets its output through, and adds up the closing lines of the test runner. */
function run(script: string): Promise<Counted> {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', ['run', '--silent', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      shell: process.platform === 'win32',
      // Hundreds of processes load the same sources: the types are stripped once.
      env: { ...process.env, NODE_COMPILE_CACHE: fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url)) },
    });
    let tail = '';
    child.stdout.on('data', (piece: Buffer) => {
      process.stdout.write(piece);
      tail = (tail + piece.toString()).slice(-4096);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, tests: closing(tail, 'tests'), skipped: closing(tail, 'skipped') }));
  });
}

function closing(output: string, name: string): number {
  return Number(new RegExp(`^. ${name} (\\d+)$`, 'mu').exec(output)?.[1] ?? 0);
}

function secondsSince(startedMs: number): string {
  return ((performance.now() - startedMs) / 1000).toFixed(1);
}
