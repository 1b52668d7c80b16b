/**
 * The layers of packages/nerva/src. A folder imports only from lower ones, across folders only through their index.ts.
 * A folder that is not in the table is refused. What stands at 7 and above is the edge: it alone may touch the platform.
 */
export const LAYERS: Readonly<Record<string, number>> = {
  core: 0,
  log: 1,
  model: 2,
  tool: 2,
  policy: 2,
  memory: 3,
  agent: 4,
  team: 5,
  trace: 5,
  learn: 6,
  node: 7,
  sim: 7,
  testing: 8,
  cli: 9,
};

/** The layer of src/index.ts: it gathers what a program on Node needs. */
export const ROOT_LAYER = 8;

/** From this layer on a folder is the edge. */
export const EDGE_LAYER = 7;

/** Imports inside one layer, `from>to`. */
export const SIDEWAYS: readonly string[] = ['policy>model'];

/** Names that layers below the edge may not say: time, dice, network and process come from the World. */
export const FORBIDDEN_GLOBALS: readonly string[] = [
  'Date',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'performance',
  'process',
  'crypto',
  'fetch',
  'console',
  'Buffer',
  'global',
  'globalThis',
  'require',
];
