import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { NervaError } from '../core/index.ts';
import type { KeyPort } from '../log/index.ts';

/** Subjects' keys in memory: AES-256-GCM, one random key a subject, made at its first use. For tests. */
export function memoryKeys(): KeyPort {
  const keys = new Map<string, Uint8Array | null>();
  return {
    seal(subject, text) {
      const key = keys.has(subject) ? keys.get(subject) : randomBytes(32);
      if (key === null || key === undefined)
        throw new NervaError('SUBJECT_ERASED', `The key of subject ${subject} was destroyed. Nothing was sealed.`);
      keys.set(subject, key);
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64');
    },
    open(subject, sealed) {
      const key = keys.get(subject);
      if (key === null || key === undefined) return null;
      const bytes = Buffer.from(sealed, 'base64');
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
      decipher.setAuthTag(bytes.subarray(-16));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString('utf8');
      } catch {
        // A damaged or foreign seal: the port says null.
        return null;
      }
    },
    destroy: (subject) => void keys.set(subject, null),
  };
}
