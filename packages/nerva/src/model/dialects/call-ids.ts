/**
 * An id of a call that a wire takes: the id itself where it fits, else one made from it, always the same for the same id, so that a call
 * and its result stay a pair. Conversations change models, and each provider makes ids of its own form.
 */
export function fittingId(id: string, lengthMax: number, pattern: RegExp = ANY): string {
  if (id.length <= lengthMax && pattern.test(id)) return id;
  return hash(id).padStart(HASH_LENGTH, '0').slice(-Math.min(lengthMax, HASH_LENGTH));
}

const ANY = /^[A-Za-z0-9_-]+$/;

/** 36 to the 9th is far more than what a conversation holds, squared: two calls do not meet by chance. */
const HASH_LENGTH = 9;

/** FNV-1a of 32 bits (http://www.isthe.com/chongo/tech/comp/fnv, public domain) from the front and from the back: for names, not for secrets. */
function hash(text: string): string {
  let front = FNV_START;
  let back = FNV_START;
  for (let index = 0; index < text.length; index++) {
    front = Math.imul(front ^ text.charCodeAt(index), FNV_PRIME);
    back = Math.imul(back ^ text.charCodeAt(text.length - 1 - index), FNV_PRIME);
  }
  return (front >>> 0).toString(36) + (back >>> 0).toString(36);
}

const FNV_START = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
