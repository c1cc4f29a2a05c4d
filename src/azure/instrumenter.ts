import { type InstrumenterSpanOptions, type TracingSpan, useInstrumenter } from '@azure/core-tracing';
import {
  type AttributeValue,
  type Context,
  type ContextManager,
  defaultTextMapSetter,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapPropagator,
  type Tracer,
  trace,
} from '@opentelemetry/api';

/** Loaded only if tracing is configured. */
export interface InstrumenterOptions {
  readonly tracer: Tracer;
  readonly contexts: ContextManager;
  readonly propagator: TextMapPropagator;
  /**
   * The SDK's spans contain the addresses of vaults and of directories, which name the customer.
   */
  readonly showsTenants: boolean;
}

/** All other attributes of the SDK's spans are left out. */
const ATTRIBUTES: ReadonlySet<string> = new Set([
  'az.namespace',
  'http.method',
  'http.status_code',
  'requestId',
  'serviceRequestId',
]);
const OF_TENANTS: ReadonlySet<string> = new Set(['http.url']);

/**
 * Receives the spans that the Azure SDK makes by itself: of its operations, its sign-ins and each
 * HTTP request, which then carries the caller's context as `traceparent`. The SDK has one place for
 * it in a process. `@azure/opentelemetry-instrumentation-azure-sdk` would need a loader for ES
 * modules, and records whole URLs and messages.
 */
export function instrumentAzure({ tracer, contexts, propagator, showsTenants }: InstrumenterOptions): void {
  const isShown = (name: string) => ATTRIBUTES.has(name) || (showsTenants && OF_TENANTS.has(name));
  useInstrumenter({
    startSpan(name, options) {
      const parent = contextOf(options) ?? contexts.active();
      const attributes = Object.entries(options.spanAttributes ?? {}).filter(([key]) => isShown(key));
      const span = tracer.startSpan(
        name,
        { kind: SpanKind.CLIENT, attributes: Object.fromEntries(attributes) as Record<string, AttributeValue> }, // the SDK's are strings and numbers
        parent,
      );
      return { span: spanOf(span, isShown), tracingContext: trace.setSpan(parent, span) };
    },
    withContext: (context, callback, ...args) => contexts.with(context, callback, undefined, ...args),
    parseTraceparentHeader: () => undefined, // for servers; our server reads its requests itself
    createRequestHeaders(context) {
      const headers: { traceparent?: string } = {};
      propagator.inject(context ?? contexts.active(), headers, defaultTextMapSetter);
      // `tracestate` is private to the caller's own tools; the customer's vault must not see it.
      return headers.traceparent === undefined ? {} : { traceparent: headers.traceparent };
    },
  });
}

const contextOf = ({ tracingContext }: InstrumenterSpanOptions): Context | undefined => tracingContext;

/** Returns the span. An error's text may quote a request: only its name is recorded. */
function spanOf(span: Span, isShown: (name: string) => boolean): TracingSpan {
  return {
    isRecording: () => span.isRecording(),
    setAttribute(name, value) {
      if (isShown(name)) span.setAttribute(name, value as AttributeValue); // as above
    },
    setStatus(status) {
      if (status.status !== 'error') return;
      const { error } = status;
      span.setStatus({ code: SpanStatusCode.ERROR });
      if (Error.isError(error)) span.setAttribute('error.type', error.name);
    },
    recordException: (exception) => {
      if (Error.isError(exception)) span.setAttribute('error.type', exception.name);
    },
    end: () => span.end(),
  };
}
