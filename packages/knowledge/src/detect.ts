/** What a file is, which says how it is read and cut. */
export type DocumentType = 'text' | 'markdown' | 'code' | 'html' | 'pdf' | 'docx' | 'csv' | 'json';

/** A type, and of code the family by which its definitions are known; null for any other. */
export interface Detected {
  readonly type: DocumentType;
  readonly language: string | null;
}

const TYPES: Readonly<Record<string, DocumentType>> = {
  md: 'markdown',
  mdx: 'markdown',
  markdown: 'markdown',
  html: 'html',
  htm: 'html',
  xhtml: 'html',
  pdf: 'pdf',
  docx: 'docx',
  csv: 'csv',
  tsv: 'csv',
  json: 'json',
  jsonl: 'json',
  ndjson: 'json',
  geojson: 'json',
  txt: 'text',
  log: 'text',
  rst: 'text',
};
const LANGUAGES: Readonly<Record<string, string | null>> = {
  ...named('python', 'py pyi pyw'),
  ...named('javascript', 'js mjs cjs jsx ts mts cts tsx'),
  ...named('java', 'java kt kts scala groovy cs'),
  ...named('c', 'c h cc cpp cxx hh hpp hxx m mm'),
  ...named(
    null,
    'go rs rb php swift sh bash zsh fish lua pl r jl ex exs erl hs clj dart sql vue svelte css scss less zig nim proto graphql tf',
  ),
};

function named(language: string | null, extensions: string): Readonly<Record<string, string | null>> {
  return Object.fromEntries(extensions.split(' ').map((extension) => [extension, language]));
}

const plain = (type: DocumentType): Detected => ({ type, language: null });

/** Of a file by what its first bytes say, where they say it for certain; else by its name. `isZip`: it may be a DOCX, which only its content tells. */
export function detectBytes(path: string, bytes: Uint8Array): Detected | null {
  if (begins(bytes, '%PDF-')) return plain('pdf');
  if (begins(bytes, 'PK\u0003\u0004')) return plain('docx');
  const byName = detectName(path);
  return byName?.type === 'pdf' || byName?.type === 'docx' ? byName : null;
}

/** Of a text: by the name of its file, else by how it begins. */
export function detectText(path: string, text: string): Detected {
  const byName = detectName(path);
  if (byName !== null) return byName;
  const head = text.slice(0, 2_000).trimStart();
  if (/^<!doctype html|^<html[\s>]/i.test(head)) return plain('html');
  const [, shell = ''] = /^#!.*\b(python|node|deno|bun|sh|bash|zsh|perl|ruby)/.exec(head) ?? [];
  if (shell !== '') return { type: 'code', language: shell === 'python' ? 'python' : /node|deno|bun/.test(shell) ? 'javascript' : null };
  if (/^[[{]/.test(head) && isJson(text)) return plain('json');
  if (/^---\r?\n[^]*?\n---\r?\n/.test(head) || /^#{1,6} \S/m.test(head)) return plain('markdown');
  return plain('text');
}

function detectName(path: string): Detected | null {
  const extension = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? '';
  if (Object.hasOwn(TYPES, extension)) return plain(TYPES[extension] ?? 'text');
  return Object.hasOwn(LANGUAGES, extension) ? { type: 'code', language: LANGUAGES[extension] ?? null } : null;
}

const begins = (bytes: Uint8Array, text: string): boolean => Array.from(text).every((letter, at) => bytes[at] === letter.charCodeAt(0));

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
