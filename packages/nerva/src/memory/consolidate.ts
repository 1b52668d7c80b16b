import { checkRange, type JsonObject, type World } from '../core/index.ts';
import type { EventDraft, EventId, Seq } from '../log/index.ts';
import { COMPARED_MAX, HIGH } from './derived.ts';
import { isRecord, readDerivation, readEvolution } from './derived-read.ts';
import { checkMaker, isNewer } from './makers.ts';
import type { Entry } from './entries.ts';
import { rulesEvolver, type Evolver } from './evolve.ts';
import { onlyNote, rulesExtractor, type Extracted, type Extractor } from './extract.ts';

/** What is made of texts, and by whom. None of it can make a change of the memory fail. */
export interface Derivers {
  /** Whether rules take apart what is remembered as it is remembered; default false: then `consolidate` does. */
  readonly extract?: boolean;
  /** Beside the rules, in `consolidate`: `modelExtractor(model)`. */
  readonly extractor?: Extractor;
  /** In place of the rules that compare entries, in `consolidate`: `modelEvolver(model)`. */
  readonly evolver?: Evolver;
}

/** How much `consolidate` does. */
export interface Consolidating {
  /** Entries looked at in this run, 1–1,000; default 20. */
  readonly limit?: number;
  /** It ends after what is under way. */
  readonly signal?: AbortSignal;
}

/** What a run did. */
export interface Consolidated {
  /** Derivations and evolutions that were written. */
  readonly derived: number;
  readonly evolved: number;
  /** What could not be asked and is tried again by a later run. */
  readonly failed: number;
  /** Entries that are left to look at. */
  readonly left: number;
}

/** The memory that is worked on. */
export interface Ground {
  readonly entries: () => Iterable<Entry>;
  readonly entry: (id: EventId) => Entry | undefined;
  /** Entries with words of this one that were recorded before it and hold when it begins, or now, best first, and how well of the best: 0–1. */
  readonly like: (entry: Entry, limit: number) => readonly { readonly entry: Entry; readonly share: number }[];
  /** Writes what is decided on what stands. @returns null when that was nothing. */
  readonly write: (decide: () => readonly EventDraft[]) => Promise<Seq | null>;
}

/** What is found worse than this, beside the best, is not compared. */
const SHARE_MIN = 0.3;
/** What could not be asked so often is not asked again: then there is a note, or no relation. */
const FAILURES_MAX = 3;

/**
 * Makes what can be made of entries, in the background. What is left is seen from the log alone, so a run that was cut is gone on with by the
 * next, also elsewhere.
 * Invariant M3: of an entry there is one derivation by each maker and version, whoever runs at the same time: each is decided on what stands.
 */
export class Consolidator {
  readonly #world: World;
  readonly #extractors: readonly Extractor[];
  readonly #evolver: Evolver;
  /** How often what was asked about an entry failed, by maker and entry. */
  readonly #failures = new Map<string, number>();
  #running: Promise<unknown> = Promise.resolve();

