import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore, type EventId } from '../log/index.ts';
import { testWorld, type TestWorld } from '../testing/index.ts';
import { openMemory, type Memory } from './index.ts';

const PEOPLE = ['Ada', 'Bela', 'Cyrus', 'Dora', 'Emil', 'Flora', 'Gunnar', 'Hilde'];
const ATTRIBUTES = ['city', 'employer', 'car', 'doctor', 'password'];
const DAY_MS = 86_400_000;

/** A row of the table that says what is right: one key has any number of values at once, each with the periods of two times. */
interface Row {
  readonly id: EventId;
  readonly key: string;
  readonly text: string;
  readonly validMs: number;
  readonly recordedMs: number;
  readonly supersedes: Row | null;
  forgottenMs: number;
  /** When somebody said that it holds until before `atMs` only. */
  readonly ends: { readonly atMs: number; readonly recordedMs: number }[];
}

/** What is right, from the definition: what a row says holds until something known that took its place, near or far, begins, or its end. */
function rightAt(rows: readonly Row[], key: string, validAtMs: number, knownAtMs: number): readonly string[] {
  const known = rows.filter((row) => row.recordedMs <= knownAtMs);
  const ends = new Set<Row>();
  for (const row of known.filter(({ validMs }) => validMs <= validAtMs))
    for (let old = row.supersedes; old !== null; old = old.supersedes) ends.add(old);
  for (const row of known)
    if (row.ends.some(({ atMs, recordedMs }) => atMs <= validAtMs && recordedMs <= knownAtMs))
      for (let old: Row | null = row; old !== null; old = old.supersedes) ends.add(old);
  return known
    .filter((row) => row.key === key && row.validMs <= validAtMs && row.forgottenMs > knownAtMs && !ends.has(row))
    .map(({ text }) => text)
    .toSorted();
}

/** People whose attributes change: late records, corrections of what was, overlapping values, what ends without anything in its place, and what is forgotten. */
async function lives(world: TestWorld, memory: Memory, changes: number): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const pick = <T>(list: readonly T[]): T => list[Math.floor(world.dice.roll() * list.length)] as T;
  for (let at = 0; at < changes; at++) {
    if (world.dice.roll() < 0.7) await world.advance(Math.ceil(world.dice.roll() * 20) * DAY_MS);
    const nowMs = world.clock.nowMs();
    const known = rows.filter(({ forgottenMs }) => forgottenMs === Infinity);
    if (known.length > 0 && world.dice.roll() < 0.08) {
      const row = pick(known);
      await memory.forget(row.id);
      row.forgottenMs = nowMs;
      continue;
    }
    // Of long ago, of now, or of a time to come.
    const validMs = nowMs + Math.round((world.dice.roll() * 300 - 240) * DAY_MS);
    if (rows.length > 0 && world.dice.roll() < 0.1) {
      const row = pick(rows);
      const { endings } = memory.entry(row.id);
      const isSooner = (endings.at(-1)?.atMs ?? Infinity) > validMs;
      if (!isSooner) await assert.rejects(memory.end(row.id, validMs), { code: 'MEMORY_CHANGED' });
      else {
        await memory.end(row.id, validMs);
        row.ends.push({ atMs: validMs, recordedMs: nowMs });
      }
      continue;
    }
    const key = `${pick(ATTRIBUTES)} of ${pick(PEOPLE)}`;
    const tips = rows.filter((row) => row.key === key && !rows.some(({ supersedes }) => supersedes === row));
    const supersedes = tips.length > 0 && world.dice.roll() < 0.8 ? pick(tips) : null;
    const text = `The ${key} is value${at}x.`;
    const { id } = await memory.remember(text, { validMs, ...(supersedes === null ? {} : { supersedes: supersedes.id }) });
    rows.push({ id, key, text, validMs, recordedMs: nowMs, supersedes, forgottenMs: Infinity, ends: [] });
  }
  return rows;
}

/** Asks about each key now, as of each time at which something of it began or was recorded, and just before. @returns [asked, right]. */
function asked(memory: Memory, rows: readonly Row[], nowMs: number): readonly [number, number] {
  const counts: [number, number] = [0, 0];
  for (const key of new Set(rows.map((row) => row.key))) {
    const own = rows.filter((row) => row.key === key);
    const moments = [[nowMs, nowMs] as const];
    for (const { validMs, recordedMs, forgottenMs, ends } of own) {
      moments.push([validMs, nowMs], [validMs - 1, nowMs], [nowMs, recordedMs], [nowMs, recordedMs - 1], [recordedMs, recordedMs]);
      for (const other of own) moments.push([validMs, other.recordedMs], [other.validMs, recordedMs]);
      for (const end of ends)
        moments.push([end.atMs, nowMs], [end.atMs - 1, nowMs], [end.atMs, end.recordedMs - 1], [nowMs, end.recordedMs]);
      if (forgottenMs < Infinity) moments.push([validMs, forgottenMs], [validMs, forgottenMs - 1]);
    }
    for (const [validAtMs, knownAtMs] of moments) {
      const found = memory.recall(`What is the ${key}?`, { limit: 100, validAtMs, knownAtMs }).map(({ entry }) => entry.text);
      const about = found.filter((text) => text.startsWith(`The ${key} is `));
      const right = rightAt(rows, key, validAtMs, knownAtMs);
      // All that held is found, nothing else about it, and before what is about something else.
      const isRight = JSON.stringify(about.toSorted()) === JSON.stringify(right) && about.every((text, at) => found[at] === text);
      counts[0]++;
      if (isRight) counts[1]++;
    }
  }
  return counts;
}

test('of facts that change, are recorded late, corrected, ended, and forgotten, what held and was known then is recalled', async (t) => {
  const sums: [number, number] = [0, 0];
  for (const seed of [1, 2, 3, 4, 5]) {
    const world = testWorld({ seed });
    const memory = await openMemory({ store: memoryStore({ world }), world, scope: 'people' });
    const rows = await lives(world, memory, 150);
    const [questions, right] = asked(memory, rows, world.clock.nowMs());
    sums[0] += questions;
    sums[1] += right;
  }
  t.diagnostic(`${sums[1]} of ${sums[0]} questions are answered right`);
  assert.ok(sums[0] >= 500);
  assert.ok(sums[1] >= 0.99 * sums[0], `${sums[1]} of ${sums[0]}`);
});
