import { simModel, type Outside, type Scenario } from 'nerva/sim';
import { helpdesk, type Bank } from './agent.ts';

/** What the bank paid out: in the outside world, so that it outlives a process that dies. */
interface Books {
  readonly paid: { readonly order: number; readonly cents: number }[];
  readonly keys: Set<string>;
}

function booksOf(outside: Outside): Books {
  const books = (outside.kept.get('bank') as Books | undefined) ?? { paid: [], keys: new Set() };
  outside.kept.set('bank', books);
  return books;
}

function bankIn(outside: Outside): Bank {
  const { paid, keys } = booksOf(outside);
  return {
    refund(order, cents, key) {
      if (key !== undefined && keys.has(key)) return;
      if (key !== undefined) keys.add(key);
      paid.push({ order, cents });
    },
  };
}

/** Calls the tool once, then says so. */
const model = simModel({
  script: ({ messages }) =>
    messages.at(-1)?.role === 'tool' ? 'Refunded.' : { calls: [{ name: 'refund', input: { order: 7, cents: 500 } }] },
});

/** A customer wants the money back. */
export const refunds: Scenario = {
  name: 'refunds',
  agents: (outside) => [helpdesk(bankIn(outside), model)],
  steps: [{ type: 'send', atMs: 10, sid: 'mia', text: 'Please refund order 7.' }],
  invariants: [
    {
      name: 'the bank pays once for each call',
      check({ outside }) {
        const calls = new Set(outside.executions.map(({ call }) => call));
        const { paid } = booksOf(outside);
        return paid.length <= calls.size
          ? null
          : `The bank paid ${paid.length} times for ${calls.size} call${calls.size === 1 ? '' : 's'}.`;
      },
    },
  ],
};
