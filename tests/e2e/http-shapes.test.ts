/** What the real HTTP client and the real adapter make of peers that fail, on real sockets; the simulator throws exactly this. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NervaError, type ErrorCode } from '../../packages/nerva/src/core/index.ts';
import { openaiChat } from '../../packages/nerva/src/model/index.ts';
import { httpTransport, nodeWorld } from '../../packages/nerva/src/node/index.ts';
import { HTTP_SHAPES, shapeError, type HttpShapeName } from '../../packages/nerva/src/sim/http-shapes.ts';
import { HAS_OPENSSL, PEERS, SLOW_PEER, startPeer, type Peer } from './http-shapes-peers.ts';

/** Far above every limit that a peer sets: what lasts as long hangs. */
const HANG_MS = 10_000;

/** One streamed call over a transport of its own. @returns the text of the answer, or what it failed with. */
async function meet(peer: Peer): Promise<unknown> {
  const { baseUrl, stop } = await startPeer(peer);
  const world = nodeWorld({ transport: httpTransport() });
  const model = openaiChat({
    model: 'm',
    baseUrl,
    apiKey: 'sk-secret-1234',
    ...(peer.limits === undefined ? {} : { limits: peer.limits }),
  });
  let text = '';
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<unknown>((resolve) => {
    timer = setTimeout(() => resolve(new Error(`The call still waits after ${HANG_MS} ms.`)), HANG_MS);
  });
  const onDelta = (delta: { readonly type: string; readonly text?: string }): void => void (text += delta.text ?? '');
  const request = {
    instructions: '',
    messages: [{ role: 'user', parts: [{ type: 'text', text: 'hello' }], origin: 'person' }],
    tools: [],
    params: {},
  } as const;
  try {
    return await Promise.race([
      hang,
      model.call(request, { world, onDelta }).then(
        () => text,
        (error: unknown) => withoutPort(error, baseUrl),
      ),
    ]);
  } finally {
    clearTimeout(timer);
    await world.transport.close();
    stop();
  }
}

/** A failure in the form of the table: the address is that of every recorded row. */
function withoutPort(error: unknown, baseUrl: string): unknown {
  if (!NervaError.is(error)) return error;
  const { code, kind, retry, details } = error;
  return {
    code,
    kind,
    retry,
    details,
    message: error.message.replaceAll(baseUrl, 'https://model.invalid/v1').replace(/[0-9A-F]{12,}:error:/g, 'error:'),
  };
}

const codeLayer = (code: ErrorCode): string => (code.startsWith('HTTP_') ? 'transport' : 'model');

for (const [name, peer] of Object.entries(PEERS)) {
  test(`${name}: the table says what real sockets give`, async (t) => {
    if (name === 'tls-self-signed' && !HAS_OPENSSL) return t.skip('SKIPPED: openssl is not installed here, so no certificate can be made');
    const shape = HTTP_SHAPES[name as HttpShapeName];
    const met = await meet(peer);
    const { code, kind, retry, details, message } = shapeError(name as HttpShapeName);
    // A machine that is offline may have no resolver to say that the name does not exist.
    const isOffline = name === 'dns' && JSON.stringify(met).includes('EAI_AGAIN');
    const recorded = { code, kind, retry, details: isOffline ? { why: 'EAI_AGAIN' } : details, message };
    assert.deepEqual(met, isOffline ? { ...recorded, message: message.replace('ENOTFOUND', 'EAI_AGAIN') } : recorded);
    assert.equal(shape.layer, codeLayer(code));
  });
}

test('every row of the table has a peer that was met', () => {
  assert.deepEqual(Object.keys(HTTP_SHAPES).sort(), Object.keys(PEERS).sort());
});

test('a peer that is slow within its limits is no failure', async () => {
  assert.equal(await meet(SLOW_PEER), 'slowly');
});
