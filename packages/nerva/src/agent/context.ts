import { isBlobRef, type Seq } from '../log/index.ts';
import { utf8Bytes } from '../core/index.ts';
import { requestDigest as digestOf, type Message, type ModelRequest } from '../model/index.ts';
import type { Bound } from './definition.ts';
import { fileTokens } from './files.ts';
import { taken } from './messages.ts';
import type { AgentState } from './state.ts';

/** The request that a model call made now would send; `takes` are the steering messages that join. Pure. */
export function buildRequest(state: AgentState, bound: Bound, takes: readonly Seq[]): ModelRequest {
  const { messages } = taken(state.turn, takes, true);
  return {
    instructions: instructionsOf(state, bound),
    messages: messages.shared.slice(0, messages.count),
    tools: bound.specs,
    params: bound.agent.params,
  };
}

/** What people said for good: the instructions, and the blocks that nobody else may change. */
const instructionsOf = ({ memory: { fixed } }: AgentState, { agent: { instructions } }: Bound): string =>
  fixed === '' ? instructions : instructions === '' ? fixed : `${instructions}\n\n${fixed}`;

/** 96 bits tell requests apart; a record for replay is no seal. */
const DIGEST_DIGITS = 24;

/** Digest of that request. Costs the new messages only. */
export function requestDigest(state: AgentState, bound: Bound, takes: readonly Seq[]): string {
  return shortDigest(buildRequest(state, bound, takes), bound);
}

/** A request's digest as the log has it. */
export const shortDigest = (request: ModelRequest, { hash }: Bound): string => digestOf(request, hash).slice(0, DIGEST_DIGITS);

/** About how many tokens a message is. */
export const messageTokens = (message: Message): number => Math.ceil(bytesOf(message, false) / BYTES_A_TOKEN) + fileTokens(message);

/** An estimate. */
const BYTES_A_TOKEN = 4;

/**
 * Tokens of the next request: what the provider counted last, and `bytesPerToken` for what came since (1 is a bound, 4 an estimate).
 * O(messages since the last answer).
 */
export function estimateTokens(state: AgentState, bound: Bound, bytesPerToken: number): number {
  const { seen } = state.budget;
  const { messages, inbox, notes } = state.turn;
  let bytes = seen.messages === 0 ? fixedBytes(state, bound) : 0;
  let files = 0;
  const count = (message: Message): void => {
    bytes += bytesOf(message, bytesPerToken === 1);
    files += bytesPerToken === 1 ? 0 : fileTokens(message);
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

function fixedBytes(state: AgentState, bound: Bound): number {
  const { agent, specs } = bound;
  return utf8Bytes(instructionsOf(state, bound)) + utf8Bytes(JSON.stringify([specs, agent.params]));
}
