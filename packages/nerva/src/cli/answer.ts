import { answerDraft, foldAt, type Answer, type Pending } from '../agent/index.ts';
import { NervaError } from '../core/index.ts';
import type { EventDraft, EventId, Store } from '../log/index.ts';
import { callId, UsageError } from './arguments.ts';
import type { Context, ExitCode } from './context.ts';
import { follow } from './drive.ts';
import { typist } from './summary.ts';

/** `nerva approve`: a call that waits may be made, or a call in doubt happened. */
export async function approve(context: Context): Promise<ExitCode> {
  const { flags } = context;
  const [answer, output] = [flags.json('answer'), flags.json('output')];
  const shown = shownIn(context);
  return respond(context, (pending) => {
    if (pending?.type === 'doubt' && output === undefined) {
      throw new UsageError(
        `${pending.id} is a call in doubt: say what it returned with --output JSON, or deny it if it did not happen.`,
        'approve',
      );
    }
    if (pending?.type === 'doubt' && answer !== undefined)
      throw new UsageError(`${pending.id} is a call in doubt: it takes --output, not --answer.`, 'approve');
    if (pending?.type === 'approval' && output !== undefined)
      throw new UsageError(`${pending.id} is an approval: it takes --answer, not --output.`, 'approve');
    if (output !== undefined) return { decision: 'returned', output, ...shown };
    return { decision: 'approve', ...(answer === undefined ? {} : { answer }), ...shown };
  });
}

/** `nerva deny`: a call that waits is not made, or a call in doubt did not happen. */
export async function deny(context: Context): Promise<ExitCode> {
  const why = context.flags.text('why');
  const shown = shownIn(context);
  return respond(context, (pending) => {
    if (pending?.type === 'doubt') return { decision: 'failed', ...(why === undefined ? {} : { message: why }), ...shown };
    return { decision: 'deny', ...(why === undefined ? {} : { why }), ...shown };
  });
}

/** What was looked at, as far as the caller says it. */
function shownIn({ flags }: Context): { readonly digest?: string } {
  const digest = flags.text('digest');
  return digest === undefined ? {} : { digest };
}

async function respond(context: Context, answerTo: (pending: Pending | undefined) => Answer): Promise<ExitCode> {
  const { positionals, flags } = context;
  const [sid = '', call = ''] = positionals;
  const id = callId(sid, call);
  const by = flags.text('by') ?? 'cli';
  const agents = await context.agents();
  const store = await context.store('write');
  const { agent } = await store.info(sid);
  const answer = answerTo((await foldAt(store, sid)).pending.find((one) => one.id === id));
  if (!agents.some(({ name }) => name === agent)) return append(context, store, { id, answer, by, agent: agent ?? '' });
  const runtime = await context.runtime(store, agents);
  const session = runtime.session(sid);
  return follow(context, session, session.respond(id, answer, { by }), typist(flags));
}

interface Given {
  readonly id: EventId;
  readonly answer: Answer;
  readonly by: string;
  readonly agent: string;
}

/** Without the agent the answer is recorded all the same: a fact is taken at any head. Whoever drives the session goes on from it. */
async function append({ out, flags, world, positionals }: Context, store: Store, { id, answer, by, agent }: Given): Promise<ExitCode> {
  const [sid = ''] = positionals;
  const { state } = await foldAt(store, sid);
  const draft = (await answerDraft(state, id, answer, store)) as unknown as EventDraft;
  const { subject } = state.session;
  const event = subject === null ? draft : { ...draft, subject };
  const result = await store.append({ id: world.ids.next(), sid, expected: 'fact', events: [event], by });
  if (!result.ok)
    throw new NervaError(
      result.why === 'closed' ? 'SESSION_CLOSED' : 'SESSION_FULL',
      `Session ${sid} takes no more events (${result.why}). Nothing was written.`,
      { details: { sid } },
    );
  if (out.isJson) out.json({ type: 'answered', id, event: `${sid}:${result.seq}`, recorded: draft.type, driven: false });
  else
    out.line(
      `Recorded as event ${result.seq} (${draft.type}). Agent "${agent}" is not registered here, so nothing was driven; its worker goes on, or:\n    ${typist(flags)('resume', sid)}${flags.has('agents') ? '' : ' --agents FILE'}`,
    );
  return 0;
}
