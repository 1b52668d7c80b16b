import type { Usage } from '../model/index.ts';
import type { AgentEvent } from '../agent/index.ts';
import type { JsonObject, World } from '../core/index.ts';
import type { Attributes, Measurement, Span, TurnTelemetry } from './span.ts';

/** What the events of a turn do not say themselves. */
export interface TurnScene {
  /** Of the session: the conversation. */
  readonly sid: string;
  readonly agent: string;
  /** `provider/model` that the definition names; null without one. */
  readonly model: string | null;
  readonly digest: World['digest'];
  /** Whether prompts, answers, arguments and results go along. They may hold anything: off unless asked for. */
  readonly isContent: boolean;
}

/**
 * The span tree of one turn, from its `turn.started` to its `turn.ended`: the turn above its model calls, tool calls and waits for
 * people. Names and attributes are OpenTelemetry's (semantic conventions for generative AI, opentelemetry.io/docs/specs/semconv/gen-ai,
 * "Spans" and "Agent spans"). Pure, and ids come from positions in the log: the same turn gives the same spans.
 */
export function turnTelemetry(events: readonly AgentEvent[], scene: TurnScene): TurnTelemetry {
  return new Turn(scene).of(events);
}

/** Members that ends have, whatever their type. */
interface Loose {
  readonly call?: number;
  readonly why?: string;
  readonly code?: string;
  readonly approval?: number;
  readonly reason?: string;
  readonly output?: unknown;
}

const MARKED: ReadonlySet<string> = new Set(['tool.in_doubt', 'timer.set', 'cancel.requested', 'context.compacted']);
const NO_USAGE: Usage = { inputTokens: null, outputTokens: null };

interface Open {
  readonly span: Omit<Span, 'endMs' | 'status' | 'message'>;
  readonly attributes: Record<string, string | number | boolean | readonly string[]>;
}

class Turn {
  readonly #scene: TurnScene;
  readonly #open = new Map<string, Open>();
  readonly #spans: Span[] = [];
  readonly #measurements: Measurement[] = [];
  readonly #events: { readonly name: string; readonly atMs: number; readonly attributes: Attributes }[] = [];
  /** Calls that models and policies asked for, by `asker.part`. */
  readonly #asked = new Map<string, { readonly id: string; readonly name: string; readonly input: unknown }>();
  #root = '';
  #traceId = '';

  constructor(scene: TurnScene) {
    this.#scene = scene;
  }

