import { fromBase64, NervaError, toBase64, type World } from '../core/index.ts';
import type { Sid, Store } from '../log/index.ts';
import type { FilePart, Message } from '../model/index.ts';
import { again } from './again.ts';

/** A file that goes along with a message: bytes, the same in base64, or an address that the provider fetches. */
export interface FileInput {
  /** `image/png`, `application/pdf`, `audio/wav` … */
  readonly mediaType: string;
  readonly name?: string;
  readonly data: string | Uint8Array | { readonly url: string };
}

/** A file as an event holds it. */
export type SentFile = Omit<FilePart, 'type'>;

/** Files of one message. */
export const FILES_MAX = 32;
/** Larger ones are kept as blobs beside the log. */
const INLINE_BYTES = 12 * 1024; // 16 KB of base64

/** Checks files before anything is written. @throws OPTION_INVALID naming the file and what is wrong. */
export function checkFiles(files: readonly FileInput[], bytesMax: number): void {
  if (!Array.isArray(files) || files.length > FILES_MAX)
    throw new NervaError('OPTION_INVALID', `send: files is a list of at most ${FILES_MAX}. Nothing was sent.`);
  files.forEach((file, index) => {
    const wrong = wrongWith(file, bytesMax);
    if (wrong !== null)
      throw new NervaError(
        'OPTION_INVALID',
        `send: file ${index}${file?.name === undefined ? '' : ` (${file.name})`} ${wrong}. Nothing was sent.`,
        {
          details: { index },
        },
      );
  });
}

function wrongWith(file: Partial<FileInput> | null | undefined, bytesMax: number): string | null {
  if (typeof file?.mediaType !== 'string' || !/^[\w.+-]+\/[\w.+-]+$/.test(file.mediaType)) return 'needs a mediaType such as image/png';
  const { data } = file;
  if (data instanceof Uint8Array) return data.length > bytesMax ? tooLarge(data.length, bytesMax) : null;
  if (typeof data === 'string') {
    const bytes = fromBase64(data);
    if (bytes === null) return 'holds text that is no padded base64; give bytes, base64 or {url}';
    return bytes.length > bytesMax ? tooLarge(bytes.length, bytesMax) : null;
  }
  if (typeof data !== 'object' || data === null || typeof data.url !== 'string') return 'has no data; give bytes, base64 or {url}';
  return /^https?:\/\//.test(data.url) ? null : 'has an address that is not http or https';
}

const tooLarge = (bytes: number, bytesMax: number): string => `has ${bytes} bytes, more than fileBytesMax (${bytesMax})`;

/** Files as the event holds them; large ones are durable blobs once this resolves. */
export function keptFiles(
  files: readonly FileInput[],
  scene: { readonly store: Store; readonly world: World; readonly sid: Sid; readonly subject: string | null },
): Promise<readonly SentFile[]> {
  return Promise.all(files.map((file) => kept(file, scene)));
}

async function kept(
  { mediaType, name, data }: FileInput,
  { store, world, sid, subject }: { readonly store: Store; readonly world: World; readonly sid: Sid; readonly subject: string | null },
): Promise<SentFile> {
  const named = { mediaType, ...(name === undefined ? {} : { name }) };
  if (typeof data === 'object' && !(data instanceof Uint8Array)) return { ...named, data: { url: data.url } };
  const bytes = typeof data === 'string' ? (fromBase64(data) as Uint8Array) : data;
  if (bytes.length <= INLINE_BYTES) return { ...named, data: toBase64(bytes) };
  const options = { mediaType, sid, ...(subject === null ? {} : { subject }) };
  const ref = await again(() => store.blobs.put(bytes, options), { world, signal: NEVER });
  return { ...named, data: { ref: ref.ref, bytes: ref.bytes, mediaType: ref.mediaType } };
}

const NEVER = new AbortController().signal;

/** The files of a user message as they count in an estimate of tokens: an image about what providers charge at most, anything else unknown. */
export function fileTokens({ role, parts }: Message): number {
  return role !== 'user' ? 0 : parts.filter((part) => part.type === 'file' && part.mediaType.startsWith('image/')).length * IMAGE_TOKENS;
}

/** https://platform.claude.com/docs/en/build-with-claude/vision, "Evaluate image size": about 1,600 for the largest that is not scaled down. */
const IMAGE_TOKENS = 1_600;
