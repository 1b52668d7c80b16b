/** A JSON value, immutable. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object, immutable. */
export interface JsonObject {
  readonly [key: string]: Json;
}
