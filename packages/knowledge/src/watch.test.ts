import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import test from 'node:test';
import type { IngestReport } from './ingest.ts';
import { emptyBase, Place } from './samples.ts';
import { watch } from './watch.ts';

/** Rounds as they come. */
class Rounds {
  readonly #waiting: ((report: IngestReport) => void)[] = [];
  readonly #come: IngestReport[] = [];

  readonly take = (report: IngestReport): void => {
    const first = this.#waiting.shift();
    if (first === undefined) this.#come.push(report);
    else first(report);
  };

  next(): Promise<IngestReport> {
    const first = this.#come.shift();
    return first === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(first);
  }
}

for (const [how, roundMs] of [
  ['is hinted at', 60_000],
  ['nobody tells of', 30],
] as const)
  test(`what ${how} is ingested while it is watched, in new folders too, and not when it is ignored`, { timeout: 30_000 }, async (t) => {
    const place = new Place(t);
    place.write('a.md', 'Apples are red.');
    place.write('.gitignore', 'out/\n');
    const { base } = await emptyBase();
    const stop = new AbortController();
    const rounds = new Rounds();
    const watching = watch(base, [place.path], { signal: stop.signal, onRound: rounds.take, quietMs: 5, roundMs });
    assert.equal((await rounds.next()).added, 2);
    place.write('a.md', 'Apples are green.');
    assert.equal((await rounds.next()).changed, 1);
    place.write('out/b.md', 'Left out.');
    place.write('new/deep/c.md', 'Pears are green.');
    assert.equal((await rounds.next()).added, 1);
    place.write('new/deep/d.md', 'Plums are blue.');
    assert.equal((await rounds.next()).added, 1);
    rmSync(place.at('new'), { recursive: true });
    let removed = 0;
    while (removed < 2) removed += (await rounds.next()).removed;
    assert.deepEqual(
      base.documents().map(({ path }) => path),
      [place.at('.gitignore'), place.at('a.md')],
    );
    stop.abort();
    await watching;
    place.write('a.md', 'Apples are blue.');
    assert.equal(base.query('blue').found.length, 0);
  });

test('a folder that is not there is refused at once', async (t) => {
  const place = new Place(t);
  const { base } = await emptyBase();
  await assert.rejects(watch(base, [place.at('none')], { signal: new AbortController().signal }), { code: 'OPTION_INVALID' });
  await assert.rejects(watch(base, [place.path], { signal: new AbortController().signal, quitMs: 1 } as never), { code: 'OPTION_UNKNOWN' });
});
