import type { KeyObject } from 'node:crypto';
import { type Gcm, type GcmKey, javascriptGcm } from '../../src/format/aes-gcm.ts';
import { deriveContentKey } from '../../src/format/compact.ts';
import { nativeGcm } from '../../src/format/native-gcm.ts';
import { builtModule } from './native-module.ts';

declare global {
  /**
   * Set for each test file by its Jest project, one of which repeats tests with the native module:
   * jest.config.js.
   */
  var usesNativeModule: boolean | undefined;
}

let native: Gcm | undefined;

/** Returns the implementation that the current test file is about. */
function currentGcm(): Gcm {
  if (globalThis.usesNativeModule !== true) return javascriptGcm;
  native ??= nativeGcm(builtModule());
  return native;
}

/**
 * Returns the setting of services under test. Benches and long suites have the one of production.
 */
export function acceleratorSetting(): 'auto' | 'required' | 'off' {
  if (globalThis.usesNativeModule === undefined) return 'auto';
  return globalThis.usesNativeModule ? 'required' : 'off';
}

/** The implementation of AES-256-GCM under test. */
export const gcm: Gcm = new Proxy(javascriptGcm, { get: (_target, member) => Reflect.get(currentGcm(), member) });

/** Returns the content key of a leaf's message under a context. */
export const contentKeyOf = (leafKey: KeyObject, context: Uint8Array | undefined): GcmKey =>
  gcm.keyOfOneUse(deriveContentKey(leafKey, context));
