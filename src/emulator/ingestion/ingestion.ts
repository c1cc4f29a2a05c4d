import { gunzipSync } from 'node:zlib';
import { type Cloud, epochSeconds } from '../cloud.ts';
import { claimsOf, MONITOR_RESOURCE, type TokenSigner } from '../entra/access-tokens.ts';
import type { Exchange } from '../exchange.ts';
import type { Site } from '../listener.ts';
import type { Reply } from '../reply.ts';
import type { Log } from '../request-log.ts';
import type { RuleState } from '../state.ts';

export const INGESTION_PREFIX = '/dataCollectionRules/';

/** One row that a data collection rule accepted, as its table would have it. */
export interface IngestedRow {
  readonly ruleId: string;
  readonly stream: string;
  readonly row: Readonly<Record<string, unknown>>;
}

/** https://learn.microsoft.com/azure/azure-monitor/fundamentals/service-limits#logs-ingestion-api */
const MAX_BYTES = 1_048_576;

class IngestionRefusal extends Error {
  override readonly name = 'IngestionRefusal';
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * Returns the data collection endpoint of all customers' rules: the Logs Ingestion API. The token
 * is checked first, then the rule, the app's role on it, the stream and the rows.
 */
export function ingestionSite(cloud: Cloud, signer: TokenSigner, rows: Log<IngestedRow>): Site {
  const handle = async (exchange: Exchange): Promise<Reply> => {
    const caller = await authenticate(cloud, signer, exchange);
    const { ruleId, stream } = placeOf(exchange);
    const rule = (cloud.state.rules ?? []).find((candidate) => candidate.ruleId === ruleId);
    if (!rule)
      throw new IngestionRefusal(404, 'NotFound', `Data collection rule with immutable Id '${ruleId}' not found.`);
    if (!isPublisher(rule, caller.tenantId, caller.objectId)) {
      throw new IngestionRefusal(
        403,
        'OperationFailed',
        'The authentication token provided does not have access to ingest data for the data collection rule.',
      );
    }
    if (stream !== rule.stream)
      throw new IngestionRefusal(400, 'InvalidStream', `Stream '${stream}' was not configured.`);
    for (const row of rowsOf(await exchange.body(), exchange)) rows.add({ ruleId, stream, row });
    return { status: 204 };
  };

  return {
    at: 'ingestion',
    requestIdHeader: 'x-ms-client-request-id',
    isRefusing: () => false,
    operationOf: () => 'upload',
    handle: async (exchange) => {
      try {
        return await handle(exchange);
      } catch (error) {
        if (!(error instanceof IngestionRefusal)) throw error;
        exchange.errorCode = error.code;
        return failure(error.status, error.code, error.message);
      }
    },
    failure,
  };
}

const failure = (status: number, code: string, message: string): Reply => ({
  status,
  body: { error: { code, message } },
});

async function authenticate(cloud: Cloud, signer: TokenSigner, exchange: Exchange) {
  const token = /^Bearer (\S+)$/i.exec(exchange.headers.authorization ?? '')?.[1] ?? '';
  const claims = await claimsOf(signer, token);
  if (claims?.aud !== MONITOR_RESOURCE || (claims.exp ?? 0) <= epochSeconds(cloud)) {
    throw new IngestionRefusal(401, 'InvalidToken', 'The authentication token is not valid for this resource.');
  }
  exchange.tenantId = String(claims['tid']);
  exchange.appId = String(claims['appid']);
  return { tenantId: exchange.tenantId, objectId: String(claims['oid']) };
}

function placeOf({ method, segments }: Exchange): { readonly ruleId: string; readonly stream: string } {
  const [, ruleId = '', word, stream = ''] = segments;
  if (method === 'POST' && word === 'streams' && segments.length === 4) return { ruleId, stream };
  throw new IngestionRefusal(404, 'NotFound', 'Resource not found.');
}

const isPublisher = (rule: RuleState, tenantId: string, objectId: string): boolean =>
  rule.tenantId === tenantId && rule.publishers.includes(objectId);

function rowsOf(body: Buffer, { headers }: Exchange): readonly Readonly<Record<string, unknown>>[] {
  const text = headers['content-encoding'] === 'gzip' ? unzipped(body) : body;
  if (text.length > MAX_BYTES) {
    throw new IngestionRefusal(413, 'ContentLengthLimitExceeded', 'Maximum allowed content length: 1048576 bytes.');
  }
  const rows = parsed(text);
  const isRow = (row: unknown) => typeof row === 'object' && row !== null && 'TimeGenerated' in row;
  if (Array.isArray(rows) && rows.every(isRow)) return rows;
  throw new IngestionRefusal(400, 'InvalidPayload', 'The body must be a JSON array of rows with TimeGenerated.');
}

function unzipped(body: Buffer): Buffer {
  try {
    return gunzipSync(body, { maxOutputLength: 4 * MAX_BYTES });
  } catch {
    throw new IngestionRefusal(400, 'InvalidPayload', 'The body is not gzip.');
  }
}

function parsed(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString());
  } catch {
    return undefined;
  }
}
