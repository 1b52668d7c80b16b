import type { NervaError } from '../core/index.ts';
import { recordingProxy, type ProxyCall } from '../node/index.ts';
import { UsageError } from './arguments.ts';
import type { Context, ExitCode } from './context.ts';
import { onInterrupt } from './drive.ts';
import { brief, plain } from './output.ts';

/** `nerva proxy`: records what another program asks of an OpenAI-compatible server, until Ctrl-C or SIGTERM. */
export async function proxy(context: Context): Promise<ExitCode> {
  const { out, flags, world } = context;
  const upstream = flags.text('to');
  if (upstream === undefined || !/^https?:$/.test(URL.parse(upstream)?.protocol ?? ''))
    throw new UsageError('proxy needs the URL of the server that answers, such as --to https://api.openai.com/v1.', 'proxy');
  const [port, requestBytesMax, answerBytesMax, conversationsMax] = [
    flags.number('port', 0),
    flags.number('request', 1),
    flags.number('answer', 1),
    flags.number('conversations', 1),
  ];
  const store = await context.store('create');
  const told = teller(context);
  // Listened for before the first request can come: whoever starts it may stop it at once.
  const stopped = Promise.withResolvers<void>();
  const stop = onInterrupt(() => {
    if (!out.isJson) out.note('\nTaking no more requests; those under way get 5 s to end. Press Ctrl-C again to stop at once.');
    stopped.resolve();
  });
  process.once('SIGTERM', stopped.resolve);
  try {
    const running = await recordingProxy({
      upstream,
      store,
      world,
      onCall: told.call,
      onTrouble: told.trouble,
      ...(port === undefined ? {} : { port }),
      ...(requestBytesMax === undefined ? {} : { requestBytesMax }),
      ...(answerBytesMax === undefined ? {} : { answerBytesMax }),
      ...(conversationsMax === undefined ? {} : { conversationsMax }),
    });
    told.listening(running.url, upstream);
    await stopped.promise;
    await running.close();
    told.end();
    return 0;
  } finally {
    stop();
    process.off('SIGTERM', stopped.resolve);
  }
}

/** Tells of calls on stdout and of trouble on stderr, as they come. */
function teller({ out, flags }: Context) {
  const store = flags.text('store') ?? 'file:.nerva/nerva.db';
  let count = 0;
  return {
    listening(url: string, upstream: string): void {
      if (out.isJson) out.json({ type: 'listening', url, upstream, store });
      else out.line(`Listening on ${url} for ${plain(upstream)}; sessions go to ${store}. Ctrl-C stops it.`);
    },
    call({ sid, seq, model, end, usage, code }: ProxyCall): void {
      count++;
      if (out.isJson) return out.json({ type: 'call', sid, seq, model, end, usage, code });
      const tokens = usage === null ? '' : `, ${usage.inputTokens ?? '?'} tokens in, ${usage.outputTokens ?? '?'} out`;
      out.line(`${sid}  ${brief(model, 60)}  ${end}${code === null ? '' : ` ${code}`}${tokens}`);
    },
    trouble({ code, message }: NervaError): void {
      out.note(out.isJson ? JSON.stringify({ type: 'error', code, message }) : `${code}: ${plain(message)}`);
    },
    end(): void {
      if (out.isJson) out.json({ type: 'stopped', calls: count });
      else out.line(`Stopped. ${count} call${count === 1 ? '' : 's'} recorded.`);
    },
  };
}
