import { excerpt, NervaError, utf8Bytes, type Json } from '../core/index.ts';
import type { Seq } from '../log/index.ts';
import { runTool, type Tool, type ToolContext, type ToolOutcome } from '../tool/index.ts';
import { again } from './again.ts';
import { approvalOf } from './facets/approval.ts';
import type { Draft, EventData } from './events.ts';
import { EXCERPT_BYTES, type Performer, type Scene } from './perform.ts';
import type { Slot } from './state.ts';

/** Output above this many bytes of JSON is kept as a blob beside the log. */
const INLINE_BYTES = 16 * 1024;

/** Calls the tool. Exactly one outcome, or a doubt for an irreversible call that did not return. */
export const performTool: Performer = (intent, scene) => {
  const { answer, part } = (intent as Draft & { readonly type: 'tool.called' }).data;
  const slot = scene.state.tool.slots.find((one) => one.asker === answer && one.part === part);
  const tool = slot === undefined ? undefined : scene.bound.tools.get(slot.name);
  if (slot === undefined || slot.call === null || tool === undefined)
    throw new Error(`Invariant broken: A5 an intent names a known call (${scene.sid}:${scene.seq})`);
  const call = slot.call;
  const limits = {
    world: scene.world,
    outputBytesMax: scene.bound.agent.outputBytesMax,
    graceMs: scene.graceMs,
    onLate: (late: ToolOutcome) => {
      const draft = lateDraft(slot, call, late);
      if (draft !== null) scene.later(draft);
    },
  };
  const outcome = runTool(tool, slot.input, contextOf(slot, call, scene), limits);
  return outcome.then((settled) => drafts(slot, call, settled, scene));
};

function drafts(slot: Slot, call: Seq, outcome: ToolOutcome, scene: Scene): readonly Draft[] | Promise<readonly Draft[]> {
  if (outcome.type === 'failed') {
    const message = excerpt(outcome.message, EXCERPT_BYTES);
    const { attempt } = slot;
    // A call that never started, NotDone, and a bad return value tell what happened. Nothing else does.
    const isKnown = !outcome.started || outcome.why === 'not done' || outcome.why === 'bad output';
    if (slot.effect === 'irreversible' && !isKnown) return [{ type: 'tool.in_doubt', data: { call, why: outcome.why, message, attempt } }];
    return [{ type: 'tool.failed', origin: 'tool', data: { call, why: outcome.why, message, attempt } }];
  }
  const { output, truncatedBytes } = outcome;
  const text = JSON.stringify(output);
  if (isInline(text)) return [returned({ call, output, ...(truncatedBytes === undefined ? {} : { truncatedBytes }) })];
  return blobbed(text, scene).then((ref) => [returned({ call, output: ref, ...(truncatedBytes === undefined ? {} : { truncatedBytes }) })]);
}

/** No text has fewer bytes than units: a long one is not measured. */
const isInline = (text: string): boolean => text.length <= INLINE_BYTES && utf8Bytes(text) <= INLINE_BYTES;
const returned = (data: EventData['tool.returned']): Draft => ({ type: 'tool.returned', origin: 'tool', data });

/** Keeps JSON text as a blob, durable before the frame that names it. */
async function blobbed(text: string, { store, sid, state, world, leaving }: Scene): Promise<Json> {
  const { subject } = state.session;
  const content = new TextEncoder().encode(text);
  const options = { mediaType: 'application/json', sid, ...(subject === null ? {} : { subject }) };
  try {
    const ref = await again(() => store.blobs.put(content, options), { world, signal: leaving });
    return { ref: ref.ref, bytes: ref.bytes, mediaType: ref.mediaType };
  } catch (error) {
    // That the call gave something is known all the same.
    if (NervaError.is(error, 'SUBJECT_ERASED')) return '[erased]';
    throw error;
  }
}

/** What a call that was given up says after all. */
function lateDraft(slot: Slot, call: Seq, late: ToolOutcome): Draft | null {
  if (late.type === 'returned') {
    const text = JSON.stringify(late.output);
    if (isInline(text)) return returned({ call, output: late.output, by: 'late' });
    return returned({ call, output: excerpt(text, INLINE_BYTES), by: 'late', truncatedBytes: utf8Bytes(text) });
  }
  if (late.why !== 'not done' && slot.effect === 'irreversible') return null;
  const message = excerpt(late.message, EXCERPT_BYTES);
  return { type: 'tool.failed', origin: 'tool', data: { call, why: late.why, message, by: 'late', attempt: slot.attempt } };
}

