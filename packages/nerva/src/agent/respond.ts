import { checkJson, NervaError, type Json } from '../core/index.ts';
import { eventsOf, type EventId, type Seq, type Sid, type Store } from '../log/index.ts';
import type { Draft } from './events.ts';
import { doubtDigest } from './outcome.ts';
import type { AgentState, Slot } from './state.ts';

/** A person's answer. `digest` (from `Pending`) makes sure that what was shown is still what is asked. */
export type Answer =
  | { readonly decision: 'approve'; readonly answer?: Json; readonly digest?: string }
  | { readonly decision: 'deny'; readonly why?: string; readonly digest?: string }
  /** A call in doubt happened, and this is its result. */
  | { readonly decision: 'returned'; readonly output: Json; readonly digest?: string }
  /** A call in doubt did not happen. */
  | { readonly decision: 'failed'; readonly message?: string; readonly digest?: string };

/**
 * The fact that an answer is. `by` is who gives it, for the record.
 * @throws APPROVAL_UNKNOWN, APPROVAL_SETTLED, APPROVAL_CHANGED, OPTION_INVALID. Then nothing was written.
 */
export async function answerDraft(state: AgentState, id: EventId, answer: Answer & { readonly by?: string }, store: Store): Promise<Draft> {
  const seq = seqOf(state, id);
  const doubt = [...state.tool.slots, ...state.tool.doubts].find((slot) => slot.call === seq);
  if (doubt !== undefined) return doubtDraft(doubt, id, answer);
  const approval = state.approval.get(seq);
  if (approval === undefined) throw await unknownOrSettled(state, seq, id, store);
  if (approval.status !== 'open') throw settled(id);
  if (answer.decision === 'returned' || answer.decision === 'failed') {
    throw new NervaError(
      'OPTION_INVALID',
      `${id} is an approval; answer it with decision approve or deny, not ${answer.decision}. Nothing was written.`,
    );
  }
  refuseOther(id, approval.digest, answer);
  const by = answer.by === undefined ? {} : { by: answer.by };
  if (answer.decision === 'deny')
    return { type: 'approval.denied', origin: 'person', data: { approval: seq, why: answer.why ?? 'denied', ...by } };
  const given = answer.answer === undefined ? {} : { answer: checkJson(answer.answer) };
  return { type: 'approval.granted', origin: 'person', data: { approval: seq, digest: approval.digest, ...given, ...by } };
}

function seqOf(state: AgentState, id: EventId): Seq {
  const at = id.lastIndexOf(':');
  const seq = Number(id.slice(at + 1));
  if (id.slice(0, at) === state.sid && Number.isSafeInteger(seq) && seq >= 0) return seq;
  throw new NervaError(
    'APPROVAL_UNKNOWN',
    `${JSON.stringify(id)} is no id of session ${state.sid}; expected "${state.sid}:" and a number. Nothing was written.`,
    { details: { id } },
  );
}

/** What was looked at may be another attempt than the one that is in doubt by now. @throws APPROVAL_CHANGED */
function refuseOther(id: EventId, digest: string, answer: Answer): void {
  if (answer.digest === undefined || answer.digest === digest) return;
  throw new NervaError(
    'APPROVAL_CHANGED',
    `${id} asks for ${digest} now, the answer is to ${answer.digest}. Look again; nothing was written.`,
    { details: { digest } },
  );
}

function doubtDraft(slot: Slot, id: EventId, answer: Answer): Draft {
  const call = slot.call ?? 0;
  if (slot.status !== 'doubt') throw settled(id);
  refuseOther(id, doubtDigest(slot), answer);
  if (answer.decision === 'returned')
    return { type: 'tool.returned', origin: 'person', data: { call, output: checkJson(answer.output), by: 'person' } };
  if (answer.decision === 'failed')
    return {
      type: 'tool.failed',
      origin: 'person',
      data: { call, why: 'not done', message: answer.message ?? 'A person found that it did not happen.', by: 'person' },
    };
  throw new NervaError(
    'OPTION_INVALID',
    `${id} is a call in doubt; say decision returned (with its output) or failed, not ${answer.decision}. Nothing was written.`,
  );
}

/** Seq of the first answer to an approval; null when nobody answered. */
export async function answeredAt(store: Store, sid: Sid, approval: Seq): Promise<Seq | null> {
  for (let after = approval; ;) {
    const frames = await store.read(sid, { after });
    const events = frames.flatMap(eventsOf);
    const first = events.find(
      ({ type, data }) => (type === 'approval.granted' || type === 'approval.denied') && data['approval'] === approval,
    );
    if (first !== undefined) return first.seq;
    const last = events.at(-1);
    if (last === undefined) return null;
    after = last.seq;
  }
}

const settled = (id: EventId): NervaError =>
  new NervaError('APPROVAL_SETTLED', `${id} was already answered. The first answer stands; nothing was written.`, { details: { id } });

/** An approval of an earlier turn is known by its event only. */
// oxlint-disable-next-line max-params -- four plain values
async function unknownOrSettled(state: AgentState, seq: Seq, id: EventId, store: Store): Promise<NervaError> {
  const frames = seq < state.head ? await store.read(state.sid, { after: seq - 1, upto: seq }) : [];
  const event = frames.flatMap(eventsOf).find((one) => one.seq === seq);
  if (event?.type === 'approval.requested' || event?.type === 'tool.called') return settled(id);
  return new NervaError(
    'APPROVAL_UNKNOWN',
    `Nothing waits under ${id}. \`nerva show ${state.sid}\` lists what does; nothing was written.`,
    { details: { id } },
  );
}
