/**
 * An append-only list that shares its storage with the list it grew from: `push` is O(1) on the newest list and a copy on an older one.
 * Pure to its users: no list ever changes.
 */
export interface List<T> {
  readonly count: number;
  /** Private: holds at least `count` items. */
  readonly shared: T[];
}

/** A list of these items. */
export function listOf<T>(items: readonly T[]): List<T> {
  return { count: items.length, shared: [...items] };
}

/** The list with one more item at its end. */
export function push<T>(list: List<T>, item: NoInfer<T>): List<T> {
  const shared = list.shared.length === list.count ? list.shared : list.shared.slice(0, list.count);
  shared.push(item);
  return { count: list.count + 1, shared };
}

/** The items in order. Not a copy where that can be helped: do not change it. */
export function items<T>(list: List<T>): readonly T[] {
  return list.shared.length === list.count ? list.shared : list.shared.slice(0, list.count);
}
