import type { Json } from '../core/index.ts';
import { tool } from './tool.ts';
import type { Tool } from './types.ts';

const INPUT = {
  type: 'object',
  properties: { question: { type: 'string', minLength: 1, maxLength: 4000, description: 'The question, complete in itself.' } },
  required: ['question'],
  additionalProperties: false,
} as const;

/**
 * A tool by which the model asks a person: the call waits as an approval, and what the person answers is its output
 * (`{approved: true}` when they only agreed). Denying it gives the model the denial.
 */
export function askPerson(): Tool<{ readonly question: string }, Json> {
  return tool({
    name: 'ask_person',
    description: 'Asks a person a question and waits for the answer. Use it when only a person can know or decide.',
    inputSchema: INPUT,
    effect: 'read',
    needsApproval: true,
    execute: (_input, { approval }): Json => (approval?.answer === undefined ? { approved: true } : approval.answer),
  });
}
