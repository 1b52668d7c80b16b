/** What the tests read: files made by hand, byte by byte. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { crc32, deflateRawSync, deflateSync } from 'node:zlib';
import { memoryStore, type Store } from 'nerva/log';
import { testWorld } from 'nerva/testing';
import { openKnowledge, type Knowledge, type KnowledgeEvent } from './base.ts';

/** A folder of its own, gone after the test. */
export class Place {
  readonly path: string;

  constructor(t: TestContext) {
    this.path = mkdtempSync(path.join(tmpdir(), 'nerva-knowledge-'));
    t.after(() => rmSync(this.path, { recursive: true, force: true }));
  }

  /** Writes a file, and the folders that it needs. @returns its path. */
  write(name: string, content: string | Uint8Array): string {
    const file = this.at(name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
    return file;
  }

  at(name: string): string {
    return path.join(this.path, name);
  }
}

/** A base in memory; with `store`, another handle on the same one. */
export async function emptyBase(
  store?: Store,
): Promise<{ readonly base: Knowledge; readonly store: Store; readonly told: KnowledgeEvent[] }> {
  const world = testWorld();
  const its = store ?? memoryStore({ world });
  const told: KnowledgeEvent[] = [];
  return { base: await openKnowledge({ store: its, world, name: 'test', onEvent: (event) => told.push(event) }), store: its, told };
}

/** All that a base knows, without the numbers of events: equal for bases that know the same. */
export function dumpOf(base: Knowledge): unknown {
  return base.documents().map(({ path: file, hash, title, type, tags, duplicateOf }) => ({
    file,
    hash,
    title,
    type,
    tags,
    duplicateOf: duplicateOf?.path ?? null,
    chunks: base.chunks(file).map(({ text, context, place }) => ({ text, context, place })),
  }));
}

/** A file of an archive, and what its directory says of it when that is not so. */
export interface ZipEntry {
  readonly content: string | Uint8Array;
  readonly saysBytes?: number;
  readonly flags?: number;
  readonly method?: number;
}

/** A ZIP archive. */
export function zip(files: Readonly<Record<string, string | ZipEntry>>): Uint8Array {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const [name, given] of Object.entries(files)) {
    const { content, saysBytes, flags = 0, method = 8 } = typeof given === 'string' ? { content: given } : given;
    const plain = Buffer.from(content);
    const packed = method === 8 ? deflateRawSync(plain) : plain;
    const label = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags, 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(crc32(plain), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(saysBytes ?? plain.length, 18);
    common.writeUInt16LE(label.length, 22);
    const local = Buffer.concat([Buffer.from('PK\u0003\u0004', 'latin1'), common, label, packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    centrals.push(Buffer.concat([Buffer.from('PK\u0001\u0002\u0014\u0000', 'latin1'), common, tail, label]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(centrals);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(centrals.length, 4);
  end.writeUInt16LE(centrals.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, directory, Buffer.from('PK\u0005\u0006', 'latin1'), end]);
}

const STYLES =
  '<w:styles><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style><w:style w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style></w:styles>';

/** A Word document with this body, of `w:p` and `w:tbl`. */
export function docx(body: string, more: Readonly<Record<string, string | ZipEntry>> = {}): Uint8Array {
  return zip({
    '[Content_Types].xml': '<Types/>',
    'word/document.xml': `<?xml version="1.0"?><w:document><w:body>${body}</w:body></w:document>`,
    'word/styles.xml': STYLES,
    ...more,
  });
}

/** A paragraph of a Word document; `style` 1 and 2 are headings. */
export function paragraph(text: string, style?: 1 | 2): string {
  const its = style === undefined ? '' : `<w:pPr><w:pStyle w:val="berschrift${style}"/></w:pPr>`;
  return `<w:p>${its}<w:r><w:t xml:space="preserve">${text}</w:t></w:r></w:p>`;
}

/** A PDF with these lines on its pages. `trailer` goes into its trailer, `streams` are put in besides, deflated. */
export function pdf(
  pages: readonly (readonly string[])[],
  more: { readonly trailer?: string; readonly streams?: readonly Uint8Array[] } = {},
): Uint8Array {
  const parts: Buffer[] = [Buffer.from('%PDF-1.4\n')];
  const add = (number: number, text: string | Buffer): void => {
    parts.push(Buffer.from(`${number} 0 obj\n`), Buffer.from(text), Buffer.from('\nendobj\n'));
  };
  add(1, '<</Type/Catalog/Pages 2 0 R>>');
  add(2, `<</Type/Pages/Count ${pages.length}/Kids[${pages.map((_, index) => `${10 + 2 * index} 0 R`).join(' ')}]>>`);
  add(3, '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>');
  add(4, '<</Title(A title)>>');
  for (const [index, lines] of pages.entries()) {
    const content = lines.map((line, row) => `BT /F1 12 Tf 20 ${700 - 20 * row} Td (${line}) Tj ET`).join('\n');
    const resources = '/Resources<</Font<</F1 3 0 R>>>>';
    add(10 + 2 * index, `<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]${resources}/Contents ${11 + 2 * index} 0 R>>`);
    add(11 + 2 * index, deflated(Buffer.from(content)));
  }
  for (const [index, stream] of (more.streams ?? []).entries()) add(1_000 + index, deflated(stream));
  parts.push(Buffer.from(`trailer\n<</Root 1 0 R/Info 4 0 R${more.trailer ?? ''}>>\n%%EOF\n`));
  return Buffer.concat(parts);
}

/** A PDF of one page whose content is this, packed already by these filters, the outermost first. */
export function packedPdf(packed: Uint8Array, filters: readonly string[]): Uint8Array {
  return Buffer.concat([
    Buffer.from('%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Count 1/Kids[4 0 R]>>\nendobj\n'),
    Buffer.from('3 0 obj\n<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>\nendobj\n'),
    Buffer.from('4 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<</Font<</F1 3 0 R>>>>/Contents 5 0 R>>\nendobj\n5 0 obj\n'),
    streamOf(packed, filters),
    Buffer.from('\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n'),
  ]);
}

/** Blanks, packed as runs of 128 in two bytes each. */
export const packedRuns = (bytes: number): Uint8Array => Buffer.alloc(2 * Math.ceil(bytes / 128), Buffer.from([129, 0x20]));

function streamOf(packed: Uint8Array, filters: readonly string[]): Buffer {
  const filter = filters.map((name) => `/${name}`).join('');
  return Buffer.concat([Buffer.from(`<</Length ${packed.length}/Filter[${filter}]>>\nstream\n`), packed, Buffer.from('\nendstream')]);
}

const deflated = (content: Uint8Array): Buffer => streamOf(deflateSync(content), ['FlateDecode']);
