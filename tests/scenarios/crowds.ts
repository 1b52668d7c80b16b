import { createAgent, type Agent } from 'nerva/agent';
import { simModel, type Outside, type Scenario, type Step } from 'nerva/sim';
import { askPerson } from 'nerva/tool';
import { choicesOf, messages, say } from './choices.ts';
import { look, note, pay } from './tools.ts';

const clerk = (outside: Outside): readonly Agent[] => [
  createAgent({
    name: 'clerk',
    tools: [pay(outside, { needsApproval: ({ amount }) => amount > 50 }), note(), look()],
    model: simModel({ stepsMax: 2 }),
  }),
];

/** Several sessions, of which no more than `idleMax` may rest in memory. */
const crowd = (idleMax: number, resumeMax: number): Scenario => ({
  name: `crowd-${idleMax}-${resumeMax}`,
  agents: clerk,
  steps: (seed) => messages(choicesOf(seed), { prefix: 's', count: 4, each: 2, spanMs: 20_000 }),
  idleMax,
  resumeMax,
});

export const crowdNone = crowd(0, 1);
export const crowdOne = crowd(1, 2);
export const crowdTwo = crowd(2, 1);

/** Two processes on one store: what one leaves behind the other takes up. */
export const pair: Scenario = {
  name: 'pair',
  agents: clerk,
  steps: (seed) => messages(choicesOf(seed), { prefix: 's', count: 3, each: 2, spanMs: 20_000 }),
  processes: 2,
};

/** Two tenants whose sessions know nothing of each other. */
export const tenants: Scenario = {
  name: 'tenants',
  agents: clerk,
  steps: (seed) => {
    const choices = choicesOf(seed);
    return ['a', 'b'].flatMap((tenant) =>
      messages(choices, { prefix: `${tenant}-`, count: 2, each: 2, spanMs: 15_000 }).map((step): Step => ({ ...step, tenant }) as Step),
    );
  },
  invariants: [
    {
      name: 'tenants are apart',
      async check({ store }) {
        for (const tenant of ['a', 'b'])
          for (const { sid } of await store.scope(tenant).list()) if (!sid.startsWith(`${tenant}-`)) return `${tenant} sees ${sid}.`;
        return null;
      },
    },
  ],
  idleMax: 1,
};

/** Messages of all kinds, cancels and a reader, as fast as they come. */
export const storm: Scenario = {
  name: 'storm',
  agents: clerk,
  steps: (seed) => {
    const choices = choicesOf(seed);
    const sids = ['s1', 's2'];
    const steps: Step[] = sids.map((sid): Step => ({ type: 'send', atMs: 10, sid, text: say(sid, 'Begin.') }));
    steps.push({ type: 'watch', atMs: 20, sid: 's1' });
    for (let index = 0; index < 12; index++) {
      const sid = choices.pick(sids);
      const atMs = choices.below(choices.pick([2_000, 8_000, 40_000]));
      if (choices.chance(0.2)) steps.push({ type: 'cancel', atMs, sid });
      else
        steps.push({
          type: 'send',
          atMs,
          sid,
          text: say(sid, `Storm ${index}.`),
          deliver: choices.pick(['queue', 'steer', 'interrupt'] as const),
        });
    }
    return steps;
  },
};

/** Persons are asked, answer, refuse and are overtaken by other messages. */
export const asking: Scenario = {
  name: 'asking',
  agents: (outside) => [
    createAgent({
      name: 'asker',
      tools: [askPerson(), pay(outside)],
      approval: ({ tool }) => tool === 'pay',
      model: simModel({ profile: 'chatty', stepsMax: 2 }),
    }),
  ],
  steps: (seed) => {
    const choices = choicesOf(seed);
    const first: Step = { type: 'send', atMs: 10, sid: 's1', text: say('s1', 'Ask.') };
    const deliver = choices.pick(['queue', 'steer', 'interrupt'] as const);
    const second: Step = { type: 'send', atMs: choices.below(90_000), sid: 's1', text: say('s1', 'And this.'), deliver };
    return [first, second, ...(choices.chance(0.3) ? [{ type: 'cancel', atMs: choices.below(90_000), sid: 's1' } as const] : [])];
  },
};

/** Sessions are closed while somebody still writes to them. */
export const closing: Scenario = {
  name: 'closing',
  agents: clerk,
  steps: (seed) => {
    const choices = choicesOf(seed);
    const steps = messages(choices, { prefix: 's', count: 2, each: 2, spanMs: 4_000 });
    return [...steps, { type: 'close', atMs: 10 + choices.below(12_000), sid: 's1' }, { type: 'watch', atMs: 5_000, sid: 's1' }];
  },
  idleMax: 1,
};
