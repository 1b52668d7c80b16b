import type { Capabilities } from './capability.ts';

/** What a prompt asks for. */
export const TASKS = ['code', 'math', 'analysis', 'creative', 'summarization', 'extraction', 'translation', 'chat'] as const;

/** One of them. */
export type Task = (typeof TASKS)[number];

/** What a model needs to be good at for each. `chat` asks for nothing in particular. */
const NEEDS: Readonly<Record<Task, Capabilities>> = {
  code: { code: 3, reasoning: 2 },
  math: { math: 3, reasoning: 3 },
  analysis: { analysis: 3, reasoning: 2 },
  creative: { creative: 3 },
  summarization: { efficient: 3 },
  extraction: { json_output: 3 },
  translation: { multilingual: 3 },
  chat: {},
};

/**
 * Signs of each task, with their weight: 3 for what hardly stands in another kind of prompt (a fenced block of code, “translate into”), 2 for a
 * clear order, 1 for a hint. English only; a prompt in another language is `chat` unless it holds code or a formula.
 */
const SIGNS: Readonly<Record<Exclude<Task, 'chat'>, readonly (readonly [RegExp, 1 | 2 | 3])[]>> = {
  code: [
    [/```|\b(?:def|function|const|class|import|SELECT|public static) [\w*{(]|=>|;\s*$/m, 3],
    [/\b(?:debug|refactor|compile|implement|unit tests?|stack ?trace|pull request|regex(?:p)?|segfault)\b/i, 2],
    [
      /\b(?:write|fix|create|build|add|review)\b.{0,40}\b(?:code|script|function|class|program|query|api|endpoint|component|bug|test)\b/i,
      2,
    ],
    [/\b(?:python|typescript|javascript|rust|golang|java|sql|bash|c\+\+|react|html|css|git)\b/i, 1],
  ],
  math: [
    [/\b(?:integral|derivative|differentiate|integrate|eigenvalues?|theorem|lemma|polynomial|logarithm|factori[sz]e)\b/i, 3],
    [/\b(?:prove|solve|calculate|compute|evaluate)\b.{0,60}(?:\d|\b(?:equation|sum|product|probability|root|matrix|limit)\b|[=√∑∫π])/i, 3],
    [/\d\s*[+*/×÷^=]\s*\d|[√∑∫π]|\bx\^?[²2]/, 2],
    [/\b(?:probability|percent(?:age)?|equation|how many|average|median)\b/i, 1],
  ],
  translation: [
    [/\btranslat(?:e|ion|ing)\b/i, 3],
    [
      /\b(?:in|into|to|from) (?:english|german|french|spanish|italian|portuguese|japanese|chinese|korean|russian|arabic|hindi|dutch|polish|turkish)\b/i,
      1,
    ],
    [/\bhow do (?:you|i|we) say\b/i, 2],
  ],
  summarization: [
    [/\b(?:summari[sz]e|summary|tl;?dr)\b/i, 3],
    [/\b(?:shorten|condense|key (?:points|takeaways)|main (?:points|ideas)|in (?:one|two|three|\d+) sentences?|the gist)\b/i, 2],
  ],
  extraction: [
    [/\b(?:extract|pull out|parse out)\b/i, 3],
    [
      /\b(?:list|find|identify|return|get) (?:all|every|each|the) (?:\w+ )?(?:names?|dates?|emails?|addresses|amounts?|numbers?|entities|fields?|prices?)\b/i,
      2,
    ],
    [/\b(?:as|in|to|into) (?:json|csv|yaml|a table)\b/i, 2],
    [/\b(?:classify|categori[sz]e|label|tag) (?:this|these|the|each)\b/i, 2],
  ],
  creative: [
    [/\b(?:poem|haiku|sonnet|limerick|short story|fairy ?tale|lyrics|screenplay|slogan|tagline)\b/i, 3],
    [
      /\b(?:write|tell|compose|invent|imagine|brainstorm)\b.{0,40}\b(?:story|song|joke|scene|dialogue|character|ideas?|names?|blog post|ad)\b/i,
      2,
    ],
  ],
  analysis: [
    [/\b(?:analy[sz]e|analysis|compare|contrast|assess|pros and cons|trade-?offs?|root cause|implications?)\b/i, 2],
    [
      /\b(?:why (?:did|does|do|is|are)|what (?:caused|explains)|which (?:\w+ ){0,3}(?:better|best)|should (?:i|we)|advantages|trends?|risks?)\b/i,
      1,
    ],
  ],
};

/** Characters looked at: what is asked for stands at the beginning or at the end, and what lies between is its material. */
const HEAD_LENGTH = 2_000;
const TAIL_LENGTH = 500;

/** The kind of task that a prompt asks for, by rules: the most weight wins, and of equals the one that stands first here. Pure. */
export function taskOf(prompt: string): Task {
  const text = prompt.length <= HEAD_LENGTH + TAIL_LENGTH ? prompt : `${prompt.slice(0, HEAD_LENGTH)}\n${prompt.slice(-TAIL_LENGTH)}`;
  let best: Task = 'chat';
  let bestWeight = 0;
  for (const task of Object.keys(SIGNS) as (keyof typeof SIGNS)[]) {
    let weight = 0;
    for (const [sign, points] of SIGNS[task]) if (sign.test(text)) weight += points;
    if (weight > bestWeight) [best, bestWeight] = [task, weight];
  }
  return best;
}

/** What a task needs of a model. */
export function needsOf(task: Task): Capabilities {
  return NEEDS[task];
}
