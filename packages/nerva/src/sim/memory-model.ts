import { checkOptions, checkRange, NervaError, type Json, type JsonObject } from '../core/index.ts';
import type { EntryKind, ItemRelation, Related } from '../memory/index.ts';
import { scriptedModel, type Model, type ModelRequest, type ScriptStep } from '../model/index.ts';
import { diceOf, hash32, rollOf, type SimDice } from './dice.ts';
import { failureOf } from './failures.ts';
import { obedientStep, usageOf, valueOf, type SimModel } from './model.ts';

/**
 * What a model is asked for, as the request itself shows: to take a text apart, to compare texts, to say a question in other words, to summarise a
 * conversation, to choose among names that a schema gives, or anything else.
 */
export type MemoryPrompt = 'extract' | 'evolve' | 'rewrite' | 'summarise' | 'categorise' | 'generic';

/** How a model fails. Of several that strike at once the first here counts. */
export type MemoryModelFault = (typeof FAULTS)[number];
const FAULTS = ['timeout', 'error', 'rateLimit', 'malformed'] as const;

/** What a simulated model of a memory is given. */
export interface SimMemoryModelOptions {
  /** Default that of the simulation it runs in; 1 outside. */
  readonly seed?: number;
  /** How often a text stands so to one before it, as parts of their sum; each 0–1. Default update .2, extend .3, derive .15, contradict .1, none .25. */
  readonly weights?: Readonly<Partial<Record<Relation, number>>>;
  /** How probable each is at each call: 0–1. Default 0. */
  readonly faults?: Readonly<Partial<Record<MemoryModelFault, number>>>;
  readonly name?: string;
}

/**
 * A model that answers what a memory asks of one, decided by a seed. What is asked alone decides the answer, and how often it was asked before only
 * whether that call fails: so the same calls give the same bytes, however they are interleaved, and what failed may be asked again.
 */
export interface SimMemoryModel extends SimModel {
  /** Calls of each kind since it was made or reset; with those of `withSeed`, without those of forks. */
  readonly asked: Readonly<Record<MemoryPrompt, number>>;
  /** Calls that failed, by why. */
  readonly fired: Readonly<Record<MemoryModelFault, number>>;
  /** One that answers and fails otherwise, and counts for itself; the same name gives the same. */
  fork(name: string): SimMemoryModel;
  /** Forgets what it was asked: the same calls have the same fate again. */
  reset(): void;
}

type Relation = Related['relation'] | 'none';
const WEIGHTS: Readonly<Record<Relation, number>> = { update: 0.2, extend: 0.3, derive: 0.15, contradict: 0.1, none: 0.25 };
const RELATIONS = Object.keys(WEIGHTS) as readonly Relation[];

/** Makes a simulated model for a memory, for whoever summarises, and for the turns of an agent, which it goes through obediently. @throws OPTION_UNKNOWN, OPTION_INVALID */
export function simMemoryModel(options: SimMemoryModelOptions = {}): SimMemoryModel {
  checkOptions(options, ['seed', 'weights', 'faults', 'name'], 'simMemoryModel');
  checkOptions(options.weights ?? {}, RELATIONS, 'simMemoryModel weights');
  checkOptions(options.faults ?? {}, FAULTS, 'simMemoryModel faults');
  const { name = 'sim/memory', faults = {} } = options;
  const weights = { ...WEIGHTS, ...options.weights };
  for (const relation of RELATIONS) checkRange(`weights.${relation}`, weights[relation], 0, 1);
  for (const fault of FAULTS) checkRange(`faults.${fault}`, faults[fault] ?? 0, 0, 1);
  if (!RELATIONS.some((relation) => weights[relation] > 0))
    throw new NervaError('OPTION_INVALID', 'weights: one at least must be more than 0. Nothing was made.');
  const tally = new Tally();
  const under = (seed: number): Model =>
    scriptedModel(
      (request) => {
        const kind = promptOf(request);
        const key = `${kind} ${JSON.stringify(request.messages.map(({ role, parts }) => [role, parts]))}`;
        const nth = tally.count(kind, key, seed);
        const struck = FAULTS.find((fault) => rollOf(hash32(fault, seed), key, nth) < (faults[fault] ?? 0));
        if (struck === undefined) return { usage: usageOf(request), ...ANSWERS[kind]({ request, dice: diceOf(seed, key), weights }) };
        tally.fired[struck]++;
        return struck === 'malformed' ? { usage: usageOf(request), text: CUT } : { error: failureOf(FAILS[struck]) };
      },
      { name, requestsMax: 0 },
    );
  const seed = options.seed ?? 1;
  return {
    ...under(seed),
    withSeed: (other) => under(options.seed ?? other),
    get asked() {
      return { ...tally.asked };
    },
    get fired() {
      return { ...tally.fired };
    },
    fork: (branch) => simMemoryModel({ ...options, seed: hash32(branch, seed) }),
    reset: () => tally.reset(),
  };
}

const FAILS = { timeout: 'model.stalled', error: 'model.unavailable', rateLimit: 'model.limited' } as const;
/** An answer that breaks off. */
const CUT = '{"entities": [{"name": ';

class Tally {
  asked: Record<MemoryPrompt, number> = noneAsked();
  fired: Record<MemoryModelFault, number> = noneFired();
  readonly #times = new Map<string, number>();

  /** @returns how often the same was asked before. */
  count(kind: MemoryPrompt, key: string, seed: number): number {
    this.asked[kind]++;
    const short = `${seed} ${hash32(key, seed)} ${hash32(key, ~seed)}`;
    const before = this.#times.get(short) ?? 0;
    this.#times.set(short, before + 1);
    return before;
  }

