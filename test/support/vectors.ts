import type { webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';

interface MessageVector {
  readonly tenantId: string;
  readonly kid: string;
  readonly encryptionContext: Readonly<Record<string, string>>;
  readonly canonicalContext: string | null;
  readonly header: string;
  readonly cek: string;
  readonly plaintext: string;
  readonly ciphertext: string;
}

interface NegativeVector {
  readonly name: string;
  readonly code: string;
  readonly tenantId: string;
  readonly encryptionContext: Readonly<Record<string, string>>;
  readonly ciphertext: string;
}

export const messages = read('message.json') as {
  readonly originKey: string;
  /** Private keys by key id. */
  readonly keys: Readonly<Record<string, webcrypto.JsonWebKey>>;
  readonly cases: readonly MessageVector[];
};

export const negatives = read('negative.json') as { readonly cases: readonly NegativeVector[] };

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8'));
}
