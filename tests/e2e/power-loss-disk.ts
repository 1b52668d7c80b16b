/** A disk that loses power: what a process wrote, synced and said, as `strace` saw it, and what may be left of it at any moment. */
import type { EventDraft } from '../../packages/nerva/src/log/index.ts';

/** The event that the writer appends at this position, so that its content can be told from any other. */
export function noteAt(sid: string, seq: number, pad = 100): EventDraft {
  return { type: 'note.taken', data: { text: `${sid}:${seq}`, pad: 'y'.repeat(pad) } };
}

/** What `strace` is to show for `operationsOf`: whole contents, as hexadecimal, with the path of each file. */
export const TRACE: readonly string[] = [
  '-y',
  '-xx',
  '-s',
  '1000000',
  '-e',
  'trace=openat,pwrite64,write,fsync,fdatasync,ftruncate,unlink',
];

/**
 * What happened to the files of a store, in order. `inode` tells a file from one that had its name before. A `create` or `remove`
 * is kept for sure once the directory was synced (`syncNames`), content once its file was.
 */
export type Operation =
  | { readonly kind: 'write'; readonly inode: number; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'size'; readonly inode: number; readonly bytes: number }
  | { readonly kind: 'create'; readonly inode: number; readonly name: string }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'sync'; readonly inode: number }
  /** A sync that failed: what it was to write may never reach the disk, and no later sync says anything about it. */
  | { readonly kind: 'unsynced'; readonly inode: number }
  | { readonly kind: 'syncNames' }
  | { readonly kind: 'said'; readonly line: string };

/** The operations on `<directory>/<name>` for the names given, and the lines said. Every call that failed is left out. */
export function operationsOf(trace: string, directory: string, names: readonly string[]): readonly Operation[] {
  const inodes = new Map<string, number>();
  const operations: Operation[] = [];
  let count = 0;
  const nameOf = (path: string): string | null => names.find((name) => path === `${directory}/${name}`) ?? null;
  for (const { call, args } of callsOf(trace)) {
    const path = text(/<((?:\\x[0-9a-f]{2})+)>/.exec(args)?.[1]);
    const content = /"((?:\\x[0-9a-f]{2})*)"/.exec(args)?.[1] ?? '';
    const inode = inodes.get(nameOf(path) ?? '');
    if (call === 'openat' && args.includes('O_CREAT')) {
      const name = nameOf(text(content));
      if (name === null || inodes.has(name)) continue;
      inodes.set(name, ++count);
      operations.push({ kind: 'create', inode: count, name });
    } else if (call === 'unlink') {
      const name = nameOf(text(content));
      if (name !== null && inodes.delete(name)) operations.push({ kind: 'remove', name });
    } else if (call === 'write' && args.startsWith('1<')) {
      for (const line of text(content).trimEnd().split('\n')) operations.push({ kind: 'said', line });
    } else if (call === 'fsync' && path === directory) {
      operations.push({ kind: 'syncNames' });
    } else if (inode !== undefined) {
      const operation = onFile(call, inode, args, content);
      if (operation !== null) operations.push(operation);
    }
  }
  return operations;
}

function onFile(call: string, inode: number, args: string, content: string): Operation | null {
  const last = Number(/(\d+)$/.exec(args)?.[1]);
  if (call === 'pwrite64') return { kind: 'write', inode, at: last, bytes: bytesOf(content) };
  if (call === 'ftruncate') return { kind: 'size', inode, bytes: last };
  if (call === 'unsynced') return { kind: 'unsynced', inode };
  return call === 'fsync' || call === 'fdatasync' ? { kind: 'sync', inode } : null;
}

/** Calls that succeeded, in the order they ended, and syncs that failed as `unsynced`. One that another thread interrupted stands in two lines. */
function* callsOf(trace: string): Generator<{ readonly call: string; readonly args: string }> {
  const begun = new Map<string, string>();
  for (const line of trace.split('\n')) {
    const [, pid = '', rest = ''] = /^(?:\[pid +)?(\d+)\]? +(.*)$/.exec(line) ?? [];
    const unfinished = / ?<unfinished \.\.\.>$/.exec(rest);
    if (unfinished !== null) {
      begun.set(pid, rest.slice(0, unfinished.index));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(rest)?.[0];
    const whole = resumed === undefined ? rest : `${begun.get(pid) ?? ''}${rest.slice(resumed.length)}`;
    const [, call, args] = /^(\w+)\((.*)\) += (?!-1)/.exec(whole) ?? [];
    if (call !== undefined && args !== undefined) yield { call, args };
    const failed = /^f(?:data)?sync\((.*)\) += -1/.exec(whole)?.[1];
    if (failed !== undefined) yield { call: 'unsynced', args: failed };
  }
}

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll('\\x', ''), 'hex');
const text = (hex = ''): string => bytesOf(hex).toString('utf8');

/** The operations before `end` of which it is not sure whether they are on the disk: their positions. */
export function pendingBefore(operations: readonly Operation[], end: number): readonly number[] {
  const synced = new Set<number>();
  let areNamesSynced = false;
  const pending: number[] = [];
  for (let index = end - 1; index >= 0; index--) {
    const operation = operations[index] as Operation;
    if (operation.kind === 'sync') synced.add(operation.inode);
    else if (operation.kind === 'unsynced') synced.delete(operation.inode);
    else if (operation.kind === 'syncNames') areNamesSynced = true;
    else if (operation.kind === 'create' || operation.kind === 'remove') {
      if (!areNamesSynced) pending.unshift(index);
    } else if (operation.kind !== 'said' && !synced.has(operation.inode)) pending.unshift(index);
  }
  return pending;
}

/**
 * The files after the operations before `end`, without those in `lost`; of the write `torn` only the first half is there.
 * What was never written between two writes reads as zeros.
 */
export function filesAfter(
  operations: readonly Operation[],
  end: number,
  { lost, torn }: { readonly lost: ReadonlySet<number>; readonly torn: number | null },
): ReadonlyMap<string, Buffer> {
  const names = new Map<string, number>();
  const contents = new Map<number, Content>();
  for (let index = 0; index < end; index++) {
    const operation = operations[index] as Operation;
    if (lost.has(index)) continue;
    if (operation.kind === 'create') names.set(operation.name, operation.inode);
    else if (operation.kind === 'remove') names.delete(operation.name);
    else if (operation.kind === 'write' || operation.kind === 'size') {
      const content = contents.get(operation.inode) ?? new Content();
      contents.set(operation.inode, content);
      if (operation.kind === 'size') content.resize(operation.bytes);
      else content.write(index === torn ? operation.bytes.subarray(0, operation.bytes.length >> 1) : operation.bytes, operation.at);
    }
  }
  return new Map(Array.from(names, ([name, inode]) => [name, contents.get(inode)?.bytes() ?? Buffer.alloc(0)]));
}

/** The bytes of one file. */
class Content {
  #space = Buffer.alloc(0);
  #size = 0;

  write(bytes: Buffer, at: number): void {
    if (at + bytes.length > this.#size) this.resize(at + bytes.length);
    bytes.copy(this.#space, at);
  }

  resize(size: number): void {
    if (size < this.#size) this.#space.fill(0, size, this.#size);
    if (size > this.#space.length) this.#space = Buffer.concat([this.#space], Math.max(size, this.#space.length * 2));
    this.#size = size;
  }

  bytes(): Buffer {
    return this.#space.subarray(0, this.#size);
  }
}
