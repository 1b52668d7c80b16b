import { NervaError, type JsonObject, type World } from '../core/index.ts';
import type { Attributes, Measurement, Span, TelemetryPort } from './span.ts';

/** A collector that takes OTLP over HTTP, JSON encoding. */
export interface OtlpOptions {
  /** Up to where `/v1/traces` begins, as in OTEL_EXPORTER_OTLP_ENDPOINT. Default `http://127.0.0.1:4318`. */
  readonly url?: string;
  /** Sent with each request, such as a key of the collector. Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** `service.name`. Default `nerva`. */
  readonly service?: string;
  readonly world: Pick<World, 'transport'>;
}

/** Sends telemetry to a collector (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP", JSON Protobuf encoding). One request for traces, one for metrics. */
export function otlp(options: OtlpOptions): TelemetryPort {
  const { url = 'http://127.0.0.1:4318', headers = {}, service = 'nerva', world } = options;
  const resource = { attributes: attributesOf({ 'service.name': service }) };
  const post = async (path: string, body: JsonObject, signal: AbortSignal | undefined): Promise<void> => {
    const answer = await world.transport.request({
      method: 'POST',
      url: `${url.replace(/\/+$/, '')}${path}`,
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
      limits: LIMITS,
    });
    const text = await answer.text();
    if (answer.status >= 400)
      throw new NervaError(
        'HTTP_BROKEN',
        `The collector refused ${path} with status ${answer.status}: ${text.slice(0, 200)}. It is sent again.`,
        {
          details: { status: answer.status },
        },
      );
  };
  return {
    async export(turns, signal) {
      const spans = turns.flatMap((turn) => turn.spans.map(spanOf));
      const measurements = turns.flatMap((turn) => turn.measurements);
      if (spans.length > 0) await post('/v1/traces', { resourceSpans: [{ resource, scopeSpans: [{ scope: SCOPE, spans }] }] }, signal);
      if (measurements.length > 0)
        await post(
          '/v1/metrics',
          { resourceMetrics: [{ resource, scopeMetrics: [{ scope: SCOPE, metrics: metricsOf(measurements) }] }] },
          signal,
        );
    },
  };
}

const SCOPE = { name: 'nerva' };
const LIMITS = { connectMs: 5_000, firstByteMs: 10_000, idleMs: 10_000, totalMs: 30_000, bytesMax: 1024 * 1024 };

function spanOf({ traceId, spanId, parentSpanId, name, kind, startMs, endMs, attributes, status, message, events }: Span): JsonObject {
  return {
    traceId,
    spanId,
    ...(parentSpanId === null ? {} : { parentSpanId }),
    name,
    kind: kind === 'client' ? 3 : 1,
    startTimeUnixNano: nanos(startMs),
    endTimeUnixNano: nanos(endMs),
    attributes: attributesOf(attributes),
    events: events.map((event) => ({ name: event.name, timeUnixNano: nanos(event.atMs), attributes: attributesOf(event.attributes) })),
    status: status === 'error' ? { code: 2, message } : {},
  };
}

/** A 64-bit number is a text in this encoding. */
const nanos = (ms: number): string => `${Math.floor(ms)}${String(Math.round((ms % 1) * 1e6)).padStart(6, '0')}`;

function attributesOf(attributes: Attributes): JsonObject[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: valueOf(value) }));
}

function valueOf(value: Attributes[string]): JsonObject {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  return { arrayValue: { values: value.map((one) => ({ stringValue: one })) } };
}

/** Bounds that the conventions recommend (opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics). */
const BOUNDS: Readonly<Record<Measurement['unit'], readonly number[]>> = {
  '{token}': [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864],
  s: [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
};

/** Histograms of what came since the last time (delta temporality): a point for each set of attributes. */
function metricsOf(measurements: readonly Measurement[]): JsonObject[] {
  const byName = Map.groupBy(measurements, ({ name }) => name);
  return [...byName].map(([name, all]) => ({
    name,
    unit: all[0]?.unit ?? '',
    histogram: {
      aggregationTemporality: 1,
      dataPoints: [...Map.groupBy(all, ({ attributes }) => JSON.stringify(attributes)).values()].map(pointOf),
    },
  }));
}

function pointOf(all: readonly Measurement[]): JsonObject {
  const { attributes = {}, unit = 's' } = all[0] ?? {};
  const bounds = BOUNDS[unit];
  const counts = new Array<number>(bounds.length + 1).fill(0);
  let sum = 0;
  for (const { value } of all) {
    sum += value;
    const at = bounds.findIndex((bound) => value <= bound);
    const bucket = at < 0 ? bounds.length : at;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  const times = all.map(({ atMs }) => atMs);
  return {
    attributes: attributesOf(attributes),
    startTimeUnixNano: nanos(Math.min(...times)),
    timeUnixNano: nanos(Math.max(...times)),
    count: String(all.length),
    sum,
    bucketCounts: counts.map(String),
    explicitBounds: [...bounds],
  };
}