  /** @throws OPTION_INVALID for a maker that is not `name@version`. */
  constructor(world: World, { extractor, evolver = rulesEvolver }: Derivers) {
    this.#world = world;
    this.#extractors = [rulesExtractor, ...(extractor === undefined ? [] : [extractor])];
    this.#evolver = evolver;
    for (const { by } of [...this.#extractors, evolver]) checkMaker(by);
  }

  /** One run after the other: two would ask the same. */
  run(ground: Ground, { limit = 20, signal }: Consolidating): Promise<Consolidated> {
    checkRange('limit', limit, 1, 1_000);
    const done = this.#running.then(() => this.#run(ground, { limit, signal }));
    this.#running = done.catch(() => undefined);
    return done;
  }

  async #run(ground: Ground, { limit, signal }: Run): Promise<Consolidated> {
    const done: Record<Outcome, number> = { derived: 0, evolved: 0, failed: 0, nothing: 0 };
    for (const { id } of this.#left(ground).slice(0, limit)) {
      for (const extractor of this.#extractors) done[await this.#derive(ground, { id, extractor, signal })]++;
      done[await this.#evolve(ground, { id, signal })]++;
      if (signal?.aborted === true) break;
    }
    const { derived, evolved, failed } = done;
    return { derived, evolved, failed, left: this.#left(ground).length };
  }

  /** What something can be made of, oldest first, and what failed before after all else: it keeps nothing else waiting. */
  #left(ground: Ground): readonly Entry[] {
    const left: Entry[] = [];
    for (const entry of ground.entries()) if (this.#lacks(entry)) left.push(entry);
    const failures = new Map(left.map((entry) => [entry, this.#failuresOf(entry)]));
    return left.toSorted((one, other) => (failures.get(one) ?? 0) - (failures.get(other) ?? 0));
  }

  #lacks(entry: Entry): boolean {
    return this.#extractors.some(({ by }) => lacksDerivation(entry, by)) || lacksEvolution(entry, this.#evolver.by);
  }

  #failuresOf({ id }: Entry): number {
    const makers = [...this.#extractors.map(({ by }) => `items ${by}`), `relations ${this.#evolver.by}`];
    return makers.reduce((sum, maker) => sum + (this.#failures.get(`${maker} ${id}`) ?? 0), 0);
  }

  /** Whether what failed is to be left for a later run. */
  #isForLater(maker: string, id: EventId): boolean {
    const failures = (this.#failures.get(`${maker} ${id}`) ?? 0) + 1;
    this.#failures.set(`${maker} ${id}`, failures);
    return failures < FAILURES_MAX;
  }

  async #derive(ground: Ground, { id, extractor, signal }: Step & { readonly extractor: Extractor }): Promise<Outcome> {
    const { by } = extractor;
    const entry = ground.entry(id);
    if (entry === undefined || signal?.aborted === true || !lacksDerivation(entry, by)) return 'nothing';
    const { text } = entry;
    let made: Partial<Extracted & { readonly isLater?: boolean }>;
    try {
      made = orNothing(
        await extractor.extract(text, { world: this.#world, nowMs: entry.validMs, ...(signal === undefined ? {} : { signal }) }),
      );
    } catch (error) {
      if (isAborted(signal)) return 'nothing';
      made = { ...onlyNote(text, error), isLater: true };
    }
    if (made.isLater === true && this.#isForLater(`items ${by}`, id)) return 'failed';
    const { items, relations, failure } = readDerivation({ ...made, by }, text.length) ?? { ...onlyNote(text, null) };
    const data = { of: id, by, items, relations, failure } as unknown as JsonObject;
    const seq = await ground.write(() => {
      const now = ground.entry(id);
      return now !== undefined && now.text === text && lacksDerivation(now, by) ? [draftOf(now, { type: 'memory.derived', data })] : [];
    });
    this.#failures.delete(`items ${by} ${id}`);
    return seq === null ? 'nothing' : 'derived';
  }

  async #evolve(ground: Ground, { id, signal }: Step): Promise<Outcome> {
    const { by } = this.#evolver;
    const entry = ground.entry(id);
    if (entry === undefined || signal?.aborted === true || !lacksEvolution(entry, by)) return 'nothing';
    const others = ground
      .like(entry, COMPARED_MAX)
      // What two people say of themselves is not about the same one, and is shown to nobody together.
      .filter(({ share, entry: { subject } }) => share >= SHARE_MIN && (subject ?? entry.subject) === (entry.subject ?? subject))
      .map((one) => one.entry);
    let made: Partial<Awaited<ReturnType<Evolver['relate']>>>;
    try {
      const options = { world: this.#world, ...(signal === undefined ? {} : { signal }) };
      made = others.length === 0 ? { relations: [] } : orNothing(await this.#evolver.relate(entry, others, options));
    } catch {
      if (isAborted(signal)) return 'nothing';
      made = { relations: [], isLater: true };
    }
    if (made.isLater === true && this.#isForLater(`relations ${by}`, id)) return 'failed';
    const { relations: said } = readEvolution({ ...made, by }, id) ?? { relations: [] };
    const relations = said.map((one) =>
      isWeaker(
        entry,
        others.find(({ id }) => id === one.to),
      )
        ? { ...one, confidence: Math.min(one.confidence, LOW) }
        : one,
    );
    const seq = await ground.write(() => {
      const now = ground.entry(id);
      if (now === undefined || !lacksEvolution(now, by)) return [];
      const standing = relations.filter(({ to }, at) => {
        const isFirst = relations.findIndex((one) => one.to === to) === at;
        return isFirst && others.some((one) => one.id === to) && ground.entry(to)?.forgottenMs === null;
      });
      return [draftOf(now, { type: 'memory.evolved', data: { from: id, by, relations: standing } as unknown as JsonObject })];
    });
    this.#failures.delete(`relations ${by} ${id}`);
    return seq === null ? 'nothing' : 'evolved';
  }
}

type Outcome = 'derived' | 'evolved' | 'failed' | 'nothing';

interface Run {
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
}

interface Step {
  readonly id: EventId;
  readonly signal: AbortSignal | undefined;
}

/** What is made of somebody's data is theirs too, whoever makes it: it goes when they are erased. */
function draftOf({ subject }: Entry, draft: EventDraft): EventDraft {
  return subject === undefined ? draft : { ...draft, subject };
}

/** An extractor of one's own may give anything. */
function orNothing<T extends object>(made: T): Partial<T> {
  return isRecord(made) ? made : {};
}

/** What came up in a session ends nothing that a program recorded by itself: words of anybody may be in it. */
const isWeaker = (entry: Entry, other: Entry | undefined): boolean => entry.source !== null && other?.source === null;
/** A relation that is kept, and ends nothing. */
const LOW = HIGH - 0.01;

/** It may have been aborted while something was under way. */
const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

/** Nothing is made of what is forgotten: it would be sent to a model. */
function lacksDerivation({ forgottenMs, derived = [] }: Entry, by: string): boolean {
  return forgottenMs === null && isNewer(derived, by);
}

/** What something else stands for already is compared with nothing. */
function lacksEvolution({ forgottenMs, supersededBy, evolved = [] }: Entry, by: string): boolean {
  return forgottenMs === null && supersededBy === null && isNewer(evolved, by);
}
