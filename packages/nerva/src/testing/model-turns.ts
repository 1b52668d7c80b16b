import type { Json } from '../core/index.ts';
import type { Message, Part, ToolCallPart } from '../model/index.ts';

/** A message of a person. */
export function say(text: string): Message {
  return { role: 'user', parts: [{ type: 'text', text }], origin: 'person' };
}

/** The tool calls of an answer. */
export function callsIn(parts: readonly Part[]): readonly ToolCallPart[] {
  return parts.filter((part) => part.type === 'tool_call');
}

/** The answer as a message, and the results of its calls where it has some. */
export function turnOf(parts: readonly Part[], output: (call: ToolCallPart) => Json = ({ input }) => ({ got: input })): Message[] {
  const answer: Message = { role: 'assistant', origin: 'model', parts };
  const calls = callsIn(parts);
  if (calls.length === 0) return [answer];
  const results = calls.map((call): Part => ({ type: 'tool_result', id: call.id, name: call.name, output: output(call) }));
  return [answer, { role: 'tool', origin: 'tool', parts: results }];
}

/** What was said by all parts of a kind. */
export function textOf(parts: readonly Part[], type: 'text' | 'reasoning' = 'text'): string {
  return parts.map((part) => (part.type === type ? part.text : '')).join('');
}
