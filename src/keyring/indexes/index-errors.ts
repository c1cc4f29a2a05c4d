import { ServiceError } from '../../errors.ts';

/** Returns the refusal while no version may be written: too young, not copied, or not enabled. */
export const notReady = (isBound: boolean): ServiceError =>
  new ServiceError(
    'registry-unavailable',
    isBound ? 'No key of the index may be used yet' : 'This database may not make keys: it was not enabled',
    {
      reason: 'index-not-ready',
      retryAfter: 5,
      ...(!isBound && {
        fix: { owner: 'vendor', action: 'Enable this database once', command: 'vaultspan branch-keys enable' },
      }),
    },
  );

export const lostVersion = (version: number): ServiceError =>
  new ServiceError('registry-unavailable', `The database has lost version ${version} of the index`, {
    reason: 'index-key-missing',
    fix: { owner: 'vendor', action: 'Import the copies of the keys', command: 'vaultspan branch-keys import' },
  });

/** Returns the refusal of a row that this deployment did not write as it is. */
export const alteredKey = (cause?: unknown): ServiceError =>
  new ServiceError('registry-unavailable', 'A stored key of the index is not as this service wrote it', {
    reason: 'index-key-altered',
    fix: {
      owner: 'vendor',
      action: 'Find the altered row and restore it from the copies',
      command: 'vaultspan branch-keys verify',
    },
    ...(cause !== undefined && { cause }),
  });

/** Returns the refusal of a deterministic value whose version has no key. */
export const unknownVersion = (isRetired: boolean): ServiceError =>
  new ServiceError('unknown-key', 'The index has no key of the version that the value names', {
    reason: isRetired ? 'index-version-retired' : 'index-version-unknown',
    errors: [{ pointer: '', detail: `names a version that the index ${isRetired ? 'has retired' : 'does not have'}` }],
  });

/** Returns the refusal to retire a version that is not of the index. */
export const noSuchVersion = (): ServiceError =>
  new ServiceError('malformed-request', 'The index never had this version', {
    errors: [{ pointer: '/version', detail: 'is not a version of the index' }],
  });

export const tooManyVersions = (): ServiceError =>
  new ServiceError('index-version', 'The index has too many versions: retire an old one first', {
    reason: 'too-many',
    fix: { owner: 'vendor', action: 'Rewrite the rows of the oldest version, then retire it' },
  });

/** Returns the refusal to retire the version that is written, or a newer one. */
export const stillWritten = (): ServiceError =>
  new ServiceError('index-version', 'New values are written with this version, or it is newer', {
    reason: 'written',
    errors: [{ pointer: '/version', detail: 'is needed for writing' }],
  });

/** Returns the refusal to retire a version that some process may have written just now. */
export const justWritten = (waitMs: number): ServiceError =>
  new ServiceError('index-version', 'A process may have written this version until just now', {
    reason: 'just-written',
    retryAfter: Math.ceil(waitMs / 1_000),
    errors: [{ pointer: '/version', detail: 'was in use for writing until just now' }],
  });
