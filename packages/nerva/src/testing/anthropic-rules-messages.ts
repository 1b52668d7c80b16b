import { createHash } from 'node:crypto';

type Loose = Readonly<Record<string, unknown>>;

/** The members of each block, by "Create a Message" (2026-11), and who may say it. Blocks of tools that run at the provider are taken as they are. */
const BLOCKS: Readonly<Record<string, { readonly by: 'user' | 'assistant' | 'both'; readonly members: readonly string[] }>> = {
  text: { by: 'both', members: ['text', 'citations'] },
  image: { by: 'user', members: ['source'] },
  document: { by: 'user', members: ['source', 'title', 'context', 'citations'] },
  tool_result: { by: 'user', members: ['tool_use_id', 'content', 'is_error'] },
  tool_use: { by: 'assistant', members: ['id', 'name', 'input', 'caller'] },
  thinking: { by: 'assistant', members: ['thinking', 'signature'] },
  redacted_thinking: { by: 'assistant', members: ['data'] },
};
const SERVER_BLOCK = /^(server_tool_use|\w+_tool_result)$/;
const IMAGES = ['image/jpeg', 'image/png', 'image/gif', 'image/webp'];
const ID = /^[a-zA-Z0-9_-]+$/;

interface Turn {
  readonly role: 'user' | 'assistant';
  readonly blocks: readonly Loose[];
}

/** Why the conversation of a request would be refused, or null. */
export function messagesFault(body: Loose): string | null {
  const { messages } = body;
  if (!Array.isArray(messages) || messages.length === 0) return 'messages: at least one message is required';
  const turns: Turn[] = [];
  for (const [index, message] of (messages as readonly unknown[]).entries()) {
    const turn = turnOf(message, `messages.${index}`);
    if (typeof turn === 'string') return turn;
    const last = turns.at(-1);
    // "Consecutive user or assistant turns in your request will be combined into a single turn."
    if (last?.role === turn.role) turns.splice(-1, 1, { role: turn.role, blocks: [...last.blocks, ...turn.blocks] });
    else turns.push(turn);
  }
  if (turns[0]?.role !== 'user') return 'messages: first message must use the "user" role';
  return pairsFault(turns, body) ?? thoughtsFault(turns, body);
}

function turnOf(message: unknown, at: string): Turn | string {
  if (!isObject(message)) return `${at}: Input should be an object`;
  const { role, content } = message;
  if (role !== 'user' && role !== 'assistant') return `${at}.role: Unexpected role "${String(role)}"`;
  const extra = unknownOf(message, ['role', 'content']);
  if (extra !== undefined) return `${at}.${extra}: Extra inputs are not permitted`;
  const blocks: unknown = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  if (!Array.isArray(blocks) || blocks.length === 0) return `${at}: all messages must have non-empty content`;
  for (const [index, block] of (blocks as readonly unknown[]).entries()) {
    const fault = blockFault(block, role, `${at}.content.${index}`);
    if (fault !== null) return fault;
  }
  return { role, blocks: blocks as readonly Loose[] };
}

function blockFault(block: unknown, role: 'user' | 'assistant', at: string): string | null {
  if (!isObject(block)) return `${at}: Input should be an object`;
  const type = String(block['type']);
  const rule = BLOCKS[type];
  if (rule === undefined) return role === 'assistant' && SERVER_BLOCK.test(type) ? null : `${at}.type: Input tag '${type}' is unknown`;
  if (rule.by !== 'both' && rule.by !== role) return `${at}: \`${type}\` blocks can only be in \`${rule.by}\` messages`;
  const extra = unknownOf(block, ['type', 'cache_control', ...rule.members]);
  if (extra !== undefined) return `${at}.${type}.${extra}: Extra inputs are not permitted`;
  return memberFault(type, block, at);
}

function memberFault(type: string, block: Loose, at: string): string | null {
  if (type === 'text')
    return typeof block['text'] === 'string' && block['text'].trim() !== ''
      ? null
      : `${at}: text content blocks must contain non-whitespace text`;
  if (type === 'tool_use') {
    if (!ID.test(String(block['id']))) return `${at}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'`;
    return isObject(block['input']) ? null : `${at}.tool_use.input: Input should be a valid dictionary`;
  }
  if (type === 'tool_result') {
    const { content, is_error: isError } = block;
    if (typeof content !== 'string' && !Array.isArray(content)) return `${at}.tool_result.content: Input should be a valid string or list`;
    return isError === true && content.length === 0 ? `${at}.tool_result: content cannot be empty if is_error is true` : null;
  }
  if (type === 'image' || type === 'document') return sourceFault(type, block['source'], `${at}.${type}.source`);
  return null;
}

