import { randomUUID } from 'node:crypto';
import type { Cloud } from '../cloud.ts';
import type { Exchange } from '../exchange.ts';
import type { Reply } from '../reply.ts';
import { type EntraError, userErrors } from './user-refusals.ts';

/** The refusals by their AADSTS number. The messages are ours, the rest is Entra's. */
const errors = {
  ...userErrors,
  50027: { status: 400, error: 'invalid_request', text: (what) => `The JWT token is not valid: ${what}.` },
  50059: {
    status: 400,
    error: 'invalid_request',
    text: () => 'Nothing in the request or its credentials names a tenant.',
  },
  50194: {
    status: 400,
    error: 'unauthorized_client',
    text: (app) => `Application '${app}' is not configured as a multi-tenant application.`,
  },
  53003: {
    status: 400,
    error: 'invalid_grant',
    text: () =>
      'Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.',
    isConditionalAccess: true,
  },
  70003: {
    status: 400,
    error: 'unsupported_grant_type',
    text: (grant) => `The grant type '${grant}' is not supported.`,
  },
  70011: { status: 400, error: 'invalid_scope', text: (scope) => `The scope '${scope}' is not valid.` },
  90002: {
    status: 400,
    error: 'invalid_tenant',
    text: (tenant) => `Tenant '${tenant}' not found. Check the tenant ID.`,
  },
  500011: {
    status: 400,
    error: 'invalid_resource',
    text: (resource) => `The resource principal named ${resource} was not found in the tenant.`,
  },
  530035: {
    status: 400,
    error: 'invalid_grant',
    text: () => 'Access has been blocked by security defaults.',
    isConditionalAccess: true,
  },
  700016: {
    status: 400,
    error: 'unauthorized_client',
    text: (app) =>
      `Application with identifier '${app}' was not found in the directory; its administrator may not have added it.`,
  },
  700021: {
    status: 401,
    error: 'invalid_client',
    text: (issuer) =>
      `The client assertion names application '${issuer}', which is not the 'client_id' of the request.`,
  },
  700023: {
    status: 401,
    error: 'invalid_client',
    text: (audience) => `The client assertion's audience '${audience}' is not this authority.`,
  },
  700024: {
    status: 401,
    error: 'invalid_client',
    text: (what) => `The client assertion is not within its valid time range: ${what}.`,
  },
  700027: {
    status: 401,
    error: 'invalid_client',
    text: (what) => `The client assertion's signature could not be verified: ${what}.`,
  },
  700030: {
    status: 401,
    error: 'invalid_client',
    text: () => 'The subject name of the certificate is not authorized.',
  },
  700211: {
    status: 401,
    error: 'invalid_client',
    text: (issuer) => `No federated identity record matches the assertion's issuer '${issuer}'.`,
  },
  700212: {
    status: 401,
    error: 'invalid_client',
    text: (audience) => `No federated identity record matches the assertion's audience '${audience}'.`,
  },
  700213: {
    status: 401,
    error: 'invalid_client',
    text: (subject) => `No federated identity record matches the assertion's subject '${subject}'.`,
  },
  700222: {
    status: 401,
    error: 'invalid_client',
    text: () => 'AAD-issued tokens may not be used for federated identity flows.',
  },
  700231: {
    status: 401,
    error: 'invalid_client',
    text: () => 'An assertion that was itself issued for a federated credential may not be used as one.',
  },
  900023: {
    status: 400,
    error: 'invalid_tenant',
    text: (tenant) => `'${tenant}' is neither a valid DNS name nor a valid external domain.`,
  },
  900144: {
    status: 400,
    error: 'invalid_request',
    text: (name) => `The request body must contain the parameter '${name}'.`,
  },
  1002012: {
    status: 400,
    error: 'invalid_scope',
    text: (scope) =>
      `The scope ${scope} is not valid: a client credentials request names a resource followed by /.default.`,
  },
  7000112: { status: 400, error: 'unauthorized_client', text: (app) => `Application '${app}' is disabled.` },
  7000215: {
    status: 401,
    error: 'invalid_client',
    text: (app) => `Invalid client secret provided. Send the secret's value, not its ID, for application '${app}'.`,
  },
  7000216: {
    status: 401,
    error: 'invalid_client',
    text: () => "The 'client_credentials' grant needs 'client_assertion' or 'client_secret'.",
  },
  7000218: {
    status: 401,
    error: 'invalid_client',
    text: () => "The request body must contain 'client_assertion' with its type, or 'client_secret'.",
  },
  7000222: {
    status: 401,
    error: 'invalid_client',
    text: (app) => `The provided client secret keys for application '${app}' are expired.`,
  },
  7000229: {
    status: 401,
    error: 'invalid_client',
    text: (app) => `The client application ${app} is missing service principal in the tenant.`,
  },
} satisfies Record<number, EntraError>;

