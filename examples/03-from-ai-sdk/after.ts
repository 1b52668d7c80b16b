import { openai } from '@ai-sdk/openai';
import { tool } from 'ai';
import { createAgent, createRuntime } from 'nerva';
import { z } from 'zod';
import { payOnce } from './bank.ts';

const pay = tool({
  description: 'Pays an invoice.',
  inputSchema: z.object({ invoice: z.string(), usd: z.number() }),
  execute: ({ invoice, usd }, { toolCallId }) => payOnce({ invoice, usd, key: toolCallId }),
});

const agent = createAgent({
  name: 'clerk',
  model: openai('gpt-5-mini'),
  instructions: 'Pay what the invoice asks for, then say so in one sentence.',
  tools: { pay: { ...pay, effect: 'idempotent' } },
});

const runtime = await createRuntime({ agents: [agent] });
for (const invoice of process.argv.slice(2)) {
  const { text } = await runtime.session(invoice, { agent: 'clerk' }).send(`Pay invoice ${invoice}.`, { id: 'pay' }).result;
  console.log(`${invoice}: ${text}`);
}
await runtime.close();
