import { parse as parseYaml } from 'yaml';
import { markdownOutline } from '../chunk/index.ts';
import { decode, type Decoded } from '../decode.ts';
import { detectText } from '../detect.ts';
import { sectionsOf } from '../headings.ts';
import { FileProblem } from '../problem.ts';
import type { Extracted, ExtractLimits } from './extracted.ts';
import { extractHtml } from './html.ts';
import { extractPacked, isPacked } from './packed.ts';

/** How files are read as text. */
export interface ExtractOptions extends ExtractLimits {
  /** What a file is read as that is neither UTF-8 nor has a byte order mark; else it is a problem. */
  readonly encoding?: 'windows-1252' | undefined;
  /** Reads what is packed; absent: it is read here, as long as that takes. */
  readonly packed?: (path: string, bytes: Uint8Array) => Promise<Extracted>;
}

/** What a file says; `decoded` is null for what is packed. @throws FileProblem */
export async function extract(
  path: string,
  bytes: Uint8Array,
  options: ExtractOptions,
): Promise<{ readonly extracted: Extracted; readonly decoded: Decoded | null }> {
  if (isPacked(path, bytes)) {
    const { packed = (at, content) => extractPacked(at, content, options) } = options;
    return { extracted: await packed(path, bytes), decoded: null };
  }
  // Of UTF-8, where a character has most bytes: what is longer in any case is not made a text first.
  if (bytes.length / 3 > Math.max(options.textCharactersMax, SOURCE_MAX)) throw tooLong(`at least ${Math.ceil(bytes.length / 3)}`, options);
  const decoded = decode(bytes, options.encoding);
  return { extracted: extractText(path, decoded.text, options), decoded };
}

function extractText(path: string, text: string, options: ExtractLimits): Extracted {
  const { type, language } = detectText(path, text);
  if (type === 'html') return extractHtml(text, options);
  if (text.length > options.textCharactersMax) throw tooLong(String(text.length), options);
  const plain: Extracted = { type, language, text, title: null, tags: [], sections: [], pages: [], inFile: (start, end) => [start, end] };
  if (type !== 'markdown') return plain;
  const { headings, frontMatterEnd } = markdownOutline(text);
  const front = frontMatter(text.slice(0, frontMatterEnd));
  return { ...plain, title: front.title ?? headings[0]?.text ?? null, tags: front.tags, sections: sectionsOf(headings) };
}

/** Characters of a page in HTML, of which only some are text; a string of JavaScript holds three times that. */
const SOURCE_MAX = 150_000_000;

const tooLong = (characters: string, { textCharactersMax }: ExtractLimits): FileProblem =>
  new FileProblem(
    'text-too-long',
    `It holds ${characters} characters of text; ${textCharactersMax} is the limit (textCharactersMax). Split it, or raise the limit. Nothing of it was taken.`,
  );

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
