export { otlp, type OtlpOptions } from './otlp.ts';
export type { Attributes, Measurement, Span, TelemetryPort, TurnTelemetry } from './span.ts';
export { telemetry, type Telemetry, type TelemetryOptions } from './telemetry.ts';
export { turnTelemetry, type TurnScene } from './turn-spans.ts';
