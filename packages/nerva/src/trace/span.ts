/** A span of OpenTelemetry, as data. Ids are lower-case hex: 32 digits of a trace, 16 of a span. Times in ms since 1970. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly name: string;
  readonly kind: 'internal' | 'client';
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  readonly status: 'unset' | 'error';
  /** Why it failed; empty when it did not. */
  readonly message: string;
  readonly events: readonly { readonly name: string; readonly atMs: number; readonly attributes: Attributes }[];
}

/** Attributes of a span or a measurement. */
export type Attributes = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** One value of a histogram. */
export interface Measurement {
  readonly name: 'gen_ai.client.token.usage' | 'gen_ai.client.operation.duration';
  readonly unit: '{token}' | 's';
  readonly value: number;
  readonly atMs: number;
  readonly attributes: Attributes;
}

/** What a turn came to, for whoever collects telemetry. */
export interface TurnTelemetry {
  readonly spans: readonly Span[];
  readonly measurements: readonly Measurement[];
}

/**
 * Where telemetry goes: the SDK of the user, or a collector over OTLP.
 * Contract: resolves once it is taken; may be given the same turn again after a crash (ids are the same then); rejects to be asked again.
 */
export interface TelemetryPort {
  export(turns: readonly TurnTelemetry[], signal?: AbortSignal): Promise<void>;
}
