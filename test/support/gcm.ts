import type { KeyObject } from 'node:crypto';
import { createRequire } from 'node:module';
import { type Gcm, type GcmKey, type GcmParts, javascriptGcm } from '../../src/format/aes-gcm.ts';
import { deriveContentKey } from '../../src/format/compact.ts';
import { nativeGcm } from '../../src/format/native-gcm.ts';

declare global {
  /** Set by Jest's projects, one of which repeats tests with the native module: jest.config.js. */
  var usesNativeModule: boolean | undefined;
}

const isNative = globalThis.usesNativeModule === true;

/** The setting of services under test. Benches and long suites have the one of production. */
export const accelerator = globalThis.usesNativeModule === undefined ? 'auto' : isNative ? 'required' : 'off';

/** Returns the implementation of the native module, which must have been built. */
const openNativeGcm = (): Gcm => nativeGcm(createRequire(import.meta.url)('../../native/vaultspan-native.node'));

/** The implementation of AES-256-GCM under test. */
export const gcm: Gcm = isNative ? openNativeGcm() : javascriptGcm;

/** Returns the content key of a leaf's message under a context. */
export const contentKeyOf = (leafKey: KeyObject, context: Uint8Array | undefined): GcmKey =>
  gcm.keyOfOneUse(deriveContentKey(leafKey, context));

/** Returns the parts of `IV.CIPHERTEXT.TAG`, each in memory of its own. */
export function partsOf(message: string, aad: Buffer): GcmParts {
  const [iv, ciphertext, tag] = message.split('.').map((text) => Buffer.from(text, 'base64url'));
  if (!iv || !ciphertext || !tag) throw new Error('three segments');
  return { aad, iv, ciphertext, tag };
}
