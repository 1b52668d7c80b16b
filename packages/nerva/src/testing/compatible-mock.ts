import { openaiChatMock } from './openai-mock.ts';
import type { MockDialect } from './wire-mock.ts';

type Loose = Readonly<Record<string, unknown>>;

/** What a provider refuses beside what OpenAI refuses, and the members that it takes and OpenAI does not. */
interface Rules {
  /** Members of the body that OpenAI does not know. */
  readonly fields: readonly string[];
  /** Members of an assistant message that OpenAI does not know. */
  readonly messageFields: readonly string[];
  /** Members and values that OpenAI knows and this provider does not. */
  readonly without: readonly string[];
  readonly fault: (body: Loose, answers: readonly Loose[]) => string | null;
}

/** Where the rules are published: the rows of `PROVIDERS`. */
const RULES: Readonly<Record<string, Rules>> = {
  mistral: {
    fields: ['random_seed', 'prompt_mode', 'safe_prompt'],
    messageFields: ['prefix'],
    without: ['stream_options', 'seed', 'max_completion_tokens', 'logprobs', 'top_logprobs'],
    fault: (body, answers) => {
      const bad = answers.flatMap(callIds).find((id) => !/^[A-Za-z0-9]{9}$/.test(id));
      if (bad !== undefined) return `Tool call id was ${bad} but must be a-z, A-Z, 0-9, with a length of 9.`;
      return body['tool_choice'] === 'required' ? "tool_choice: 'any' forces a call here" : null;
    },
  },
  deepseek: {
    fields: ['thinking'],
    messageFields: ['reasoning_content'],
    without: ['max_completion_tokens', 'parallel_tool_calls'],
    fault: (body, answers) => thinkingFault(body, answers, 'The reasoning_content in the thinking mode must be passed back to the API.'),
  },
  moonshot: {
    fields: ['thinking'],
    messageFields: ['reasoning_content'],
    without: ['temperature', 'top_p', 'seed'],
    fault: (body, answers) => {
      const isForced = body['tool_choice'] === 'required' || isObject(body['tool_choice']);
      if (isForced && isThinking(body)) return "tool_choice 'required' is incompatible with thinking enabled";
      return thinkingFault(body, answers, 'thinking is enabled but reasoning_content is missing in assistant tool call message');
    },
  },
  zhipu: {
    fields: ['thinking', 'tool_stream', 'do_sample'],
    messageFields: ['reasoning_content'],
    without: ['max_completion_tokens', 'stream_options', 'seed', 'parallel_tool_calls'],
    fault: (body) => (body['tool_choice'] === undefined || body['tool_choice'] === 'auto' ? null : "tool_choice takes 'auto' only"),
  },
  openrouter: {
    fields: ['reasoning', 'provider', 'usage'],
    messageFields: ['reasoning', 'reasoning_details'],
    without: [],
    fault: () => null,
  },
  groq: {
    fields: ['reasoning_format', 'include_reasoning'],
    messageFields: ['reasoning'],
    without: ['logprobs', 'top_logprobs', 'logit_bias'],
    fault: (body) =>
      body['reasoning_format'] !== undefined && !String(body['model']).startsWith('qwen/')
        ? 'reasoning_format is not supported with this model'
        : null,
  },
  perplexity: {
    fields: ['search_mode', 'search_domain_filter', 'web_search_options'],
    messageFields: [],
    without: ['tools', 'tool_choice', 'stop', 'seed', 'stream_options', 'logprobs'],
    fault: () => null,
  },
};

/**
 * A provider of the table, as strict as OpenAI and in its own way stricter: ids of calls at Mistral, reasoning that must come back at DeepSeek and
 * Moonshot, tools that may not be forced at Moonshot and Zhipu, members that are not known.
 * @throws for a provider that it has no rules of.
 */
export function compatibleChatMock(id: string): MockDialect {
  const rules = RULES[id];
  if (rules === undefined) throw new Error(`There are no rules of ${id}; known are ${Object.keys(RULES).join(', ')}.`);
  return {
    ...openaiChatMock,
    fault: (request) => {
      const { body } = request;
      if (body === undefined) return openaiChatMock.fault(request);
      const unknown = rules.without.find((name) => name in body);
      if (unknown !== undefined) return `Unsupported parameter: '${unknown}'.`;
      const messages = (Array.isArray(body['messages']) ? body['messages'] : []) as readonly Loose[];
      const fault = rules.fault(
        body,
        messages.filter(({ role }) => role === 'assistant'),
      );
      return fault ?? openaiChatMock.fault({ ...request, text: JSON.stringify(asOpenAi(body, messages, rules)) });
    },
  };
}

/** The request as OpenAI would know it, so that all else can be held to its rules. */
function asOpenAi(body: Loose, messages: readonly Loose[], { fields, messageFields }: Rules): Loose {
  return {
    ...without(body, fields),
    ...(isObject(body['response_format']) && body['response_format']['type'] === 'json_object' ? { response_format: undefined } : {}),
    ...(body['tool_choice'] === 'any' ? { tool_choice: 'required' } : {}),
    messages: messages.map((message) => {
      const { content } = message;
      const plain = without(message, messageFields);
      return Array.isArray(content)
        ? { ...plain, content: (content as readonly Loose[]).filter(({ type }) => type !== 'thinking') }
        : plain;
    }),
  };
}

const without = (value: Loose, names: readonly string[]): Loose =>
  Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));

const callIds = (message: Loose): string[] =>
  (Array.isArray(message['tool_calls']) ? (message['tool_calls'] as readonly Loose[]) : []).map(({ id }) => String(id));

const isThinking = ({ thinking }: Loose): boolean => !(isObject(thinking) && thinking['type'] === 'disabled');

/** They think unless told otherwise. */
function thinkingFault(body: Loose, answers: readonly Loose[], why: string): string | null {
  const lacks = answers.some((message) => callIds(message).length > 0 && typeof message['reasoning_content'] !== 'string');
  return isThinking(body) && lacks ? why : null;
}

function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
