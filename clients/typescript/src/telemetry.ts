import type { Span } from '@opentelemetry/api';

type Api = typeof import('@opentelemetry/api');

let loading: Promise<Api | undefined> | undefined;

/** A span of one request to the service. */
export interface RequestSpan {
  /** Headers that carry the trace to the service. */
  readonly headers: Record<string, string>;
  readonly end: (status: number | undefined, code?: string) => void;
}

const NONE: RequestSpan = { headers: {}, end: () => undefined };

/** Starts a span where the application has @opentelemetry/api; else one that does nothing. */
export async function startSpan(operation: string, tenantId: string, items: number): Promise<RequestSpan> {
  // The package is optional: a bundler must leave the import alone, and its absence is no failure.
  loading ??= import(/* webpackIgnore: true */ /* @vite-ignore */ '@opentelemetry/api').then(
    (api) => api,
    () => undefined,
  );
  const api = await loading;
  if (api === undefined) return NONE;
  const { context, propagation, SpanKind, trace } = api;
  const span = trace.getTracer('@vaultspan/client').startSpan(`vaultspan ${operation}`, {
    kind: SpanKind.CLIENT,
    attributes: { 'vaultspan.tenant': tenantId, 'vaultspan.items': items },
  });
  const headers: Record<string, string> = {};
  propagation.inject(trace.setSpan(context.active(), span), headers);
  return { headers, end: (status, code) => endSpan(api, span, status, code) };
}

function endSpan({ SpanStatusCode }: Api, span: Span, status: number | undefined, code: string | undefined): void {
  if (status !== undefined) span.setAttribute('http.response.status_code', status);
  if (code !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: code }).setAttribute('error.type', code);
  span.end();
}
