import { describe, expect, test } from '@jest/globals';
import { type VaultCall, vaultFailure } from '../../../src/azure/vault/vault-failures.ts';
import { ServiceError } from '../../../src/errors.ts';
import type { WrapAlgorithm } from '../../../src/format/wrap-algorithms.ts';

const APP_ID = 'c0b7e1f4-92d6-4f38-8a5b-1d64e93f7a02';
const kek = { vaultUrl: 'https://contoso-kv.vault.azure.net', name: 'orders', keyVersion: 'ab'.repeat(16) };

/** A text in every foreign error, and nowhere else. */
const FOREIGN = 'foreign text with a secret in it';

/** Returns an error of the SDK's clients. */
function vaultError(status: number | undefined, code: string, inner?: string, headers = {}): Error {
  return Object.assign(new Error(FOREIGN), {
    name: 'RestError',
    statusCode: status,
    code,
    request: { body: FOREIGN },
    response: { headers: new Headers(headers), bodyAsText: FOREIGN },
    details: { error: { code, message: FOREIGN, ...(inner !== undefined && { innererror: { code: inner } }) } },
  });
}

const call = (operation: VaultCall['operation'] = 'wrapKey'): VaultCall => ({
  operation,
  kek,
  appId: APP_ID,
  tenantId: 'contoso',
});
const shown = ({ message, reason, fix, errors }: ServiceError): string =>
  JSON.stringify({ message, reason, fix, errors });

describe('a vault’s refusal', () => {
  test.each([
    [
      'ForbiddenByRbac',
      'role-missing',
      /--role "Key Vault Crypto Service Encryption User" .*c0b7e1f4.*contoso-kv .*\/keys\/orders/,
    ],
    [
      'AccessDenied',
      'policy-missing',
      /set-policy --name contoso-kv --spn c0b7e1f4\S+ --key-permissions get wrapKey unwrapKey$/,
    ],
    ['ForbiddenByPolicy', 'policy-missing', /set-policy/],
    ['ForbiddenByFirewall', 'firewall', /network-rule add --name contoso-kv/],
    [
      'ForbiddenByConnection',
      'public-access-disabled',
      /update --name contoso-kv --public-network-access Enabled .*network-rule add --name contoso-kv/,
    ],
    ['KeyDisabled', 'key-disabled', /--vault-name contoso-kv --name orders --version (ab){16} --enabled true$/],
    ['KeyNotYetValid', 'key-not-yet-valid', /--not-before/],
    ['KeyExpired', 'key-expired', /key rotate --vault-name contoso-kv --name orders$/],
    [
      'KeyOperationForbidden',
      'key-operation-forbidden',
      /--ops \$\( \{ az keyvault key show .*'key.keyOps' -o tsv; printf '%s\\n' wrapKey unwrapKey; \} \| sort -u\)$/,
    ],
    ['SomethingNew', 'forbidden', /role assignment create/],
  ])('403 %s', (inner, reason, command) => {
    for (const error of [vaultError(403, 'Forbidden', inner), vaultError(403, inner)]) {
      const failure = vaultFailure(error, call());
      expect(failure).toMatchObject({
        code: 'access-revoked',
        reason,
        scope: 'key',
        cause: error,
        fix: { owner: 'resource-owner' },
      });
      expect(failure.fix?.command).toMatch(command);
      expect(shown(failure)).not.toContain(FOREIGN);
    }
  });

  describe('of a Managed HSM', () => {
    const hsm = { ...kek, vaultUrl: 'https://contoso-hsm.managedhsm.azure.net' };
    const ofHsm = (error: unknown, algorithm?: WrapAlgorithm) =>
      vaultFailure(error, { ...call(), kek: hsm, algorithm });

    test('AccessDenied without an inner code is a missing role, since an HSM has no access policies', () => {
      const failure = ofHsm(vaultError(403, 'AccessDenied'));
      expect(failure).toMatchObject({ code: 'access-revoked', reason: 'role-missing', scope: 'key' });
      expect(failure.fix?.command).toMatch(
        /^az keyvault role assignment create --hsm-name contoso-hsm .*\/keys\/orders$/,
      );
    });

    test.each([
      ['A256KW', '--kty oct-HSM --size 256'],
      ['RSA-OAEP-256', '--kty RSA-HSM --size 3072'],
    ] as const)(
      'an expired key for %s gets a new version by create, since rotate needs a policy',
      (algorithm, kind) => {
        expect(ofHsm(vaultError(403, 'Forbidden', 'KeyExpired'), algorithm).fix?.command).toBe(
          `az keyvault key create --hsm-name contoso-hsm --name orders ${kind} --ops wrapKey unwrapKey --tags vaultspan-tenant=contoso`,
        );
      },
    );

    test('closed to public networks is opened by update-hsm', () => {
      const { fix } = ofHsm(vaultError(403, 'Forbidden', 'ForbiddenByConnection'));
      expect(fix?.command).toMatch(/^az keyvault update-hsm --hsm-name contoso-hsm --public-network-access Enabled /);
    });
  });

  test('404 means that the key is absent', () => {
    const failure = vaultFailure(vaultError(404, 'KeyNotFound'), call('getKey'));
    expect(failure).toMatchObject({
      code: 'access-revoked',
      reason: 'key-absent',
      scope: 'key',
      fix: { owner: 'resource-owner' },
    });
    expect(failure.fix?.command).toMatch(/key recover --vault-name contoso-kv --name orders$/);
  });

  test('401 with AKV10032 means that the vault is in another directory; any other means that the token is refused', () => {
    const elsewhere = Object.assign(vaultError(401, 'Unauthorized'), {
      message: `AKV10032: Invalid issuer. ${FOREIGN}`,
    });
    expect(vaultFailure(elsewhere, call())).toMatchObject({
      code: 'tenant-misconfigured',
      reason: 'vault-elsewhere',
      scope: 'key',
      fix: { owner: 'vendor' },
    });
    const other = vaultFailure(vaultError(401, 'Unauthorized'), call());
    expect(other).toMatchObject({
      code: 'vault-unavailable',
      reason: 'token-refused',
      retryAfter: 5,
      scope: undefined,
    });
    expect(shown(other) + shown(vaultFailure(elsewhere, call()))).not.toContain(FOREIGN);
  });

  test('400 means a bad ciphertext on unwrap and a bad value on wrap', () => {
    const error = vaultError(400, 'BadParameter');
    const unwrap = vaultFailure(error, call('unwrapKey'));
    expect([unwrap.code, unwrap.message, unwrap.errors]).toEqual([
      'undecryptable',
      'The ciphertext cannot be decrypted',
      undefined,
    ]);
    expect(vaultFailure(error, call('wrapKey'))).toMatchObject({
      code: 'malformed-request',
      errors: [{ pointer: '/value' }],
    });
    expect(shown(vaultFailure(error, call('wrapKey')))).not.toContain(FOREIGN);
  });
});

