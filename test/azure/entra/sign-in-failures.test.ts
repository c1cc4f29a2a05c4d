import { describe, expect, test } from '@jest/globals';
import { isSecretRejected, signInFailure } from '../../../src/azure/sign-in-failures.ts';
import { type ErrorCode, type FixOwner, ServiceError } from '../../../src/errors.ts';

const APP_ID = 'c0b7e1f4-92d6-4f38-8a5b-1d64e93f7a02';
const DIRECTORY = '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3';
const parties = { appId: APP_ID, entraTenantId: DIRECTORY };

/** A text in every foreign error, and nowhere else. */
const FOREIGN = 'foreign text with a secret in it';

/** Returns an error of @azure/identity, with MSAL's error as its cause. */
function signInError(
  aadsts: number,
  { status = 400, error = 'some_error', inMessage = false, headers = {} } = {},
): Error {
  const text = `${error}: ${inMessage ? `AADSTS${aadsts}: ` : ''}${FOREIGN}`;
  const cause = Object.assign(new Error(text), {
    name: 'ServerError',
    errorCode: error,
    errorMessage: text,
    status,
    ...(!inMessage && { errorNo: String(aadsts) }),
  });
  const response = { headers: new Headers(headers) };
  return Object.assign(new Error(FOREIGN, { cause }), { name: 'AuthenticationRequiredError', response });
}

const shown = ({ message, reason, fix, errors }: ServiceError): string =>
  JSON.stringify({ message, reason, fix, errors });

interface SignInRow {
  readonly codes: readonly number[];
  readonly code: ErrorCode;
  readonly owner?: FixOwner;
  readonly reason: string;
}

/** The table of azure-facts.md with all of its numbers. */
const signIns: readonly SignInRow[] = [
  { codes: [7000215], code: 'home-credential-rejected', owner: 'vendor', reason: 'secret-wrong' },
  { codes: [7000222], code: 'home-credential-rejected', owner: 'vendor', reason: 'secret-expired' },
  { codes: [700027, 700030], code: 'home-credential-rejected', owner: 'vendor', reason: 'assertion-signature' },
  { codes: [700024], code: 'home-credential-rejected', owner: 'vendor', reason: 'assertion-time' },
  {
    codes: [70021, 700211, 700213, 700212, 700222, 700223, 700226, 700231, 700236],
    code: 'home-credential-rejected',
    owner: 'vendor',
    reason: 'federation',
  },
  { codes: [700025], code: 'home-credential-rejected', owner: 'vendor', reason: 'app-public-client' },
  { codes: [50194], code: 'home-credential-rejected', owner: 'vendor', reason: 'app-single-tenant' },
  { codes: [7000218, 7000216], code: 'home-credential-rejected', owner: 'vendor', reason: 'credential-missing' },
  { codes: [700016, 700038, 7000229], code: 'access-revoked', owner: 'customer-admin', reason: 'app-absent' },
  { codes: [7000112], code: 'access-revoked', owner: 'customer-admin', reason: 'app-disabled' },
  { codes: [500014], code: 'access-revoked', owner: 'customer-admin', reason: 'resource-disabled' },
  { codes: [500011, 650052], code: 'access-revoked', owner: 'customer-admin', reason: 'resource-absent' },
  {
    codes: [650056, 650057, 65001, 90094],
    code: 'access-revoked',
    owner: 'customer-admin',
    reason: 'consent-missing',
  },
  {
    codes: [53003, 53011, 530032, 530035],
    code: 'access-revoked',
    owner: 'customer-admin',
    reason: 'conditional-access',
  },
  { codes: [90002, 900023, 50059], code: 'tenant-misconfigured', owner: 'vendor', reason: 'directory-unknown' },
  { codes: [90038, 900382, 900432], code: 'tenant-misconfigured', owner: 'vendor', reason: 'wrong-cloud' },
  { codes: [50196, 90055], code: 'identity-unavailable', reason: 'throttled' },
  { codes: [50033, 90006, 90024, 90033, 90090], code: 'identity-unavailable', reason: 'transient' },
];
const byNumber = signIns.flatMap(({ codes, ...row }) => codes.map((aadsts) => [aadsts, row] as const));

