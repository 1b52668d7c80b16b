import type { AgentEvent, AgentState, Pending, RunResult } from '../agent/index.ts';
import type { Json } from '../core/index.ts';
import type { LogEvent } from '../log/index.ts';
import type { Flags } from './arguments.ts';
import { brief } from './output.ts';

/** Characters of a value in one line, unless `--full`. */
export const VALUE_MAX = 100;

/** What an event says, on one line. Types unknown here show their data. */
export function summaryOf(event: LogEvent, charactersMax: number): string {
  const cut = (value: unknown): string => brief(value, charactersMax);
  if (event.erased === true) return '(erased)';
  const { type, data } = event as unknown as AgentEvent;
  switch (type) {
    case 'message.received':
      return `${cut(data.text ?? data.data)}${data.deliver === undefined ? '' : ` (${data.deliver})`}`;
    case 'model.answered':
      return cut(data.parts.map(partText).join(' · '));
    case 'model.failed':
      return cut([data.why, data.code, data.message].filter(Boolean).join(' '));
    case 'policy.decided':
      return cut(`${data.policy}: ${actionText(data.action)}${data.why === '' ? '' : ` (${data.why})`}`);
    case 'tool.called':
      return `part ${data.part} of ${data.answer}, ${data.effect}${data.again === undefined ? '' : `, again ${data.again} (${data.why ?? ''})`}`;
    case 'tool.returned':
      return cut(`${ofCall(data)}: ${JSON.stringify(data.output)}${data.by === undefined ? '' : ` (by ${data.by})`}`);
    case 'tool.failed':
      return cut(`${ofCall(data)}: ${data.why}: ${data.message}${data.by === undefined ? '' : ` (by ${data.by})`}`);
    case 'turn.ended':
      return cut([data.reason, data.why].filter(Boolean).join(': '));
    case 'turn.started':
      return `takes ${data.takes.join(', ')} · definition ${data.definition.ref.slice(0, 12)}…`;
    case 'approval.requested':
      return `part ${data.part} of ${data.answer}`;
    default:
      return cut(
        Object.entries(data as Readonly<Record<string, Json>>)
          .map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
          .join(' · '),
      );
  }
}

function ofCall(data: { readonly call?: number; readonly answer?: number; readonly part?: number }): string {
  return data.call === undefined ? `part ${data.part ?? 0} of ${data.answer ?? 0}` : `call ${data.call}`;
}

type Parts = (AgentEvent & { readonly type: 'model.answered' })['data']['parts'];
type Action = (AgentEvent & { readonly type: 'policy.decided' })['data']['action'];

function partText(part: Parts[number]): string {
  if (part.type === 'text') return part.text;
  if (part.type === 'reasoning') return `(reasoning) ${part.text}`;
  if (part.type === 'file') return `(${part.mediaType}${part.name === undefined ? '' : ` ${part.name}`})`;
  return part.type === 'tool_call' ? `${part.name}(${JSON.stringify(part.input)})` : JSON.stringify(part.output);
}

function actionText(action: Action): string {
  if (action.type === 'model') return 'ask the model';
  if (action.type === 'call') return `call ${action.calls.map(({ tool, input }) => `${tool}(${JSON.stringify(input)})`).join(' · ')}`;
  return `answer ${action.text ?? JSON.stringify(action.output)}`;
}

/** Makes a command on a session as it has to be typed here: by the same caller, with the same store and agents. */
export type Typist = (verb: string, ...words: readonly string[]) => string;

/** @param file of agents that was named otherwise than by `--agents`. */
export function typist(flags: Flags, file?: string): Typist {
  const tail: string[] = [];
  for (const agents of [...flags.texts('agents'), ...(file === undefined ? [] : [file])]) tail.push('--agents', quoted(agents));
  for (const name of ['store', 'keys']) {
    const value = flags.text(name);
    if (value !== undefined) tail.push(`--${name}`, quoted(value));
  }
  return (verb, ...words) => [...caller(), verb, ...words.map(quoted), ...tail].join(' ');
}

function caller(): readonly string[] {
  if (process.env['npm_lifecycle_event'] === 'nerva') return ['npm', 'run', '-s', 'nerva', '--'];
  return process.env['npm_command'] === 'exec' ? ['npx', 'nerva'] : ['nerva'];
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** What waits for a person and the commands that answer it, as lines. */
export function pendingLines(pending: readonly Pending[], type: Typist, charactersMax: number): string[] {
  return pending.flatMap((one) => {
    const at = one.id.lastIndexOf(':');
    const [sid, call] = [one.id.slice(0, at), one.id.slice(at + 1)];
    const what = `${brief(one.tool, 64)}(${brief(JSON.stringify(one.input), charactersMax)})`;
    const deny = `    ${type('deny', sid, call)}`;
    if (one.type === 'doubt') {
      return [
        `  ${call}  in doubt (${brief(one.why, 64)}): ${what}`,
        `    ${type('approve', sid, call)} --output JSON    # it happened, with this result`,
        `${deny}    # it did not happen`,
      ];
    }
    const answer = one.tool === 'ask_person' ? ' --answer \'"…"\'' : '';
    return [`  ${call}  needs approval: ${what}`, `    ${type('approve', sid, call)}${answer}`, deny];
  });
}

/** Where a session stands, in one line. */
export function standing(result: RunResult): string {
  const tokens =
    result.usage.inputTokens === null ? '' : `, ${result.usage.inputTokens} tokens in and ${result.usage.outputTokens ?? 0} out`;
  const why = result.why === '' || result.why === result.status || result.status === 'failed' ? '' : ` (${brief(result.why, 300)})`;
  return `${result.status}${result.status === 'stopped' ? ` by its limit on ${result.reason ?? ''}` : ''}${why}, ${result.steps} step${result.steps === 1 ? '' : 's'}${tokens}`;
}

/** The state as plain JSON; lists become objects by index, so that a comparison names single entries. Positions are left out. */
export function plainState({ turn, tool, approval, budget, session, more }: AgentState): Json {
  const last =
    turn.last === null
      ? null
      : { reason: turn.last.reason, why: turn.last.why, text: turn.last.text, output: turn.last.output, steps: turn.last.steps };
  const open = turn.open === null ? null : { phase: turn.open.phase, steps: turn.open.steps, input: turn.open.input };
  const called = [...tool.slots, ...tool.doubts].map(({ name, input, status, output, isError, why }) => ({
    name,
    input,
    status,
    output,
    isError,
    why,
  }));
  return toPlain({
    messages: turn.messages.shared.slice(0, turn.messages.count),
    turn: { open, last },
    inbox: turn.inbox.map(({ text, data }) => ({ text, data })),
    calls: called,
    approvals: [...approval.values()].map(({ status, by, answer, why }) => ({ status, by, answer, why })),
    spent: budget.session,
    definition: session.definition,
    isClosed: session.isClosed,
    more,
  });
}

function toPlain(value: unknown): Json {
  if (value instanceof Map) return toPlain(Object.fromEntries(value));
  if (Array.isArray(value)) return toPlain(Object.fromEntries(value.entries()));
  if (typeof value !== 'object' || value === null) return (value ?? null) as Json;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .map(([key, one]) => [key, toPlain(one)]),
  );
}
