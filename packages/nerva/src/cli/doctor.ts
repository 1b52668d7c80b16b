import { NervaError } from '../core/index.ts';
import { RELEASE, type Store } from '../log/index.ts';
import { ollamaUrl, PROVIDER_ENTRIES } from '../node/index.ts';
import { UsageError } from './arguments.ts';
import type { Context, ExitCode } from './context.ts';
import { onlineFindings } from './doctor-online.ts';
import type { Finding } from './finding.ts';
import { brief } from './output.ts';

/** `nerva doctor`: looks at what runs need, and says what to do. Changes nothing. Exit 1 when something fails. */
export async function doctor(context: Context): Promise<ExitCode> {
  const { out } = context;
  const online = context.flags.has('online');
  const timeoutMs = context.flags.number('timeout', 1);
  if (timeoutMs !== undefined && !online) throw new UsageError('--timeout goes with --online.', 'doctor');
  let isFailed = false;
  const tell = (finding: Finding): void => {
    isFailed ||= finding.status === 'fail';
    if (out.isJson) return out.json({ type: 'finding', ...finding });
    const colour = ({ ok: 'green', warn: 'yellow', fail: 'red' } as const)[finding.status];
    out.line(
      `${out.paint(colour, finding.status.padEnd(4))}  ${finding.check}: ${finding.found}${finding.do === '' ? '' : `\n      ${finding.do}`}`,
    );
  };
  tell({ check: 'release', status: 'ok', found: `nerva ${RELEASE} on Node.js ${process.versions.node}`, do: '' });
  for (const finding of await storeFindings(context)) tell(finding);
  tell(modelsFinding());
  tell(await ollamaFinding(context));
  if (online) for (const finding of await onlineFindings(context, timeoutMs)) tell(finding);
  for (const finding of await agentFindings(context)) tell(finding);
  return isFailed ? 1 : 0;
}

async function storeFindings(context: Context): Promise<readonly Finding[]> {
  const url = context.flags.text('store') ?? 'file:.nerva/nerva.db';
  let store: Store;
  try {
    store = await context.store('read');
  } catch (error) {
    if (!NervaError.is(error)) throw error;
    const isMissing = error.code === 'STORE_READONLY';
    const found = isMissing ? `there is none at ${url}` : `${error.code}: ${brief(error.message, 300)}`;
    return [
      {
        check: 'store',
        status: isMissing ? 'warn' : 'fail',
        found,
        do: isMissing ? 'The first `nerva run` makes one.' : 'Restore a backup, or name another with --store.',
      },
    ];
  }
  const { sessions, events, fileBytes } = await store.stats();
  const found: Finding[] = [{ check: 'store', status: 'ok', found: `${url}, ${events} events, ${fileBytes} bytes`, do: '' }];
  if (sessions.quarantined > 0)
    for (const { sid, attempts } of await store.list({ status: 'quarantined', limit: LISTED_MAX }))
      found.push({
        check: 'quarantine',
        status: 'fail',
        found: `session ${sid} made no progress in ${attempts} claims`,
        do: `Look at it with \`nerva show ${sid}\`, then \`nerva release ${sid}\`.`,
      });
  if (sessions.waiting > 0)
    found.push({
      check: 'waiting',
      status: 'ok',
      found: `${sessions.waiting} sessions wait for people`,
      do: '`nerva sessions --status waiting` lists them.',
    });
  if (sessions.ready > 0)
    found.push({
      check: 'ready',
      status: 'warn',
      found: `${sessions.ready} sessions have something to do, and may not be driven by anybody`,
      do: '`nerva resume --agents FILE` goes on, unless a service does.',
    });
  const bad = await newestBad(store);
  found.push(
    bad === null
      ? {
          check: 'chain',
          status: 'ok',
          found: `the newest ${VERIFIED_MAX} sessions verify, or all`,
          do: '`nerva verify` looks at every one.',
        }
      : {
          check: 'chain',
          status: 'fail',
          found: `session ${bad} does not verify`,
          do: `Keep the file, restore a backup; \`nerva verify ${bad}\` names the first bad frame.`,
        },
  );
  return found;
}

const LISTED_MAX = 20;
const VERIFIED_MAX = 100;

/** Of the sessions that come last in the list. @returns the first that does not verify. */
async function newestBad(store: Store): Promise<string | null> {
  const newest: string[] = [];
  for (let after: string | undefined; ;) {
    const page = await store.list({ limit: 1_000, ...(after === undefined ? {} : { after }) });
    newest.push(...page.map(({ sid }) => sid));
    newest.splice(0, newest.length - VERIFIED_MAX);
    after = page.at(-1)?.sid;
    if (after === undefined) break;
  }
  for (const sid of newest) {
    const { ok } = await store.verify(sid).catch(() => ({ ok: false }));
    if (!ok) return sid;
  }
  return null;
}

function modelsFinding(): Finding {
  const ids = PROVIDER_ENTRIES.filter(({ isConfigured }) => isConfigured(process.env)).map(({ id }) => id);
  if (ids.length > 0) return { check: 'models', status: 'ok', found: `configured: ${ids.join(', ')}`, do: '' };
  return { check: 'models', status: 'warn', found: 'no provider has a key in the environment', do: '`nerva models` lists the variables.' };
}

const PROBE_LIMITS = { connectMs: 300, firstByteMs: 1_000, idleMs: 1_000, totalMs: 1_500, bytesMax: 1024 * 1024 };

/** None is no trouble, unless the environment says that there is one. */
async function ollamaFinding({ world }: Context): Promise<Finding> {
  const url = ollamaUrl(process.env);
  const shown = url.replace(/\/\/[^/]*@/, '//');
  const version = await world.transport
    .request({ method: 'GET', url: `${url}/api/version`, limits: PROBE_LIMITS })
    .then(async (answer) => (JSON.parse(await answer.text()) as { readonly version?: unknown } | null)?.version)
    .catch(() => null);
  if (typeof version === 'string') return { check: 'ollama', status: 'ok', found: `version ${brief(version, 40)} at ${shown}`, do: '' };
  const isWanted = (process.env['OLLAMA_HOST'] ?? '') !== '' || (process.env['OLLAMA_BASE_URL'] ?? '') !== '';
  const found = `none runs at ${shown}`;
  return isWanted
    ? { check: 'ollama', status: 'warn', found, do: 'Start it with `ollama serve`, or mend OLLAMA_HOST.' }
    : { check: 'ollama', status: 'ok', found, do: '' };
}

/** Agents that can be loaded, and whether their models may be called. */
async function agentFindings(context: Context): Promise<readonly Finding[]> {
  try {
    return (await context.agents()).map(({ name, model, tools }) => {
      const entry = PROVIDER_ENTRIES.find(({ id }) => model?.name.startsWith(`${id}/`) === true);
      const isKeyless = entry !== undefined && !entry.isLocal && !entry.isConfigured(process.env);
      return {
        check: `agent ${name}`,
        status: isKeyless ? 'warn' : 'ok',
        found: `${model === undefined ? 'no model' : model.name}, ${tools.length} tools`,
        do: isKeyless ? `Set ${entry.keyVariables.join(' or ')}, unless the agent was given a key itself.` : '',
      } as const;
    });
  } catch (error) {
    if (!NervaError.is(error)) throw error;
    return [
      {
        check: 'agents',
        status: 'fail',
        found: `${error.code}: ${brief(error.message, 300)}`,
        do: 'Mend the file, or name another with --agents.',
      },
    ];
  }
}