describe('a sign-in that Entra refuses', () => {
  test.each(byNumber)('with AADSTS%i', (aadsts, { code, owner, reason }) => {
    for (const error of [signInError(aadsts), signInError(aadsts, { inMessage: true, status: 401 })]) {
      const failure = signInFailure(error, parties);
      expect(failure).toMatchObject({ code, reason, cause: error });
      expect(failure.fix?.owner).toBe(owner);
      expect(failure.message).toContain(`AADSTS${aadsts}`);
      expect(shown(failure)).not.toContain(FOREIGN);
      const isRefusal = code === 'access-revoked' || code === 'tenant-misconfigured';
      expect([failure.scope, failure.retryAfter === undefined]).toEqual(
        isRefusal ? ['tenant', true] : [undefined, false],
      );
    }
  });

  test.each([
    [700016, /az login --tenant 3e7a90d5.*az ad sp create --id c0b7e1f4/],
    [7000112, /az login --tenant 3e7a90d5.*az ad sp update --id c0b7e1f4.* --set accountEnabled=true/],
  ])('with AADSTS%i names a command with the real ids', (aadsts, command) => {
    expect(signInFailure(signInError(aadsts), parties).fix?.command).toMatch(command);
  });

  test.each([[400], [401], [403]])('with an unknown code and status %i is a refusal that shows the code', (status) => {
    const failure = signInFailure(signInError(1_234_567, { status }), parties);
    expect(failure).toMatchObject({
      code: 'access-revoked',
      reason: 'sign-in-refused',
      scope: 'tenant',
      fix: { owner: 'customer-admin' },
    });
    expect(failure.message).toContain('AADSTS1234567');
    expect(shown(failure)).not.toContain(FOREIGN);
  });

  test.each<[string, ErrorCode, string]>([
    ['invalid_client', 'home-credential-rejected', 'credential-rejected'],
    ['unauthorized_client', 'access-revoked', 'sign-in-refused'],
    ['invalid_grant', 'access-revoked', 'sign-in-refused'],
    ['invalid_tenant', 'tenant-misconfigured', 'directory-unknown'],
    ['access_denied', 'access-revoked', 'sign-in-refused'],
  ])('with an unknown code and %s is judged by that', (error, code, reason) => {
    for (const aadsts of [1_234_567, 9_876_543]) {
      const failure = signInFailure(signInError(aadsts, { error }), parties);
      expect(failure).toMatchObject({ code, reason });
      expect(failure.message).toContain(`AADSTS${aadsts}`);
    }
    expect(signInFailure(Object.assign(new Error(FOREIGN), { status: 400, errorCode: error }), parties)).toMatchObject({
      code,
      reason,
    });
  });

  test.each([[7000229], [700016]])(
    "with invalid_client and AADSTS%i is the customer's, whose directory lacks the app",
    (aadsts) => {
      const error = signInError(aadsts, { status: 401, error: 'invalid_client' });
      expect(signInFailure(error, parties)).toMatchObject({ code: 'access-revoked', reason: 'app-absent' });
    },
  );

  test("with claims that an app can't provide is Conditional Access, although MSAL's error has no status and no known code", () => {
    const cause = Object.assign(new Error(FOREIGN), {
      name: 'InteractionRequiredAuthError',
      errorCode: 'invalid_grant',
      errorNo: 1_234_567,
      subError: 'message_only',
      claims: '{}',
    });
    const failure = signInFailure(new Error(FOREIGN, { cause }), parties);
    expect(failure).toMatchObject({ code: 'access-revoked', reason: 'conditional-access', scope: 'tenant' });
  });

  test('for its secret alone is retried with the other secret', () => {
    expect(byNumber.filter(([aadsts]) => isSecretRejected(signInError(aadsts))).map(([aadsts]) => aadsts)).toEqual([
      7000215, 7000222,
    ]);
    expect(isSecretRejected(new Error(FOREIGN))).toBe(false);
  });
});

describe('a sign-in that Entra does not answer', () => {
  test.each<[string, Error]>([
    ['a 503 without a code', Object.assign(new Error(FOREIGN), { status: 503 })],
    ['an unknown code and 500', signInError(1_234_567, { status: 500 })],
    ['a connection refused', Object.assign(new Error(FOREIGN), { code: 'ECONNREFUSED' })],
    ['no such host', new Error(FOREIGN, { cause: Object.assign(new Error(FOREIGN), { code: 'ENOTFOUND' }) })],
    ['an abort', new DOMException(FOREIGN, 'AbortError')],
    ['no JSON', new SyntaxError(FOREIGN)],
    ['a known code and 503', signInError(7000112, { status: 503 })],
    ['temporarily_unavailable and 400', signInError(1_234_567, { error: 'temporarily_unavailable' })],
    ['server_error and 400', signInError(1_234_567, { error: 'server_error' })],
    ['a page of a proxy that refuses', Object.assign(new Error(FOREIGN), { status: 403 })],
    [
      'an error of MSAL that is none of OAuth',
      Object.assign(new Error(FOREIGN), { status: 400, errorCode: 'client_error' }),
    ],
  ])('but with %s is an outage, and says nothing about access', (_what, error) => {
    const failure = signInFailure(error, parties);
    expect(failure).toMatchObject({ code: 'identity-unavailable', scope: undefined, retryAfter: 5 });
    expect(shown(failure)).not.toContain(FOREIGN);
  });

  test.each([
    [{}, 5],
    [{ 'retry-after': '17' }, 17],
  ])('but throttles, with headers %j, gives the time of the next try', (headers, retryAfter) => {
    const error = Object.assign(new Error(FOREIGN), { status: 429, response: { headers: new Headers(headers) } });
    expect(signInFailure(error, parties)).toMatchObject({
      code: 'identity-unavailable',
      reason: 'throttled',
      retryAfter,
    });
  });

  test('keeps our own failure unchanged', () => {
    const ours = new ServiceError('home-credential-rejected', 'no secret');
    expect(signInFailure(ours, parties)).toBe(ours);
  });

  test('and whose errors are circular is read to an end', () => {
    const error = new Error(FOREIGN);
    error.cause = error;
    expect(signInFailure(error, parties).code).toBe('identity-unavailable');
  });
});
