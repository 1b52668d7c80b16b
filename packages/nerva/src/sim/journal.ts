import { hash } from 'node:crypto';
import { NervaError, type World } from '../core/index.ts';
import { memoryStore, type KeyPort, type Store, type StoreLimits } from '../log/index.ts';
import { diceOf, hash32, hex32, type SimDice } from './dice.ts';
import type { Operation } from './operation.ts';
import { Seals } from './seals.ts';

/**
 * The file of a simulated store: one checked record an operation. What is in it is what a restart finds.
 * Invariant J1: folding the records into an empty store gives the store as it was when the last of them was synced.
 */
export class Journal {
  #records: (Operation | string)[] = [];
  readonly #seed: number;
  readonly #limits: Partial<StoreLimits>;
  readonly #seals: Seals;
  /** The last record is half a one. */
  #isTorn = false;

  constructor(seed: number, options: { readonly limits: Partial<StoreLimits>; readonly keys: KeyPort | undefined }) {
    this.#seed = seed;
    this.#limits = options.limits;
    this.#seals = new Seals(options.keys);
  }

  get count(): number {
    return this.#records.length;
  }

  /** The operation with what belongs to a subject sealed: what is given to the store and written. */
  prepared(operation: Operation): Operation {
    return this.#seals.prepared(operation);
  }

  /** Writes a record, over the half that somebody who died left at the end. */
  write(operation: Operation): void {
    if (this.#isTorn) this.#records.pop();
    this.#isTorn = false;
    this.#records.push(this.#seals.toDisk(operation));
  }

  /** A record of which only the first half reached the disk. */
  tear(operation: Operation): void {
    if (this.#isTorn) this.#records.pop();
    this.#isTorn = true;
    const line = lineOf(this.#seals.toDisk(operation));
    this.#records.push(line.slice(0, line.length >> 1));
  }

  /** Changes one digit or letter of a record. @returns how to undo it: a copy kept elsewhere; null when nothing was changed. */
  corrupt(roll: number): (() => void) | null {
    // Not the last one: half a record at the end is what a crash leaves, and is cut off without a word.
    const last = this.#records.length - 1;
    const index = Math.floor(roll * last);
    const before = index < last ? this.#records[index] : undefined;
    // A record that is damaged already stays as it is: a second change could undo the first.
    if (before === undefined || typeof before === 'string') return null;
    const line = lineOf(before);
    const middle = line.length >> 1;
    this.#records[index] = line.slice(0, middle) + (line[middle] === '0' ? '1' : '0') + line.slice(middle + 1);
    // That record alone: another process may have written more meanwhile.
    return () => (this.#records[index] = before);
  }

  /** The bytes of the file as text. */
  text(): string {
    return this.#records.map((record) => (typeof record === 'string' ? record : lineOf(record))).join('\n');
  }

  /** An empty store, as the file begins. */
  empty(): Live {
    // Few operations need ids: their dice are made when they are rolled.
    let record = -1;
    let ids: SimDice | null = null;
    const live = { atMs: 0, roll: () => (ids ??= diceOf(this.#seed, record < 0 ? 'store' : `record ${record}`)).below(0x1_0000_0000) };
    const { keys } = this.#seals;
    const store = memoryStore({ world: storeWorld(live), limits: this.#limits, ...(keys === undefined ? {} : { keys }) });
    return { store, at: ({ atMs }, count) => void ((live.atMs = atMs), (record = count), (ids = null)) };
  }

  /**
   * Reads the file from its start. A last record that is not whole was never acknowledged: it is cut off.
   * @throws STORE_CORRUPT for any other that is not what was written. The file is left as it is.
   */
  async open(): Promise<Live> {
    const live = this.empty();
    const lines = this.text().split('\n');
    const whole: Operation[] = [];
    for (let index = 0; index < lines.length; index++) {
      const line = lines[index] as string;
      if (line === '') continue;
      const operation = parsed(line);
      if (operation === null && index < lines.length - 1)
        throw new NervaError('STORE_CORRUPT', `Record ${index} of the simulated store is not what was written. It was left as it is.`, {
          details: { record: index },
        });
      if (operation !== null) whole.push(operation);
    }
    this.#records = whole;
    this.#isTorn = false;
    for (let record = 0; record < whole.length; record++) {
      const operation = this.#seals.fromDisk(whole[record] as Operation);
      if (operation === null) continue;
      live.at(operation, record);
      await apply(live.store, operation).catch(() => undefined); // refused then as it is now
    }
    return live;
  }
}

/** A store in memory, and how its clock and randomness are set for the operation that comes. */
export interface Live {
  readonly store: Store;
  at(operation: Operation, record: number): void;
}

/** Runs an operation on a store. */
export function apply(store: Store, { name, tenant, args }: Operation): Promise<unknown> {
  const handle = tenant === null ? store : store.scope(tenant);
  switch (name) {
    case 'blob':
      return handle.blobs.put(...(args as Parameters<Store['blobs']['put']>));
    case 'sweep':
      return handle.blobs.sweep(...(args as Parameters<Store['blobs']['sweep']>));
    case 'snapshot':
      return handle.snapshots.put(...(args as Parameters<Store['snapshots']['put']>));
    default:
      return (handle[name] as (...given: readonly unknown[]) => Promise<unknown>)(...args);
  }
}

function storeWorld(live: { readonly atMs: number; readonly roll: () => number }): World {
  const word = (): string => hex32(live.roll());
  const missing = (): never => {
    throw new Error('Invariant broken: J2 a store waits for nothing and calls nobody');
  };
  return {
    clock: { nowMs: () => live.atMs, sleep: missing, timer: missing },
    dice: { roll: missing },
    ids: { random: () => word() + word() + word() + word(), next: missing },
    transport: { request: missing, close: missing },
    digest: (data) => hash('sha256', data, 'hex'),
    defer: missing,
  };
}

function lineOf({ args, ...rest }: Operation): string {
  const text = JSON.stringify({
    ...rest,
    args: args.map((arg) => (arg instanceof Uint8Array ? { bytes: Buffer.from(arg).toString('latin1') } : arg)),
  });
  return hex32(hash32(text, 0)) + text;
}

function parsed(line: string): Operation | null {
  const text = line.slice(8);
  if (line.slice(0, 8) !== hex32(hash32(text, 0))) return null;
  const { args, ...rest } = JSON.parse(text) as Operation;
  return { ...rest, args: args.map((arg) => (isBytes(arg) ? new Uint8Array(Buffer.from(arg.bytes, 'latin1')) : arg)) };
}

function isBytes(value: unknown): value is { readonly bytes: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).length === 1 &&
    typeof (value as { bytes?: unknown }).bytes === 'string'
  );
}
