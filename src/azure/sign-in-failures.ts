import { type Fix, ServiceError } from '../errors.ts';
import { defined } from '../lib/defined.ts';
import { addApp, enableApp } from '../tenants/azure-commands.ts';
import { DeadlineError } from './deadline.ts';
import { type ForeignError, readForeignError } from './foreign-error.ts';

/** The parties of a failed sign-in. */
export interface SignInParties {
  readonly appId: string;
  readonly entraTenantId: string;
}

/**
 * Returns an error; `shown` is Entra's code as received, and `foreign` has the other facts of the
 * answer.
 */
type ToError = (parties: SignInParties, shown: string, foreign: ForeignError, cause: unknown) => ServiceError;

interface Row {
  readonly codes: readonly number[];
  readonly toError: ToError;
}

const vendor = (action: string): Fix => ({ owner: 'vendor', action });
const customerAdmin = (action: string): Fix => ({ owner: 'customer-admin', action });

const rejected =
  (reason: string, action: string): ToError =>
  (_parties, shown, _foreign, cause) =>
    new ServiceError('home-credential-rejected', `Entra rejected the app's own credential (${shown})`, {
      reason,
      fix: vendor(action),
      retryAfter: 10,
      cause,
    });

const refused =
  (reason: string, fixOf: (parties: SignInParties) => Fix): ToError =>
  (parties, shown, _foreign, cause) =>
    new ServiceError('access-revoked', `The customer's directory refuses the app's sign-in (${shown})`, {
      reason,
      scope: 'tenant',
      fix: fixOf(parties),
      cause,
    });

const misconfigured =
  (reason: string, action: string): ToError =>
  (_parties, shown, _foreign, cause) =>
    new ServiceError('tenant-misconfigured', `The directory in the tenant's record is wrong (${shown})`, {
      reason,
      scope: 'tenant',
      fix: vendor(action),
      cause,
    });

const RETRY_SECONDS = 5;

const unavailable =
  (reason: string): ToError =>
  (_parties, shown, { retryAfter = RETRY_SECONDS }, cause) =>
    new ServiceError('identity-unavailable', `Entra cannot issue a token at the moment (${shown})`, {
      reason,
      retryAfter,
      cause,
    });

const throttled = unavailable('throttled');
/** Errors of OAuth that say so themselves, whatever the status and the AADSTS code (RFC 6749 §4.1.2.1). */
const OUTAGE_ERRORS: ReadonlySet<string> = new Set(['temporarily_unavailable', 'server_error']);

/** Codes that say nothing about access, whatever their status. */
const TROUBLES: readonly Row[] = [
  { codes: [50196, 90055], toError: throttled },
  { codes: [50033, 90006, 90024, 90033, 90090], toError: unavailable('transient') },
];

/**
 * AADSTS codes: https://learn.microsoft.com/entra/identity-platform/reference-error-codes. One row
 * per cause and fix.
 */
const REFUSALS: readonly Row[] = [
  {
    codes: [7000215],
    toError: rejected('secret-wrong', "Store the client secret's value, not its id, in the home vault"),
  },
  { codes: [7000222], toError: rejected('secret-expired', 'Add a new client secret and store it in the home vault') },
  {
    codes: [700027, 7000214, 7000274, 7000277, 1000502, 700023, 700021, 700030, 50027],
    toError: rejected('assertion-signature', 'Register the certificate with the app'),
  },
  { codes: [700024], toError: rejected('assertion-time', "Set this machine's clock") },
  {
    codes: [70021, 700211, 700212, 700213, 700222, 700223, 700226, 700236],
    toError: rejected(
      'federation',
      "Correct issuer, subject and audience of the app's federated credential, in the app's home tenant",
    ),
  },
  {
    codes: [700231],
    toError: rejected(
      'federation',
      'Set home.credential: workload-identity. The assertion itself came from a federated credential, as on AKS, and Entra does not accept a chain of them',
    ),
  },
  { codes: [7000216, 7000218], toError: rejected('credential-missing', 'Configure the credential of the app') },
  {
    codes: [700025],
    toError: rejected('app-public-client', "Turn off 'Allow public client flows' in the app registration"),
  },
  { codes: [50194], toError: rejected('app-single-tenant', 'Make the app registration multi-tenant') },
  {
    codes: [700016, 700038, 7000229],
    toError: refused('app-absent', ({ entraTenantId, appId }) => addApp(entraTenantId, appId)),
  },
  { codes: [7000112], toError: refused('app-disabled', ({ entraTenantId, appId }) => enableApp(entraTenantId, appId)) },
  {
    codes: [500014],
    toError: refused('resource-disabled', () =>
      customerAdmin("Enable Azure Key Vault's service principal in the directory"),
    ),
  },
  {
    codes: [500011, 650052],
    toError: refused('resource-absent', () =>
      customerAdmin("Add Azure Key Vault's service principal to the directory"),
    ),
  },
  {
    codes: [650056, 650057, 65001, 90094],
    toError: refused('consent-missing', () => customerAdmin('Grant admin consent to the app')),
  },
  {
    codes: [90002, 900023, 50059],
    toError: misconfigured('directory-unknown', "Correct entraTenantId in the tenant's record"),
  },
  {
    codes: [90038, 900382, 900432],
    toError: misconfigured('wrong-cloud', 'Register the tenant in a deployment of its own cloud'),
  },
];

