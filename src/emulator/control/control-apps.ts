import { X509Certificate } from 'node:crypto';
import {
  type Cloud,
  epochSeconds,
  findPrincipal,
  getTenantByName,
  getVault,
  HOME,
  managedIdentity,
  vendorApp,
} from '../cloud.ts';
import { EXCHANGE_AUDIENCE } from '../entra/access-tokens.ts';
import { addAppSecret, newPrincipal } from '../seed.ts';
import type { AppSecret, ServicePrincipal } from '../state.ts';
import { generateMaterial, privateKeyOf } from '../vault/key-material.ts';
import { addVersion, secretShelf } from '../vault/vault-items.ts';
import { addKeyVersion } from '../vault/vault-keys.ts';
import { createSelfSigned } from '../x509/certificates.ts';
import type { Actions } from './control.ts';

const YEAR_SECONDS = 365 * 86_400;

type AppActions = Pick<
  Actions,
  | 'addApp'
  | 'removeApp'
  | 'disableApp'
  | 'enableApp'
  | 'blockByConditionalAccess'
  | 'unblock'
  | 'addAppSecret'
  | 'listAppSecrets'
  | 'removeAppSecret'
  | 'expireAppSecret'
  | 'addAppCertificate'
  | 'removeAppCertificate'
  | 'addFederatedCredential'
  | 'removeFederatedCredentials'
  | 'setTokenLifetime'
>;

/**
 * Returns the actions on the vendor's app: its service principals in customers' tenants, and its
 * credentials.
 */
export function appActions(cloud: Cloud): AppActions {
  const { state } = cloud;
  return {
    async addApp({ tenant: name }) {
      const tenant = getTenantByName(state, name);
      const principal = findPrincipal(tenant, state.appId) ?? newPrincipal(state.appId);
      if (!tenant.principals.includes(principal)) tenant.principals.push(principal);
      cloud.changed();
      return { objectId: principal.objectId };
    },
    async removeApp({ tenant: name }) {
      const tenant = getTenantByName(state, name);
      tenant.principals = tenant.principals.filter(({ appId }) => appId !== state.appId);
      cloud.changed();
    },
    disableApp: async ({ tenant }) => changePrincipal(cloud, tenant, { isEnabled: false }),
    enableApp: async ({ tenant }) => changePrincipal(cloud, tenant, { isEnabled: true }),
    blockByConditionalAccess: async ({ tenant }) =>
      changePrincipal(cloud, tenant, { isBlockedByConditionalAccess: true }),
    unblock: async ({ tenant }) => changePrincipal(cloud, tenant, { isBlockedByConditionalAccess: false }),

    async addAppSecret(order = {}) {
      const { keyId, value, expiresMs } = addAppSecret(cloud, order);
      return { keyId, value, expires: new Date(expiresMs).toISOString() };
    },
    async listAppSecrets() {
      return vendorApp(state).secrets.map(({ keyId, expiresMs }) => ({
        keyId,
        expires: new Date(expiresMs).toISOString(),
      }));
    },
    async removeAppSecret({ keyId } = {}) {
      const app = vendorApp(state);
      const removed = secretsOf(cloud, keyId);
      app.secrets = app.secrets.filter((secret) => !removed.includes(secret));
      cloud.changed();
    },
    async expireAppSecret({ keyId } = {}) {
      for (const secret of secretsOf(cloud, keyId)) secret.expiresMs = cloud.now();
      cloud.changed();
    },
    addAppCertificate: (order = {}) => addCertificate(cloud, order),
    async removeAppCertificate({ thumbprint } = {}) {
      const app = vendorApp(state);
      app.certificates = app.certificates.filter(
        (certificate) => thumbprint !== undefined && certificate.thumbprint !== thumbprint.toUpperCase(),
      );
      cloud.changed();
    },
    async addFederatedCredential({ issuer, subject, audience } = {}) {
      const credentials = vendorApp(state).federatedCredentials;
      credentials.push({
        name: `credential-${credentials.length + 1}`,
        issuer: issuer ?? `{authority}/${state.homeTenantId}/v2.0`,
        subject: subject ?? managedIdentity(state).objectId,
        audience: audience ?? EXCHANGE_AUDIENCE,
      });
      cloud.changed();
    },
    async removeFederatedCredentials() {
      vendorApp(state).federatedCredentials = [];
      cloud.changed();
    },
    async setTokenLifetime({ seconds }) {
      state.tokenLifetimeSeconds = seconds;
      cloud.changed();
    },
  };
}

function changePrincipal(
  cloud: Cloud,
  tenantName: string,
  change: Partial<Pick<ServicePrincipal, 'isEnabled' | 'isBlockedByConditionalAccess'>>,
): void {
  const principal = findPrincipal(getTenantByName(cloud.state, tenantName), cloud.state.appId);
  if (principal === undefined) throw new RangeError(`The app has not been added to tenant "${tenantName}" (add-app)`);
  Object.assign(principal, change);
  cloud.changed();
}

function secretsOf(cloud: Cloud, keyId: string | undefined): AppSecret[] {
  const { secrets } = vendorApp(cloud.state);
  if (keyId === undefined) return [...secrets];
  const found = secrets.filter((secret) => secret.keyId === keyId);
  if (found.length === 0) throw new RangeError(`The app has no secret with the key id "${keyId}" (list-app-secrets)`);
  return found;
}

async function addCertificate(
  cloud: Cloud,
  order: NonNullable<Parameters<Actions['addAppCertificate']>[0]>,
): ReturnType<Actions['addAppCertificate']> {
  const made = order.certPem === undefined ? await makeCertificate(cloud, order) : undefined;
  const certPem = made?.certPem ?? order.certPem ?? '';
  const thumbprint = new X509Certificate(certPem).fingerprint.replaceAll(':', '');
  vendorApp(cloud.state).certificates.push({ thumbprint, certPem });
  cloud.changed();
  return { thumbprint, certPem, ...(made !== undefined && { keyPem: made.keyPem }) };
}

/**
 * Makes a certificate. Key Vault keeps it as three things of one name and version; apps use the key
 * and the secret.
 */
async function makeCertificate(
  cloud: Cloud,
  order: NonNullable<Parameters<Actions['addAppCertificate']>[0]>,
): Promise<{ certPem: string; keyPem: string }> {
  const { storeAs, exportable = false, expiresInSeconds = YEAR_SECONDS } = order;
  const exp = epochSeconds(cloud) + expiresInSeconds;
  const home = getVault(cloud.state, HOME);
  const material = await generateMaterial('vault', 'RSA');
  const keyVersion = { ...material, version: '', enabled: true, created: 0, updated: 0, keyOps: [] };
  const privateKey = privateKeyOf(keyVersion);
  const certPem = createSelfSigned(privateKey, 'vaultspan', exp * 1000);
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  if (storeAs !== undefined) {
    const key = addKeyVersion(cloud, home, storeAs, material, { keyOps: ['sign', 'verify'], exp });
    const value = exportable ? `${keyPem}${certPem}` : certPem;
    const { version, enabled, created, updated } = key;
    const contentType = 'application/x-pem-file';
    addVersion(secretShelf(home), storeAs, { version, enabled, created, updated, exp, value, contentType });
  }
  return { certPem, keyPem };
}
