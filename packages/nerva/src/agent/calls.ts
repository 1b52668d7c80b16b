import type { Json } from '../core/index.ts';
import type { Tool } from '../tool/index.ts';
import type { Bound } from './definition.ts';
import type { Draft } from './events.ts';
import { approvalOf } from './facets/approval.ts';
import type { AgentState, Slot, Wish } from './state.ts';

/**
 * What the proposed, open and doubtful calls of the open step want next. Pure.
 * C1 no intent without a known tool and valid input · C2 none without its grant · C3 an irreversible call whose process is gone is in doubt, never repeated ·
 * C4 after a cancel nothing starts.
 */
export function decideCalls(state: AgentState, bound: Bound, epoch: number): Wish {
  const { slots } = state.tool;
  if (slots.length === 0 || state.turn.open === null) return null;
  const cancel = state.turn.open.cancel;
  const drafts: Draft[] = [];
  let isWaiting = false;
  const deduping: string[] = [];
  for (const slot of slots) {
    if (slot.status === 'done') continue;
    const draft = cancel === null ? nextOf(slot, { state, bound, epoch, deduping }) : cancelled(slot, state, { epoch, why: cancel.why });
    if (draft !== null) drafts.push(draft);
    else if (cancel === null || slot.status !== 'doubt') isWaiting = true;
  }
  if (drafts.length > 0) return drafts;
  return isWaiting ? 'wait' : null;
}

interface Scene {
  readonly state: AgentState;
  readonly bound: Bound;
  readonly epoch: number;
  /** Dedupe texts that start in this frame: an equal call waits for their result. */
  readonly deduping: string[];
}

/** The next draft of one call, or null while it waits. */
function nextOf(slot: Slot, scene: Scene): Draft | null {
  const tool = scene.bound.tools.get(slot.name);
  switch (slot.status) {
    case 'proposed':
      return proposed(slot, tool, scene);
    case 'granted':
      return isStillGranted(slot, tool, scene) ? started(slot, tool as Tool, scene) : proposed(slot, tool, scene);
    case 'detached':
      return failed(slot, 'forked', 'This call belongs to the session this one was forked from; its result does not come here.');
    case 'open':
      return slot.epoch === scene.epoch ? null : lost(slot, tool);
    case 'doubt':
      // Asked once by each process that drives the session; after that a person answers.
      return tool?.reconcile !== undefined && slot.epoch !== scene.epoch
        ? { type: 'reconcile.called', data: { call: slot.call ?? -1 } }
        : null;
    case 'again':
      if (tool === undefined)
        return { type: 'tool.failed', data: { call: slot.call ?? -1, why: 'unknown tool', message: unknownTool(slot, scene.bound) } };
      return again(slot, 'reconcile');
    default:
      return null;
  }
}

function proposed(slot: Slot, tool: Tool | undefined, scene: Scene): Draft | null {
  const { state, bound } = scene;
  if (tool === undefined) return failed(slot, 'unknown tool', unknownTool(slot, bound));
  if (slot.malformed) return failed(slot, 'bad input', `The arguments of ${slot.name} are not JSON. Send one JSON object.`);
  const parsed = tool.parseInput(slot.input);
  if (!(parsed instanceof Promise) && !parsed.ok) return failed(slot, 'bad input', parsed.issues);
  const value = parsed instanceof Promise ? slot.input : parsed.value;
  if (state.session.effects === 'simulated' && tool.effect !== 'read') {
    return { type: 'tool.returned', data: { answer: slot.asker, part: slot.part, output: { simulated: true }, by: 'simulated' } };
  }
  if (needsApproval(tool, value, scene)) {
    return { type: 'approval.requested', data: { answer: slot.asker, part: slot.part, digest: bound.callDigest(tool, slot.input) } };
  }
  return started(slot, tool, scene);
}

