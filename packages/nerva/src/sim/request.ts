import type { Json } from '../core/index.ts';
import type { Message, ModelRequest } from '../model/index.ts';

/**
 * What a provider would refuse in a request, or null: a call without its result right after it, a result without its call, results out of
 * call order, two results of one call, an empty message, or a conversation that does not begin with a user.
 */
export function requestProblem({ messages }: Pick<ModelRequest, 'messages'>): string | null {
  if (messages.length > 0 && messages[0]?.role !== 'user') return `it begins with a message of the ${messages[0]?.role ?? ''}`;
  for (let index = 0; index < messages.length; index++) {
    const { role, parts } = messages[index] as Message;
    const before = messages[index - 1];
    const asked = before?.role === 'assistant' ? idsOf(before, 'tool_call') : [];
    const given = idsOf(messages[index] as Message, 'tool_result');
    if (new Set(asked).size < asked.length) return `message ${index - 1} has two calls under one id: ${show(asked)}`;
    if (parts.length === 0) return `message ${index} is empty`;
    if (role === 'tool' && given.length !== parts.length) return `message ${index} of the tool holds more than results`;
    if (asked.length !== given.length || asked.some((id, at) => id !== given[at]))
      return `message ${index} answers the calls ${show(given)}, but those asked are ${show(asked)}`;
  }
  const open = messages.at(-1)?.role === 'assistant' ? idsOf(messages.at(-1) as Message, 'tool_call') : [];
  return open.length > 0 ? `the calls ${show(open)} have no result` : null;
}

const show = (value: Json): string => JSON.stringify(value);

function idsOf({ parts }: Message, type: 'tool_call' | 'tool_result'): string[] {
  return parts.flatMap((part) => (part.type === type ? [part.id] : []));
}
