import { createAgent, tool } from 'nerva';
import type { Agent } from 'nerva/agent';
import type { Model } from 'nerva/model';

/** The bank, as the agent knows it. A refund whose key the bank has seen before is not made again. */
export interface Bank {
  refund(order: number, cents: number, key?: string): void;
}

/** A help desk that refunds orders. */
export function helpdesk(bank: Bank, model: Model): Agent {
  const refund = tool({
    name: 'refund',
    description: 'Pays the price of an order back.',
    inputSchema: {
      type: 'object',
      properties: { order: { type: 'integer' }, cents: { type: 'integer' } },
      required: ['order', 'cents'],
    },
    effect: 'idempotent',
    execute: ({ order, cents }: { order: number; cents: number }) => {
      bank.refund(order, cents);
      return { refunded: cents };
    },
  });
  return createAgent({ name: 'helpdesk', instructions: 'You refund orders.', model, tools: [refund] });
}
