export { codeChunks } from './code.ts';
export { indexAfter, type ChunkLimits, type Span } from './cut.ts';
export { markdownOutline } from './markdown.ts';
export { csvChunks, jsonChunks } from './rows.ts';
export { sectionChunks } from './sections.ts';
export { fixedChunks, semanticChunks } from './text.ts';
