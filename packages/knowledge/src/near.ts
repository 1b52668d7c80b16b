/** Numbers of a sketch: the similarity of two texts is told within about .03. */
const SIZE = 128;
/** Rows of a band: texts that are .85 alike share one of the sixteen bands with .99, those that are .5 alike with .06. */
const BAND = 8;
const SHINGLE_WORDS = 5;
const PRIME = 0x01000193;

/**
 * A sketch of a text by which texts that are nearly the same are known: MinHash over runs of five words (Broder, "On the resemblance and
 * containment of documents", 1997). O(words · 128).
 */
export function sketchOf(text: string): string {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const least = new Uint32Array(SIZE).fill(0xffffffff);
  for (let at = 0; at === 0 || at + SHINGLE_WORDS <= words.length; at++) {
    const hash = hashOf(words.slice(at, at + SHINGLE_WORDS).join(' '));
    for (let index = 0; index < SIZE; index++) {
      const mixed = mix(hash ^ Math.imul(index + 1, 0x9e3779b1));
      if (mixed < (least[index] as number)) least[index] = mixed;
    }
  }
  return Array.from(least, (number) => number.toString(16).padStart(8, '0')).join('');
}

/** How much of what either text says both say, 0–1, as their sketches tell. */
export function similarity(one: string, other: string): number {
  let same = 0;
  for (let at = 0; at < SIZE * 8; at += 8) if (one.slice(at, at + 8) === other.slice(at, at + 8)) same++;
  return same / SIZE;
}

/** Sketches, found by those that are like them. */
export class Sketches {
  readonly #bands = new Map<string, Set<string>>();
  readonly #sketches = new Map<string, string>();

  /** Keeps the sketch of a document, in place of the one before. */
  set(path: string, sketch: string): void {
    this.delete(path);
    this.#sketches.set(path, sketch);
    for (const band of bandsOf(sketch)) this.#bands.set(band, (this.#bands.get(band) ?? new Set()).add(path));
  }

  delete(path: string): void {
    const sketch = this.#sketches.get(path);
    if (sketch === undefined) return;
    this.#sketches.delete(path);
    for (const band of bandsOf(sketch)) this.#bands.get(band)?.delete(path);
  }

  /** The document most like this one, `least` or more; of equals the first by path. */
  nearest(path: string, sketch: string, least: number): { readonly path: string; readonly similarity: number } | null {
    const candidates = new Set(bandsOf(sketch).flatMap((band) => Array.from(this.#bands.get(band) ?? [])));
    let best: { readonly path: string; readonly similarity: number } | null = null;
    for (const other of Array.from(candidates).sort()) {
      const alike = other === path ? 0 : similarity(sketch, this.#sketches.get(other) ?? '');
      if (alike >= least && alike > (best?.similarity ?? 0)) best = { path: other, similarity: alike };
    }
    return best;
  }
}

function bandsOf(sketch: string): readonly string[] {
  return Array.from({ length: SIZE / BAND }, (_, band) => `${band}:${sketch.slice(band * BAND * 8, (band + 1) * BAND * 8)}`);
}

/** FNV-1a, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv, public domain). */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), PRIME);
  return hash >>> 0;
}

/** The finaliser of MurmurHash3 (Appleby, public domain). */
function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
