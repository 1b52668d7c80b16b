import { openai } from '@ai-sdk/openai';
import { tool, ToolLoopAgent } from 'ai';
import { z } from 'zod';
import { payOnce } from './bank.ts';

const pay = tool({
  description: 'Pays an invoice.',
  inputSchema: z.object({ invoice: z.string(), usd: z.number() }),
  execute: ({ invoice, usd }, { toolCallId }) => payOnce({ invoice, usd, key: toolCallId }),
});

const agent = new ToolLoopAgent({
  model: openai('gpt-5-mini'),
  instructions: 'Pay what the invoice asks for, then say so in one sentence.',
  tools: { pay },
});

for (const invoice of process.argv.slice(2)) {
  const { text } = await agent.generate({ prompt: `Pay invoice ${invoice}.` });
  console.log(`${invoice}: ${text}`);
}
