import type { KeyObject } from 'node:crypto';
import { type Gcm, type GcmKey, javascriptGcm } from '../../src/format/aes-gcm.ts';
import { deriveContentKey } from '../../src/format/compact.ts';
import { nativeGcm } from '../../src/format/native-gcm.ts';
import { builtModule } from './native-module.ts';

declare global {
  /** Set by Jest's projects, one of which repeats tests with the native module: jest.config.js. */
  var usesNativeModule: boolean | undefined;
}

const isNative = globalThis.usesNativeModule === true;

/** The setting of services under test. Benches and long suites have the one of production. */
export const accelerator = globalThis.usesNativeModule === undefined ? 'auto' : isNative ? 'required' : 'off';

/** The implementation of AES-256-GCM under test. */
export const gcm: Gcm = isNative ? nativeGcm(builtModule()) : javascriptGcm;

/** Returns the content key of a leaf's message under a context. */
export const contentKeyOf = (leafKey: KeyObject, context: Uint8Array | undefined): GcmKey =>
  gcm.keyOfOneUse(deriveContentKey(leafKey, context));
