import type { Cloud } from '../cloud.ts';
import type { Exchange } from '../exchange.ts';
import type { Answer } from '../listener.ts';
import type { Log } from '../request-log.ts';
import type { VaultState } from '../state.ts';
import { findRoute } from './vault-routes.ts';

/**
 * A row of a vault's own log, with the columns of the table AZKVAuditLogs that the service's
 * customers join on.
 */
export interface AuditEventRow {
  /** ISO 8601. */
  readonly TimeGenerated: string;
  /** Short name of the vault. */
  readonly Resource: string;
  readonly Category: 'AuditEvent';
  readonly OperationName: string;
  readonly ResultType: 'Success' | 'Failed';
  readonly HttpStatusCode: number;
  /** `x-ms-request-id` of the answer. The row does not contain the client's own id. */
  readonly CorrelationId: string;
  /** URL of the key or secret, with the version that the request named. */
  readonly Id: string;
  readonly RequestUri: string;
  readonly CallerIpAddress: string;
  /** `claim.appid` is absent when no token was accepted. */
  readonly Identity: { readonly claim: { readonly appid?: string } };
}

/**
 * Names of AuditEvent: https://learn.microsoft.com/azure/key-vault/general/logging. Secrets use the
 * same words.
 */
const NAMES: Readonly<Record<string, string>> = {
  getKey: 'KeyGet',
  getKeys: 'KeyList',
  getKeyVersions: 'KeyListVersions',
  createKey: 'KeyCreate',
  importKey: 'KeyImport',
  updateKey: 'KeyUpdate',
  rotateKey: 'KeyRotate',
  deleteKey: 'KeyDelete',
  getDeletedKey: 'KeyGetDeleted',
  getDeletedKeys: 'KeyListDeleted',
  recoverDeletedKey: 'KeyRecover',
  purgeDeletedKey: 'KeyPurge',
  wrapKey: 'KeyWrap',
  unwrapKey: 'KeyUnwrap',
  encrypt: 'KeyEncrypt',
  decrypt: 'KeyDecrypt',
  sign: 'KeySign',
  verify: 'KeyVerify',
  setKey: 'KeySet',
};

const nameOf = (operation: string): string =>
  operation.includes('Secret')
    ? (NAMES[operation.replace('Secret', 'Key')] ?? operation).replace('Key', 'Secret')
    : (NAMES[operation] ?? operation);

/**
 * Returns a function that adds a row for each answer of a vault. Like Azure, it also logs requests
 * without a token.
 */
export function auditOf(cloud: Cloud, vault: VaultState, log: Log<AuditEventRow>) {
  return (exchange: Exchange, { status, requestId }: Answer): void => {
    const match = findRoute(exchange.method, exchange.segments);
    const url = cloud.vaultUrl(vault.name);
    const version = match?.version === undefined ? '' : `/${match.version}`;
    log.add({
      TimeGenerated: new Date(cloud.now()).toISOString(),
      Resource: vault.name,
      Category: 'AuditEvent',
      OperationName: nameOf(match?.route.operation ?? 'Unknown'),
      ResultType: status < 400 ? 'Success' : 'Failed',
      HttpStatusCode: status,
      CorrelationId: requestId,
      Id: match ? `${url}/${match.route.area}/${match.name}${version}` : '',
      RequestUri: `${url}${exchange.path}`,
      CallerIpAddress: '127.0.0.1',
      Identity: { claim: exchange.appId === undefined ? {} : { appid: exchange.appId } },
    });
  };
}
