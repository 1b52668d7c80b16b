import type { MemoryData } from './fold.ts';

/** What an event is for, and each field of its data in one line. */
interface Row<Data> {
  readonly help: string;
  readonly data: Readonly<Record<keyof Data, string>>;
}

const AGENT = {
  agent: 'name of the agent',
  rights: 'some of recall, remember, forget and edit',
  by: 'who changes them; absent: nobody said',
};
const SCORE = 'how much it belonged there, 0–1';

/**
 * What a memory writes into its log, version 1: each a decision, whose origin is `system`. A test holds docs/events.md equal to it, and another
 * what is written.
 */
export const MEMORY_EVENTS: { readonly [Type in keyof MemoryData]: Row<MemoryData[Type]> } = {
  'scope.opened': { help: 'The first event of a memory’s log.', data: { scope: 'whose memory it is' } },
  'memory.block.set': {
    help: 'A block is set: what is absent stays, or is empty in a new block.',
    data: {
      label: 'unique in the memory',
      type: 'system, persona, human, facts, goals or scratch: the order in a prompt; absent in a new block: facts',
      text: 'what it says',
      description: 'what belongs in it, for the model',
      bytesMax: 'of the text; null: as much as there is room for',
      isReadOnly: 'whether the model may not change it',
      importance: '0–1',
    },
  },
  'memory.block.removed': { help: 'A block is there no more.', data: { label: 'of the block' } },
  'memory.item.set': {
    help: 'A value is kept for a while, in the place of what was under its key.',
    data: { key: 'of the item', value: 'any JSON', bytes: 'that it counts', expiresMs: 'from when on it is not there, in ms since 1970' },
  },
  'memory.items.removed': { help: 'Items are there no more.', data: { keys: 'at most 1,000' } },
  'memory.recorded': {
    help: 'An entry is kept for good. The event is its id, `sid:seq`.',
    data: {
      text: 'as it was said',
      name: 'its first line, at most 50 code points',
      kind: 'what it is about: note, person, preference and so on',
      tags: 'at most 64 texts',
      importance: '0–1',
      validMs: 'since when it holds, in ms since 1970',
      supersedes: 'id of the entry whose place it takes from then on; absent: none',
      source: 'id of the event that it comes from; absent: nobody said',
    },
  },
  'memory.forgotten': { help: 'An entry is left out of recall from now on.', data: { id: 'of the entry' } },
  'memory.cleared': { help: 'Entries are left out of recall from now on.', data: { ids: 'of the entries, at most 1,000' } },
  'memory.ended': {
    help: 'An entry holds until then only, and nothing takes its place. An end is moved to sooner only.',
    data: { id: 'of the entry', atMs: 'from when on it does not hold, in ms since 1970' },
  },
  'memory.derived': {
    help: 'What somebody made of an entry’s text.',
    data: {
      of: 'id of the entry',
      by: 'who made it, name and version: `rules@1`. A higher version takes the place of a lower one',
      items: 'what was found: type, name, where it stands, confidence, and what else its type has',
      relations: 'how items belong together: from, to, type, confidence',
      failure: 'why there is only a note, an error code; null: it went well',
    },
  },
  'memory.evolved': {
    help: 'How an entry stands to those before it. An update or a contradiction that is sure (0.8) ends the one that began sooner.',
    data: {
      from: 'id of the entry',
      by: 'who says so, name and version',
      relations: 'to which entry, relation (update, extend, derive or contradict), confidence; at most 10',
    },
  },
  'memory.accessed': {
    help: 'Entries were told.',
    data: {
      at: 'when, and which, at most 1,000 in all',
      from: 'the session whose log says so, and its last event that was read: nothing up to there is counted again; absent: a program said it',
    },
  },
  'memory.promoted': { help: 'An entry stands among the blocks from now on.', data: { id: 'of the entry', score: SCORE } },
  'memory.evicted': {
    help: 'An entry does not stand among the blocks any more; it is found as before.',
    data: {
      id: 'of the entry',
      why: 'gone (it does not hold), idle, budget or removed',
      score: 'how much it was worth to leave it there, 0–1; 0 where it had to go',
    },
  },
  'memory.granted': { help: 'What an agent may do from now on, beside what it might before.', data: AGENT },
  'memory.revoked': { help: 'What an agent may not do any more.', data: AGENT },
};
