import type { Area } from './vault-access.ts';
import {
  createKey,
  deleteKey,
  getDeletedKey,
  getKey,
  importKey,
  keyOperation,
  listDeletedKeys,
  listKeys,
  listKeyVersions,
  purgeDeletedKey,
  recoverDeletedKey,
  rotateKey,
  updateKey,
} from './vault-keys.ts';
import type { VaultHandler } from './vault-request.ts';
import {
  deleteSecret,
  getDeletedSecret,
  getSecret,
  listDeletedSecrets,
  listSecrets,
  listSecretVersions,
  purgeDeletedSecret,
  recoverDeletedSecret,
  setSecret,
  updateSecret,
} from './vault-secrets.ts';

interface Route {
  readonly operation: string;
  readonly area: Area;
  readonly permission: string;
  readonly handler: VaultHandler;
}

interface RouteRow extends Route {
  readonly method: string;
  readonly pattern: readonly string[];
}

const row = (method: string, path: string, operation: string, permission: string, handler: VaultHandler): RouteRow => {
  const area = path.includes('secrets') ? 'secrets' : 'keys';
  return { method, pattern: path.split('/'), operation, area, permission, handler };
};

const cryptography = (['wrapKey', 'unwrapKey', 'encrypt', 'decrypt', 'sign', 'verify'] as const).flatMap(
  (operation) => {
    const handler = keyOperation(operation);
    const word = operation.toLowerCase();
    return [
      row('POST', `keys/:name/:version/${word}`, operation, operation, handler),
      row('POST', `keys/:name/${word}`, operation, operation, handler),
    ];
  },
);

/** In the order of matching: fixed words come before `:version`. */
const rows: readonly RouteRow[] = [
  ...cryptography,
  row('GET', 'keys/:name/versions', 'getKeyVersions', 'list', listKeyVersions),
  row('GET', 'keys/:name/:version', 'getKey', 'get', getKey),
  row('GET', 'keys/:name', 'getKey', 'get', getKey),
  row('GET', 'keys', 'getKeys', 'list', listKeys),
  row('POST', 'keys/:name/create', 'createKey', 'create', createKey),
  row('POST', 'keys/:name/rotate', 'rotateKey', 'rotate', rotateKey),
  row('PUT', 'keys/:name', 'importKey', 'import', importKey),
  row('PATCH', 'keys/:name/:version', 'updateKey', 'update', updateKey),
  row('PATCH', 'keys/:name', 'updateKey', 'update', updateKey),
  row('DELETE', 'keys/:name', 'deleteKey', 'delete', deleteKey),
  row('GET', 'deletedkeys', 'getDeletedKeys', 'list', listDeletedKeys),
  row('GET', 'deletedkeys/:name', 'getDeletedKey', 'get', getDeletedKey),
  row('DELETE', 'deletedkeys/:name', 'purgeDeletedKey', 'purge', purgeDeletedKey),
  row('POST', 'deletedkeys/:name/recover', 'recoverDeletedKey', 'recover', recoverDeletedKey),
  row('GET', 'secrets/:name/versions', 'getSecretVersions', 'list', listSecretVersions),
  row('GET', 'secrets/:name/:version', 'getSecret', 'get', getSecret),
  row('GET', 'secrets/:name', 'getSecret', 'get', getSecret),
  row('GET', 'secrets', 'getSecrets', 'list', listSecrets),
  row('PUT', 'secrets/:name', 'setSecret', 'set', setSecret),
  row('PATCH', 'secrets/:name/:version', 'updateSecret', 'set', updateSecret),
  row('PATCH', 'secrets/:name', 'updateSecret', 'set', updateSecret),
  row('DELETE', 'secrets/:name', 'deleteSecret', 'delete', deleteSecret),
  row('GET', 'deletedsecrets', 'getDeletedSecrets', 'list', listDeletedSecrets),
  row('GET', 'deletedsecrets/:name', 'getDeletedSecret', 'get', getDeletedSecret),
  row('DELETE', 'deletedsecrets/:name', 'purgeDeletedSecret', 'purge', purgeDeletedSecret),
  row('POST', 'deletedsecrets/:name/recover', 'recoverDeletedSecret', 'recover', recoverDeletedSecret),
];

export const vaultOperations: readonly string[] = [...new Set(rows.map(({ operation }) => operation))];

export interface RouteMatch {
  readonly route: Route;
  readonly name: string;
  readonly version: string | undefined;
}

export function findRoute(method: string, segments: readonly string[]): RouteMatch | undefined {
  const route = rows.find((candidate) => candidate.method === method && matches(candidate.pattern, segments));
  if (route === undefined) return undefined;
  const isVersioned = route.pattern[2] === ':version';
  return { route, name: segments[1] ?? '', version: isVersioned ? segments[2] : undefined };
}

const matches = (pattern: readonly string[], segments: readonly string[]): boolean =>
  pattern.length === segments.length &&
  pattern.every((part, index) => part.startsWith(':') || part === segments[index]?.toLowerCase());
