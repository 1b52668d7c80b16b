/** An object of the wire whose members nobody has checked yet. */
export interface Loose {
  readonly [name: string]: unknown;
}

/** True for a JSON object. */
export function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