function sourceFault(type: 'image' | 'document', source: unknown, at: string): string | null {
  if (!isObject(source)) return `${at}: Field required`;
  const { type: kind, media_type: mediaType, data, url } = source;
  if (kind === 'url') return typeof url === 'string' && /^https?:/.test(url) ? null : `${at}.url: Input should be a valid URL`;
  if (kind === 'text' && type === 'document') return mediaType === 'text/plain' && typeof data === 'string' ? null : `${at}: is malformed`;
  if (kind !== 'base64') return `${at}.type: Input tag '${String(kind)}' is unknown`;
  const types = type === 'image' ? IMAGES : ['application/pdf'];
  if (!types.includes(String(mediaType))) return `${at}.base64.media_type: Input should be one of ${types.join(', ')}`;
  return typeof data === 'string' && /^[A-Za-z0-9+/]+={0,2}$/.test(data) ? null : `${at}.base64.data: invalid base64 data`;
}

/** Every call is answered in the next user message, before anything else stands there; every answer has its call. */
function pairsFault(turns: readonly Turn[], { tools }: Loose): string | null {
  const ids = new Set<unknown>();
  let open: readonly unknown[] = [];
  for (const [index, { blocks }] of turns.entries()) {
    const results = blocks.filter(({ type }) => type === 'tool_result').map((block) => block['tool_use_id']);
    if ((open.length > 0 || results.length > 0) && (!Array.isArray(tools) || tools.length === 0))
      return 'Requests which include `tool_use` or `tool_result` blocks must define tools';
    const missing = open.filter((id) => !results.includes(id));
    const isFirst = blocks.slice(0, results.length).every(({ type }) => type === 'tool_result');
    if (missing.length > 0 || (open.length > 0 && !isFirst))
      return `messages.${index - 1}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${(missing.length > 0 ? missing : open).join(', ')}`;
    const stray = results.find((id, at) => !open.includes(id) || results.indexOf(id) !== at);
    if (stray !== undefined) return `messages.${index}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${String(stray)}`;
    const calls = blocks.filter(({ type }) => type === 'tool_use').map(({ id }) => id);
    for (const id of calls) {
      if (ids.has(id)) return `messages.${index}: \`tool_use\` ids must be unique`;
      ids.add(id);
    }
    open = calls;
  }
  return open.length > 0
    ? `messages.${turns.length - 1}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${open.join(', ')}`
    : null;
}

function thoughtsFault(turns: readonly Turn[], { thinking, model }: Loose): string | null {
  for (const [index, { role, blocks }] of turns.entries()) {
    const at = `messages.${index}`;
    const fault = blocks.map((block) => signatureFault(block, at)).find((found) => found !== null);
    if (fault !== undefined) return fault;
    if (role === 'assistant' && isThought(blocks.at(-1))) return `${at}: The final block in an assistant message cannot be \`thinking\`.`;
  }
  const last = turns.findLast(({ role }) => role === 'assistant');
  const isBudgeted = isObject(thinking) && thinking['type'] === 'enabled';
  if (isBudgeted && last?.blocks.some(({ type }) => type === 'tool_use') === true && !isThought(last.blocks[0]))
    return 'Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block.';
  const isPrefill = turns.at(-1)?.role === 'assistant' && turns.at(-1)?.blocks.at(-1)?.['type'] === 'text';
  return isPrefill && /-(4-[6-9](?!\d)|[5-9])/.test(String(model)) ? 'This model does not support assistant message prefill.' : null;
}

function signatureFault({ type, signature, thinking }: Loose, at: string): string | null {
  if (type !== 'thinking') return null;
  if (typeof signature !== 'string' || signature === '') return `${at}: Invalid \`signature\` in \`thinking\` block`;
  return signature.startsWith('mock-') && signature !== signatureOf(String(thinking))
    ? `${at}: \`thinking\` or \`redacted_thinking\` blocks in the latest assistant message cannot be modified.`
    : null;
}

const isThought = (block: Loose | undefined): boolean => block?.['type'] === 'thinking' || block?.['type'] === 'redacted_thinking';

/** How the mock signs what a model thought: it knows its own again, and what was altered of it. */
export function signatureOf(thinking: string): string {
  return `mock-${createHash('sha256').update(thinking).digest('base64')}`;
}

/** The first member that is not allowed. */
export function unknownOf(value: Loose, allowed: readonly string[]): string | undefined {
  return Object.keys(value).find((name) => !allowed.includes(name));
}

/** True for a JSON object. */
export function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
