/** Where a term stands: keys of rows (`256 × seq + length`), ascending, and how often it stands in each. */
export interface Places {
  readonly keys: number[];
  readonly counts: number[];
}

const LENGTHS = 256;

/**
 * Places as bytes, mostly three each: how far the row's seq is from that of the place before (of the first: from 0) in sevens of bits, the
 * lowest first; the length; how often, in sevens of bits. Contract: keys ascend, one of each seq.
 */
export function pack({ keys, counts }: Places, from = 0, to = keys.length): Uint8Array {
  const bytes: number[] = [];
  let before = 0;
  for (let at = from; at < to; at++) {
    const key = keys[at] ?? 0;
    const seq = Math.floor(key / LENGTHS);
    pushNumber(bytes, seq - before);
    bytes.push(key % LENGTHS);
    pushNumber(bytes, counts[at] ?? 1);
    before = seq;
  }
  return Uint8Array.from(bytes);
}

/** Of bytes that are none of `pack`'s it makes some places, too: whoever looks for their rows finds none. O(bytes). */
export function unpack(bytes: Uint8Array): Places {
  const keys: number[] = [];
  const counts: number[] = [];
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let scale = 1; at < bytes.length; scale *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte % 128) * scale;
      if (byte < 128) break;
    }
    return value;
  };
  for (let seq = 0; at < bytes.length;) {
    seq += number();
    keys.push(seq * LENGTHS + (bytes[at++] ?? 0));
    counts.push(number());
  }
  return { keys, counts };
}

function pushNumber(bytes: number[], value: number): void {
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push(128 + (rest % 128));
  bytes.push(rest);
}
