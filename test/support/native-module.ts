import { createRequire } from 'node:module';
import { type GcmKey, javascriptGcm } from '../../src/format/aes-gcm.ts';
import type { NativeModule } from '../../src/format/native-gcm.ts';

/** Returns the native module itself, which must have been built. */
export const builtModule = (): NativeModule =>
  createRequire(import.meta.url)('../../native/vaultspan-native.node') as NativeModule;

const [KEY_BYTES, MAX_AAD, MAX_TEXT] = [32, 2_048, 4_096];
const MESSAGE_AT = MAX_TEXT;
const SEALING_BYTES = MESSAGE_AT + 8_192;

/** Returns a double of the native module for machines without Rust: it uses node:crypto. */
export function moduleDouble(): NativeModule {
  const seal = (key: GcmKey, aad: Buffer, iv: Buffer, text: Uint8Array, sealing: Buffer) => {
    sealing.write(key.seal(aad, iv, text), MESSAGE_AT, 'latin1');
  };
  const open = (key: GcmKey, aad: Buffer, bytes: Buffer, at: number, text: Buffer) => {
    const opened = key.open({ aad, bytes, at, ciphertextBytes: text.length });
    opened?.copy(text);
    return opened !== undefined;
  };
  return {
    ...{ KEY_BYTES, MAX_AAD, MAX_TEXT, MESSAGE_AT, SEALING_BYTES },
    newKey: (bytes) => javascriptGcm.lastingKey(bytes),
    seal: (key, ...parts) => seal(key as GcmKey, ...parts), // as newKey made it
    sealOnce: (key, ...parts) => seal(javascriptGcm.keyOfOneUse(key), ...parts),
    open: (key, ...parts) => open(key as GcmKey, ...parts),
    openOnce: (key, ...parts) => open(javascriptGcm.keyOfOneUse(key), ...parts),
    sealTexts: (key, aad, ivs, bytes, ends, before, after, answer) => {
      const sealed = { aad, list: { bytes, ends }, frame: { before, after } };
      (key as GcmKey).sealList(sealed, ivs).copy(answer); // as newKey made it
    },
    openTexts: (key, aad, bytes, ends, before, after, answer) => {
      const opened = (key as GcmKey).openList({ aad, list: { bytes, ends }, frame: { before, after } });
      opened?.copy(answer);
      return opened !== undefined;
    },
  };
}
