import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const examples = globSync('examples/*/main.ts', { cwd: ROOT }).toSorted();

for (const example of examples) {
  test(`${example} ends without a failed assertion`, { timeout: 300_000 }, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--conditions=nerva-source', example], { cwd: ROOT, encoding: 'utf8' });
    assert.equal(status, 0, `${stdout}\n${stderr}`);
  });
}

test('there is an example', () => assert.ok(examples.length > 0));