/** Deny by default: a rule that throws asks. */
function needsApproval(tool: Tool, value: unknown, { state, bound }: Scene): boolean {
  if (state.session.effects === 'ask' && tool.effect !== 'read') return true;
  try {
    return (
      tool.needsApproval(value) ||
      (bound.agent.approval?.({ tool: tool.name, effect: tool.effect, input: value as Json, taint: state.turn.sources }) ?? false)
    );
  } catch {
    return true;
  }
}

function isStillGranted(slot: Slot, tool: Tool | undefined, { state, bound }: Scene): boolean {
  return tool !== undefined && approvalOf(state.approval, slot.asker, slot.part)?.digest === bound.callDigest(tool, slot.input);
}

function started(slot: Slot, tool: Tool, { state, deduping }: Scene): Draft | null {
  if (tool.dedupe === undefined) return { type: 'tool.called', data: { answer: slot.asker, part: slot.part, effect: tool.effect } };
  const parsed = tool.parseInput(slot.input);
  const value = parsed instanceof Promise || !parsed.ok ? slot.input : parsed.value;
  const text = `${tool.name} ${tool.dedupe(value)}`;
  const earlier = state.tool.deduped.get(text);
  if (earlier !== undefined) return { type: 'tool.returned', data: { answer: slot.asker, part: slot.part, output: earlier, by: 'dedupe' } };
  const isRunning =
    deduping.includes(text) ||
    [...state.tool.slots, ...state.tool.doubts].some((other) => other.status !== 'done' && other.dedupe === text);
  if (isRunning) return null;
  deduping.push(text);
  return { type: 'tool.called', data: { answer: slot.asker, part: slot.part, effect: tool.effect, dedupe: text } };
}

/** The process that made the call is gone. What is open is finished under the class that was recorded. */
function lost(slot: Slot, tool: Tool | undefined): Draft {
  if (slot.effect === 'irreversible' || slot.effect === null)
    return { type: 'tool.in_doubt', data: { call: slot.call ?? -1, why: 'crash' } };
  if (tool === undefined)
    return {
      type: 'tool.failed',
      data: { call: slot.call ?? -1, why: 'unknown tool', message: `The tool ${slot.name} is gone; the call was cut off.` },
    };
  return again(slot, 'crash');
}

const again = (slot: Slot, why: 'crash' | 'reconcile'): Draft => ({
  type: 'tool.called',
  data: { answer: slot.asker, part: slot.part, effect: slot.effect ?? 'irreversible', again: slot.call ?? -1, why },
});

const failed = (slot: Slot, why: string, message: string): Draft => ({
  type: 'tool.failed',
  data: { answer: slot.asker, part: slot.part, why, message },
});

/** After a cancel: what has not started does not start; what runs here is awaited; what was lost is settled by its class. */
function cancelled(slot: Slot, state: AgentState, { epoch, why }: { readonly epoch: number; readonly why: string }): Draft | null {
  const message = 'The turn was cancelled before this call was made.';
  switch (slot.status) {
    case 'asking': {
      const approval = approvalOf(state.approval, slot.asker, slot.part);
      return approval === null ? failed(slot, 'cancelled', message) : { type: 'approval.denied', data: { approval: approval.seq, why } };
    }
    case 'open':
      if (slot.epoch === epoch) return null;
      if (slot.effect === 'irreversible') return { type: 'tool.in_doubt', data: { call: slot.call ?? -1, why: 'cancelled' } };
      return {
        type: 'tool.failed',
        data: { call: slot.call ?? -1, why: 'cancelled', message: 'The turn was cancelled while this call ran.' },
      };
    case 'doubt':
    case 'done':
      return null;
    default:
      return slot.call === null
        ? failed(slot, 'cancelled', message)
        : { type: 'tool.failed', data: { call: slot.call, why: 'cancelled', message } };
  }
}

function unknownTool(slot: Slot, bound: Bound): string {
  const names = [...bound.tools.keys()].join(', ');
  return `There is no tool named ${JSON.stringify(slot.name)}. ${names === '' ? 'There are no tools.' : `The tools are: ${names}.`}`;
}
