import { getDocumentProxy } from 'unpdf';
import { FileProblem } from '../problem.ts';
import type { Extracted, ExtractLimits } from './extracted.ts';
import { checkStreams } from './pdf-streams.ts';

/** The text of a PDF, page by page. What is only a picture of text has none. @throws FileProblem `encrypted`, `broken`, `bomb`, `empty`, `text-too-long`. */
export async function extractPdf(bytes: Uint8Array, { textCharactersMax, unpackedBytesMax }: ExtractLimits): Promise<Extracted> {
  checkStreams(bytes, unpackedBytesMax);
  const document = await opened(bytes);
  try {
    let text = '';
    const pages: number[] = [];
    for (let number = 1; number <= document.numPages; number++) {
      pages.push(text.length);
      const page = await document.getPage(number);
      const { items } = await page.getTextContent();
      const said = items.map((item) => ('str' in item ? `${item.str}${item.hasEOL ? '\n' : ''}` : '')).join('');
      text += `${said.trimEnd()}\n\n`;
      if (text.length > textCharactersMax)
        throw new FileProblem(
          'text-too-long',
          `It holds more than ${textCharactersMax} characters of text (textCharactersMax) by page ${number} of ${document.numPages}. Split it, or raise the limit. Nothing of it was taken.`,
        );
      page.cleanup();
    }
    if (text.trim() === '')
      throw new FileProblem('empty', 'It has no text; perhaps its pages are pictures. Run it through OCR first. Nothing of it was taken.');
    return {
      type: 'pdf',
      language: null,
      text: text.toWellFormed(),
      title: await titleOf(document),
      tags: [],
      sections: pages.map((at) => ({ at, path: [], isApart: true })),
      pages,
      inFile: null,
    };
  } catch (error) {
    throw error instanceof FileProblem ? error : broken(error);
  } finally {
    await document.loadingTask.destroy();
  }
}

type Pdf = Awaited<ReturnType<typeof getDocumentProxy>>;

async function opened(bytes: Uint8Array): Promise<Pdf> {
  try {
    // It takes the bytes for itself, so it is given a copy, and no Buffer.
    return await getDocumentProxy(new Uint8Array(bytes), { verbosity: 0 });
  } catch (error) {
    if ((error as Error).name === 'PasswordException')
      throw new FileProblem('encrypted', 'It has a password. Save it without one. Nothing of it was taken.', { cause: error });
    throw broken(error);
  }
}

async function titleOf(document: Pdf): Promise<string | null> {
  const { info } = await document.getMetadata();
  const title: unknown = (info as Readonly<Record<string, unknown>>)['Title'];
  return typeof title === 'string' && title.trim() !== '' ? title.trim().slice(0, 200).toWellFormed() : null;
}

const broken = (cause: unknown): FileProblem =>
  new FileProblem(
    'broken',
    `It is no whole PDF: ${(cause as Error).message} Save it anew, or name it in .gitignore. Nothing of it was taken.`,
    { cause },
  );
