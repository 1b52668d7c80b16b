/**
 * Writes what is missing of the goldens, and nothing else: the log of a session that has no file in this release's folder, and the digest of the
 * state under a REDUCER_VERSION that is new. What is there is never rewritten: delete a file of a release that is not out yet to have it anew.
 *
 *     node_modules/.bin/node --conditions=nerva-source tests/golden/write.ts
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { REDUCER_VERSION } from '../../packages/nerva/src/agent/index.ts';
import { RELEASE } from '../../packages/nerva/src/log/index.ts';
import { folder, foldedNow, framesOf, type Expected } from './golden.ts';
import { GOLDENS, played } from './sessions.ts';

const release = RELEASE.split('.').slice(0, 2).join('.');
mkdirSync(folder(release), { recursive: true });
for (const [name, golden] of Object.entries(GOLDENS)) {
  if (isKept(name)) continue;
  const frames = await played(golden);
  const sid = frames.at(-1)?.sid ?? '';
  const { events, outcome } = await foldedNow(frames, sid);
  writeFileSync(new URL(`${name}.jsonl`, folder(release)), frames.map((frame) => `${JSON.stringify(frame)}\n`).join(''));
  write(release, name, { sid, events, outcome, states: {} });
  console.log(`${release}/${name}: ${events} events written`);
}
for (const kept of releases()) {
  for (const file of readdirSync(folder(kept)).filter((one) => one.endsWith('.jsonl'))) {
    const name = file.slice(0, -'.jsonl'.length);
    const expected = JSON.parse(readFileSync(new URL(`${name}.json`, folder(kept)), 'utf8')) as Expected;
    if (expected.states[REDUCER_VERSION] !== undefined) continue;
    const { digest } = await foldedNow(framesOf(new URL(file, folder(kept))), expected.sid);
    write(kept, name, { ...expected, states: { ...expected.states, [REDUCER_VERSION]: digest } });
    console.log(`${kept}/${name}: state under reducer version ${REDUCER_VERSION} added`);
  }
}

function releases(): string[] {
  return readdirSync(new URL('./', import.meta.url)).filter((one) => /^\d+\.\d+$/.test(one));
}

/** A session that an earlier release kept is not kept again: its old log is the harder test. */
function isKept(name: string): boolean {
  return releases().some((one) => existsSync(new URL(`${name}.jsonl`, folder(one))));
}

function write(kept: string, name: string, expected: Expected): void {
  writeFileSync(new URL(`${name}.json`, folder(kept)), `${JSON.stringify(expected, null, 2)}\n`);
}
