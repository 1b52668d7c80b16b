import type { Mutant } from './mutant.ts';

const DRIVER = 'agent/driver.ts';
const WRITING = 'agent/writing.ts';
const RUNTIME = 'agent/runtime.ts';

/** Bugs of whoever drives sessions: appending, performing, waking, recovering. */
export const DRIVER_MUTANTS: readonly Mutant[] = [
  {
    name: 'lost-append',
    file: DRIVER,
    find: `    if (facts.length > 0) {
      const frame`,
    replace: `    if (facts.length > 1_000) {
      const frame`,
    says: 'On a conflict the outcomes at hand are dropped.',
  },
  {
    name: 'effect-before-intent',
    file: DRIVER,
    find: `    const askedMs = this.#ports.world.clock.nowMs();
    const result = await this.#writing.append(frame, true);
    if (!result.ok) return this.#refuse(result, facts, fence);
    if (result.repeated || isLate(askedMs, this.#ports.world.clock.nowMs())) await this.#assertOwn();
    // A fact may have come in between, from here or from elsewhere: then what was composed is not what is, and it is decided on that.
    if (this.state === base && result.seq === base.head && result.atMs === composed.atMs) this.#adopt(composed.state);
    else {
      await this.#reached(result, frame.events);
      this.#isDirty = true;
    }
    if (composed.policy !== null) this.#await(composed.policy);
    this.#perform(composed.drafts, result, this.#decidedOn(base, composed, { result, erasures }));`,
    replace: `    this.#perform(composed.drafts, { seq: base.head, atMs: composed.atMs, epoch: this.#fence?.epoch ?? 0 }, composed.state);
    const askedMs = this.#ports.world.clock.nowMs();
    const result = await this.#writing.append(frame, true);
    if (!result.ok) return this.#refuse(result, facts, fence);
    if (result.repeated || isLate(askedMs, this.#ports.world.clock.nowMs())) await this.#assertOwn();
    if (this.state === base && result.seq === base.head && result.atMs === composed.atMs) this.#adopt(composed.state);
    else await this.#reached(result, frame.events);
    if (composed.policy !== null) this.#await(composed.policy);`,
    says: 'An effect starts before the frame with its intent is acknowledged.',
  },
  {
    name: 'effect-though-refused',
    file: DRIVER,
    find: `    if (!result.ok) return this.#refuse(result, facts, fence);`,
    replace: `    if (!result.ok) {
      this.#perform(composed.drafts, { seq: base.head, atMs: composed.atMs, epoch: this.#fence?.epoch ?? 0 }, composed.state);
      return this.#refuse(result, facts, fence);
    }`,
    says: 'An effect starts though the store refused the frame with its intent.',
  },
  {
    name: 'no-fence',
    file: DRIVER,
    find: `      expected: isDecision ? base.head : ('fact' as const),
      ...(isDecision && fence !== null ? { fence } : {}),`,
    replace: `      expected: isDecision ? base.head : ('fact' as const),`,
    says: 'Decisions are appended without the fence of their driver.',
  },
  {
    name: 'no-look-after-late-answer',
    file: DRIVER,
    find: `    if (result.repeated || isLate(askedMs, this.#ports.world.clock.nowMs())) await this.#assertOwn();`,
    replace: ``,
    says: 'A driver whose append was answered late or twice performs without looking whether it was taken over (fix reverted).',
  },
  {
    name: 'looks-after-a-lease-only',
    file: 'agent/row.ts',
    find: `nowMs - askedMs > LATE_MS`,
    replace: `nowMs - askedMs >= LEASE_MS`,
    says: 'An answer that took seconds is not looked behind, though another process was asked to take the session over (fix reverted).',
  },
  {
    name: 'own-fences-itself',
    file: DRIVER,
    find: `    if (this.#fence !== null) return;
    this.#owning ??= this.#ports.store.takeOver(this.sid, this.#ports.owner).finally(() => (this.#owning = null));
    this.#fence ??= await this.#owning;`,
    replace: `    const fence = await this.#ports.store.takeOver(this.sid, this.#ports.owner);
    this.#fence ??= fence;`,
    says: 'Two first sends at once take the session over twice and the driver keeps the older fence (fix reverted).',
  },
  {
    name: 'write-not-retried',
    file: WRITING,
    find: `await (isOurs ? again(append, { world, signal: leaving }) : twice(append))`,
    replace: `await (isOurs ? append() : twice(append))`,
    says: 'An outcome that the store refuses for a moment is given up (fix reverted).',
  },
  {
    name: 'retried-under-new-id',
    file: WRITING,
    find: `    const write = (): Promise<AppendResult> => store.append({ ...frame, events`,
    replace: `    let tries = 0;
    const write = (): Promise<AppendResult> =>
      store.append({ ...frame, id: tries++ === 0 ? frame.id : world.ids.next(), events`,
    says: 'A write of unknown result is repeated under a new frame id.',
  },
  {
    name: 'no-kick-after-receive',
    file: DRIVER,
    find: `    await this.#reached(result, asDrafts(drafts));
    this.kick();
    const seq`,
    replace: `    await this.#reached(result, asDrafts(drafts));
    const seq`,
    says: 'Input that was received wakes nobody.',
    equivalent:
      'Input that something follows from leaves the row ready, and whoever appends that is given the hint of it in the same process: the driver looks, though one read later.',
  },
  {
    name: 'no-signal-after-outcome',
    file: DRIVER,
    find: `        if (this.failure === null) this.#signal();
        else this.#later(lateOf(this.#outcomes.splice(0)));`,
    replace: `        if (this.failure !== null) this.#later(lateOf(this.#outcomes.splice(0)));`,
    says: 'The outcome of an effect does not wake the loop that waits for it.',
  },
  {
    name: 'conflict-swallowed',
    file: DRIVER,
    find: `    await this.#catchUp();
    this.#isDirty = true;`,
    replace: `    await this.#catchUp();`,
    says: 'After a conflict nothing is decided anew.',
    equivalent:
      'What was in the way has come in by `#catchUp`, which makes the row outdated: its hint has the driver decide anew, and a driver that rests before that is given back as `ready` and claimed.',
  },
  {
    name: 'frame-id-of-position',
    file: DRIVER,
    find: `    const frame = {
      id: this.#ports.world.ids.next(),
      events: asDrafts(composed.drafts),`,
    replace: `    const frame = {
      id: \`\${this.sid.slice(0, 40)}.\${base.head}\`,
      events: asDrafts(composed.drafts),`,
    says: 'Frame ids are made of the position, so two drivers use the same.',
  },
  {
    name: 'first-send-repeated',
    file: DRIVER,
    find: `    if (this.state.head > 0 && id === this.firstFrame) {`,
    replace: `    if (this.state.head > 0 && id === this.firstFrame && drafts.length === 0) {`,
    says: 'The send that created a session is not known when it is repeated.',
  },
  {
    name: 'left-ready',
    file: DRIVER,
    find: `    const status = statusOf(composed.state, isGoingOn || (this.#isDraining && this.#isUnfinished(composed.state)));`,
    replace: `    const status = statusOf(composed.state, isGoingOn || !this.#isDraining);`,
    says: 'A session that came to rest is left ready.',
  },
  {
    name: 'answers-out-of-order',
    file: 'agent/row.ts',
    find: `    else this.#setBy = Math.max(this.#setBy, seq);`,
    replace: `    else this.#setBy = Math.max(this.#setBy, this.#unsetBy, seq);`,
    says: 'An older frame’s answer that comes later says that the row is right (fix reverted).',
  },
  {
    name: 'unfinished-under-next-epoch',
    file: DRIVER,
    find: `decide(state, this.bound, Infinity, this.#ports.facets)`,
    replace: `decide(state, this.bound, (this.#fence?.epoch ?? 0) + 1, this.#ports.facets)`,
    says: 'A replaced driver that closes takes what its successor left open for its own (fix reverted).',
  },
  {
    name: 'older-fence-taken',
    file: DRIVER,
    find: `    this.adopt({ epoch: result.epoch });
    this.firstFrame = id;`,
    replace: `    this.#fence = { epoch: result.epoch };
    this.firstFrame = id;`,
    says: 'A late answer to a creation puts the old fence in place of a newer one (fix reverted).',
  },
  {
    name: 'lost-intents-performed',
    file: DRIVER,
    find: `    if (epoch !== this.#fence?.epoch) return void this.kick();
`,
    replace: ``,
    says: 'What was intended under a fence that is over is performed (fix reverted).',
  },
  {
    name: 'ready-taken-for-a-look',
    file: 'agent/row.ts',
    find: `    if (repeated || status === 'ready' || ifHead !== seq) this.unset(seq);`,
    replace: `    if (repeated || then?.status === undefined || ifHead !== seq) this.unset(seq);`,
    says: 'A verdict that comes as the driver comes to rest sets the row ready, and nobody looks again (fix reverted).',
  },
  {
    name: 'hint-during-append-ignored',
    file: DRIVER,
    find: `    await this.#writing.settled();`,
    replace: `    if (this.#writing.isBusy) return;`,
    says: 'What somebody appends between a frame of ours and its answer is not looked at (fix reverted).',
  },
  {
    name: 'waiting-called-idle',
    file: 'agent/row.ts',
    find: `  return state.turn.open === null ? 'idle' : 'waiting';`,
    replace: `  return state.turn.open === null ? 'waiting' : 'idle';`,
    says: 'A session that waits for a person is called idle, and an idle one waiting.',
  },
  {
    name: 'drained-not-ready',
    file: DRIVER,
    find: `isGoingOn || (this.#isDraining && this.#isUnfinished(composed.state))`,
    replace: `isGoingOn`,
    says: 'A turn that a clean close stops in its middle is not left ready for the next process.',
  },
  {
    name: 'drain-loses-outcomes',
    file: DRIVER,
    find: `        this.#outcomes.push(...(this.#isGivenUp ? outcome.filter(isOutcome) : outcome));`,
    replace: `        if (!this.#isDraining) this.#outcomes.push(...(this.#isGivenUp ? outcome.filter(isOutcome) : outcome));`,
    says: 'What effects come to while the runtime is closing is dropped.',
  },
  {
    name: 'failed-drops-outcomes',
    file: DRIVER,
    find: `        else this.#later(lateOf(this.#outcomes.splice(0)));`,
    replace: `        else this.#outcomes.length = 0;`,
    says: 'What a tool gives right after its driver failed is dropped (fix reverted).',
  },
  {
    name: 'late-result-lost',
    file: DRIVER,
    find: `        later: (outcome) => this.#later([outcome]),`,
    replace: `        later: () => undefined,`,
    says: 'What a call that was given up says after all is dropped.',
  },
  {
    name: 'opinion-taken-as-fact',
    file: DRIVER,
    find: `composed.drafts.length > facts.length || facts.some(isOpinion);`,
    replace: `composed.drafts.length > facts.length;`,
    says: 'What a policy decided at one head is appended at any other (fix reverted).',
  },
  {
    name: 'catch-up-skips-event',
    file: DRIVER,
    find: `          if (event.seq < state.head) continue;`,
    replace: `          if (event.seq < state.head || (event.seq >= 3 && event.seq === this.state.head)) continue;`,
    says: 'A driver that catches up skips the first event that is new to it.',
  },
  {
    name: 'adopts-what-was-composed',
    file: DRIVER,
    find: `if (this.state === base && result.seq === base.head && result.atMs === composed.atMs) this.#adopt(composed.state);`,
    replace: `if (result.seq === base.head && result.atMs === composed.atMs && composed.state.head >= this.state.head) this.#adopt(composed.state);`,
    says: 'A driver takes what it composed for what is, though its state is another object by now.',
    equivalent:
      'A frame that was taken at `base.head` is the next in the log. A state that is not `base` and no longer than what was composed was read from the log, so it holds exactly that frame, and is equal.',
  },
  {
    name: 'adopts-older-state',
    file: DRIVER,
    find: `if (this.state === base && result.seq === base.head && result.atMs === composed.atMs) this.#adopt(composed.state);`,
    replace: `if (result.seq === base.head) this.#adopt(composed.state);`,
    says: 'A driver takes for granted what it composed, though a fact came in between (fix reverted).',
  },
  {
    name: 'performs-what-came-since',
    file: DRIVER,
    find: `    if (this.#erasures > erasures) return this.state;
`,
    replace: `    if (this.#erasures >= erasures) return this.state;
`,
    says: 'An effect begins with what came between its intent and the answer to it (fix reverted).',
  },
  {
    name: 'rest-set-blindly',
    file: DRIVER,
    find: `{ then: { status: statusOf(state, false), ifHead: this.state.head } } : {};`,
    replace: `{ then: { status: statusOf(state, false) } } : { then: { status: 'idle' as const } };`,
    says: 'Input sets the row to rest though something follows from it.',
  },
  {
    name: 'claimed-for-nothing',
    file: DRIVER,
    find: `        this.#writing.row.unset(frame.seq); // or`,
    replace: `        // or`,
    says: 'The row of a session that was claimed and had nothing to do stays ready (fix reverted).',
  },
  {
    name: 'outdated-forgotten',
    file: RUNTIME,
    find: `      if (driver.isOutdated) this.#letGo(driver);
      else this.#resting.set(driver.sid, driver);`,
    replace: `      this.#resting.set(driver.sid, driver);`,
    says: 'A driver at rest does not set right a row that says ready (fix reverted).',
  },
  {
    name: 'failed-session-kept',
    file: RUNTIME,
    find: `      void this.#giveBack(driver.failure, () => driver.surrender());`,
    replace: ``,
    says: 'A session whose driver failed is never handed back (fix reverted).',
  },
  {
    name: 'failed-resume-kept',
    file: RUNTIME,
    find: `      void this.#giveBack(error, () => surrender(this.store, sid, fence));`,
    replace: `      void error;`,
    says: 'A session that was claimed and could not be opened is never handed back (fix reverted).',
  },
  {
    name: 'failed-claim-forgotten',
    file: RUNTIME,
    find: `    this.#claiming.catch((error: unknown) => void this.#giveBack(error, () => Promise.resolve(true)));`,
    replace: `    this.#claiming.catch(() => undefined);`,
    says: 'A claim that the store refused is not made again (fix reverted).',
  },
  {
    name: 'failed-release-forgotten',
    file: RUNTIME,
    find: `    driver.release().then(`,
    replace: `    void Promise.resolve(true).then(`,
    says: 'A driver that is let go keeps the session.',
  },
  {
    name: 'opinion-despite-steering',
    file: 'agent/compose.ts',
    find: `  return stands && steering(turn, bound).length === 0;`,
    replace: `  return stands;`,
    says: 'A policy is heard though somebody steered before the result was acknowledged (fix reverted).',
  },
  {
    name: 'let-go-of-others',
    file: RUNTIME,
    find: `        if (!isGiven) this.#claimLeft();`,
    replace: `        void isGiven;`,
    says: 'Where somebody else had had the session meanwhile and went, nobody asks for what came late (fix reverted).',
  },
  {
    name: 'taken-over-for-nobody',
    file: RUNTIME,
    find: `      void this.#giveBack(error, () => surrender(this.store, sid, taken));`,
    replace: ``,
    says: 'A session that was taken over and could not be read is not given back (fix reverted).',
  },
  {
    name: 'given-back-at-an-old-head',
    file: 'agent/row.ts',
    find: `    if ((await store.head(sid)) === head) return false;`,
    replace: `    return false;`,
    says: 'A session that is written to while it is given back stays taken (fix reverted).',
  },
  {
    name: 'fenced-close-stays',
    file: DRIVER,
    find: `        if (result.why === 'fenced') this.#fail(error); // whoever asks again takes it over`,
    replace: ``,
    says: 'A driver that was fenced when it closed its session stays, and is fenced again (fix reverted).',
  },
  {
    name: 'opened-and-left',
    file: RUNTIME,
    find: `          if (this.#unhint !== null) driver.kick();`,
    replace: ``,
    says: 'A session that was opened for a look is taken over and not worked on (fix reverted).',
    equivalent:
      'Since a driver that is opened is taken for outdated it is given back as soon as it rests, as `ready` where something is to be done, and claimed again.',
  },
  {
    name: 'hint-not-followed',
    file: RUNTIME,
    find: `    if (!this.#drivers.has(sid)) return this.#claim();`,
    replace: `    if (!this.#drivers.has(sid)) return;`,
    says: 'A hint that a session is ready is not followed.',
  },
  {
    name: 'hint-to-driver-ignored',
    file: RUNTIME,
    find: `    poke().catch((error: unknown) => void this.#giveBack(error, poke));`,
    replace: `    void poke;`,
    says: 'A hint that somebody else appended does not reach the driver.',
  },
  {
    name: 'claim-while-claiming-forgotten',
    file: RUNTIME,
    find: `    this.#isClaimDue = true;
    if (this.#claiming !== null || this.#isClosed) return;`,
    replace: `    if (this.#claiming !== null || this.#isClosed) return;
    this.#isClaimDue = true;`,
    says: 'A hint that comes during a claim is forgotten.',
  },
  {
    name: 'next-not-resumed',
    file: RUNTIME,
    find: `      this.#resumed--;
      if (this.#unhint !== null) this.#claim();`,
    replace: `      this.#resumed--;`,
    says: 'When a resumed session came to rest, the next one is not taken up.',
  },
  {
    name: 'two-drivers',
    file: RUNTIME,
    find: `    this.#drivers.set(sid, opening);
    opening.then(`,
    replace: `    this.#drivers.set(sid, opening);
    this.world.defer(() => void (this.#limits.idleMax > 0 && this.#drivers.delete(sid)));
    opening.then(`,
    says: 'A driver is forgotten while it drives: the next caller opens a second one.',
  },
  {
    name: 'owner-by-chance',
    file: RUNTIME,
    find: `    this.#owner = options.world.ids.random();`,
    replace: `    this.#owner = Math.random().toString(36);`,
    says: 'A runtime draws its id from the real dice.',
  },
  {
    name: 'definition-not-awaited',
    file: RUNTIME,
    find: `{ mediaType: made.body.mediaType, sid }).then(() => made);`,
    replace: `{ mediaType: made.body.mediaType, sid }).then(() => made, () => made);
      bound = Promise.resolve(made);`,
    says: 'A turn begins before the definition that it names is stored.',
  },
];
