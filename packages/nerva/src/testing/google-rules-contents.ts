import { Buffer } from 'node:buffer';
import { GOOGLE_NAME, isBase64, isObject, isSigned, unknownIn, type Loose } from './google-rules-fields.ts';

/** One of these a part holds. */
const DATA = [
  'text',
  'inlineData',
  'fileData',
  'functionCall',
  'functionResponse',
  'executableCode',
  'codeExecutionResult',
  'toolCall',
  'toolResponse',
];
const DUMMIES = ['skip_thought_signature_validator', 'context_engineering_is_the_way_to_go'];
const MIME = /^(?:image|audio|video|text)\/[\w.+-]+$|^application\/(?:pdf|json|rtf|x-javascript|x-python)$/;

/** Why `contents` are refused, or null. The order of calls and answers, and the signatures of the current turn, are what a runtime gets wrong. */
export function contentsFault(contents: unknown, model: string): string | null {
  if (!Array.isArray(contents) || contents.length === 0) return '* GenerateContentRequest.contents: contents is not specified';
  let open: readonly Loose[] = [];
  let previous = '';
  const turnStart = lastWords(contents);
  for (const [index, content] of (contents as readonly unknown[]).entries()) {
    const at = `contents[${index}]`;
    const parts = partsOf(content, at);
    if (typeof parts === 'string') return parts;
    const role = String((content as Loose)['role']);
    const answers = parts.flatMap((part) => (isObject(part['functionResponse']) ? [part['functionResponse']] : []));
    const calls = parts.flatMap((part) => (isObject(part['functionCall']) ? [part['functionCall']] : []));
    const misplaced = roleFault(role, parts, at);
    if (misplaced !== null) return misplaced;
    if (open.length > 0 || answers.length > 0) {
      const fault = answersFault(open, answers);
      if (fault !== null) return fault;
    }
    if (calls.length > 0 && previous !== 'user')
      return 'Please ensure that function call turn comes immediately after a user turn or after a function response turn.';
    const fault = signatureFault(parts, model, index > turnStart);
    if (fault !== null) return fault;
    open = calls;
    previous = role;
  }
  return previous === 'user' ? null : 'Please ensure that single turn requests end with a user role or the role field is empty.';
}

/** Where the current turn began: at the last content of a person. */
function lastWords(contents: readonly unknown[]): number {
  return contents.findLastIndex(
    (content) =>
      isObject(content) &&
      content['role'] === 'user' &&
      Array.isArray(content['parts']) &&
      (content['parts'] as readonly unknown[]).some((part) => isObject(part) && part['functionResponse'] === undefined),
  );
}

function partsOf(content: unknown, at: string): readonly Loose[] | string {
  if (!isObject(content)) return `Invalid value at '${at}'.`;
  const unknown = unknownIn(content, 'content');
  if (unknown !== null) return unknown;
  const { role, parts } = content;
  if (role !== 'user' && role !== 'model') return 'Please use a valid role: user, model.';
  if (!Array.isArray(parts) || parts.length === 0) return `* GenerateContentRequest.${at}.parts: contents.parts must not be empty.`;
  for (const [index, part] of (parts as readonly unknown[]).entries()) {
    const fault = partFault(part, `${at}.parts[${index}]`);
    if (fault !== null) return fault;
  }
  return parts as readonly Loose[];
}

function partFault(part: unknown, at: string): string | null {
  if (!isObject(part)) return `Invalid value at '${at}'.`;
  const data = DATA.filter((name) => part[name] !== undefined);
  if (data.length !== 1) return `* GenerateContentRequest.${at}.data: required oneof field 'data' must have one initialized field`;
  const { text, thoughtSignature: signature } = part;
  if (text !== undefined && (typeof text !== 'string' || (text === '' && signature === undefined)))
    return `Unable to submit request because ${at} must have a text parameter.`;
  for (const [name, check] of Object.entries(CHECKS)) {
    const value = part[name];
    if (value === undefined) continue;
    if (!isObject(value) || !check(value)) return `Invalid value at ${at}.${name}: ${JSON.stringify(value).slice(0, 200)}`;
    const unknown = unknownIn(value, name);
    if (unknown !== null) return unknown;
  }
  return unknownIn(part, 'part');
}

const isName = (value: unknown): boolean => typeof value === 'string' && GOOGLE_NAME.test(value);
const CHECKS: Readonly<Record<string, (value: Loose) => boolean>> = {
  inlineData: ({ mimeType, data }) => MIME.test(String(mimeType)) && isBase64(data),
  fileData: ({ fileUri }) => typeof fileUri === 'string' && fileUri !== '',
  functionCall: ({ name, args }) => isName(name) && isObject(args ?? {}),
  functionResponse: ({ name, response }) => isName(name) && isObject(response),
};

function roleFault(role: string, parts: readonly Loose[], at: string): string | null {
  for (const part of parts) {
    if (role === 'user' && (part['functionCall'] !== undefined || part['thought'] === true || part['thoughtSignature'] !== undefined))
      return `${at}: a user content holds no function call, thought or signature.`;
    if (role === 'model' && (part['functionResponse'] !== undefined || part['fileData'] !== undefined))
      return `${at}: a model content holds no function response and no file.`;
  }
  return null;
}

/** Answers come at once, as many as calls, with their ids or in their order. */
function answersFault(calls: readonly Loose[], answers: readonly Loose[]): string | null {
  if (calls.length === 0) return 'Please ensure that function response turn comes immediately after a function call turn.';
  if (calls.length !== answers.length)
    return 'Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.';
  for (const [index, call] of calls.entries()) {
    const answer = answers[index] as Loose;
    if (call['name'] !== answer['name'] || call['id'] !== answer['id'])
      return `Function response ${String(answer['name'])} (${String(answer['id'])}) does not answer call ${String(call['name'])} (${String(call['id'])}).`;
  }
  return null;
}

/** The first call of each step of the current turn is signed; what is signed anywhere was signed by this model. */
function signatureFault(parts: readonly Loose[], model: string, isCurrent: boolean): string | null {
  for (const { thoughtSignature: signature } of parts) {
    if (signature === undefined || DUMMIES.includes(String(signature))) continue;
    const isOurs = isBase64(signature) && Buffer.from(signature, 'base64').toString().startsWith(`mock:${model}:`);
    if (!isOurs) return 'Corrupted thought signature.';
  }
  const first = parts.find((part) => part['functionCall'] !== undefined);
  return isCurrent && isSigned(model) && first !== undefined && first['thoughtSignature'] === undefined
    ? `Function call is missing a thought_signature in functionCall parts: \`${String((first['functionCall'] as Loose)['name'])}\`.`
    : null;
}