  reset(): void {
    this.asked = noneAsked();
    this.fired = noneFired();
    this.#times.clear();
  }
}

const noneAsked = (): Record<MemoryPrompt, number> => ({ extract: 0, evolve: 0, rewrite: 0, summarise: 0, categorise: 0, generic: 0 });
const noneFired = (): Record<MemoryModelFault, number> => ({ timeout: 0, error: 0, rateLimit: 0, malformed: 0 });

/** By what the answer must look like, and not by the words of a prompt: those may change. */
function promptOf({ messages, tools, params }: ModelRequest): MemoryPrompt {
  const [first] = messages;
  const properties = propertiesOf(params.outputSchema);
  if (messages.length === 1 && tools.length === 0 && first?.origin !== 'person') {
    if (first?.origin === 'tool' && textOf(messages).includes('<conversation>')) return 'summarise';
    if ('entities' in properties) return 'extract';
    if ('relations' in properties) return 'evolve';
    if ('queries' in properties) return 'rewrite';
  }
  return Object.values(properties).some((property) => typeof property === 'object' && property !== null && 'enum' in property)
    ? 'categorise'
    : 'generic';
}

const propertiesOf = (schema: JsonObject | undefined): JsonObject => (schema?.['properties'] ?? {}) as JsonObject;

const textOf = (messages: ModelRequest['messages']): string =>
  messages.flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : ''))).join('\n');

interface Asked {
  readonly request: ModelRequest;
  readonly dice: SimDice;
  readonly weights: Readonly<Record<Relation, number>>;
}

const json = (value: Json): ScriptStep => ({ text: JSON.stringify(value) });

const ANSWERS: Readonly<Record<MemoryPrompt, (asked: Asked) => ScriptStep>> = {
  extract: ({ request, dice }) => json(extracted(markedIn(request).at(0) ?? '', dice)),
  evolve({ request, dice, weights }) {
    const relations = markedIn(request)
      .slice(1)
      .map((_, at) => ({ to: at + 1, relation: drawn(weights, dice), confidence: shareOf(dice) }));
    return json({ relations: relations.filter(({ relation }) => relation !== 'none') });
  },
  rewrite({ request, dice }) {
    const words = textOf(request.messages).match(/[\p{L}\p{N}]{2,}/gu) ?? [];
    return json({ queries: [shuffled(words, dice), shuffled(words.slice(words.length >> 1), dice)].map((some) => some.join(' ')) });
  },
  summarise({ request, dice }) {
    const said = Array.from(textOf(request.messages).matchAll(/^\[\w+\] (.{1,120})/gmu), ([, line = '']) => line);
    const kept = Array.from(new Set(Array.from({ length: Math.min(3, said.length) }, () => dice.pick(said))));
    const lines = [`${said.length} messages`, ...kept].map((line) => `- ${line}`).join('\n');
    const { outputSchema } = request.params;
    if (outputSchema === undefined) return { text: lines };
    const filled = valueOf(outputSchema, dice, 0) as JsonObject;
    return json({ ...filled, summary: lines, verbatim_quotes: kept });
  },
  categorise: (asked) => done(asked),
  generic: (asked) => done(asked),
};

/** As an obedient model does; what is to be of a form has it. */
function done({ request, dice }: Asked): ScriptStep {
  const step = obedientStep(request, dice);
  const { outputSchema } = request.params;
  return step.text === undefined || outputSchema === undefined ? step : json(valueOf(outputSchema, dice, 0));
}

/** The texts that stand between marks, in their order. What looks like a mark within one ends nothing: no text holds that which ends it. */
function markedIn({ messages }: ModelRequest): readonly string[] {
  return Array.from(textOf(messages).matchAll(/^<([\w-]+)>\n([^]*?)\n<\/\1>$/gm), ([, , text = '']) => text);
}

const KINDS = ['person', 'organization', 'location', 'project', 'topic', 'event'] as const satisfies readonly EntryKind[];
const TIES = ['knows', 'works_at', 'relates_to'] as const satisfies readonly ItemRelation['type'][];

/** What begins with a capital, or where nothing does the first long word. */
function extracted(text: string, dice: SimDice): JsonObject {
  const names = Array.from(new Set(text.match(/\p{Lu}[\p{L}\p{M}]+/gu) ?? text.match(/\p{L}{4,}/u) ?? [])).slice(0, 50);
  const entities = names.map((name) => ({ name, type: dice.pick(KINDS), confidence: shareOf(dice) }));
  const relations = names.slice(1).map((to, at) => ({ from: names[at] ?? '', to, type: dice.pick(TIES), confidence: shareOf(dice) }));
  return { entities, relations };
}

const shareOf = (dice: SimDice): number => dice.below(101) / 100;

function drawn(weights: Readonly<Record<Relation, number>>, dice: SimDice): Relation {
  let left = dice.roll() * RELATIONS.reduce((sum, relation) => sum + weights[relation], 0);
  const possible = RELATIONS.filter((relation) => weights[relation] > 0);
  return possible.find((relation) => (left -= weights[relation]) < 0) ?? (possible.at(-1) as Relation); // rounding may leave a little
}

/** Fisher and Yates, as by Durstenfeld. */
function shuffled(words: readonly string[], dice: SimDice): readonly string[] {
  const all = [...words];
  for (let at = all.length - 1; at > 0; at--) {
    const other = dice.below(at + 1);
    [all[at], all[other]] = [all[other] as string, all[at] as string];
  }
  return all;
}
