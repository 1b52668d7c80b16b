import type { Derivation, ItemType } from './derived.ts';

/** What filters see of an entry's derivations: each list without repetitions. */
export function derivedFields(derived: readonly Derivation[]): Readonly<Record<DerivedField, readonly string[]>> {
  const items = derived.flatMap((one) => one.items);
  const of = (...types: readonly ItemType[]): readonly string[] =>
    Array.from(
      new Set(items.filter(({ type }) => types.includes(type)).map(({ name, from }) => (types[0] === 'date' ? (from ?? name) : name))),
    );
  return {
    people: of('person'),
    dates: of('date'),
    quantities: of('quantity'),
    preferences: of('preference'),
    commitments: of('commitment', 'task'),
    organizations: of('organization'),
    locations: of('location'),
  };
}

/** Fields of a filter that come from derivations. */
export const DERIVED_FIELDS = ['people', 'dates', 'quantities', 'preferences', 'commitments', 'organizations', 'locations'] as const;
type DerivedField = (typeof DERIVED_FIELDS)[number];
