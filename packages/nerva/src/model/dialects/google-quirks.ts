/** What Gemini's models differ in. What is absent is read from the model's name. */
export interface GoogleQuirks {
  /** How thinking is asked for: by level since Gemini 3, by budget in 2.5, not at all before and by others. */
  readonly thinking?: 'level' | 'budget' | 'none';
  /** The least thinking it can be told to do, for `reasoning: 'none'`: a level, or tokens. */
  readonly thinkingLeast?: 'minimal' | 'low' | number;
  /** Since Gemini 3 the first call of each step needs its signature; one that has none is sent with the word that skips the check. */
  readonly isSigned?: boolean;
  /** Whether the schema of an answer may stand beside tools: since Gemini 3, unless a tool must be called. Else it goes into the instructions. */
  readonly outputWithTools?: boolean;
  /** Gemma takes instructions as the first user message only. */
  readonly instructions?: 'system' | 'message';
}

/** What the model's name says about it. */
export function quirksOf(model: string): Required<GoogleQuirks> {
  const version = /gemini-(\d+(?:\.\d+)?)/.exec(model)?.[1];
  const isGemini = model.includes('gemini-');
  // `gemini-flash-latest` and the like name the newest.
  const generation = version === undefined ? (isGemini ? 3 : 0) : Number(version);
  const isPro = model.includes('-pro');
  const thinking = generation >= 3 ? 'level' : generation >= 2.5 ? 'budget' : 'none';
  return {
    thinking,
    thinkingLeast: thinking === 'level' ? (isPro ? 'low' : 'minimal') : isPro ? 128 : 0,
    isSigned: generation >= 3,
    outputWithTools: generation >= 3,
    instructions: model.includes('gemma') ? 'message' : 'system',
  };
}
