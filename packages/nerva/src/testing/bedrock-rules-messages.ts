import { isObject, signatureOf, unknownOf } from './anthropic-rules-messages.ts';

const NAME = /^[a-zA-Z0-9_-]{1,64}$/;
const DOCUMENT_NAME = /^(?!.*\s\s)[A-Za-z0-9\s()[\]-]{1,200}$/;
const FORMATS: Readonly<Record<string, readonly string[]>> = {
  image: ['png', 'jpeg', 'gif', 'webp'],
  document: ['pdf', 'csv', 'doc', 'docx', 'xls', 'xlsx', 'html', 'txt', 'md'],
  video: ['mkv', 'mov', 'mp4', 'webm', 'flv', 'mpeg', 'mpg', 'wmv', 'three_gp'],
  audio: ['mp3', 'wav', 'flac', 'ogg', 'aac'],
};

type Loose = Readonly<Record<string, unknown>>;

interface Turn {
  readonly role: string;
  readonly blocks: readonly Loose[];
}

/** Why the conversation of a request would be refused, or null. */
export function messagesFault(body: Loose): string | null {
  const { messages } = body;
  if (!Array.isArray(messages) || messages.length === 0) return 'A conversation must have at least one message.';
  const turns: Turn[] = [];
  const names = new Set<unknown>();
  for (const message of messages as readonly unknown[]) {
    if (!isObject(message) || !Array.isArray(message['content']) || message['content'].length === 0) return 'messages: content is required';
    const extra = unknownOf(message, ['role', 'content']);
    if (extra !== undefined) return `messages: extraneous key [${extra}] is not permitted`;
    const role = String(message['role']);
    if (role !== 'user' && role !== 'assistant') return `messages.role: ${role} is none of user, assistant`;
    if (turns.length === 0 && role !== 'user') return 'A conversation must start with a user message.';
    if (turns.at(-1)?.role === role) return 'A conversation must alternate between user and assistant roles.';
    const blocks = message['content'] as readonly Loose[];
    const fault = blocks.map((block) => blockFault(block, role, names)).find((found) => found !== null);
    if (fault !== undefined) return fault;
    if (blocks.some(({ document }) => document !== undefined) && !blocks.some(({ text }) => text !== undefined))
      return 'A text block is required with a document.';
    turns.push({ role, blocks });
  }
  return pairsFault(turns, body['toolConfig']);
}

function blockFault(block: unknown, role: string, names: Set<unknown>): string | null {
  if (!isObject(block) || Object.keys(block).length !== 1) return 'content: a block is a union of one member';
  const [[kind, given] = ['', undefined]] = Object.entries(block);
  if (kind === 'text')
    return typeof given === 'string' && given.trim() !== '' ? null : 'The text field in the ContentBlock object is blank.';
  if (!isObject(given)) return `${kind}: is no object`;
  if (kind === 'cachePoint' || kind === 'guardContent') return null;
  return memberFault(kind, given, role, names);
}

function memberFault(kind: string, given: Loose, role: string, names: Set<unknown>): string | null {
  if (FORMATS[kind] !== undefined) return role === 'user' ? fileFault(kind, given, names) : `${kind} is for the user`;
  if (kind === 'toolUse' || kind === 'toolResult') {
    if (role !== (kind === 'toolUse' ? 'assistant' : 'user') && given['type'] === undefined)
      return `${kind} is in a message of the wrong role`;
    if (!NAME.test(String(given['toolUseId']))) return `${kind}.toolUseId: failed to satisfy [a-zA-Z0-9_-]+`;
    return kind === 'toolUse' ? callFault(given) : resultFault(given);
  }
  if (kind === 'reasoningContent') return role === 'assistant' ? reasoningFault(given) : 'reasoningContent is for the assistant';
  return `content: unknown union member ${kind}`;
}

function fileFault(kind: string, file: Loose, names: Set<unknown>): string | null {
  const { format, source, name } = file;
  const extra = unknownOf(file, kind === 'document' ? ['format', 'source', 'name', 'citations', 'context'] : ['format', 'source']);
  if (extra !== undefined) return `${kind}: extraneous key [${extra}] is not permitted`;
  if (FORMATS[kind]?.includes(String(format)) !== true) return `${kind}.format: ${String(format)} is unknown`;
  if (!isObject(source) || !(typeof source['bytes'] === 'string' || isObject(source['s3Location']))) return `${kind}.source: is required`;
  if (typeof source['bytes'] === 'string' && !/^[A-Za-z0-9+/]+={0,2}$/.test(source['bytes'])) return `${kind}.source.bytes: is no base64`;
  if (kind !== 'document') return null;
  if (typeof name !== 'string' || !DOCUMENT_NAME.test(name))
    return 'The document file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and square brackets.';
  if (names.has(name)) return 'The document file names must be unique.';
  names.add(name);
  return null;
}

