import { parse as parseYaml } from 'yaml';
import { markdownOutline, sectionsOf } from '../chunk/index.ts';
import { decode, type Decoded } from '../decode.ts';
import { detectBytes, detectText } from '../detect.ts';
import { FileProblem } from '../problem.ts';
import { extractDocx } from './docx.ts';
import type { Extracted, ExtractLimits } from './extracted.ts';
import { extractHtml } from './html.ts';
import { extractPdf } from './pdf.ts';

/** How files are read as text. */
export interface ExtractOptions extends ExtractLimits {
  /** What a file is read as that is neither UTF-8 nor has a byte order mark; else it is a problem. */
  readonly encoding?: 'windows-1252' | undefined;
}

/** What a file says; `decoded` is null for what is packed. @throws FileProblem */
export async function extract(
  path: string,
  bytes: Uint8Array,
  options: ExtractOptions,
): Promise<{ readonly extracted: Extracted; readonly decoded: Decoded | null }> {
  const packed = detectBytes(path, bytes);
  if (packed?.type === 'pdf') return { extracted: await extractPdf(bytes, options), decoded: null };
  if (packed?.type === 'docx') return { extracted: extractDocx(bytes, path, options), decoded: null };
  const decoded = decode(bytes, options.encoding);
  return { extracted: extractText(path, decoded.text, options), decoded };
}

function extractText(path: string, text: string, options: ExtractLimits): Extracted {
  const { type, language } = detectText(path, text);
  if (type === 'html') return extractHtml(text, options);
  if (text.length > options.textCharactersMax)
    throw new FileProblem(
      'text-too-long',
      `It holds ${text.length} characters of text; ${options.textCharactersMax} is the limit (textCharactersMax). Nothing of it was taken.`,
    );
  const plain: Extracted = { type, language, text, title: null, tags: [], sections: [], pages: [], inFile: (start, end) => [start, end] };
  if (type !== 'markdown') return plain;
  const { headings, frontMatterEnd } = markdownOutline(text);
  const front = frontMatter(text.slice(0, frontMatterEnd));
  return { ...plain, title: front.title ?? headings[0]?.text ?? null, tags: front.tags, sections: sectionsOf(headings) };
}

const TAGS_MAX = 50;
/** Of a block before a text that is worth a look. */
const FRONT_MAX = 64_000;

/** What is said before a Markdown text; one that is no YAML says nothing, and stays text. */
function frontMatter(block: string): { readonly title: string | null; readonly tags: readonly string[] } {
  const none = { title: null, tags: [] };
  if (block === '' || block.length > FRONT_MAX) return none;
  try {
    // No aliases: they can make much of little.
    const said: unknown = parseYaml(block.replace(/^---.*\r?\n/, '').replace(/^(?:---|\.\.\.)[ \t]*\r?\n?$/m, ''), { maxAliasCount: 0 });
    if (typeof said !== 'object' || said === null || Array.isArray(said)) return none;
    const { title, tags } = said as { readonly title?: unknown; readonly tags?: unknown };
    const list = Array.isArray(tags) ? tags : typeof tags === 'string' ? tags.split(/[,\s]+/) : [];
    return {
      title: typeof title === 'string' && title.trim() !== '' ? title.trim().slice(0, 200).toWellFormed() : null,
      tags: list.filter((tag): tag is string => typeof tag === 'string' && tag !== '').slice(0, TAGS_MAX),
    };
  } catch {
    return none;
  }
}
