import { detectBytes } from '../detect.ts';
import { extractDocx } from './docx.ts';
import type { Extracted, ExtractLimits } from './extracted.ts';
import { extractPdf } from './pdf.ts';

/** Whether a file is packed, by its name and its first bytes: it is not text, and reading it may take long and much memory. */
export const isPacked = (path: string, bytes: Uint8Array): boolean => detectBytes(path, bytes) !== null;

/** What a PDF or a DOCX says. Neither time nor memory is bounded here beyond what the limits say. @throws FileProblem */
export async function extractPacked(path: string, bytes: Uint8Array, limits: ExtractLimits): Promise<Extracted> {
  return detectBytes(path, bytes)?.type === 'pdf' ? extractPdf(bytes, limits) : extractDocx(bytes, path, limits);
}
