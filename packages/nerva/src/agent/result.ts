import { eventsOf, type Seq, type Sid } from '../log/index.ts';
import type { Driver } from './driver.ts';
import { ended, waiting, type RunResult } from './outcome.ts';
import { reducerOf } from './reducer.ts';
import type { SessionPorts } from './ports.ts';
import type { AgentState } from './state.ts';

type Ports = Pick<SessionPorts, 'store' | 'facets' | 'driver' | 'watch'>;

/** Resolves when the turn that takes `message` ended, or waits for a person. Rejects when the driver failed. */
export async function resultOf(sid: Sid, message: Seq, ports: Ports): Promise<RunResult> {
  const driver = await ports.driver(sid);
  return new Promise((resolve, reject) => {
    let stop = (): void => undefined;
    const look = (seen: Driver): void => {
      const found = seen.failure === null ? resultIn(seen, message) : null;
      if (seen.failure === null && found === null) return;
      stop();
      if (seen.failure !== null) reject(seen.failure as Error);
      else if (found === 'past') resolve(pastResult(sid, message, ports));
      else if (found !== null) resolve(found);
    };
    stop = ports.watch(sid, look);
    // It may have been opened for this look alone, and then it has the session: who awaits an answer wants it worked on before it is
    // said to wait.
    if (!driver.isBusy) driver.kick();
    look(driver);
  });
}

function resultIn(driver: Driver, message: Seq): RunResult | 'past' | null {
  const { state } = driver;
  const { open, last, inbox } = state.turn;
  if (last !== null && last.takes.includes(message)) return ended(state, last);
  const isAhead = open?.takes.includes(message) === true || inbox.some((one) => one.seq === message);
  if (isAhead) return driver.isBusy ? null : waiting(state);
  return 'past';
}

/** An older turn's result, from the log. */
async function pastResult(sid: Sid, message: Seq, { store, facets }: Ports): Promise<RunResult> {
  const { initial, evolve } = reducerOf(facets);
  let state: AgentState = initial(sid);
  for (;;) {
    const frames = await store.read(sid, { after: state.head - 1 });
    if (frames.length === 0) return waiting(state);
    for (const event of frames.flatMap(eventsOf)) {
      if (event.seq < state.head) continue;
      state = evolve(state, event);
      const { last } = state.turn;
      if (last?.takes.includes(message) === true) return ended(state, last);
    }
  }
}
