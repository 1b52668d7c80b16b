import type { Message } from './message.ts';

/**
 * A fold over a conversation that remembers where it got to, so that a call with a longer list folds only what is new.
 * The list may be a new array each time; its entries are compared by identity, all of them: a list that is not an extension is folded from its start.
 * Memory: one state a conversation, dropped with its first message.
 */
export function rolling<S, C>(
  start: S,
  add: (state: S, message: Message, context: C) => S,
): (messages: readonly Message[], context: C) => S {
  const latest = new WeakMap<Message, { readonly seen: Message[]; state: S }>();
  return (messages, context) => {
    const first = messages[0];
    if (first === undefined) return start;
    let entry = latest.get(first);
    if (entry === undefined || !extendsList(messages, entry.seen)) {
      entry = { seen: [], state: start };
      latest.set(first, entry);
    }
    for (let index = entry.seen.length; index < messages.length; index++) {
      const message = messages[index] as Message;
      entry.state = add(entry.state, message, context);
      entry.seen.push(message);
    }
    return entry.state;
  };
}

/** 50 comparisons of pointers cost less than one hash; a wrong prefix would cost a wrong request. */
function extendsList(messages: readonly Message[], seen: readonly Message[]): boolean {
  for (let index = 0; index < seen.length; index++) if (messages[index] !== seen[index]) return false;
  return true;
}
