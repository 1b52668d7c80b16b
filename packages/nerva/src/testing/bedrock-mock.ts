import type { Json } from '../core/index.ts';
import { signatureOf } from './anthropic-rules-messages.ts';
import { bedrockFault } from './bedrock-rules.ts';
import { inputText, pieces, wireMock, type MockAnswer, type MockDialect, type WireMock, type WireMockOptions } from './wire-mock.ts';

/**
 * Bedrock's side of Converse. Refused are, beside what is malformed: a wrong signature, roles that do not alternate, a result without its call and
 * a call without its result, results that do not come first, reasoning that was altered or is missing, more than 4 cache points.
 */
export const bedrockConverseMock: MockDialect = {
  basePath: '',
  fault: bedrockFault,
  keyOf: ({ authorization }) =>
    /^Bearer (.+)$|Credential=([^/]+)/
      .exec(String(authorization))
      ?.slice(1)
      .find((key) => key !== undefined),
  failure: (_, message) => ({ message }),
  isStream: ({ path }) => path.endsWith('/converse-stream'),
  whole: (_, answer) => ({
    metrics: { latencyMs: 1 },
    output: { message: { role: 'assistant', content: blocksOf(answer) as readonly Json[] } },
    stopReason: stopOf(answer),
    ...usageOf(answer),
  }),
  stream: (_, answer) => ({ mediaType: 'application/vnd.amazon.eventstream', body: streamOf(answer) }),
};

/** A strict loopback server of Bedrock's Converse. Its account is `MOCK_ACCOUNT`. */
export function bedrockMock(options: WireMockOptions): Promise<WireMock> {
  return wireMock(bedrockConverseMock, options);
}

function blocksOf(answer: MockAnswer): object[] {
  const { reasoning, calls = [] } = answer;
  const text = (answer.text ?? '') + (answer.refusal ?? '');
  return [
    ...(reasoning === undefined ? [] : [{ reasoningContent: { reasoningText: { text: reasoning, signature: signatureOf(reasoning) } } }]),
    ...(text === '' ? [] : [{ text }]),
    ...calls.map(({ id, name, input }, index) => ({
      toolUse: { toolUseId: id ?? `tooluse_${index}`, name, input: objectOf(inputText(input)) },
    })),
  ];
}

/** The same answer as binary messages: text in pieces of `pieceLength`, arguments in pieces of 5. */
function streamOf(answer: MockAnswer): Uint8Array {
  const { reasoning, calls = [] } = answer;
  const text = (answer.text ?? '') + (answer.refusal ?? '');
  const messages: Uint8Array[] = [eventMessage('messageStart', { role: 'assistant' })];
  let index = 0;
  const block = (start: object | null, deltas: readonly object[]): void => {
    if (start !== null) messages.push(eventMessage('contentBlockStart', { contentBlockIndex: index, start }));
    for (const delta of deltas) messages.push(eventMessage('contentBlockDelta', { contentBlockIndex: index, delta }));
    messages.push(eventMessage('contentBlockStop', { contentBlockIndex: index++ }));
  };
  if (reasoning !== undefined) {
    const thoughts = pieces(reasoning, answer.pieceLength ?? 3).map((piece) => ({ reasoningContent: { text: piece } }));
    block(null, [...thoughts, { reasoningContent: { signature: signatureOf(reasoning) } }]);
  }
  if (text !== '')
    block(
      null,
      pieces(text, answer.pieceLength ?? 3).map((piece) => ({ text: piece })),
    );
  calls.forEach(({ id, name, input }, at) =>
    block(
      { toolUse: { toolUseId: id ?? `tooluse_${at}`, name } },
      pieces(inputText(input), 5).map((piece) => ({ toolUse: { input: piece } })),
    ),
  );
  messages.push(
    eventMessage('messageStop', { stopReason: stopOf(answer) }),
    eventMessage('metadata', { metrics: { latencyMs: 1 }, ...usageOf(answer) }),
  );
  return Buffer.concat(messages);
}

/** A message of `application/vnd.amazon.eventstream` with JSON in it. */
export function eventMessage(event: string, payload: unknown, type: 'event' | 'exception' = 'event'): Uint8Array {
  const headers = Buffer.concat([
    header(`:${type}-type`, event),
    header(':content-type', 'application/json'),
    header(':message-type', type),
  ]);
  const body = Buffer.from(JSON.stringify(payload));
  const prelude = Buffer.alloc(12);
  prelude.writeUInt32BE(prelude.length + headers.length + body.length + 4, 0);
  prelude.writeUInt32BE(headers.length, 4);
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
  const whole = Buffer.concat([prelude, headers, body]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(whole));
  return Buffer.concat([whole, checksum]);
}

/** CRC-32 as gzip has it (RFC 1952, section 8), bit by bit. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

const TEXT = 7;

function header(name: string, value: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(Buffer.byteLength(value));
  return Buffer.concat([Buffer.from([Buffer.byteLength(name)]), Buffer.from(name), Buffer.from([TEXT]), length, Buffer.from(value)]);
}

function objectOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function stopOf({ finish, calls, refusal }: MockAnswer): string {
  return finish ?? (refusal !== undefined ? 'content_filtered' : calls === undefined ? 'end_turn' : 'tool_use');
}

function usageOf({ usage = { inputTokens: 10, outputTokens: 5 } }: MockAnswer): { readonly usage?: Json } {
  if (usage === null) return {};
  const { inputTokens, outputTokens, cachedInputTokens, cacheWriteTokens } = usage;
  const total = inputTokens ?? 0;
  return {
    usage: {
      inputTokens: total - (cachedInputTokens ?? 0) - (cacheWriteTokens ?? 0),
      outputTokens,
      totalTokens: total + (outputTokens ?? 0),
      ...(cachedInputTokens === undefined ? {} : { cacheReadInputTokens: cachedInputTokens }),
      ...(cacheWriteTokens === undefined ? {} : { cacheWriteInputTokens: cacheWriteTokens }),
    },
  };
}
