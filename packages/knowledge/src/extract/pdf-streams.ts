import { inflateSync, constants } from 'node:zlib';
import { FileProblem } from '../problem.ts';

const STREAMS_MAX = 200_000;
/** How often one stream is unpacked: no program packs twice, and there are streams that unpack to themselves. */
const ROUNDS_MAX = 8;

/**
 * Unpacks every deflated stream of a PDF within `bytesMax` together, and what is deflated in it again, and forgets it: whoever reads the PDF
 * after this does not meet more than that. What is packed by other means is not looked at here. @throws FileProblem `bomb`
 */
export function checkStreams(bytes: Uint8Array, bytesMax: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let left = bytesMax;
  let at = 0;
  for (let count = 0; count < STREAMS_MAX; count++) {
    const found = buffer.indexOf('stream', at, 'latin1');
    if (found === -1) return;
    at = found + 6;
    const start = at + (buffer[at] === 0x0d ? 1 : 0) + (buffer[at] === 0x0a || buffer[at + 1] === 0x0a ? 1 : 0);
    if (!isDeflated(buffer, start)) continue;
    const next = buffer.indexOf('endstream', start, 'latin1');
    left -= unpackedBytes(buffer.subarray(start, next === -1 ? buffer.length : next), left);
    if (left <= 0)
      throw new FileProblem(
        'bomb',
        `Its ${bytes.length} bytes unpack to more than ${bytesMax} (unpackedBytesMax). Unpacking was stopped there.`,
      );
    at = next === -1 ? buffer.length : next + 9;
  }
  throw new FileProblem('bomb', `It has more than ${STREAMS_MAX} streams. Nothing of it was taken.`);
}

/** It begins like a zlib stream with the usual window; others are not deflated. */
function isDeflated(buffer: Buffer, at: number): boolean {
  const [first = 0, second = 0] = buffer.subarray(at, at + 2);
  return (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0;
}

/** How much comes out of a stream, `max` and more counting as `max`; a damaged one is for the reader to judge. */
function unpackedBytes(content: Buffer, max: number): number {
  let total = 0;
  let packed = content;
  try {
    for (let round = 0; round < ROUNDS_MAX && total < max && isDeflated(packed, 0); round++) {
      packed = inflateSync(packed, { maxOutputLength: max - total, finishFlush: constants.Z_SYNC_FLUSH });
      total += packed.length;
    }
    return total;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? max : total;
  }
}
