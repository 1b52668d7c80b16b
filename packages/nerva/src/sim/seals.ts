import type { EventDraft, KeyPort } from '../log/index.ts';
import type { Operation } from './operation.ts';

const SEAL = 'sealed by the disk';
const BEGIN = `{"${SEAL}":`;

/**
 * How the simulated disk holds what belongs to a subject: sealed, as a real one does, so that a destroyed key takes it from old records
 * too. An event is sealed once, before it is written, and stays as it was sealed: so a store that is rebuilt has the same chain.
 */
export class Seals {
  readonly #keys: KeyPort | undefined;

  constructor(keys: KeyPort | undefined) {
    this.#keys = keys;
  }

  /** The keys as a store is given them: what came sealed is not sealed again. */
  get keys(): KeyPort | undefined {
    const keys = this.#keys;
    if (keys === undefined) return undefined;
    return {
      seal: (subject, text) =>
        text.startsWith(BEGIN) ? ((JSON.parse(text) as Readonly<Record<string, string>>)[SEAL] ?? '') : keys.seal(subject, text),
      open: (subject, sealed) => keys.open(subject, sealed),
      destroy: (subject) => keys.destroy(subject),
    };
  }

  /** What is given to the store and then to the disk. Where the key is gone the store refuses by itself. */
  prepared(operation: Operation): Operation {
    const { name, args } = operation;
    if (this.#keys === undefined || (name !== 'append' && name !== 'fork')) return operation;
    const frame = args[0] as { readonly events: readonly EventDraft[] };
    if (frame.events.every(({ subject }) => subject === undefined)) return operation;
    return { ...operation, args: [{ ...frame, events: frame.events.map((event) => this.#sealed(event)) }, ...args.slice(1)] };
  }

  /** A blob as the disk has it: its digest is that of the content, so only the disk seals it. */
  toDisk(operation: Operation): Operation {
    const { name, args } = operation;
    const [content, options] = args as [Uint8Array, { readonly subject?: string }];
    if (this.#keys === undefined || name !== 'blob' || options.subject === undefined) return operation;
    const sealed = this.#keys.seal(options.subject, Buffer.from(content).toString('latin1'));
    return { ...operation, args: [new Uint8Array(Buffer.from(sealed, 'latin1')), { ...options, [SEAL]: true }] };
  }

  /** The operation that was written, or null when the key of what it held is gone. */
  fromDisk(operation: Operation): Operation | null {
    const { name, args } = operation;
    const [content, options] = args as [Uint8Array, { readonly subject?: string; readonly [SEAL]?: boolean }];
    if (name !== 'blob' || options[SEAL] !== true) return operation;
    const opened = this.#keys?.open(options.subject ?? '', Buffer.from(content).toString('latin1')) ?? null;
    if (opened === null) return null;
    const { [SEAL]: _sealed, ...given } = options;
    return { ...operation, args: [new Uint8Array(Buffer.from(opened, 'latin1')), given] };
  }

  #sealed(event: EventDraft): EventDraft {
    const { subject, data } = event;
    if (subject === undefined || this.#keys === undefined) return event;
    try {
      return { ...event, data: { [SEAL]: this.#keys.seal(subject, JSON.stringify(data)) } };
    } catch {
      return event; // the key was destroyed: the store says so, unless it has this frame already
    }
  }
}
