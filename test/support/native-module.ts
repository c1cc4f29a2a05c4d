import { createRequire } from 'node:module';
import { type GcmKey, javascriptGcm } from '../../src/format/aes-gcm.ts';
import type { NativeModule, OpenAll, OpenTexts, SealTexts } from '../../src/format/native-gcm.ts';

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
  const sealTexts: SealTexts<GcmKey> = (key, aad, ivs, bytes, ends, before, after, answer) => {
    key.sealList({ aad, list: { bytes, ends }, frame: { before, after } }, ivs).copy(answer);
  };
  const openTexts: OpenTexts<GcmKey> = (key, aad, bytes, ends, before, after, answer) => {
    const opened = key.openList({ aad, list: { bytes, ends }, frame: { before, after } });
    opened?.copy(answer);
    return opened !== undefined;
  };
  const openAll: OpenAll<GcmKey> = (key, aad, bytes, ends, texts) => {
    const opened = key.openAll({ aad, list: { bytes, ends } });
    opened?.bytes.copy(texts);
    return opened !== undefined;
  };
  return {
    ...{ KEY_BYTES, MAX_AAD, MAX_TEXT, MESSAGE_AT, SEALING_BYTES },
    newKey: (bytes) => javascriptGcm.lastingKey(bytes),
    seal: (key, ...parts) => seal(key as GcmKey, ...parts), // as newKey made it
    sealOnce: (key, ...parts) => seal(javascriptGcm.keyOfOneUse(key), ...parts),
    open: (key, ...parts) => open(key as GcmKey, ...parts),
    openOnce: (key, ...parts) => open(javascriptGcm.keyOfOneUse(key), ...parts),
    sealTexts: (key, ...parts) => sealTexts(key as GcmKey, ...parts),
    sealTextsOnce: (key, ...parts) => sealTexts(javascriptGcm.keyOfOneUse(key), ...parts),
    openTexts: (key, ...parts) => openTexts(key as GcmKey, ...parts),
    openTextsOnce: (key, ...parts) => openTexts(javascriptGcm.keyOfOneUse(key), ...parts),
    openAll: (key, ...parts) => openAll(key as GcmKey, ...parts),
    openAllOnce: (key, ...parts) => openAll(javascriptGcm.keyOfOneUse(key), ...parts),
  };
}
