export { extract } from './extract.ts';
export type { Extracted } from './extracted.ts';
export { ExtractThread } from './thread.ts';
