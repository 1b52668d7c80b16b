import type { ToolResultPart } from '../message.ts';

/** A call of the newest step of a conversation, for wires that want all its answers at once or in the order of the calls. */
export interface OpenCall {
  readonly id: string;
  readonly name: string;
  /** The provider's own id of the call; one that we made is not sent. */
  readonly wireId: string | undefined;
  /** JSON of its result for the wire. */
  readonly answer: string | undefined;
}

/** Puts results to their calls. One that answers none stands last, and the provider refuses it. */
export function answered(
  calls: readonly OpenCall[],
  results: readonly ToolResultPart[],
  encode: (result: ToolResultPart, call: Pick<OpenCall, 'name' | 'wireId'>) => string,
): readonly OpenCall[] {
  const list = [...calls];
  for (const result of results) {
    const index = list.findIndex(({ id, answer }) => id === result.id && answer === undefined);
    const call = list[index] ?? { id: result.id, name: result.name, wireId: undefined };
    list[index < 0 ? list.length : index] = { ...call, answer: encode(result, call) };
  }
  return list;
}

/** The answers that are there, in the order of their calls, as JSON values in a row. */
export function answersOf(calls: readonly OpenCall[]): string {
  return calls.flatMap(({ answer }) => (answer === undefined ? [] : [answer])).join(',');
}
