import { isBlobRef, type Seq } from '../log/index.ts';
import { utf8Bytes } from '../core/index.ts';
import { requestDigest as digestOf, type Message, type ModelRequest } from '../model/index.ts';
import type { Bound } from './definition.ts';
import { fileTokens } from './files.ts';
import { taken, userMessage } from './messages.ts';
import type { AgentState } from './state.ts';

/** The request that a model call made now would send; `takes` are the steering messages that join. Pure. */
export function buildRequest(state: AgentState, bound: Bound, takes: readonly Seq[]): ModelRequest {
  const { messages } = taken(state.turn, takes, true);
  return {
    instructions: instructionsOf(state, bound),
    messages: messages.shared.slice(0, messages.count).map(bound.meter.shown),
    tools: bound.specs,
    params: bound.agent.params,
  };
}

/** What people said for good: the instructions, and the blocks that nobody else may change. */
const instructionsOf = ({ memory: { parts } }: AgentState, { agent: { instructions, memory } }: Bound): string =>
  [instructions, ...(memory.length === 0 ? [] : parts.map(({ fixed }) => fixed))].filter((text) => text !== '').join('\n\n');

/** 96 bits tell requests apart; a record for replay is no seal. */
const DIGEST_DIGITS = 24;

/** Digest of that request. Costs the new messages only. */
export function requestDigest(state: AgentState, bound: Bound, takes: readonly Seq[]): string {
  return shortDigest(buildRequest(state, bound, takes), bound);
}

/** A request's digest as the log has it. */
export const shortDigest = (request: ModelRequest, { hash }: Bound): string => digestOf(request, hash).slice(0, DIGEST_DIGITS);

/** Sessions that began before tokens were counted by family count four bytes each, to the end: what they decided is decided again alike. */
const isByBytes = ({ session }: AgentState): boolean => session.tokens < 2;

/** About how many tokens a message is. */
export const messageTokens = (message: Message, state: AgentState, { meter }: Bound): number =>
  isByBytes(state) ? Math.ceil(bytesOf(message, false) / BYTES_A_TOKEN) + fileTokens(message) : meter.message(message);

/** An estimate. */
const BYTES_A_TOKEN = 4;

/** About how many tokens the next request takes: what the provider counted last, and an estimate of what came since. Costs what is new. */
export function estimateTokens(state: AgentState, bound: Bound): number {
  if (isByBytes(state)) return bytewise(state, bound, BYTES_A_TOKEN);
  const { seen } = state.budget;
  const { meter } = bound;
  const { messages } = state.turn;
  const before = seen.messages === 0 ? fixedTokens(state, bound) + meter.messages(messages) : seen.tokens;
  const fresh = [
    ...(seen.messages === 0 ? [] : messages.shared.slice(seen.messages, messages.count)),
    ...state.turn.inbox.filter(({ deliver }) => deliver === 'steer').map(({ message }) => message),
    ...state.turn.notes.map((note) => userMessage(note, 'system')),
  ];
  return fresh.reduce((sum, message) => sum + meter.message(message), before);
}

/** About how many tokens there are that no compaction takes away. 0 where a session counts by bytes: it never looked at them alone. */
export const fixedTokens = (state: AgentState, bound: Bound): number =>
  isByBytes(state) ? 0 : bound.meter.fixed(instructionsOf(state, bound));

/** The most tokens that the next request can take: what the provider counted last, and a byte a token for what came since. */
export const boundTokens = (state: AgentState, bound: Bound): number => bytewise(state, bound, 1);

/** O(messages since the last answer). */
function bytewise(state: AgentState, bound: Bound, bytesPerToken: 1 | 4): number {
  const { seen } = state.budget;
  const { messages, inbox, notes } = state.turn;
  let bytes = seen.messages === 0 ? fixedBytes(state, bound) : 0;
  let files = 0;
  const count = (message: Message): void => {
    bytes += bytesOf(message, bytesPerToken === 1);
    files += bytesPerToken === 1 ? 0 : fileTokens(message);
    if (bytesPerToken === 1 && !isByBytes(state)) bytes += blobBytes(message);
  };
  for (let index = seen.messages; index < messages.count; index++) count(messages.shared[index] as Message);
  for (const waiting of inbox) if (waiting.deliver === 'steer') count(waiting.message);
  for (const note of notes) bytes += utf8Bytes(note) + MESSAGE_BYTES;
  return seen.tokens + files + Math.ceil(bytes / bytesPerToken);
}

/** What a message costs beside its content, on the safe side. */
const MESSAGE_BYTES = 16;

/** Of a file its bytes count where a bound is wanted; an estimate counts files apart. */
function bytesOf({ parts }: Message, isBound: boolean): number {
  const bytes = utf8Bytes(JSON.stringify(parts.filter(({ type }) => type !== 'file'))) + MESSAGE_BYTES;
  if (!isBound) return bytes;
  const files = parts.filter((part) => part.type === 'file');
  return files.reduce(
    (sum, file) => sum + utf8Bytes(JSON.stringify(file)) + (isBlobRef(file.data) ? Math.ceil((file.data.bytes * 4) / 3) : 0),
    bytes,
  );
}

/** Of results that stand beside the log. */
const blobBytes = ({ parts }: Message): number =>
  parts.reduce((sum, part) => sum + (part.type === 'tool_result' && isBlobRef(part.output) ? part.output.bytes : 0), 0);

function fixedBytes(state: AgentState, bound: Bound): number {
  const { agent, specs } = bound;
  return utf8Bytes(instructionsOf(state, bound)) + utf8Bytes(JSON.stringify([specs, agent.params]));
}
