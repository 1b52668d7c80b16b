import { isBlobRef, type Sid, type Store } from '../log/index.ts';
import type { Audit } from './audit.ts';
import type { Book } from './book.ts';
import type { Hub } from './hub.ts';
import type { SimStore } from './store.ts';

/** A run that may have tenants. */
interface Apart {
  readonly hub: Hub;
  readonly audit: Audit;
  readonly store: SimStore;
}

/** A tenant's handle sees nothing of the others'. */
export async function judgeTenants({ hub, audit, store }: Apart): Promise<void> {
  const tenants = new Set([...audit.kept.values()].map(({ tenant }) => tenant));
  for (const other of tenants) {
    if (other === null) continue;
    for (const [sid, { tenant }] of audit.kept) {
      const head = tenant === other ? 0 : await store.inspected.scope(other).head(sid);
      if (head > 0) hub.violated('tenants are apart', `A handle of tenant ${other} sees session ${sid} of ${tenant ?? 'none'}.`);
    }
    const scope = store.inspected.scope(other);
    for (const { sid, tenant } of await scope.list())
      if (tenant !== other) hub.violated('tenants are apart', `The list of tenant ${other} has session ${sid} of ${tenant}.`);
    await judgeReach(hub, scope, { other, foreign: [...audit.kept].find(([, { tenant }]) => tenant !== other)?.[0] });
    const own = new Set([...audit.kept.values()].flatMap(({ tenant, book }) => (tenant === other ? [...blobsOf(book)] : [])));
    for (const { tenant, book } of audit.kept.values())
      for (const ref of tenant === other ? [] : blobsOf(book))
        if (!own.has(ref) && (await isThere(scope, ref)))
          hub.violated('tenants are apart', `A handle of tenant ${other} reads a blob of ${tenant ?? 'none'}.`);
    for await (const { frame } of scope.feed())
      if (frame.tenant !== other) hub.violated('tenants are apart', `The feed of tenant ${other} has a frame of ${frame.tenant}.`);
  }
}

async function judgeReach(
  hub: Hub,
  scope: Store,
  { other, foreign }: { readonly other: string; readonly foreign: Sid | undefined },
): Promise<void> {
  if (foreign === undefined) return;
  for (const [what, reach] of reachesFor(foreign))
    if (await reach(scope).then(isYes, isNo)) hub.violated('tenants are apart', `A handle of tenant ${other} may ${what} ${foreign}.`);
}

const isYes = (): boolean => true;
const isNo = (): boolean => false;

/** What a handle may do with the sessions of its own tenant, and with no others. */
function reachesFor(sid: Sid): readonly (readonly [string, (store: Store) => Promise<unknown>])[] {
  const [id, events] = ['other', [{ type: 'session.forked', data: {} }]];
  return [
    ['read', (store) => store.read(sid)],
    ['look at', (store) => store.info(sid)],
    ['verify', (store) => store.verify(sid)],
    ['read a snapshot of', (store) => store.snapshots.get(sid, 'other', 0)],
    ['fork', (store) => store.fork({ id, sid: `${sid}-other`, parent: sid, at: 0, events })],
    ['append to', (store) => store.append({ id, sid, events, expected: 'fact' })],
    ['take over', (store) => store.takeOver(sid, 'other')],
  ];
}

/** The results that a record keeps as blobs. Not definitions: tenants have the same ones. */
function blobsOf({ events }: Book): ReadonlySet<string> {
  return new Set(events.flatMap(({ type, data }) => (type === 'tool.returned' && isBlobRef(data['output']) ? [data['output'].ref] : [])));
}

/** Whether a handle reads a blob. */
export function isThere(store: Store, ref: string): Promise<boolean> {
  return store.blobs.get(ref, { start: 0, end: 1 }).then(
    () => true,
    () => false,
  );
}
