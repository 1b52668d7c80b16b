import { fittingId } from './call-ids.ts';

/** What Anthropic and Bedrock take as the id of a call (Bedrock API reference, ToolUseBlock, 2026-11: `[a-zA-Z0-9_-]+`, at most 64). */
const ID = /^[A-Za-z0-9_-]{1,64}$/;
const LENGTH_KEPT = 56;
/** What Mistral's models take: nine letters and digits. */
const NINE = /^[A-Za-z0-9]{9}$/;

/**
 * The ids of a conversation's calls as a strict wire takes them. Calls of other models and of policies have ids that it refuses (`12.0`,
 * `functions.add:0`) or that come again in each turn (`call_0`); here each call has one of its own, and a result finds its call in order.
 * The same conversation gives the same ids: what a provider cached of it stays good.
 */
export class CallIds {
  readonly #isNine: boolean;
  readonly #used = new Set<string>();
  readonly #counts = new Map<string, number>();
  readonly #open: { readonly id: string; readonly wireId: string }[] = [];

  constructor(form: 'plain' | 'nine' = 'plain') {
    this.#isNine = form === 'nine';
  }

  /** The id under which a call goes out. */
  call(id: string): string {
    const wireId = this.#fresh(this.#isNine ? id : ID.test(id) ? id : plain(id));
    this.#open.push({ id, wireId });
    return wireId;
  }

  /** The id under which the call of a result went out: of two calls under one id, the first that has no result. */
  result(id: string): string {
    const at = this.#open.findIndex((call) => call.id === id);
    if (at < 0) return this.#isNine ? nine(id) : plain(id);
    return (this.#open.splice(at, 1)[0] as { readonly wireId: string }).wireId;
  }

  #fresh(base: string): string {
    let count = this.#counts.get(base) ?? 0;
    let id = this.#isNine ? nine(base) : base;
    while (this.#used.has(id)) {
      const next = `${base.slice(0, LENGTH_KEPT)}-${++count}`;
      id = this.#isNine ? nine(next) : next;
    }
    this.#counts.set(base, count);
    this.#used.add(id);
    return id;
  }
}

function plain(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, LENGTH_KEPT) || 'call';
}

const nine = (id: string): string => fittingId(id, 9, NINE);
