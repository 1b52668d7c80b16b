import type { ToolSpec } from './message.ts';
import type { ModelRequest } from './model.ts';
import { rolling } from './rolling.ts';

const CHARACTERS_A_TOKEN = 4;
const messagesLength = rolling<number, null>(0, (length, message) => length + JSON.stringify(message.parts).length);
const toolsLengths = new WeakMap<readonly ToolSpec[], number>();

/** About how many tokens a request is, at four characters a token. For orders and for limits, never for a bill. A conversation that grew costs its new messages. */
export function requestTokens({ instructions, messages, tools }: ModelRequest): number {
  let toolsLength = toolsLengths.get(tools);
  if (toolsLength === undefined) toolsLengths.set(tools, (toolsLength = tools.length === 0 ? 0 : JSON.stringify(tools).length));
  return Math.ceil((instructions.length + toolsLength + messagesLength(messages, null)) / CHARACTERS_A_TOKEN);
}

/** Nobody knows how long an answer gets; without a limit it is taken to be short. */
const OUTPUT_TOKENS = 500;

/** How many tokens the answer may have. */
export function answerTokens({ params }: ModelRequest): number {
  return params.maxOutputTokens ?? OUTPUT_TOKENS;
}
