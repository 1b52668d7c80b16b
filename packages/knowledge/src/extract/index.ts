export { extract } from './extract.ts';
export type { Extracted } from './extracted.ts';
