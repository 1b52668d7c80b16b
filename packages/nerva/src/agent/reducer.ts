import { upcasters, type LogEvent, type Reducer, type Upcasters } from '../log/index.ts';
import { EVENTS } from './events.ts';
import { evolve, initial, REDUCER_VERSION } from './fold.ts';
import type { AgentState, Facet } from './state.ts';

/** Lifts from older versions of the vocabulary, by type and by the version they lift from. None was needed yet. */
const UPCASTS = {};

/** How a session's log becomes its state, whatever release wrote it. Whoever folds many events asks once. */
export function reducerOf(facets: readonly Facet<unknown>[]): Reducer<AgentState> {
  let known = KNOWN.get(facets);
  if (known === undefined) {
    const added = facets.flatMap(({ types }) => types.filter((type) => !Object.hasOwn(EVENTS, type)));
    const lifts = added.length === 0 ? OWN : upcasters(UPCASTS, knownTypes(added));
    known = { lifts, version: [REDUCER_VERSION, lifts.version, ...facets.map(({ name, version }) => `${name}@${version}`)].join('|') };
    KNOWN.set(facets, known);
  }
  const { lifts, version } = known;
  return {
    version,
    initial: (sid) => initial(sid, facets),
    evolve: (state, event) => evolve(state, lifted(event, lifts), facets),
  };
}

/** Of those whose facets know no more types than the runtime: most. */
const OWN = upcasters(UPCASTS, knownTypes([]));

/** What takes long to make. Nothing that leads back to its key: V8's young collections would take both for alive. */
const KNOWN = new WeakMap<readonly Facet<unknown>[], { readonly lifts: Upcasters; readonly version: string }>();

/** An unknown event that is not critical counts as a position and changes nothing else. @throws SESSION_READONLY for a critical one. */
function lifted(event: LogEvent, lifts: Upcasters): LogEvent {
  return lifts.lift(event) ?? event;
}

function knownTypes(added: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries([...Object.keys(EVENTS), ...added].map((type) => [type, 1]));
}
