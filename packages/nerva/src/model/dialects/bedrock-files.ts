import { cannotCarry, kindOf, sourceOf } from '../content.ts';
import type { FilePart } from '../message.ts';

/** Formats by media type ("ImageBlock", "DocumentBlock", "VideoBlock", "AudioBlock", Bedrock API reference, read 2026-11). */
const FORMATS: Readonly<Record<'image' | 'document' | 'video' | 'audio', Readonly<Record<string, string>>>> = {
  image: { 'image/png': 'png', 'image/jpeg': 'jpeg', 'image/gif': 'gif', 'image/webp': 'webp' },
  document: {
    'application/pdf': 'pdf',
    'text/csv': 'csv',
    'application/msword': 'doc',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
    'application/vnd.ms-excel': 'xls',
    'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
    'text/html': 'html',
    'text/plain': 'txt',
    'text/markdown': 'md',
  },
  video: {
    'video/mp4': 'mp4',
    'video/quicktime': 'mov',
    'video/x-matroska': 'mkv',
    'video/webm': 'webm',
    'video/x-flv': 'flv',
    'video/mpeg': 'mpeg',
    'video/x-ms-wmv': 'wmv',
    'video/3gpp': 'three_gp',
  },
  audio: { 'audio/mpeg': 'mp3', 'audio/wav': 'wav', 'audio/x-wav': 'wav', 'audio/flac': 'flac', 'audio/ogg': 'ogg', 'audio/aac': 'aac' },
};

/** How files of one conversation are written. */
export interface FilesHow {
  /** Name of the model, for refusals. */
  readonly by: string;
  readonly citesDocuments: boolean;
  /** A name for a document that no other has. */
  readonly nameOf: (name: string) => string;
}

/** A file as a content block. An address must be one of S3: the service fetches nothing else. @throws MODEL_REFUSED */
export function bedrockFile(part: FilePart, { by, citesDocuments, nameOf }: FilesHow): string {
  const kind = kindOf(part);
  const format = FORMATS[kind][part.mediaType];
  if (format === undefined) throw cannotCarry(by, part.mediaType, `Give one of ${Object.keys(FORMATS[kind]).join(', ')}, or its text.`);
  const given = sourceOf(part);
  if ('url' in given && !given.url.startsWith('s3://'))
    throw cannotCarry(by, `${kind} by address`, 'Give its bytes in base64, or an s3:// address.');
  const source = 'url' in given ? { s3Location: { uri: given.url } } : { bytes: given.base64 };
  if (kind !== 'document') return JSON.stringify({ [kind]: { format, source } });
  const citations = citesDocuments ? { citations: { enabled: true } } : {};
  return JSON.stringify({ document: { format, name: nameOf(plainName(part.name ?? '')), source, ...citations } });
}

const NAME_LENGTH_MAX = 190;

/** "Alphanumeric characters, whitespace (no more than one in a row), hyphens, parentheses, square brackets"; a name is no place for dots. */
function plainName(name: string): string {
  const plain = name
    .replaceAll(/[^A-Za-z0-9\s()[\]-]/g, '-')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, NAME_LENGTH_MAX);
  return plain === '' ? 'document' : plain;
}
