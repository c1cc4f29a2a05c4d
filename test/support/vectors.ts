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

interface CompactVector {
  readonly name: string;
  readonly branchKey: string;
  readonly branchId: string;
  readonly leafSalt: string;
  readonly K: string;
  readonly tid: string;
  readonly use: 'message' | 'stream';
  readonly context: Readonly<Record<string, string>>;
  readonly canonicalContext: string;
  readonly leafKey: string;
  readonly cek: string;
  readonly header: string;
  readonly iv: string;
  readonly plaintext: string;
  readonly message: string;
  readonly characters: number;
}

/** Compact messages and index keys, computed in Python; bytes are hexadecimal. */
export const compact = read('compact.json') as {
  readonly cases: readonly CompactVector[];
  readonly index: {
    readonly indexKey: string;
    readonly name: string;
    readonly version: number;
    readonly bits: number;
    readonly tokenKey: string;
    readonly value: string;
    readonly token: string;
    readonly sivKey: string;
    readonly deterministicEmptyContext: string;
    readonly deterministicWithContext: {
      readonly context: Readonly<Record<string, string>>;
      readonly value: string;
    };
  };
};
