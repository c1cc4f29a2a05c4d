import type { OcsfEvent } from './ocsf.ts';
import { SiemFailure } from './siem-failure.ts';

export interface OtlpLogsOptions {
  /** Of the collector, without `/v1/logs`. */
  readonly endpoint: string;
  /** Returns the value of `Authorization`; undefined for none. `isRefused`: the last one was. */
  readonly authorization: (isRefused: boolean) => Promise<string | undefined>;
  readonly timeoutMs: number;
  /** Version of the service. */
  readonly version: string;
  /** Called with records that the collector accepted the call of, and refused by themselves. */
  readonly onRejected: (records: number) => void;
}

/** Longer answers have nothing that is needed. */
const MAX_ANSWER_BYTES = 65_536;

/**
 * Returns a function that sends events to a collector: OTLP/HTTP with JSON, one call without
 * retries, since the deliverer has its own. It rejects with SiemFailure.
 */
export function otlpLogs(options: OtlpLogsOptions): (events: readonly OcsfEvent[]) => Promise<void> {
  const { endpoint, authorization, timeoutMs, version, onRejected } = options;
  let isRefused = false;
  return async (events) => {
    const token = await authorization(isRefused).catch((error: unknown) => {
      throw new SiemFailure('siem-unavailable', "The secret of the collector's token cannot be read", { cause: error });
    });
    const { status, retryAfter, body } = await post(`${endpoint}/v1/logs`, JSON.stringify(requestOf(events, version)), {
      timeoutMs,
      headers: { 'Content-Type': 'application/json', ...(token !== undefined && { Authorization: token }) },
    });
    isRefused = status === 401 || status === 403;
    if (status !== 200) throw collectorFailure(status, retryAfter);
    const rejected = rejectedIn(body);
    if (rejected > 0) onRejected(rejected);
  };
}

interface Answer {
  readonly status: number;
  /** Seconds. */
  readonly retryAfter: number | undefined;
  readonly body: string;
}

interface Posting {
  readonly timeoutMs: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** Returns the answer of the collector. @throws SiemFailure without one */
async function post(url: string, body: string, { timeoutMs, headers }: Posting): Promise<Answer> {
  try {
    // Records and the token must not follow a redirect to another host.
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(url, { method: 'POST', body, headers, redirect: 'manual', signal });
    return {
      status: response.status,
      retryAfter: secondsOf(response.headers.get('retry-after')),
      body: await startOf(response),
    };
  } catch (error) {
    throw new SiemFailure('siem-unavailable', 'The collector is unreachable', { cause: error });
  }
}

async function startOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.byteLength;
    if (bytes > MAX_ANSWER_BYTES) break;
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

/** Returns the seconds of `Retry-After`, a number or a date; undefined without one. */
function secondsOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1_000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

function collectorFailure(status: number, retryAfter: number | undefined): SiemFailure {
  const options = retryAfter === undefined ? {} : { retryAfter };
  switch (status) {
    case 401:
    case 403:
      return new SiemFailure('siem-refused', 'The collector refuses the token', {
        ...options,
        fix: { action: 'Put the value that the collector expects in Authorization into siem.otlpAuthorizationSecret' },
      });
    case 404:
      return new SiemFailure('siem-rule-missing', 'The collector takes no logs at this address', {
        fix: { action: 'Correct siem.otlpEndpoint, and enable the receiver otlp with HTTP for logs' },
      });
    case 400:
      return new SiemFailure('siem-rows-refused', 'The collector refuses the records', {
        fix: { action: 'Let the collector accept OTLP/HTTP with JSON' },
      });
    case 413:
      return new SiemFailure('siem-too-large', 'The collector refuses a call of this size');
    case 429:
      return new SiemFailure('siem-throttled', 'The collector receives too many calls', options);
    default:
      return new SiemFailure('siem-unavailable', `The collector answered ${status}`, options);
  }
}

/** Returns the number of records that a collector refused although it accepted the call. */
function rejectedIn(body: string): number {
  try {
    const { partialSuccess } = JSON.parse(body) as {
      readonly partialSuccess?: { readonly rejectedLogRecords?: unknown };
    };
    const rejected = Number(partialSuccess?.rejectedLogRecords ?? 0);
    return Number.isSafeInteger(rejected) ? rejected : 0;
  } catch {
    return 0; // an empty answer is a success too
  }
}

/** OTLP's severity numbers. */
const INFO = 9;
const WARN = 13;

/** Returns the request of opentelemetry-proto's `ExportLogsServiceRequest`, as its JSON. */
function requestOf(events: readonly OcsfEvent[], version: string): object {
  const observed = nanosOf(Date.now());
  return {
    resourceLogs: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'vaultspan' } }] },
        scopeLogs: [
          { scope: { name: 'vaultspan.audit', version }, logRecords: events.map((event) => recordOf(event, observed)) },
        ],
      },
    ],
  };
}

function recordOf(event: OcsfEvent, observedTimeUnixNano: string): object {
  const { tenant_uid: tenantId } = event.metadata as { readonly tenant_uid?: string };
  const { operation } = event.api as { readonly operation: string };
  const isSuccess = event.status_id === 1;
  const attributes = {
    'vaultspan.tenant': tenantId,
    'vaultspan.operation': operation,
    'vaultspan.code': event.status_code,
  };
  return {
    timeUnixNano: nanosOf(event.time),
    observedTimeUnixNano,
    severityNumber: isSuccess ? INFO : WARN,
    severityText: isSuccess ? 'INFO' : 'WARN',
    eventName: 'vaultspan.audit',
    body: anyValueOf(event),
    attributes: membersOf(attributes),
  };
}

const nanosOf = (ms: number): string => `${ms}000000`;

/** Returns a value of JSON as OTLP's `AnyValue`. */
function anyValueOf(value: unknown): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isSafeInteger(value) ? { intValue: `${value}` } : { doubleValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValueOf) } };
  if (typeof value === 'object' && value !== null) return { kvlistValue: { values: membersOf(value) } };
  return {};
}

const membersOf = (object: object): object[] =>
  Object.entries(object)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ({ key, value: anyValueOf(value) }));
