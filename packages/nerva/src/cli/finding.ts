/** What was looked at, how it is, and what to do about it. */
export interface Finding {
  readonly check: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** What to do; empty when there is nothing. */
  readonly do: string;
}
