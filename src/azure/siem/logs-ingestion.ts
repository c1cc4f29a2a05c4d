import { LogsIngestionClient } from '@azure/monitor-ingestion';
import { LRUCache } from 'lru-cache';
import { rowOf, type SiemRow } from '../../audit/siem/columns.ts';
import type { OcsfEvent } from '../../audit/siem/ocsf.ts';
import { SiemFailure } from '../../audit/siem/siem-failure.ts';
import { ServiceError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { LogsIngestion as Rule, Tenant } from '../../tenants/record.ts';
import { withinDeadline } from '../deadline.ts';
import type { SignIns } from '../entra/sign-ins.ts';
import { TenantCredential } from '../entra/tenant-credential.ts';
import { readForeignError } from '../foreign-error.ts';
import { sdkClientOptions } from '../sdk-http.ts';

export interface LogsIngestionOptions {
  /**
   * Sign-ins of their own: a directory that refuses Azure Monitor must not pause the sign-ins that
   * keys need.
   */
  readonly signIns: Pick<SignIns, 'appId' | 'signIn'>;
  /** The resource that tokens name, such as `https://monitor.azure.com`. */
  readonly resource: string;
  readonly deadlineMs: number;
  readonly tokenMaxAgeMs: number;
  readonly clock: Clock;
}

export type IngestionTarget = Pick<Tenant, 'id' | 'entraTenantId'> & { readonly rule: Rule };

const MAX_CLIENTS = 1_000;
/** A batch of 1 MB takes longer than a vault call. */
const DEADLINES = 3;

/** Sends events to customers' data collection rules, with the app's sign-in to their directories. */
export class LogsIngestion {
  readonly #options: LogsIngestionOptions;
  readonly #clients = new LRUCache<string, LogsIngestionClient>({ max: MAX_CLIENTS });

  constructor(options: LogsIngestionOptions) {
    this.#options = options;
  }

  /**
   * Sends the events of one call, as rows of the customer's table.
   * @throws SiemFailure
   */
  async send(target: IngestionTarget, events: readonly OcsfEvent[]): Promise<void> {
    const { ruleId, stream } = target.rule;
    const client = this.#clientOf(target);
    try {
      await withinDeadline(
        this.#options.deadlineMs * DEADLINES,
        (abortSignal) => upload(client, ruleId, stream, events.map(rowOf), abortSignal),
        () => false, // the deliverer retries
      );
    } catch (error) {
      throw ingestionFailure(error, target);
    }
  }

  #clientOf({ entraTenantId, rule: { endpoint } }: IngestionTarget): LogsIngestionClient {
    const key = `${entraTenantId} ${endpoint}`;
    const known = this.#clients.get(key);
    if (known) return known;
    const { signIns, resource, deadlineMs, tokenMaxAgeMs, clock } = this.#options;
    const credential = new TenantCredential({ signIns, entraTenantId, tokenMaxAgeMs, clock });
    const client = new LogsIngestionClient(endpoint, credential, {
      audience: resource,
      redirectOptions: { maxRetries: 0 }, // records must not follow one to another host
      ...sdkClientOptions({ timeoutMs: deadlineMs * DEADLINES }),
    });
    this.#clients.set(key, client);
    return client;
  }
}

/** Rejects with the cause: the SDK's own error contains the rows that were not accepted. */
async function upload(
  client: LogsIngestionClient,
  ruleId: string,
  stream: string,
  rows: readonly SiemRow[],
  abortSignal: AbortSignal,
): Promise<void> {
  let refusal: Error | undefined;
  const onError = ({ cause }: { readonly cause: Error }) => {
    refusal ??= cause;
  };
  try {
    await client.upload(
      ruleId,
      stream,
      rows.map((row) => ({ ...row })),
      { abortSignal, maxConcurrency: 1, onError },
    );
  } catch (error) {
    throw refusal ?? new Error('the upload was ended', { cause: error });
  }
}

const TOO_LARGE = 413;
const TOO_MANY = 429;

/** Returns the failure with its fix. */
function ingestionFailure(error: unknown, { rule: { ruleId, stream } }: Pick<IngestionTarget, 'rule'>): SiemFailure {
  if (error instanceof ServiceError) return signInTrouble(error);
  const { status, retryAfter } = readForeignError(error);
  const options = retryAfter === undefined ? {} : { retryAfter };
  switch (status ?? 0) {
    case 401:
    case 403:
      return new SiemFailure('siem-refused', `The data collection rule ${ruleId} refuses the app`, {
        ...options,
        fix: {
          action: `Grant the app the role "Monitoring Metrics Publisher" on the data collection rule ${ruleId}, or remove siem from the record`,
        },
      });
    case 404:
      return new SiemFailure('siem-rule-missing', `The endpoint does not know the data collection rule ${ruleId}`, {
        fix: { action: 'Correct endpoint and ruleId in the record: the immutable id, and the endpoint of that rule' },
      });
    case 400:
      return new SiemFailure('siem-rows-refused', `The data collection rule ${ruleId} refuses rows of ${stream}`, {
        fix: { action: `Declare the stream ${stream} in the rule with the columns of docs/siem.md` },
      });
    case TOO_LARGE:
      return new SiemFailure('siem-too-large', 'The data collection endpoint refuses a call of this size');
    case TOO_MANY:
      return new SiemFailure('siem-throttled', 'The data collection endpoint receives too many calls', options);
    default:
      return new SiemFailure('siem-unavailable', 'The data collection endpoint is unreachable or failing', options);
  }
}

const OUTAGES: ReadonlySet<string> = new Set(['identity-unavailable', 'vault-unavailable', 'home-credential-rejected']);

function signInTrouble({ code, message, fix, retryAfter }: ServiceError): SiemFailure {
  const after = retryAfter === undefined ? {} : { retryAfter };
  if (OUTAGES.has(code)) return new SiemFailure('siem-unavailable', message, after);
  return new SiemFailure('siem-sign-in', message, {
    ...after,
    fix: { ...fix, action: fix?.action ?? "Let the app sign in to the customer's directory" },
  });
}
