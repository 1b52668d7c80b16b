import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killRun } from '../kill/run.ts';

for (const reconcile of [true, false]) {
  test(`a process killed again and again loses nothing and repeats nothing irreversible, ${reconcile ? 'with' : 'without'} reconcile`, async () => {
    const report = await killRun({ kills: reconcile ? 13 : 12, seed: 7, reconcile, writer: reconcile ? 'inline' : 'thread' });
    assert.deepEqual(report.problems, []);
    assert.ok(report.sessions >= 20, `${report.sessions} sessions are too few to show anything`);
  });
}
