import type { NervaError } from '../core/index.ts';
import type { Delta, Model, ModelAnswer, ModelRequest } from './model.ts';

/** One call that a held model was asked for. */
export interface Held {
  readonly request: ModelRequest;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  readonly answer: (answer?: Partial<ModelAnswer>) => Promise<void>;
  readonly fail: (error: unknown) => Promise<void>;
}

/** A model whose calls stay open until the test ends them; it does not listen to its signal. */
export function heldModel(options: Partial<Omit<Model, 'call'>> = {}): Model & { readonly calls: readonly Held[] } {
  const calls: Held[] = [];
  return {
    name: 'held/model',
    ...options,
    calls,
    call: (request, { signal, onDelta }) =>
      new Promise((resolve, reject) => {
        calls.push({
          request,
          signal: signal!,
          say: (text) => onDelta?.({ type: 'text', index: 0, text }),
          answer: (answer) => (resolve(answerOf('ok', answer)), settle()),
          fail: (error) => (reject(error as NervaError), settle()),
        });
      }),
  };
}

/** An answer of one text. */
export function answerOf(text: string, rest: Partial<ModelAnswer> = {}): ModelAnswer {
  return { parts: [{ type: 'text', text }], finish: 'stop', usage: { inputTokens: 10, outputTokens: 5 }, model: null, ...rest };
}

/** A request of one message. */
export function ask(text: string, rest: Partial<ModelRequest> = {}): ModelRequest {
  return {
    instructions: '',
    tools: [],
    params: {},
    messages: [{ role: 'user', parts: [{ type: 'text', text }], origin: 'person' }],
    ...rest,
  };
}

/** Lets everything that is due without time happen. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 3; round++) await new Promise((resolve) => setImmediate(resolve));
}

/** What a call ended with: the answer, or the code of its error. */
export function outcomeOf(call: Promise<ModelAnswer>): Promise<ModelAnswer | string> {
  return call.catch((error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)));
}

/** The text that pieces make. */
export const textOf = (deltas: readonly Delta[]): string => deltas.map((delta) => ('text' in delta ? delta.text : '')).join('');
