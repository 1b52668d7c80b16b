import type { Store } from '../log/index.ts';

/** When a handle dies: at its `at`-th write (from 1), either before that write reaches the store, or after it is durable and before anybody is told. */
export interface Death {
  readonly at: number;
  readonly mode: 'lost' | 'unacknowledged';
}

/** A handle on a store as one process has it. */
export interface MortalStore {
  readonly store: Store;
  /** Resolves when the handle died, with the name of the write that it died in. */
  readonly died: Promise<string>;
  readonly isDead: () => boolean;
  /** Writes begun so far. */
  readonly writes: () => number;
}

/** Methods that change the store, in the order of the port. */
const WRITES: ReadonlySet<string> = new Set([
  'append',
  'appendBatch',
  'fork',
  'claim',
  'takeOver',
  'release',
  'renew',
  'unquarantine',
  'delete',
  'prune',
]);

/**
 * A handle that dies as a killed process does: from its death on no call settles, no hint and no frame comes, and what was
 * under way when it died is never answered. The store below lives on. A null death: it only counts.
 */
export function mortalStore(below: Store, death: Death | null): MortalStore {
  const hints = new Set<() => void>();
  let dead = false;
  let writes = 0;
  let tell: (write: string) => void = () => undefined;
  const died = new Promise<string>((resolve) => (tell = resolve));
  const die = (write: string): void => {
    dead = true;
    for (const unhint of hints) unhint();
    tell(write);
  };
  const call = async (name: string, isWrite: boolean, perform: () => unknown): Promise<unknown> => {
    if (dead) return never();
    const isLast = isWrite && ++writes === death?.at;
    if (isLast && death?.mode === 'lost') return (die(name), never());
    try {
      const result = await perform();
      if (isLast) die(name);
      return dead ? await never() : result;
    } catch (error) {
      if (isLast) die(name);
      if (dead) return never();
      throw error;
    }
  };
  const wrapped = (target: object, prefix: string): object =>
    new Proxy(target, {
      get(_target, property) {
        const value: unknown = Reflect.get(target, property, target);
        const name = String(property);
        if (name === 'blobs' || name === 'snapshots') return wrapped(value as object, `${name}.`);
        if (typeof value !== 'function') return value;
        const method = (...given: readonly unknown[]): unknown => Reflect.apply(value, target, given);
        if (name === 'onWork')
          return (hint: (sid: string) => void) =>
            kept(hints, () => dead, method((sid: string) => (dead ? undefined : hint(sid))) as () => void);
        if (name === 'scope') return (tenant: string) => wrapped(method(tenant) as object, prefix);
        if (name === 'tail' || name === 'feed')
          return (...given: readonly unknown[]) => mortal(method(...given) as AsyncIterable<unknown>, () => dead);
        return (...given: readonly unknown[]) =>
          call(prefix + name, prefix === '' ? WRITES.has(name) : name === 'put', () => method(...given));
      },
    });
  return { store: wrapped(below, '') as Store, died, isDead: () => dead, writes: () => writes };
}

const never = (): Promise<never> => new Promise(() => undefined);

function kept(hints: Set<() => void>, isDead: () => boolean, unhint: () => void): () => void {
  if (isDead()) unhint();
  hints.add(unhint);
  return () => {
    hints.delete(unhint);
    unhint();
  };
}

/** Yields as long as its reader lives. */
async function* mortal(items: AsyncIterable<unknown>, isDead: () => boolean): AsyncGenerator<unknown> {
  for await (const item of items) {
    if (isDead()) return;
    yield item;
  }
}
