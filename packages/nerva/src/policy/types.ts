import type { Json, JsonObject } from '../core/index.ts';
import type { Message } from '../model/index.ts';

/**
 * Decides an agent's next action: rules, a function, a model, or a chain in which each may abstain.
 * Contract: reads only what it is given; the same view gives the same action (an LLM is asked through `{type: 'model'}`, never called here).
 */
export interface Policy {
  readonly name: string;
  /** Digest-worthy description of what it would decide: rows, source text, parts. Part of the agent's definition. */
  readonly definition: JsonObject;
  /** @returns an action, or null to abstain. */
  evaluate(view: PolicyView): Decided | null | Promise<Decided | null>;
  /** What it looked at and why it decides or abstains, for people. Pure; present where there is more to say than `why`. */
  explain?(view: PolicyView): Explanation;
}

/** A decision with the rows that led to it, in the order they were tried. Rows after the first that matched were not. */
export interface Explanation {
  readonly decided: Decided | null;
  readonly rows: readonly { readonly row: string; readonly matched: boolean; readonly why: string }[];
}

/** What a policy sees: the turn so far. */
export interface PolicyView {
  /** The text of the message that began the turn, and its data when it was JSON. */
  readonly input: { readonly text: string; readonly data: Json };
  /** Tool calls of this turn in order, with their outcome. */
  readonly calls: readonly { readonly name: string; readonly input: Json; readonly output: Json; readonly isError: boolean }[];
  readonly messages: readonly Message[];
  /** Decisions made in this turn so far. */
  readonly step: number;
  /** Time of the last event; never the wall clock. */
  readonly nowMs: number;
}

/** What an agent does next. Several calls of one action are treated like those of one model answer. */
export type Action =
  | { readonly type: 'answer'; readonly text?: string; readonly output?: Json }
  | { readonly type: 'call'; readonly calls: readonly { readonly tool: string; readonly input: Json }[] }
  /** Ask the agent's model for this step. */
  | { readonly type: 'model' };

/** A decision as it is recorded. */
export interface Decided {
  readonly action: Action;
  /** Which policy of a chain decided. */
  readonly policy: string;
  /** For people: which row, and why. */
  readonly why: string;
  /** Probability with which a randomised policy took this action; 1 when absent. */
  readonly propensity?: number;
}
