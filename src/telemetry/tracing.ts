import http, { type IncomingHttpHeaders } from 'node:http';
import https from 'node:https';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';

export interface TracingOptions {
  /** The collector's address; spans go to `/v1/traces` under it. */
  readonly otlpEndpoint: string;
  readonly sampleRatio: number;
  readonly showsTenants: boolean;
  readonly version: string;
  /** Called once when spans begin to be lost. */
  readonly onTrouble: (error: unknown) => void;
}

interface AnsweredRequest {
  readonly requestId: string;
  readonly operation: string | undefined;
  readonly tenantId: string | undefined;
}

const SCOPE = 'vaultspan';
const EXPORT_TIMEOUT_MS = 5_000;
const SERVER_ERROR = 500;

/** Reads the one header and exposes no other. */
const headerGetter = {
  keys: (headers: IncomingHttpHeaders) => Object.keys(headers),
  get: (headers: IncomingHttpHeaders, name: string) => headers[name],
};

/**
 * Traces by OpenTelemetry's SDK, without its global state. This file is loaded only if an endpoint
 * is configured.
 */
export class Tracing {
  readonly contexts = new AsyncLocalStorageContextManager().enable();
  readonly propagator = new W3CTraceContextPropagator();
  readonly #options: TracingOptions;
  readonly #provider: TracerProvider;
  readonly tracer;

  constructor(options: TracingOptions) {
    const { otlpEndpoint, sampleRatio, version, onTrouble } = options;
    this.#options = options;
    const exporter = new OTLPTraceExporter({
      url: `${otlpEndpoint}/v1/traces`,
      timeoutMillis: EXPORT_TIMEOUT_MS,
      // An agent of the exporter's own would bypass the proxy of the environment.
      httpAgentOptions: (protocol) => (protocol === 'https:' ? https : http).globalAgent,
    });
    this.#provider = new TracerProvider({
      // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override our name.
      resource: defaultResource()
        .merge(resourceFromAttributes({ 'service.name': 'vaultspan', 'service.version': version }))
        .merge(detectResources({ detectors: [envDetector] })),
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
      spanProcessors: [new BatchSpanProcessor({ exporter: telling(exporter, onTrouble) })],
    });
    this.tracer = this.#provider.getTracer(SCOPE, version);
  }

  /** Opens the span of one request, under the caller's span if it sent a `traceparent`. */
  open(method: string, headers: IncomingHttpHeaders) {
    const parent = this.propagator.extract(ROOT_CONTEXT, headers, headerGetter);
    const attributes = { 'http.request.method': method };
    const span = this.tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, parent);
    const context = trace.setSpan(parent, span);
    return {
      run: (next: () => void) => this.contexts.with(context, next),
      abandon: () => {
        if (span.isRecording()) span.end(); // no API answer: the caller disconnected, or a page was served
      },
    };
  }

  /** Ends the span of the current request; `code` is that of a problem. */
  answered({ requestId, operation, tenantId }: AnsweredRequest, status: number, code: string | undefined): void {
    const span = trace.getSpan(this.contexts.active());
    if (!span?.isRecording()) return;
    if (operation !== undefined) span.updateName(operation);
    span.setAttribute('http.response.status_code', status);
    span.setAttribute('vaultspan.request_id', requestId);
    if (code !== undefined) span.setAttribute('error.type', code);
    if (this.#options.showsTenants && tenantId !== undefined) span.setAttribute('vaultspan.tenant_id', tenantId);
    if (status >= SERVER_ERROR) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  }

  /** Sends the remaining spans. */
  async close(): Promise<void> {
    await this.#provider.shutdown();
    this.contexts.disable();
  }
}

/**
 * Returns an exporter that reports lost spans. The SDK reports them only through its own logger,
 * which is global.
 */
function telling(exporter: OTLPTraceExporter, onTrouble: (error: unknown) => void): SpanExporter {
  let isLosing = false;
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const isLost = result.code !== 0;
        if (isLost && !isLosing) onTrouble(result.error);
        isLosing = isLost;
        done(result);
      }),
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
}
