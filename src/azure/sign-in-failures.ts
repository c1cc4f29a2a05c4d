import { type Fix, ServiceError } from '../errors.ts';
import { defined } from '../lib/defined.ts';
import { addApp, enableApp } from '../tenants/azure-commands.ts';
import { DeadlineError } from './deadline.ts';
import { type ForeignError, readForeignError } from './foreign-error.ts';

/** Whose sign-in failed. */
export interface SignInParties {
  readonly appId: string;
  readonly entraTenantId: string;
}

interface Row {
  readonly codes: readonly number[];
  readonly toError: (parties: SignInParties, aadsts: string, cause: unknown) => ServiceError;
}

const vendor = (action: string): Fix => ({ owner: 'vendor', action });
const customerAdmin = (action: string): Fix => ({ owner: 'customer-admin', action });

const rejected =
  (reason: string, action: string): Row['toError'] =>
  (_parties, aadsts, cause) =>
    new ServiceError('home-credential-rejected', `Entra rejected the app's own credential (${aadsts})`, {
      reason,
      fix: vendor(action),
      retryAfter: 10,
      cause,
    });

const refused =
  (reason: string, fixOf: (parties: SignInParties) => Fix): Row['toError'] =>
  (parties, aadsts, cause) =>
    new ServiceError('access-revoked', `The customer's directory refuses the app's sign-in (${aadsts})`, {
      reason,
      scope: 'tenant',
      fix: fixOf(parties),
      cause,
    });

const misconfigured =
  (reason: string, action: string): Row['toError'] =>
  (_parties, aadsts, cause) =>
    new ServiceError('tenant-misconfigured', `The directory in the tenant's record is not right (${aadsts})`, {
      reason,
      scope: 'tenant',
      fix: vendor(action),
      cause,
    });

const unavailable =
  (reason: string): Row['toError'] =>
  (_parties, aadsts, cause) =>
    new ServiceError('identity-unavailable', `Entra can't issue a token at the moment (${aadsts})`, {
      reason,
      retryAfter: 5,
      cause,
    });

/** AADSTS codes: https://learn.microsoft.com/entra/identity-platform/reference-error-codes. One row per cause and cure. */
const ROWS: readonly Row[] = [
  {
    codes: [7000215],
    toError: rejected('secret-wrong', "Store the client secret's value, not its id, in the home vault"),
  },
  { codes: [7000222], toError: rejected('secret-expired', 'Add a new client secret and store it in the home vault') },
  {
    codes: [700027, 7000214, 7000274, 7000277, 1000502, 700023, 700021, 50027],
    toError: rejected('assertion-signature', 'Register the certificate with the app'),
  },
  { codes: [700024], toError: rejected('assertion-time', "Set this machine's clock") },
  {
    codes: [700211, 700212, 700213, 700236],
    toError: rejected(
      'federation',
      "Correct issuer, subject and audience of the app's federated credential, in the app's home tenant",
    ),
  },
  { codes: [7000216, 7000218], toError: rejected('credential-missing', 'Configure the credential of the app') },
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
    codes: [53003, 530032],
    toError: refused('conditional-access', () =>
      customerAdmin('Let the app through the Conditional Access policy for workload identities'),
    ),
  },
  {
    codes: [90002, 900023, 50059],
    toError: misconfigured('directory-unknown', "Correct entraTenantId in the tenant's record"),
  },
  {
    codes: [90038, 900382, 900432],
    toError: misconfigured('wrong-cloud', 'Register the tenant with the deployment of its own cloud'),
  },
  { codes: [50196, 90055], toError: unavailable('throttled') },
  { codes: [50033, 90006, 90024, 90033, 90090], toError: unavailable('transient') },
];

const BY_CODE: ReadonlyMap<number, Row['toError']> = new Map(
  ROWS.flatMap(({ codes, toError }) => codes.map((code) => [code, toError] as const)),
);

/** Codes after which the app's other secret may be right. */
const SECRET_CODES: ReadonlySet<number | undefined> = new Set([7000215, 7000222]);
export const isSecretRejected = (error: unknown): error is Error => SECRET_CODES.has(readForeignError(error).aadsts);

/** What a failed sign-in to a customer's directory means. */
export function signInFailure(error: unknown, parties: SignInParties): ServiceError {
  if (error instanceof ServiceError) return error;
  const foreign = readForeignError(error);
  const row = foreign.aadsts === undefined ? undefined : BY_CODE.get(foreign.aadsts);
  if (row) return row(parties, `AADSTS${foreign.aadsts}`, error);
  return isRefusal(foreign) ? unknownRefusal(foreign, error) : outage(foreign, error);
}

/** By HTTP status alone: codes come and go. */
const isRefusal = ({ status }: ForeignError): boolean => status === 400 || status === 401 || status === 403;

const unknownRefusal = ({ aadsts }: ForeignError, cause: unknown): ServiceError =>
  new ServiceError(
    'access-revoked',
    `Entra refuses the app's sign-in (${aadsts ? `AADSTS${aadsts}` : 'without a code'})`,
    {
      reason: 'sign-in-refused',
      scope: 'tenant',
      fix: customerAdmin('Look the code up in the sign-in log of the directory'),
      cause,
    },
  );

const outage = ({ status, retryAfter }: ForeignError, cause: unknown): ServiceError =>
  new ServiceError('identity-unavailable', 'Entra could not be reached or is in trouble', {
    ...defined({ reason: cause instanceof DeadlineError ? 'timeout' : status === 429 ? 'throttled' : undefined }),
    retryAfter: retryAfter ?? 5,
    cause,
  });