describe("a vault's outage", () => {
  test.each([
    [{ 'retry-after': '7' }, 7],
    [{ 'retry-after': '0.4' }, 1],
    [{ 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' }, 2],
    [{}, 2],
  ])('429 with headers %j gives the time of the next try', (headers, retryAfter) => {
    const failure = vaultFailure(vaultError(429, 'Throttled', undefined, headers), call());
    expect(failure).toMatchObject({ code: 'vault-throttled', retryAfter, scope: undefined });
    expect(shown(failure)).not.toContain(FOREIGN);
  });

  test.each<[string, unknown]>([
    ['500', vaultError(500, 'InternalServerError')],
    ['503', vaultError(503, 'ServiceUnavailable')],
    ['a reset', vaultError(undefined, 'ECONNRESET')],
    ['a refused connection', vaultError(undefined, 'ECONNREFUSED')],
    ['an abort', new DOMException(FOREIGN, 'AbortError')],
    ['an answer that is none', new TypeError(FOREIGN)],
    ['a text thrown', FOREIGN],
    ['nothing thrown', undefined],
  ])('%s is an outage, and says nothing about access', (_what, error) => {
    const failure = vaultFailure(error, call());
    expect(failure).toMatchObject({ code: 'vault-unavailable', retryAfter: 5, scope: undefined, reason: undefined });
    expect(shown(failure)).not.toContain(FOREIGN);
  });

  test.each([
    [400, 'getKey'],
    [400, 'wrapKey'],
    [400, 'unwrapKey'],
    [403, 'unwrapKey'],
    [404, 'unwrapKey'],
  ] as const)(
    '%i without a code, to %s, comes from another server and says nothing about access',
    (status, operation) => {
      const page = { name: 'RestError', statusCode: status, code: undefined, details: {} }; // as the SDK reads HTML
      const failure = vaultFailure(Object.assign(new Error(FOREIGN), page), call(operation));
      expect(failure).toMatchObject({
        code: 'vault-unavailable',
        reason: 'another-server',
        scope: undefined,
        retryAfter: 5,
        fix: { owner: 'vendor' },
      });
      expect(shown(failure)).not.toContain(FOREIGN);
    },
  );

  test('a host that is not found is an outage that the owner of the vault can fix', () => {
    const failure = vaultFailure(vaultError(undefined, 'ENOTFOUND'), call());
    expect(failure).toMatchObject({
      code: 'vault-unavailable',
      reason: 'vault-not-found',
      fix: { owner: 'resource-owner' },
    });
  });

  test('circular errors are read to an end', () => {
    const error = new Error(FOREIGN);
    error.cause = error;
    expect(vaultFailure(error, call()).code).toBe('vault-unavailable');
  });

  test('our own failure stays unchanged', () => {
    const ours = new ServiceError('home-credential-rejected', 'no secret');
    expect(vaultFailure(ours, call())).toBe(ours);
  });
});
