import { readFile } from 'node:fs/promises';
import type { TokenCredential } from '@azure/core-auth';
import { decodeJwt, type JWTPayload } from 'jose';
import { ServiceError } from '../../errors.ts';
import { withinDeadline } from '../deadline.ts';

export interface ManagedIdentityTokenOptions {
  /** The managed identity of this machine, with translated failures. */
  readonly identity: TokenCredential;
  readonly audience: string;
  readonly deadlineMs: number;
}

/**
 * Returns a token of the machine's managed identity. Entra accepts only a user-assigned one:
 * https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity
 * @throws ServiceError
 */
export async function managedIdentityToken(options: ManagedIdentityTokenOptions): Promise<string> {
  const { identity, audience, deadlineMs } = options;
  const answer = await withinDeadline(
    deadlineMs,
    (abortSignal) => identity.getToken(`${audience}/.default`, { abortSignal }),
    (error) => error instanceof ServiceError && error.code === 'identity-unavailable',
  );
  const token = answer?.token ?? '';
  if (isSystemAssigned(token)) throw systemAssigned();
  return token;
}

/**
 * Returns whether the identity is system-assigned. `xms_mirid` is the resource id of the identity,
 * or of the machine for a system-assigned one.
 */
function isSystemAssigned(token: string): boolean {
  const { xms_mirid: resourceId } = claimsOf(token);
  return typeof resourceId === 'string' && !/\/microsoft\.managedidentity\/userassignedidentities\//i.test(resourceId);
}

function claimsOf(token: string): JWTPayload {
  try {
    return decodeJwt(token);
  } catch {
    return {}; // Entra refuses an invalid JWT
  }
}

/**
 * Returns the token that Kubernetes projects for the pod's service account; it is renewed in place,
 * so it is read each time.
 * @throws ServiceError
 */
export async function projectedToken(file: string): Promise<string> {
  let text: string;
  try {
    text = (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw noProjectedToken(file, error);
  }
  if (!JWT.test(text)) throw noProjectedToken(file);
  return text;
}

const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

const systemAssigned = (): ServiceError =>
  new ServiceError('home-credential-rejected', "This machine's identity is system-assigned, which no app can trust", {
    reason: 'system-assigned-identity',
    retryAfter: 10,
    fix: {
      owner: 'vendor',
      action:
        'Create a user-assigned managed identity, assign it to the machine, and name its client id in home.managedIdentityClientId',
    },
  });

const noProjectedToken = (file: string, cause?: unknown): ServiceError =>
  new ServiceError('home-credential-rejected', `${file} contains no service account token`, {
    reason: 'no-platform-identity',
    retryAfter: 10,
    fix: {
      owner: 'vendor',
      action:
        'Enable workload identity on the cluster, label the pod azure.workload.identity/use: "true", and set home.federatedTokenFile if the token is elsewhere',
    },
    cause,
  });