function callFault(call: Loose): string | null {
  const extra = unknownOf(call, ['toolUseId', 'name', 'input', 'type']);
  if (extra !== undefined) return `toolUse: extraneous key [${extra}] is not permitted`;
  if (!NAME.test(String(call['name']))) return 'toolUse.name: failed to satisfy [a-zA-Z0-9_-]+';
  return isObject(call['input']) ? null : 'The format of the value at toolUse.input is invalid. Provide a json object for the field.';
}

function resultFault(result: Loose): string | null {
  const { content, status = 'success' } = result;
  const extra = unknownOf(result, ['toolUseId', 'content', 'status', 'type']);
  if (extra !== undefined) return `toolResult: extraneous key [${extra}] is not permitted`;
  if (status !== 'success' && status !== 'error') return `toolResult.status: ${String(status)} is unknown`;
  const isContent =
    Array.isArray(content) &&
    content.length > 0 &&
    (content as readonly unknown[]).every(
      (part) => isObject(part) && ((typeof part['text'] === 'string' && part['text'].trim() !== '') || isObject(part['json'])),
    );
  return isContent ? null : 'toolResult.content: is blank or malformed';
}

function reasoningFault({ reasoningText, redactedContent }: Loose): string | null {
  if (typeof redactedContent === 'string') return null;
  if (!isObject(reasoningText)) return 'reasoningContent: is empty';
  const { text, signature } = reasoningText;
  if (typeof text !== 'string' || typeof signature !== 'string' || signature === '') return 'Invalid `signature` in `thinking` block';
  return signature.startsWith('mock-') && signature !== signatureOf(text) ? '`thinking` blocks cannot be modified' : null;
}

/** Every call is answered in the next message, before anything else stands there; every answer has its call. */
function pairsFault(turns: readonly Turn[], toolConfig: unknown): string | null {
  let open: readonly unknown[] = [];
  for (const { blocks } of turns) {
    const of = (kind: string): readonly unknown[] =>
      blocks.flatMap((block) => (isObject(block[kind]) && block[kind]['type'] === undefined ? [block[kind]['toolUseId']] : []));
    const results = of('toolResult');
    const calls = of('toolUse');
    if (results.length + calls.length > 0 && toolConfig === undefined)
      return 'The toolConfig field must be defined when using toolUse and toolResult content blocks.';
    if (results.length > open.length) return 'The number of toolResult blocks exceeds the number of toolUse blocks of previous turn.';
    const missing = open.filter((id) => !results.includes(id));
    const isFirst = blocks.slice(0, results.length).every((block) => 'toolResult' in block);
    if (missing.length > 0 || !isFirst)
      return `Expected toolResult blocks at the beginning of the turn for the following Ids: ${missing.join(', ')}`;
    if (new Set(calls).size < calls.length) return 'The toolUse blocks contain duplicate Ids';
    open = calls;
  }
  return open.length > 0 ? `Expected toolResult blocks for the following Ids: ${open.join(', ')}` : null;
}

/** What is passed through is checked by the model. */
export function thinkingFault(body: Loose, isClaude: boolean): string | null {
  const { additionalModelRequestFields: fields, inferenceConfig: config = {}, toolConfig } = body;
  const thinking = isObject(fields) ? fields['thinking'] : undefined;
  if (thinking === undefined) return null;
  if (!isClaude || !isObject(thinking)) return 'Malformed input request: extraneous key [thinking] is not permitted';
  const { maxTokens, temperature } = config as Loose;
  if (thinking['type'] === 'disabled') return null;
  if (temperature !== undefined && temperature !== 1) return '`temperature` may only be set to 1 when thinking is enabled.';
  const choice = isObject(toolConfig) && isObject(toolConfig['toolChoice']) ? toolConfig['toolChoice'] : {};
  if ('any' in choice || 'tool' in choice) return 'Thinking may not be enabled when tool_choice forces tool use.';
  return thinking['type'] === 'enabled' ? budgetFault(thinking['budget_tokens'], maxTokens, body) : null;
}

function budgetFault(budget: unknown, limit: unknown, { messages }: Loose): string | null {
  if (typeof budget !== 'number' || budget < 1024) return 'thinking.enabled.budget_tokens: Input should be greater than or equal to 1024';
  if (typeof limit === 'number' && budget >= limit) return '`max_tokens` must be greater than `thinking.budget_tokens`.';
  const turns = messages as readonly { readonly role: string; readonly content: readonly Loose[] }[];
  const last = turns.findLast(({ role }) => role === 'assistant');
  const isOpen = last?.content.some((block) => 'toolUse' in block) === true;
  return isOpen && last?.content[0]?.['reasoningContent'] === undefined
    ? 'Expected `thinking` or `redacted_thinking`, but found `tool_use`.'
    : null;
}