export type AadstsNumber = keyof typeof errors;

export class EntraRefusal extends Error {
  override readonly name = 'EntraRefusal';
  readonly number: AadstsNumber;
  constructor(number: AadstsNumber, subject = '') {
    super(errors[number].text(subject));
    this.number = number;
  }

  /** The `error` of OAuth. */
  get code(): string {
    return errors[this.number].error;
  }
}

const known: Readonly<Record<number, EntraError | undefined>> = errors;

export function refusalReply(cloud: Cloud, exchange: Exchange, refusal: EntraRefusal): Reply {
  const { status, error } = errors[refusal.number];
  exchange.errorCode = `AADSTS${refusal.number}`;
  return entraErrorReply(cloud, { status, error, number: refusal.number, message: refusal.message, exchange });
}

/** Returns the number in a code, with or without AADSTS before it; `undefined` without a number. */
const numberIn = (code: string): number | undefined => {
  const number = Number(code.replace(/^AADSTS/, ''));
  return Number.isInteger(number) ? number : undefined;
};

/** Returns the status that Entra gives to an AADSTS code. */
export const statusOf = (code: string): number | undefined => known[numberIn(code) ?? 0]?.status;

/**
 * Returns an ordered failure. A known AADSTS code has its own `error` and text, any other code
 * those of its status. A 429 without a code is plain text with a Retry-After, as Entra answers a
 * throttled client.
 */
export function orderedFailure(cloud: Cloud, status: number, code: string, message: string): Reply {
  const number = numberIn(code);
  if (status === 429 && number === undefined) {
    const headers = { 'content-type': 'text/plain; charset=utf-8', 'retry-after': '60' };
    return { status, headers, body: 'Too Many Requests' };
  }
  const entry = known[number ?? 0];
  const error = entry?.error ?? errorOf(status);
  return entraErrorReply(cloud, { status, error, number: number ?? 90033, message: entry?.text('') ?? message });
}

function errorOf(status: number): string {
  if (status >= 500 || status === 429) return 'temporarily_unavailable';
  return status === 401 ? 'invalid_client' : 'invalid_request';
}

interface ErrorParts {
  readonly status: number;
  readonly error: string;
  readonly number: number;
  readonly message: string;
  readonly exchange?: Exchange;
}

/** Returns Entra's error body. */
function entraErrorReply(cloud: Cloud, { status, error, number, message, exchange }: ErrorParts): Reply {
  const traceId = randomUUID();
  const sent = exchange?.headers['client-request-id'];
  const correlationId = typeof sent === 'string' ? sent : randomUUID();
  const timestamp = new Date(cloud.now()).toISOString().replace('T', ' ').replace(/\.\d+/, '');
  return {
    status,
    body: {
      error,
      error_description: `AADSTS${number}: ${message} Trace ID: ${traceId} Correlation ID: ${correlationId} Timestamp: ${timestamp}`,
      error_codes: [number],
      timestamp,
      trace_id: traceId,
      correlation_id: correlationId,
      error_uri: `${cloud.authorityHost()}/error?code=${number}`,
      ...(known[number]?.isConditionalAccess && {
        suberror: 'message_only',
        claims: `{"access_token":{"capolids":{"essential":true,"values":["${randomUUID()}"]}}}`,
      }),
    },
  };
}
