import type { Json, JsonObject } from '../core/index.ts';
import { resultText, sourceOf } from './content.ts';
import { objectInput } from './dialects/anthropic-history.ts';
import { CallIds } from './dialects/anthropic-ids.ts';
import type { Echo, FilePart, Message, Part } from './message.ts';
import type { ModelRequest } from './model.ts';

/** Who asks, and in which form: before v4 files stand as plain data, and thinking has no option of its own. */
export interface PromptOptions {
  /** The model's name here: echoes of others are not sent. */
  readonly by: string;
  readonly isOld: boolean;
}

/** The call options of the AI SDK that a request is. */
export function promptOf({ instructions, messages, tools, params }: ModelRequest, options: PromptOptions): Record<string, unknown> {
  const { maxOutputTokens, temperature, topP, seed, stop, toolChoice, outputSchema, reasoning } = params;
  const system = instructions === '' ? [] : [{ role: 'system', content: instructions }];
  const ids = new CallIds();
  return {
    prompt: [...system, ...messages.filter(({ parts }) => parts.length > 0).map((message) => messageOf(message, { ...options, ids }))],
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(seed === undefined ? {} : { seed }),
    ...(stop === undefined ? {} : { stopSequences: [...stop] }),
    ...(reasoning === undefined || options.isOld ? {} : { reasoning }),
    ...(outputSchema === undefined ? {} : { responseFormat: { type: 'json', schema: outputSchema } }),
    ...(tools.length === 0
      ? {}
      : { tools: tools.map(({ name, description, inputSchema }) => ({ type: 'function', name, description, inputSchema })) }),
    ...(tools.length === 0 || toolChoice === undefined
      ? {}
      : { toolChoice: typeof toolChoice === 'object' ? { type: 'tool', toolName: toolChoice.tool } : { type: toolChoice } }),
  };
}

/** Whoever stands behind the model, ids have a form that the strictest take. */
interface Writing extends PromptOptions {
  readonly ids: CallIds;
}

function messageOf({ role, parts }: Message, options: Writing): JsonObject {
  return { role, content: parts.flatMap((part) => partOf(part, options)) as Json[] };
}

function partOf(part: Part, options: Writing): unknown[] {
  switch (part.type) {
    case 'text':
      return [{ type: 'text', text: part.text, ...echoed(part.echo, options) }];
    case 'reasoning':
      return part.echo?.by === options.by ? [{ type: 'reasoning', text: part.text, ...echoed(part.echo, options) }] : [];
    case 'file':
      return [fileOf(part, options)];
    case 'tool_call':
      return [
        {
          type: 'tool-call',
          toolCallId: options.ids.call(part.id),
          toolName: part.name,
          input: objectInput(part.input, part.malformed),
          ...echoed(part.echo, options),
        },
      ];
    default: {
      const value = resultText(part, false);
      const isText = typeof part.output === 'string' || part.isError === true;
      const output = isText ? { type: part.isError === true ? 'error-text' : 'text', value } : { type: 'json', value: part.output };
      return [{ type: 'tool-result', toolCallId: options.ids.result(part.id), toolName: part.name, output }];
    }
  }
}

function echoed(echo: Echo | undefined, { by }: PromptOptions): { readonly providerOptions?: JsonObject } {
  return echo?.by === by ? { providerOptions: echo.data } : {};
}

function fileOf(part: FilePart, { isOld }: PromptOptions): unknown {
  const source = sourceOf(part);
  const plain = 'url' in source ? new URL(source.url) : source.base64;
  const data = isOld ? plain : 'url' in source ? { type: 'url', url: plain } : { type: 'data', data: plain };
  return { type: 'file', mediaType: part.mediaType, data, ...(part.name === undefined ? {} : { filename: part.name }) };
}
