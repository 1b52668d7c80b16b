import type { Message } from './message.ts';

/** How far a fold got. */
interface Entry<S> {
  readonly seen: Message[];
  state: S;
}

/**
 * A fold over a conversation that remembers where it got to, so that a call with a longer list folds only what is new.
 * The list may be a new array each time; its entries are compared by identity, all of them: a list that is not an extension is folded from its start.
 * Memory: one state a conversation, kept by its first message and gone with it; none for a message that is frozen.
 */
export function rolling<S, C>(
  start: S,
  add: (state: S, message: Message, context: C) => S,
): (messages: readonly Message[], context: C) => S {
  const latest = keptBy<Message, Entry<S>>();
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

/** Whoever extends it adds its private fields to an object that exists. */
class Given {
  constructor(owner: object) {
    // oxlint-disable-next-line no-constructor-return -- this is what makes the fields the owner's
    return owner;
  }
}

/**
 * A value for an object, kept in a private field of it. A WeakMap says the same, but V8's young collections take whatever an old WeakMap
 * holds for alive: each conversation would be copied to old memory before it is dropped.
 */
function keptBy<K extends object, V>(): { get(owner: K): V | undefined; set(owner: K, value: V): void } {
  class Kept extends Given {
    #value: V | undefined;

    static get(owner: object): V | undefined {
      return #value in owner ? owner.#value : undefined;
    }

    static set(owner: object, value: V): void {
      if (!Object.isExtensible(owner)) return;
      const kept = (#value in owner ? owner : new Kept(owner)) as Kept;
      kept.#value = value;
    }
  }
  return Kept;
}
