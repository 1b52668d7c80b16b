import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { testWorld } from '../testing/index.ts';
import {
  chainWalk,
  encodeEvents,
  frameHash,
  isPruned,
  payloadDigest,
  RELEASE,
  verifyChain,
  type ChainLink,
  type Envelope,
} from './index.ts';

const world = testWorld();

function chainOf(length: number, change: (index: number) => Partial<Envelope> = () => ({})): ChainLink[] {
  const links: ChainLink[] = [];
  for (let index = 0; index < length; index++) {
    const previous = links.at(-1)?.envelope.hash ?? '';
    const payload = encodeEvents([{ type: 'note.taken', data: { index } }], world.ids.random().slice(0, 20));
    const open = {
      id: `f${index}`,
      sid: 's',
      seq: index,
      count: 1,
      atMs: 1000 + index,
      writer: { incarnation: 'i', epoch: 0, release: '0' },
      by: 'runtime',
      tenant: 'default',
      trace: 's',
      fact: false,
      ...change(index),
    };
    links.push({ envelope: { ...open, hash: frameHash(world, previous, open, payload) }, payload });
  }
  return links;
}

test('the release that frames bear is that of package.json', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  assert.equal(RELEASE, version);
});

test('the hash of a frame is SHA-256 over exactly the documented bytes', () => {
  const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
  const open = {
    id: 'f',
    sid: 's',
    seq: 3,
    count: 2,
    atMs: 5,
    writer: { incarnation: 'inc', epoch: 7, release: '0.1.0' },
    by: 'user:ada',
    tenant: 'red',
    cause: 's:1',
    trace: 'root',
    fact: true,
  } as const;
  const payload = '[{"type":"note.taken","data":{}},"salt"]';
  const expected = sha(`["nerva-frame-1","prev","f","s",3,2,5,"inc",7,"0.1.0","user:ada","red","s:1","root",true,"${sha(payload)}"]`).slice(
    0,
    48,
  );
  assert.equal(frameHash(world, 'prev', open, payload), expected);
  assert.equal(frameHash(world, 'prev', open, sha(payload)), expected, 'its digest stands for a payload that is gone');
});

test('a chain verifies whole and with any of its payloads pruned', () => {
  const links = chainOf(6);
  const hash = links[5]?.envelope.hash;
  assert.deepEqual(verifyChain(world, links), { ok: true, frames: 6, hash });
  const pruned = links.map((link, index) => (index % 2 === 0 ? link : { ...link, payload: payloadDigest(world, link.payload) }));
  assert.ok(isPruned(pruned[1]?.payload ?? '') && !isPruned(pruned[0]?.payload ?? ''));
  assert.deepEqual(verifyChain(world, pruned), { ok: true, frames: 6, hash });
  assert.deepEqual(verifyChain(world, []), { ok: true, frames: 0, hash: '' });
});

test('any change of an envelope or a payload is found at its frame', () => {
  const links = chainOf(5);
  const fields: readonly ((envelope: Envelope) => Partial<Envelope>)[] = [
    ({ id }) => ({ id: `${id}x` }),
    () => ({ sid: 'other' }),
    ({ atMs }) => ({ atMs: atMs + 0.5 }),
    ({ count }) => ({ count: count + 1 }),
    ({ writer }) => ({ writer: { ...writer, epoch: 1 } }),
    ({ writer }) => ({ writer: { ...writer, release: '1' } }),
    ({ writer }) => ({ writer: { ...writer, incarnation: 'j' } }),
    () => ({ by: 'user:eve' }),
    () => ({ tenant: 'red' }),
    () => ({ cause: 's:0' }),
    () => ({ trace: 'other' }),
    () => ({ fact: true }),
    () => ({ hash: '0'.repeat(64) }),
  ];
  fc.assert(
    fc.property(fc.nat(4), fc.nat(fields.length), (at, field) => {
      const changed = links.map((link, index) => {
        if (index !== at) return link;
        const change = fields[field];
        return change === undefined
          ? { ...link, payload: link.payload.replace('index', 'other') }
          : { ...link, envelope: { ...link.envelope, ...change(link.envelope) } };
      });
      const result = verifyChain(world, changed);
      assert.deepEqual([result.ok, result.bad?.seq], [false, at]);
    }),
    { seed: 1 },
  );
});

test('a frame left out, put twice or out of order is found', () => {
  const links = chainOf(5);
  const orders: readonly (readonly number[])[] = [
    [1, 2, 3, 4],
    [0, 2, 3, 4],
    [0, 1, 1, 2, 3, 4],
    [0, 2, 1, 3, 4],
    [0, 0, 1],
  ];
  for (const order of orders) {
    assert.equal(
      verifyChain(
        world,
        order.map((index) => links[index] as ChainLink),
      ).ok,
      false,
      order.join(),
    );
  }
  const walk = chainWalk(world);
  assert.equal(walk.step(links[1] as ChainLink), false);
  assert.equal(
    verifyChain(world, links.slice(0, 3), { head: links[4]?.envelope.hash ?? '' }).bad?.seq,
    2,
    'a cut chain shows against a head kept elsewhere',
  );
});

test('a chain whose hashes fit is still refused where positions leave a gap or times go back (S1, S4)', () => {
  for (const change of [{ seq: 4 }, { seq: 2 }, { atMs: 1 }]) {
    const result = verifyChain(
      world,
      chainOf(5, (index) => (index === 3 ? change : {})),
    );
    assert.deepEqual([result.ok, result.bad?.seq], [false, change.seq ?? 3], JSON.stringify(change));
  }
});

test('what is wrong with a chain is said in words, also with one that is empty', () => {
  const why = (links: readonly ChainLink[], head?: string): unknown => verifyChain(world, links, head === undefined ? {} : { head }).bad;
  const [first, second] = chainOf(2) as [ChainLink, ChainLink];
  const gap = chainOf(2, (index) => (index === 1 ? { seq: 4 } : {}));
  const back = chainOf(2, (index) => (index === 1 ? { atMs: 1 } : {}));
  assert.deepEqual(why(gap), { seq: 4, why: 'begins at 4, but the frame before ends at 0' });
  assert.deepEqual(why(back), { seq: 1, why: 'is older than the frame before' });
  assert.deepEqual(why([first, { ...second, payload: '[]' }]), { seq: 1, why: 'its content or the frame before is not what was hashed' });
  assert.deepEqual(why([first], 'h'), { seq: 0, why: `the chain ends with ${first.envelope.hash}, not with the head given` });
  assert.deepEqual(why([], 'h'), { seq: 0, why: 'the chain ends with , not with the head given' });
});
