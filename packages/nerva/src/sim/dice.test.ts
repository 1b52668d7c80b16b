import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diceOf, hash32, hex32, rollOf } from './dice.ts';

const rolls = (seed: number, key: string, count = 100): number[] => {
  const dice = diceOf(seed, key);
  return Array.from({ length: count }, () => dice.roll());
};

test('drawing from one stream moves no other', () => {
  const alone = rolls(7, 'ids');
  const ids = diceOf(7, 'ids');
  const other = diceOf(7, 'latency');
  const together = alone.map((_, index) => {
    for (let extra = 0; extra < index % 5; extra++) other.roll();
    return ids.roll();
  });
  assert.deepEqual(together, alone);
});

test('the same seed and key give the same stream, another seed or key another one', () => {
  assert.deepEqual(rolls(7, 'ids'), rolls(7, 'ids'));
  const streams = [rolls(7, 'ids'), rolls(8, 'ids'), rolls(7, 'idt'), rolls(7, 'id')].map(String);
  assert.equal(new Set(streams).size, 4);
});

test('rolls fill [0, 1) evenly, in a stream and by name', () => {
  const count = 10_000;
  const byName = Array.from({ length: count }, (_, n) => rollOf(1, 'tool.pay', n));
  const byKey = Array.from({ length: count }, (_, n) => rollOf(1, `call ${n}`));
  for (const all of [rolls(1, 'a', count), rolls(2, 'b', count), byName, byKey]) {
    assert.ok(all.every((roll) => roll >= 0 && roll < 1));
    const bins = new Array<number>(10).fill(0);
    for (const roll of all) bins[Math.floor(roll * 10)] = (bins[Math.floor(roll * 10)] ?? 0) + 1;
    // 1,000 each; six standard deviations are 180.
    for (const bin of bins) assert.ok(Math.abs(bin - count / 10) < 180, `${bins.join(' ')}`);
  }
});

test('a roll by name asks for no order', () => {
  const forwards = [0, 1, 2, 3].map((n) => rollOf(3, 'read', n));
  const backwards = [3, 2, 1, 0].map((n) => rollOf(3, 'read', n)).reverse();
  assert.deepEqual(forwards, backwards);
});

test('below, pick and chance stay within their bounds', () => {
  const dice = diceOf(5, 'bounds');
  for (let n = 0; n < 1_000; n++) {
    const value = dice.below(3);
    assert.ok(Number.isInteger(value) && value >= 0 && value < 3);
    assert.ok(['a', 'b'].includes(dice.pick(['a', 'b'])));
    assert.equal(dice.chance(0), false);
    assert.equal(dice.chance(1), true);
  }
});

test('hashes of 100,000 names collide no oftener than chance has it', () => {
  const seen = new Set<number>();
  for (let n = 0; n < 100_000; n++) seen.add(hash32(`store.append#${n}`, 1));
  // n²/2³³ is 1.2.
  assert.ok(seen.size > 100_000 - 15, `${100_000 - seen.size} collisions`);
});

test('any 32 bits are eight hex digits, whatever their sign', () => {
  for (const value of [
    0,
    1,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    ...rolls(1, 'hex').map((roll) => Math.floor(roll * 2 ** 32)),
  ]) {
    const expected = value.toString(16).padStart(8, '0');
    assert.equal(hex32(value), expected);
    assert.equal(hex32(value | 0), expected);
  }
});