const byCode = (rows: readonly Row[]): ReadonlyMap<number | undefined, ToError> =>
  new Map(rows.flatMap(({ codes, toError }) => codes.map((code) => [code, toError] as const)));
const TROUBLE_BY_CODE = byCode(TROUBLES);
const REFUSAL_BY_CODE = byCode(REFUSALS);

const conditionalAccess = refused('conditional-access', () =>
  customerAdmin('Exclude the app from the Conditional Access policy for workload identities, or allow its addresses'),
);
const refusedByDirectory = refused('sign-in-refused', () =>
  customerAdmin('Look up the code in the sign-in log of the directory'),
);

/**
 * The meaning of a refusal with an unknown code, by `error` of OAuth 2.0 (RFC 6749 §5.2). There are
 * some thousand AADSTS codes, and new ones appear without notice. `invalid_client` is the vendor's
 * own credential.
 */
const REFUSAL_BY_ERROR: ReadonlyMap<string, ToError> = new Map([
  [
    'invalid_client',
    rejected('credential-rejected', "Look up the code, and correct the app's credential or its registration"),
  ],
  ['invalid_tenant', misconfigured('directory-unknown', "Correct entraTenantId in the tenant's record")],
  ...[
    'access_denied',
    'consent_required',
    'interaction_required',
    'invalid_grant',
    'invalid_request',
    'invalid_resource',
    'invalid_scope',
    'login_required',
    'unauthorized_client',
    'unsupported_grant_type',
  ].map((error) => [error, refusedByDirectory] as const),
]);

/** Returns whether the code is 53000 to 53011, or has six digits that begin with 5300. */
const isConditionalAccess = ({ aadsts = 0, hasClaims }: ForeignError): boolean =>
  hasClaims || Math.floor(aadsts / 100) === 530 || Math.floor(aadsts / 100) === 5300;

/** Codes after which the app's other secret may be right. */
const SECRET_CODES: ReadonlySet<number | undefined> = new Set([7000215, 7000222]);
export const isSecretRejected = (error: unknown): error is Error => SECRET_CODES.has(readForeignError(error).aadsts);

/** Returns the meaning of a failed sign-in to a customer's directory. */
export function signInFailure(error: unknown, parties: SignInParties): ServiceError {
  if (error instanceof ServiceError) return error;
  const foreign = readForeignError(error);
  return meaningOf(foreign)(parties, shownCode(foreign), foreign, error);
}

function shownCode({ aadsts, code, status }: ForeignError): string {
  if (aadsts !== undefined) return `AADSTS${aadsts}`;
  if (OAUTH_ERROR.test(code)) return code;
  return status === undefined ? 'without a code' : `HTTP ${status}`;
}
const OAUTH_ERROR = /^[a-z_]{1,64}$/;

/**
 * Returns the meaning. A refusal has an AADSTS code or an error of OAuth, and is neither 429 nor
 * 5xx. Any other failure says nothing about access.
 */
function meaningOf(foreign: ForeignError): ToError {
  const { status = 0, aadsts, code } = foreign;
  if (status === 429) return throttled;
  const trouble = TROUBLE_BY_CODE.get(aadsts);
  if (trouble) return trouble;
  if (status >= 500 || OUTAGE_ERRORS.has(code)) return outage;
  const known = REFUSAL_BY_CODE.get(aadsts);
  if (known) return known;
  if (isConditionalAccess(foreign)) return conditionalAccess;
  return REFUSAL_BY_ERROR.get(code) ?? (aadsts === undefined ? outage : refusedByDirectory);
}

const outage: ToError = (_parties, _shown, { retryAfter = RETRY_SECONDS }, cause) =>
  new ServiceError(
    'identity-unavailable',
    'Entra is unreachable or failing',
    defined({ reason: cause instanceof DeadlineError ? 'timeout' : undefined, retryAfter, cause }),
  );

/**
 * Returns whether one immediate retry is useful: Entra failed, and it did not take the whole time
 * for that.
 */
export const isPassingOutage = ({ code, reason }: ServiceError): boolean =>
  code === 'identity-unavailable' && reason !== 'throttled' && reason !== 'timeout';