/** Whether a call came to something. What a drain cuts off is left open, as a kill would leave it: the next driver repeats it, or finds it in doubt. */
export const isOutcome = (draft: Draft): boolean =>
  !((draft.type === 'tool.failed' || draft.type === 'tool.in_doubt') && draft.data.why === 'cancelled');

/** Of outcomes that nobody waits for any more those that a tool gave itself, as what came late. */
export function lateOf(outcome: readonly Draft[]): readonly Draft[] {
  return outcome.flatMap((draft): readonly Draft[] => {
    if (draft.type === 'tool.returned' && draft.data.by === undefined) return [{ ...draft, data: { ...draft.data, by: 'late' } }];
    const isGiven = draft.type === 'tool.failed' && draft.data.why !== 'cancelled' && draft.data.why !== 'timeout';
    return isGiven ? [{ ...draft, data: { ...draft.data, by: 'late' } }] : [];
  });
}

/** Asks the tool what became of a call in doubt. A tool that throws does not know. */
export const performReconcile: Performer = async (intent, scene) => {
  const { call } = (intent as Draft & { readonly type: 'reconcile.called' }).data;
  const slot = scene.state.tool.slots.find((one) => one.call === call);
  const tool = slot === undefined ? undefined : scene.bound.tools.get(slot.name);
  if (slot === undefined || tool?.reconcile === undefined)
    throw new Error(`Invariant broken: A6 a reconciliation names a call in doubt (${scene.sid}:${scene.seq})`);
  const { attempt } = slot;
  try {
    const found = await reconcile(tool, slot, contextOf(slot, call, scene), scene);
    if (found.status === 'done') {
      const text = JSON.stringify(found.output);
      const output = isInline(text) ? found.output : await blobbed(text, scene);
      return [{ type: 'tool.returned', origin: 'tool', data: { call, output, by: 'reconcile' } }];
    }
    return [{ type: 'reconcile.returned', origin: 'tool', data: { call, status: found.status, attempt } }];
  } catch (error) {
    const message = excerpt(error instanceof Error ? error.message : String(error), EXCERPT_BYTES);
    return [{ type: 'reconcile.returned', origin: 'tool', data: { call, status: 'unknown', message, attempt } }];
  }
};

/** A reconciliation is a read: it runs as one, with the tool's own time limit. */
async function reconcile(
  tool: Tool,
  slot: Slot,
  context: ToolContext,
  scene: Scene,
): Promise<{ readonly status: 'done'; readonly output: Json } | { readonly status: 'not-done' | 'unknown' }> {
  const asking: Tool = { ...tool, effect: 'read', execute: (input, inner) => tool.reconcile?.(input, inner) as never };
  const { parseOutput: _, ...plain } = asking;
  const outcome = await runTool(plain, slot.input, context, {
    world: scene.world,
    outputBytesMax: scene.bound.agent.outputBytesMax,
    graceMs: scene.graceMs,
    onLate: () => undefined,
  });
  if (outcome.type === 'failed') throw new Error(`${outcome.why}: ${outcome.message}`);
  const { status, output = null } = outcome.output as { readonly status?: unknown; readonly output?: Json };
  if (status === 'done') return { status, output };
  return { status: status === 'not-done' ? status : 'unknown' };
}

function contextOf(slot: Slot, call: Seq, { sid, state, bound, store, signal }: Scene): ToolContext {
  const approval = approvalOf(state.approval, slot.asker, slot.part);
  const granted =
    approval?.status === 'granted'
      ? { approval: { by: approval.by, ...(approval.answer === undefined ? {} : { answer: approval.answer }) } }
      : {};
  return {
    signal,
    callId: `${sid}:${call}`,
    idempotencyKey: `${store.incarnation}:${sid}:${call}`,
    attempt: slot.attempt,
    session: { sid, tenant: store.tenant ?? 'default', agent: bound.agent.name },
    now: { atMs: state.nowMs },
    taint: state.turn.sources,
    readLog: (options) => store.read(sid, options),
    ...granted,
  };
}
