/** What an entry is about. */
export const ENTRY_KINDS = [
  'self',
  'person',
  'project',
  'topic',
  'note',
  'task',
  'organization',
  'location',
  'event',
  'preference',
] as const;
/** One of them. */
export type EntryKind = (typeof ENTRY_KINDS)[number];
