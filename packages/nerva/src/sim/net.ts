import { NervaError } from '../core/index.ts';
import type { Hub } from './hub.ts';

/** The name of a machine: `p0` for the first process, otherwise as it stands in a URL. */
export type Host = string;

/** How a network behaves. */
export interface NetworkOptions {
  /** Of one way of a link, in ms, before the seed makes it half or one and a half times as long. Default 5. */
  readonly latencyMs?: number;
  /** What each message may take beyond that. More than the distance of two messages lets the later one overtake. Default 5. */
  readonly jitterMs?: number;
  /** Messages under way or held at a time, 10,000 unless said. */
  readonly pendingMax?: number;
  /** What becomes at a heal of the messages that a partition held. Default delivered. */
  readonly atHeal?: 'delivered' | 'dropped';
}

/** Something on its way. */
export interface NetMessage {
  readonly from: Host;
  readonly to: Host;
  /** Ms that it takes beyond its latency. Default 0. */
  readonly delayMs?: number;
  /** Takes effect at `to`. */
  readonly arrive: () => void;
}

interface Cut {
  readonly from: ReadonlySet<Host>;
  readonly to: ReadonlySet<Host>;
  readonly held: NetMessage[];
}

const PENDING_MAX = 10_000;

/**
 * A network between named hosts: latency and jitter of each link from the seed, no order but that of arrival, and partitions.
 * Invariant N1: a message takes effect at most once, and never while its link is cut.
 */
export class SimNetwork {
  readonly #hub: Hub;
  readonly #options: Required<NetworkOptions>;
  readonly #sent = new Map<string, number>();
  readonly #cuts = new Set<Cut>();
  #pending = 0;

  constructor(hub: Hub, { latencyMs = 5, jitterMs = 5, pendingMax = PENDING_MAX, atHeal = 'delivered' }: NetworkOptions = {}) {
    this.#hub = hub;
    this.#options = { latencyMs, jitterMs, pendingMax, atHeal };
  }

  /** Messages under way or held. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Sends a message.
   * @throws HTTP_UNREACHABLE with `why: 'ENOBUFS'` when `pendingMax` messages are under way; then nothing was sent.
   */
  send(message: NetMessage): void {
    const { latencyMs, jitterMs, pendingMax } = this.#options;
    if (this.#pending >= pendingMax)
      throw new NervaError(
        'HTTP_UNREACHABLE',
        `The simulated network holds ${pendingMax} messages, which is its pendingMax: ENOBUFS. Nothing was sent.`,
        { details: { why: 'ENOBUFS', pendingMax } },
      );
    this.#pending++;
    const { from, to, delayMs = 0 } = message;
    const link = `link ${from}>${to}`;
    const n = this.#sent.get(link) ?? 0;
    this.#sent.set(link, n + 1);
    const ms = ((0.5 + this.#hub.roll(link)) * latencyMs + this.#hub.roll(`${link} jitter`, n) * jitterMs) * this.#hub.knobs.pace;
    this.#hub.scheduler.in(delayMs + ms, () => this.#arrive(message));
  }

  /** Cuts what goes one way. @returns how to heal it; healing twice is safe. */
  partition(from: readonly Host[], to: readonly Host[]): () => void {
    const cut: Cut = { from: new Set(from), to: new Set(to), held: [] };
    this.#cuts.add(cut);
    return () => {
      if (!this.#cuts.delete(cut)) return;
      for (const message of cut.held.splice(0)) {
        if (this.#options.atHeal === 'dropped') this.#pending--;
        else this.#hub.scheduler.in(0, () => this.#arrive(message));
      }
    };
  }

  /** Cuts both ways. @returns how to heal both. */
  separate(some: readonly Host[], others: readonly Host[]): () => void {
    const heals = [this.partition(some, others), this.partition(others, some)];
    return () => heals.forEach((heal) => heal());
  }

  #arrive(message: NetMessage): void {
    for (const { from, to, held } of this.#cuts)
      if (from.has(message.from) && to.has(message.to)) {
        held.push(message);
        return;
      }
    this.#pending--;
    message.arrive();
  }
}

/**
 * What a connection does to the messages of one direction: each takes effect in the order of its number, from 0, whatever came first.
 * Behind one that never comes, nothing does.
 */
export function inOrder(): (n: number, happen: () => void) => void {
  const waiting = new Map<number, () => void>();
  let next = 0;
  return (n, happen) => {
    if (n < next) return;
    waiting.set(n, happen);
    for (let ready = waiting.get(next); ready !== undefined; ready = waiting.get(next)) {
      waiting.delete(next++);
      ready();
    }
  };
}