  of(events: readonly AgentEvent[]): TurnTelemetry {
    for (const event of events) this.#see(event);
    // A call that is still in doubt, and whatever a damaged log never ended.
    const endMs = events.at(-1)?.atMs ?? 0;
    for (const key of [...this.#open.keys()].toReversed()) this.#end(key, endMs, { error: 'unknown' });
    return { spans: this.#spans.toReversed(), measurements: this.#measurements };
  }

  #see(event: AgentEvent): void {
    const { sid, agent, model } = this.#scene;
    if (event.erased === true) return this.#ended(event);
    switch (event.type) {
      case 'turn.started':
        this.#traceId = this.#scene.digest(`trace ${event.sid}:${event.seq}`).slice(0, 32);
        this.#root = this.#idOf(event.seq);
        return this.#begin('turn', event, {
          name: `invoke_agent ${agent}`,
          kind: 'internal',
          attributes: {
            'gen_ai.operation.name': 'invoke_agent',
            'gen_ai.agent.name': agent,
            'gen_ai.conversation.id': sid,
            ...providerOf(model),
          },
        });
      case 'model.called':
      case 'context.called':
        return this.#begin(`model ${event.seq}`, event, {
          name: `chat ${modelOf(model)}`,
          kind: 'client',
          attributes: {
            'gen_ai.operation.name': 'chat',
            'gen_ai.conversation.id': sid,
            ...(event.type === 'context.called' ? { 'nerva.purpose': 'summary' } : {}),
            ...(model === null ? {} : { 'gen_ai.request.model': modelOf(model) }),
            ...providerOf(model),
          },
        });
      case 'model.answered':
        this.#noted(event.seq, event.data.parts);
        return this.#answered(event);
      case 'context.compacted':
        return event.data.call === undefined ? this.#ended(event) : this.#answered(event);
      case 'policy.decided':
        return this.#decided(event);
      case 'tool.called':
        if (event.data.again !== undefined) return this.#mark('tool.again', event.atMs, { 'nerva.why': event.data.why ?? '' });
        return this.#toolCalled(event);
      case 'approval.requested':
        return this.#begin(`approval ${event.seq}`, event, {
          name: `wait_for_person ${this.#nameOf(event.data)}`,
          kind: 'internal',
          attributes: { 'gen_ai.tool.name': this.#nameOf(event.data) },
        });
      default:
        return this.#ended(event);
    }
  }

  /** What ends something that was begun, or is worth a mark on the turn. */
  #ended(event: AgentEvent): void {
    const data = (event.erased === true ? {} : event.data) as Loose;
    const { atMs, type } = event;
    const call = data.call ?? -1;
    switch (type) {
      case 'turn.ended':
        return this.#end('turn', atMs, data.reason === 'error' ? { error: codeOf(data.why), message: data.why ?? '' } : {});
      case 'model.failed':
      case 'context.failed':
        return this.#end(`model ${call}`, atMs, { error: data.code ?? data.why ?? 'error' });
      case 'model.interrupted':
        return this.#end(`model ${call}`, atMs, { error: 'cancelled' });
      case 'tool.returned':
        return this.#end(`tool ${call}`, atMs, {}, this.#resultOf(data));
      case 'tool.failed':
        return this.#end(`tool ${call}`, atMs, { error: data.why ?? 'error' });
      case 'approval.granted':
      case 'approval.denied':
        return this.#end(`approval ${data.approval ?? -1}`, atMs, {}, { 'nerva.approval': type.slice('approval.'.length) });
      default:
        if (MARKED.has(type)) this.#mark(type, atMs, data.why === undefined ? {} : { 'nerva.why': data.why });
    }
  }

  #resultOf({ output }: Loose): Attributes {
    return this.#scene.isContent ? { 'gen_ai.tool.call.result': JSON.stringify(output ?? null) } : {};
  }

  #answered(event: AgentEvent & { readonly type: 'model.answered' | 'context.compacted' }): void {
    const { data, atMs } = event;
    const { call = -1, usage = NO_USAGE, model = null, usd } = data;
    const key = `model ${call}`;
    const began = this.#open.get(key);
    this.#end(
      key,
      atMs,
      {},
      {
        ...(model === null ? {} : { 'gen_ai.response.model': model }),
        ...(event.type === 'model.answered' ? this.#saidIn(event.data) : {}),
        ...(usage.inputTokens === null ? {} : { 'gen_ai.usage.input_tokens': usage.inputTokens }),
        ...(usage.outputTokens === null ? {} : { 'gen_ai.usage.output_tokens': usage.outputTokens }),
        ...(usage.cachedInputTokens === undefined ? {} : { 'gen_ai.usage.cache_read.input_tokens': usage.cachedInputTokens }),
        ...(usage.cacheWriteTokens === undefined ? {} : { 'gen_ai.usage.cache_creation.input_tokens': usage.cacheWriteTokens }),
        ...(usd === undefined ? {} : { 'nerva.cost_usd': usd }),
      },
    );
    if (began === undefined) return;
    const attributes = {
      'gen_ai.operation.name': 'chat',
      ...providerOf(this.#scene.model),
      'gen_ai.request.model': modelOf(this.#scene.model),
      ...(model === null ? {} : { 'gen_ai.response.model': model }),
    };
    for (const [type, value] of [
      ['input', usage.inputTokens],
      ['output', usage.outputTokens],
    ] as const)
      if (value !== null)
        this.#measurements.push({
          name: 'gen_ai.client.token.usage',
          unit: '{token}',
          value,
          atMs,
          attributes: { ...attributes, 'gen_ai.token.type': type },
        });
  }

  #saidIn({ finish, meta, parts }: (AgentEvent & { readonly type: 'model.answered' })['data']): Attributes {
    const id = meta?.['id'];
    return {
      ...(typeof id === 'string' ? { 'gen_ai.response.id': id } : {}),
      'gen_ai.response.finish_reasons': [finish ?? (parts.some(({ type }) => type === 'tool_call') ? 'tool_calls' : 'stop')],
      ...(this.#scene.isContent
        ? { 'gen_ai.output.messages': JSON.stringify([{ role: 'assistant', parts: parts as readonly unknown[] }]) }
        : {}),
    };
  }

  #decided({ seq, data, atMs }: AgentEvent & { readonly type: 'policy.decided' }): void {
    this.#mark('policy.decided', atMs, { 'nerva.policy': data.policy, 'nerva.why': data.why });
    if (data.action.type !== 'call') return;
    data.action.calls.forEach(({ tool, input }, part) => this.#asked.set(`${seq}.${part}`, { id: `${seq}.${part}`, name: tool, input }));
  }

  #noted(seq: number, parts: (AgentEvent & { readonly type: 'model.answered' })['data']['parts']): void {
    parts
      .filter((part) => part.type === 'tool_call')
      .forEach(({ id, name, input }, part) => this.#asked.set(`${seq}.${part}`, { id, name, input }));
  }

  #toolCalled(event: AgentEvent & { readonly type: 'tool.called' }): void {
    const { answer, part, effect } = event.data;
    const asked = this.#asked.get(`${answer}.${part}`);
    const name = asked?.name ?? 'unknown';
    this.#begin(`tool ${event.seq}`, event, {
      name: `execute_tool ${name}`,
      kind: 'internal',
      attributes: {
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': name,
        'gen_ai.tool.type': 'function',
        ...(asked === undefined ? {} : { 'gen_ai.tool.call.id': asked.id }),
        'nerva.call.id': `${event.sid}:${event.seq}`,
        'nerva.effect': effect,
        ...(this.#scene.isContent && asked !== undefined ? { 'gen_ai.tool.call.arguments': JSON.stringify(asked.input) } : {}),
      },
    });
  }

  #nameOf({ answer, part }: { readonly answer: number; readonly part: number }): string {
    return this.#asked.get(`${answer}.${part}`)?.name ?? 'unknown';
  }

  #begin(key: string, { seq, atMs }: AgentEvent, { name, kind, attributes }: Pick<Span, 'name' | 'kind' | 'attributes'>): void {
    const span = {
      traceId: this.#traceId,
      spanId: this.#idOf(seq),
      parentSpanId: key === 'turn' ? null : this.#root,
      name,
      kind,
      startMs: atMs,
      attributes,
      events: [],
    };
    this.#open.set(key, { span, attributes: { ...attributes, 'nerva.seq': seq } });
  }

  // oxlint-disable-next-line max-params -- a span's end: which, when, how, and what is known only now
  #end(
    key: string,
    endMs: number,
    { error, message }: { readonly error?: string; readonly message?: string },
    more: Attributes = {},
  ): void {
    const began = this.#open.get(key);
    if (began === undefined) return; // an outcome that came late, or of an earlier turn
    this.#open.delete(key);
    const attributes = { ...began.attributes, ...more, ...(error === undefined ? {} : { 'error.type': error }) };
    const events = key === 'turn' ? this.#events : [];
    this.#spans.push({ ...began.span, attributes, events, endMs, status: error === undefined ? 'unset' : 'error', message: message ?? '' });
    if (!key.startsWith('model ')) return;
    const measured: Record<string, string | number | boolean | readonly string[]> = {};
    for (const name of ['gen_ai.operation.name', 'gen_ai.provider.name', 'gen_ai.request.model', 'gen_ai.response.model', 'error.type'])
      if (name in attributes) measured[name] = (attributes as Attributes)[name] ?? '';
    this.#measurements.push({
      name: 'gen_ai.client.operation.duration',
      unit: 's',
      value: (endMs - began.span.startMs) / 1000,
      atMs: endMs,
      attributes: measured,
    });
  }

  #mark(name: string, atMs: number, attributes: Attributes): void {
    this.#events.push({ name, atMs, attributes });
  }

  #idOf(seq: number): string {
    return this.#scene.digest(`span ${this.#scene.sid}:${seq}`).slice(0, 16);
  }
}

const modelOf = (name: string | null): string => (name === null ? 'unknown' : name.slice(name.indexOf('/') + 1));

/** Well-known values of `gen_ai.provider.name` where they differ from ours. */
const PROVIDERS: Readonly<Record<string, string>> = {
  google: 'gcp.gemini',
  bedrock: 'aws.bedrock',
  azure: 'azure.ai.openai',
  mistral: 'mistral_ai',
  xai: 'x_ai',
};

function providerOf(name: string | null): JsonObject & Attributes {
  const provider = name?.split('/')[0];
  return provider === undefined || name === null || !name.includes('/') ? {} : { 'gen_ai.provider.name': PROVIDERS[provider] ?? provider };
}

const codeOf = (why = ''): string => /^[A-Z_]+(?=:)/.exec(why)?.[0] ?? 'error';
