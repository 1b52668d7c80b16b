import { createCipheriv, createDecipheriv, hash } from 'node:crypto';
import { NervaError } from 'nerva/core';
import type { KeyPort } from 'nerva/log';

/** Subjects' keys in memory, as a simulation needs them: equal runs seal to equal bytes. Never for anything real. */
export function simKeys(): KeyPort {
  const destroyed = new Set<string>();
  const keyOf = (subject: string): Buffer => Buffer.from(hash('sha256', `key of ${subject}`, 'hex'), 'hex');
  return {
    seal(subject, text) {
      if (destroyed.has(subject)) throw new NervaError('SUBJECT_ERASED', `The key of ${subject} was destroyed.`);
      const nonce = Buffer.from(hash('sha256', subject + text, 'hex').slice(0, 24), 'hex');
      const cipher = createCipheriv('aes-256-gcm', keyOf(subject), nonce);
      return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64');
    },
    open(subject, sealed) {
      if (destroyed.has(subject)) return null;
      const bytes = Buffer.from(sealed, 'base64');
      const decipher = createDecipheriv('aes-256-gcm', keyOf(subject), bytes.subarray(0, 12));
      decipher.setAuthTag(bytes.subarray(-16));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString('utf8');
      } catch {
        // A damaged or foreign seal: the port says null.
        return null;
      }
    },
    destroy: (subject) => void destroyed.add(subject),
  };
}
