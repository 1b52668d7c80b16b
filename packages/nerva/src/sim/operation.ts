/** An operation that changes a store. Made of plain data and bytes, so that the disk can hold it. */
export interface Operation {
  readonly name:
    | 'append'
    | 'fork'
    | 'claim'
    | 'takeOver'
    | 'release'
    | 'renew'
    | 'unquarantine'
    | 'prune'
    | 'delete'
    | 'blob'
    | 'sweep'
    | 'snapshot';
  readonly tenant: string | null;
  readonly args: readonly unknown[];
  /** By the clock of the process that asked. */
  readonly atMs: number;
}
