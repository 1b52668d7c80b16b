import type { Mutant } from './mutant.ts';

const DRIVER = 'agent/driver.ts';
const RUNTIME = 'agent/runtime.ts';
const CALLS = 'agent/calls.ts';
const RETRY = 'agent/retry.ts';
const TURN = 'agent/facets/turn.ts';
const MEMORY = 'agent/facets/memory.ts';
const STREAM = 'agent/stream.ts';
const STORE = 'log/memory-store.ts';

/** Bugs of every part that were thought of after the laws: what was not found at first has a law or a scenario by now. */
export const MORE_MUTANTS: readonly Mutant[] = [
  {
    name: 'fenced-driver-drops-facts',
    file: DRIVER,
    find: `    if (result.why === 'closed' || result.why === 'limit') throw refused(this.sid, result);`,
    replace: `    if (result.why !== 'conflict') throw refused(this.sid, result);`,
    says: 'A driver that was taken over forgets what its calls came to.',
  },
  {
    name: 'opinion-kept-after-refusal',
    file: DRIVER,
    find: `    const facts = taken.filter((draft) => !isOpinion(draft));`,
    replace: `    const facts = taken;`,
    says: 'What a policy decided at one head is appended as a fact when it is refused there.',
  },
  {
    name: 'stale-opinion-followed',
    file: DRIVER,
    find: `        if (this.#ask !== asked) return;
        this.#ask = null;`,
    replace: `        this.#ask = null;`,
    says: 'A policy’s opinion is followed though nobody wants it any more.',
  },
  {
    name: 'all-is-progress',
    file: DRIVER,
    find: `progress: facts.length > 0 }`,
    replace: `progress: true }`,
    says: 'An intent alone counts as progress: a session that kills its process is claimed for ever.',
  },
  {
    name: 'cancelled-timer-awaited',
    file: DRIVER,
    find: `      this.#running.get(seq)?.abort(cancelled());
      this.#running.delete(seq);`,
    replace: `      this.#running.get(seq)?.abort(cancelled());`,
    says: 'A timer that is given up is still waited for (fix reverted).',
    equivalent:
      'Its sleep ends with the abort, a few microtasks later, and a row that is left `ready` then makes the driver outdated: it is set right as soon as it rests.',
  },
  {
    name: 'close-fails-calls',
    file: DRIVER,
    find: `this.#outcomes.push(...(this.#isGivenUp ? outcome.filter(isOutcome) : outcome));`,
    replace: `this.#outcomes.push(...outcome);`,
    says: 'What a clean close cuts off is recorded as failed, and not made again.',
  },
  {
    name: 'repeated-birth-elsewhere',
    file: DRIVER,
    find: `      return { seq: 1, repeated: true };`,
    replace: `      return { seq: 0, repeated: true };`,
    says: 'Who sends a first message again is told another place of it.',
  },
  {
    name: 'first-frame-forgotten',
    file: DRIVER,
    find: `        if (frame.seq === 0 && frame.sid === this.sid) this.firstFrame = frame.id; // a fork's`,
    replace: `        // a fork's`,
    says: 'A process that comes after does not know the message that created a session.',
  },
  {
    name: 'release-tried-once',
    file: DRIVER,
    find: `      if (epoch > this.#fence.epoch || head <= expected) return false;`,
    replace: `      if (epoch >= this.#fence.epoch || head <= expected) return false;`,
    says: 'A session that is written to while its driver lets go of it stays taken.',
  },
  {
    name: 'poke-not-repeated',
    file: DRIVER,
    find: `      this.#writing.row.unset(head - 1);`,
    replace: ``,
    says: 'A hint is forgotten when the read behind it fails half-way.',
    equivalent:
      'A page that was read makes the row outdated by itself before the state moves, and one that was not leaves the state behind the head: who is told again looks in both cases.',
  },
  {
    name: 'erasure-not-noted',
    file: 'agent/writing.ts',
    find: `      await store.append({ ...erasureNote(sid, subject, world), by: 'runtime' });
`,
    replace: ``,
    says: 'A fork from before an erasure never learns of it.',
  },
  {
    name: 'failed-definition-kept',
    file: RUNTIME,
    find: `      bound.catch(() => this.#bounds.delete(name));`,
    replace: `      bound.catch(() => undefined);`,
    says: 'A definition that the store refused once is never stored.',
  },
  {
    name: 'handed-back-once',
    file: RUNTIME,
    find: `        if (!NervaError.is(error) || !error.retry) break;`,
    replace: `        if (!NervaError.is(error) || error.retry) break;`,
    says: 'A session that could not be handed back at first never is.',
  },
  {
    name: 'settled-answer-accepted',
    file: 'agent/session.ts',
    find: `        if (settledBy !== seq)`,
    replace: `        if (settledBy === null)`,
    says: 'Who answers second is told that the answer counts.',
  },
  {
    name: 'run-begins-late',
    file: 'agent/session.ts',
    find: `        accepted.then(({ seq }) => seq - 1),`,
    replace: `        accepted.then(({ seq }) => seq),`,
    says: 'Who reads along with a run does not see what was sent.',
  },
  {
    name: 'delta-before-its-call',
    file: STREAM,
    find: `first.seq < next;`,
    replace: `first.seq < Infinity || next < 0;`,
    says: 'A reader hears pieces of an answer before the call that they belong to.',
  },
  {
    name: 'retried-after-pieces',
    file: RETRY,
    find: `!failure.retry || failure.isPartial || `,
    replace: `!failure.retry || `,
    says: 'A call is made again though pieces of its answer were seen.',
  },
  {
    name: 'one-retry-too-many',
    file: RETRY,
    find: `open.failures > retriesMax)`,
    replace: `open.failures > retriesMax + 1)`,
    says: 'A failed call is made again once more than it may.',
  },
  {
    name: 'failures-not-forgiven',
    file: TURN,
    find: `({ phase: 'tools', failures: 0 })`,
    replace: `({ phase: 'tools' })`,
    says: 'Failures before an answer count against the calls after it.',
  },
  {
    name: 'retry-after-ignored',
    file: RETRY,
    find: `Math.ceil(Math.max(ownMs, failure.retryAfterMs ?? 0))`,
    replace: `Math.ceil(ownMs)`,
    says: 'A provider that says when to come back is asked before.',
  },
  {
    name: 'timer-by-the-clock-before',
    file: 'agent/perform.ts',
    find: `    for (let leftMs = atMs - world.clock.nowMs(); leftMs > 0; leftMs = atMs - world.clock.nowMs())
      await world.clock.sleep(leftMs, { signal });`,
    replace: `    const leftMs = atMs - world.clock.nowMs();
    if (leftMs > 0) await world.clock.sleep(leftMs / 2, { signal });`,
    says: 'A timer fires before its time.',
  },
  {
    name: 'dedupe-ignores-tool',
    file: CALLS,
    find: '  const text = `${tool.name} ${tool.dedupe(value)}`;',
    replace: '  const text = tool.dedupe(value);',
    says: 'Calls of two tools are taken for equal.',
  },
  {
    name: 'throwing-rule-lets-pass',
    file: CALLS,
    find: `  } catch {
    return true;
  }`,
    replace: `  } catch {
    return false;
  }`,
    says: 'A rule that throws lets the call pass.',
  },
  {
    name: 'rule-of-agent-ignored',
    file: CALLS,
    find: `      (bound.agent.approval?.({ tool: tool.name, effect: tool.effect, input: value as Json, taint: state.turn.sources }) ?? false)`,
    replace: `      (bound.agent.approval === undefined && state.turn.sources.length < 0 && value === (null as Json))`,
    says: 'The agent’s own rule for approvals is not asked.',
  },
  {
    name: 'taint-not-told',
    file: CALLS,
    find: `taint: state.turn.sources })`,
    replace: `taint: [] })`,
    says: 'A rule for approvals is not told who has spoken.',
  },
  {
    name: 'fork-keeps-questions',
    file: 'agent/facets/approval.ts',
    find: `      case 'session.forked':
`,
    replace: ``,
    says: 'What the parent asks a person is asked in a fork too.',
    equivalent:
      'A question is looked up by its proposed call alone, and what was asked for in the parent is detached or proposed anew: it is asked under a newer question, or never.',
  },
  {
    name: 'first-approval-counts',
    file: 'agent/facets/approval.ts',
    find: `approval.part === part) found = approval;`,
    replace: `approval.part === part) found ??= approval;`,
    says: 'An older question about a call counts, not the newest.',
  },
  {
    name: 'lost-reading-forgotten',
    file: MEMORY,
    find: `settledBy: event.seq, notes: 0, turn: -1 }`,
    replace: `settledBy: event.seq, notes: 0 }`,
    says: 'A reading of memories that was lost with its process is not made anew.',
  },
  {
    name: 'fork-waits-for-reading',
    file: MEMORY,
    find: `slice.open === null ? slice : { ...slice, open: null, turn: -1 };`,
    replace: `slice;`,
    says: 'A fork waits for the memories that its parent reads.',
  },
  {
    name: 'fork-waits-for-model',
    file: 'agent/facets/model.ts',
    find: `slice.open === null ? slice : { ...slice, open: null };`,
    replace: `slice;`,
    says: 'A fork waits for the answer to its parent.',
  },
  {
    name: 'fork-waits-for-timer',
    file: 'agent/facets/timer.ts',
    find: `      case 'turn.ended':
      case 'session.forked':`,
    replace: `      case 'turn.ended':`,
    says: 'A fork waits for the timer of its parent.',
  },
  {
    name: 'memory-told-twice',
    file: MEMORY,
    find: `    told: new Set([...slice.told, ...entries.map(({ id }) => id)]),`,
    replace: `    told: new Set(entries.map(({ id }) => id)),`,
    says: 'What a memory said two turns ago is said again.',
  },
  {
    name: 'uncounted-answer-is-free',
    file: 'agent/facets/budget.ts',
    find: `    tokens: isKnown ? inputTokens + outputTokens : reserved.tokens,`,
    replace: `    tokens: isKnown ? inputTokens + outputTokens : 0,`,
    says: 'An answer whose provider did not count costs nothing.',
  },
  {
    name: 'session-time-since-ever',
    file: 'agent/facets/budget.ts',
    find: `        return { ...slice, startedMs: raw.atMs };`,
    replace: `        return slice;`,
    says: 'The time of a session is over before it began.',
  },
  {
    name: 'stopped-a-step-early',
    file: 'agent/turns.ts',
    find: `  if (open.steps >= agent.stepsMax) return`,
    replace: `  if (open.steps >= agent.stepsMax - 1) return`,
    says: 'A turn is stopped a step before its limit.',
  },
  {
    name: 'late-note-lost',
    file: TURN,
    find: `return lateNote(slice, event.data);`,
    replace: `return lateNote(slice, event.data) && slice;`,
    says: 'The model is never told what became of a call that an earlier turn left in doubt.',
  },
  {
    name: 'rejections-uncounted',
    file: TURN,
    find: `rejections: turn.rejections + 1,`,
    replace: `rejections: turn.rejections,`,
    says: 'An answer that does not fit is sent back for ever.',
  },
  {
    name: 'chain-without-author',
    file: 'log/chain.ts',
    find: `    by,
    tenant,
    cause ?? null,`,
    replace: `    '',
    tenant,
    cause ?? null,`,
    says: 'Who wrote a frame can be changed unseen.',
  },
  {
    name: 'chain-without-payload',
    file: 'log/chain.ts',
    find: `  return isPruned(payload) ? payload : world.digest(payload);`,
    replace: `  return isPruned(payload) ? payload : world.digest(payload.slice(0, 1_000));`,
    says: 'The end of a long frame can be changed unseen.',
  },
  {
    name: 'fork-of-other-tenant',
    file: 'log/memory-append.ts',
    find: `  const parent = rowOf(memory, tenant, fork.parent);`,
    replace: `  const parent = rowOf(memory, null, fork.parent);`,
    says: 'A tenant forks the sessions of others.',
  },
  {
    name: 'list-of-any-tenant',
    file: STORE,
    find: `      (wanted === null || row.tenant === wanted) &&`,
    replace: `      (wanted === null || row.tenant !== '') &&`,
    says: 'A tenant sees the sessions of others in its list.',
  },
  {
    name: 'snapshot-of-any-tenant',
    file: STORE,
    find: `      rowOf(memory, tenant, sid);
      const kept = memory.snapshots.get(sid);
      return`,
    replace: `      rowOf(memory, null, sid);
      const kept = memory.snapshots.get(sid);
      return`,
    says: 'A tenant reads snapshots of the sessions of others.',
  },
  {
    name: 'snapshot-beyond-place',
    file: STORE,
    find: `kept.list.findLast(({ seq }) => seq <= upto)`,
    replace: `kept.list.findLast(({ seq }) => seq <= upto + 1)`,
    says: 'A snapshot of the event after is taken for the place asked for.',
  },
  {
    name: 'snapshot-survives-erasure',
    file: 'log/sealed.ts',
    find: `      await store.snapshots.put(sid, 'erased', -1, '');
`,
    replace: ``,
    says: 'What was made of an erased subject’s words stays in snapshots.',
  },
  {
    name: 'any-frame-is-progress',
    file: 'log/judge.ts',
    find: `attempts: then?.progress === true ? 0`,
    replace: `attempts: then !== undefined ? 0`,
    says: 'Any frame takes a session’s attempts back.',
  },
  {
    name: 'blob-shared-by-subjects',
    file: 'log/memory-blobs.ts',
    find: `JSON.stringify([owner, subject ?? null, ref]);`,
    replace: `JSON.stringify([owner, ref]);`,
    says: 'Equal contents of two subjects are one: who is erased takes it from the other.',
  },
  {
    name: 'value-in-grace-dropped',
    file: 'tool/run.ts',
    find: `      else if (stopped !== null && outcome.type === 'failed' && (outcome.why === 'threw' || outcome.why === 'cancelled'))
        finish(stoppedOutcome(stopped, attempt, outcome.message));`,
    replace: `      else if (stopped !== null) finish(stoppedOutcome(stopped, attempt, ''));`,
    says: 'A value that a tool gives within the grace is dropped.',
  },
  {
    name: 'replay-compares-types',
    file: 'agent/replay.ts',
    find: `  return canonicalJson(event.data) === canonicalJson(decided.data as unknown as Json);
}

function identityless`,
    replace: `  return true;
}

function identityless`,
    says: 'A replay compares what kind of thing was decided, not what.',
  },
  {
    name: 'definition-holds-secrets',
    file: 'agent/definition.ts',
    find: `    model: agent.model?.name ?? null,`,
    replace: `    model: JSON.parse(JSON.stringify(agent.model ?? null)) as JsonObject,`,
    says: 'What a client carries, keys too, is written with what an agent is made of.',
  },
];
