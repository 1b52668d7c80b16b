/** What models are good for, and what they take and give. Query by these; a model's strength in one is 0 (not at all) to 4 (among the best). */
export const CAPABILITIES = [
  'inexpensive',
  'efficient',
  'premium',
  'standard',
  'streaming',
  'vision',
  'reasoning',
  'logic',
  'math',
  'analysis',
  'code',
  'creative',
  'summarization',
  'extraction',
  'formatting',
  'tool_use',
  'json_output',
  'science',
  'finance',
  'legal',
  'medical',
  'technical',
  'multilingual',
] as const;

/** One of them. */
export type Capability = (typeof CAPABILITIES)[number];

/** Strengths by capability; absent means unknown. */
export type Capabilities = Readonly<Partial<Record<Capability | 'documents' | 'audio', 0 | 1 | 2 | 3 | 4>>>;
