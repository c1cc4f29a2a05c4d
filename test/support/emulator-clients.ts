import tls from 'node:tls';
import { ClientSecretCredential } from '@azure/identity';
import { KeyClient } from '@azure/keyvault-keys';
import { SecretClient } from '@azure/keyvault-secrets';
import { type Emulator, type EmulatorOptions, startEmulator } from '../../src/emulator/emulator.ts';
import { rsaKeys } from './rsa-keys.ts';

export const VAULT_SCOPE = 'https://vault.azure.net/.default';
export const WRAP_ROLE = 'Key Vault Crypto Service Encryption User';

type Credential = ConstructorParameters<typeof KeyClient>[1];

/** Starts an emulator that this process's TLS trusts. */
export async function startTrusted(options: Partial<EmulatorOptions> = {}): Promise<Emulator> {
  const emulator = await startEmulator({ firstPort: 0, rsaKeys: rsaKeys(), ...options });
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), emulator.caPem]);
  return emulator;
}

/**
 * Returns the SDK's options as the service uses it against an emulator; failures show at once,
 * without retries.
 */
export const authorityOptions = (emulator: Emulator) => ({
  authorityHost: emulator.authorityHost,
  disableInstanceDiscovery: true,
  retryOptions: { maxRetries: 0 },
});

export const vaultOptions = { disableChallengeResourceVerification: true, retryOptions: { maxRetries: 0 } };

export function customerNamed(emulator: Emulator, name: string): Emulator['customers'][number] {
  const customer = emulator.customers.find((candidate) => candidate.name === name);
  if (customer === undefined) throw new Error(`No customer ${name}`);
  return customer;
}

/** Returns the vendor's app, which signs in to a customer's tenant with a new secret of its own. */
export async function appCredential(emulator: Emulator, customer: string): Promise<ClientSecretCredential> {
  const { value } = await emulator.control.addAppSecret();
  const { tenantId } = customerNamed(emulator, customer);
  return new ClientSecretCredential(tenantId, emulator.appId, value, authorityOptions(emulator));
}

export const keyClientOf = async (emulator: Emulator, customer: string, credential?: Credential): Promise<KeyClient> =>
  new KeyClient(
    customerNamed(emulator, customer).vaultUrl,
    credential ?? (await appCredential(emulator, customer)),
    vaultOptions,
  );

export const secretClientOf = async (emulator: Emulator, customer: string): Promise<SecretClient> =>
  new SecretClient(customerNamed(emulator, customer).vaultUrl, await appCredential(emulator, customer), vaultOptions);

/** Returns the error of a promise, as plain members that a test can match. */
export async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  try {
    await promise;
  } catch (error) {
    return describe(error as SdkError);
  }
  throw new Error('It should have failed');
}

export interface Failure {
  readonly message: string;
  readonly statusCode?: number;
  readonly code?: string;
  /** Key Vault's `innererror`, as the SDK reports it. */
  readonly inner?: string;
  /** Entra's number. */
  readonly aadsts?: number;
}

interface SdkError extends Error {
  readonly statusCode?: number;
  readonly code?: string;
  readonly details?: { readonly error?: { readonly innerError?: { readonly code?: string } } };
}

function describe(error: SdkError): Failure {
  const inner = error.details?.error?.innerError?.code;
  const number = /AADSTS(\d+)/.exec(error.message)?.[1];
  return {
    message: error.message,
    ...(error.statusCode !== undefined && { statusCode: error.statusCode }),
    ...(error.code !== undefined && { code: error.code }),
    ...(inner !== undefined && { inner }),
    ...(number !== undefined && { aadsts: Number(number) }),
  };
}

export interface JsonReply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Sends a request without the SDK, in forms that the SDK never sends. */
export async function fetchJson(url: string, init?: RequestInit): Promise<JsonReply> {
  const response = await fetch(url, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) };
}

export const postForm = (url: string, form: Readonly<Record<string, string>>): Promise<JsonReply> =>
  fetchJson(url, { method: 'POST', body: new URLSearchParams(form) });
