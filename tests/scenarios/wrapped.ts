import { createAgent } from 'nerva/agent';
import type { LogEvent } from 'nerva/log';
import { modelGroup, openaiChat, withBreaker, withCache, withLimits, withTimeouts, type Model } from 'nerva/model';
import { MODEL_SECRET, simModel, simServer, type Scenario, type SimServer } from 'nerva/sim';
import { choicesOf } from './choices.ts';
import { note } from './tools.ts';

const HOSTS = ['first.sim', 'second.sim'] as const;
const brain = simModel({
  script: ({ messages }, dice) =>
    messages.at(-1)?.role === 'tool'
      ? { text: `Noted ${dice.below(3)} times: 支付完成 🎉.` }
      : { calls: [{ name: 'note', input: { amount: 1 } }] },
});

/** Every wrapper, each around the next, over the real adapter; two providers of which each may fail by itself. */
function wrappedModel(): Model {
  const members = HOSTS.map((host) => {
    const model = openaiChat({
      provider: host,
      model: 'm',
      baseUrl: `http://${host}/v1`,
      apiKey: MODEL_SECRET,
      price: { inputUsd: 1, outputUsd: 2 },
    });
    const timed = withTimeouts(model, { connectMs: 5_000, firstPartMs: 20_000, idleMs: 10_000, totalMs: 60_000 });
    return withBreaker(timed, { failuresMax: 1, openMs: 15_000, idleResetMs: 120_000 });
  });
  const group = modelGroup({ name: 'group/both', models: members, restMs: 10_000 });
  const limited = withLimits(group, { concurrencyMax: 1, requestsPerMinuteMax: 20, queueMax: 4 });
  return withCache(limited, { bytesMax: 100_000, ttlMs: 600_000 });
}

const server = (host: string): SimServer => ({ ...simServer(brain), host });

/** An agent whose model stands behind all wrappers at once, streamed and whole, asked by sessions that want the same at the same time. */
export const wrapped: Scenario = {
  name: 'wrapped',
  isWired: true,
  servers: HOSTS.map(server),
  agents: () => [createAgent({ name: 'noter', tools: [note()], model: wrappedModel() })],
  steps(seed) {
    const { below } = choicesOf(seed);
    return ['s1', 's2', 's3'].flatMap((sid, index) => [
      ...(index === 0 ? ([{ type: 'watch', atMs: 1, sid }] as const) : []),
      { type: 'send', atMs: 10 + below(1_000), sid, text: index === 2 ? 'Note it, please.' : 'Note it.' } as const,
      { type: 'send', atMs: 30_000 + below(60_000), sid, text: 'Again.' } as const,
    ]);
  },
  invariants: [
    {
      name: 'what stood between is in the answer',
      check({ logs }) {
        for (const [sid, log] of logs)
          for (const event of log) {
            const wrong = event.type === 'model.answered' ? wrongVia(event) : null;
            if (wrong !== null) return `${sid}:${event.seq} ${wrong}`;
          }
        return null;
      },
    },
    {
      name: 'a key stays out of the record',
      check: ({ disk }) => (disk.includes(MODEL_SECRET) ? 'The key of the model is on the disk.' : null),
    },
  ],
};

/** What is wrong with the `via` of an answer: one member answered, nobody pays twice for it, and what failed before has a code. */
function wrongVia({ data }: LogEvent): string | null {
  const via = (data['via'] ?? []) as readonly Readonly<Record<string, unknown>>[];
  const shown = JSON.stringify(via);
  const groups = via.filter(({ group }) => group === 'group/both');
  const [group] = groups;
  if (groups.length !== 1 || !HOSTS.some((host) => group?.['member'] === `${host}/m`)) return `says no member: ${shown}`;
  const failures = (group?.['failures'] ?? []) as readonly { readonly code?: string }[];
  if (!failures.every(({ code }) => /^(?:MODEL|HTTP|CONTEXT)_/.test(code ?? ''))) return `has a failure without a code: ${shown}`;
  const isFree = via.some(({ cache }) => cache !== undefined);
  if (isFree !== (data['usd'] === 0)) return `costs ${String(data['usd'])}: ${shown}`;
  return null;
}
