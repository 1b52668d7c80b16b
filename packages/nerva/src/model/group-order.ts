import { NervaError, type World } from '../core/index.ts';
import { unmetNeeds } from './find.ts';
import type { Model, ModelRequest } from './model.ts';
import { answerTokens, requestTokens } from './size.ts';
import { needsOf, taskOf } from './task.ts';

/** In which order members of a group are asked. */
export type Strategy = (typeof STRATEGIES)[number] | Order;

/**
 * The members to ask, first choice first; who is left out is not asked. `request` is what the call sends.
 * Contract: pure, and gives at least one of `members`.
 */
export type Order = (members: readonly Model[], request: ModelRequest) => readonly Model[];

/**
 * `failover`: as listed · `round-robin`: whoever was asked longest ago · `random`: by the world's dice · `cost`: the cheapest for this
 * request first, unknown prices last · `task`: whoever meets most of what the task of the last message needs, then the cheapest.
 */
export const STRATEGIES = ['failover', 'round-robin', 'random', 'cost', 'task'] as const;

/** What an order is made from. */
export interface Ordering {
  readonly strategy: Strategy;
  readonly group: string;
  readonly models: readonly Model[];
  readonly request: ModelRequest;
  readonly world: World;
  /** When each was asked last; absent: never. */
  readonly turns: ReadonlyMap<Model, number>;
}

/** The members in the order of the strategy. @throws OPTION_INVALID when a function gives none of them. */
export function ordered({ strategy, group, models, request, world, turns }: Ordering): readonly Model[] {
  if (typeof strategy === 'function') return given(strategy(models, request), { models, group });
  switch (strategy) {
    case 'failover':
      return models;
    case 'round-robin':
      return models.toSorted((a, b) => (turns.get(a) ?? 0) - (turns.get(b) ?? 0));
    case 'random':
      return shuffled(models, world);
    case 'cost':
      return byCost(models, request);
    case 'task': {
      const needs = needsOf(taskOf(lastText(request)));
      return byCost(models, request).toSorted((a, b) => unmetNeeds(a.capabilities, needs) - unmetNeeds(b.capabilities, needs));
    }
  }
}

function given(
  order: readonly Model[],
  { models, group }: { readonly models: readonly Model[]; readonly group: string },
): readonly Model[] {
  const members = [...new Set(order)].filter((model) => models.includes(model));
  if (members.length > 0) return members;
  throw new NervaError('OPTION_INVALID', `${group}: the strategy gave none of the ${models.length} members. Nothing was sent.`);
}

/** Fisher and Yates, in the form of R. Durstenfeld, "Algorithm 235: Random permutation", 1964: each order is as likely as any. */
function shuffled(models: readonly Model[], { dice }: World): readonly Model[] {
  const order = [...models];
  for (let index = order.length - 1; index > 0; index--) {
    const other = Math.floor(dice.roll() * (index + 1));
    [order[index], order[other]] = [order[other] as Model, order[index] as Model];
  }
  return order;
}

/** Cheapest first, by a rough count of the tokens; those of unknown price last, in the order given. */
function byCost(models: readonly Model[], request: ModelRequest): readonly Model[] {
  const input = requestTokens(request);
  const output = answerTokens(request);
  const costOf = ({ price }: Model): number => (price === undefined ? Number.MAX_VALUE : input * price.inputUsd + output * price.outputUsd);
  return models
    .map((model) => ({ model, cost: costOf(model) }))
    .toSorted((a, b) => a.cost - b.cost)
    .map(({ model }) => model);
}

/** What was asked last: of the last message that a person or a program sent, so that the steps of one turn are one task. */
function lastText({ messages }: ModelRequest): string {
  const last = messages.findLast(({ role }) => role === 'user');
  return last === undefined ? '' : last.parts.map((part) => (part.type === 'text' ? part.text : '')).join('\n');
}
