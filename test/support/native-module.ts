import { createRequire } from 'node:module';
import { type GcmKey, javascriptGcm, TAG_BYTES } from '../../src/format/aes-gcm.ts';
import { IV_BYTES } from '../../src/format/iv-pool.ts';
import type { NativeModule } from '../../src/format/native-gcm.ts';
import { partsOf } from './jwe-parts.ts';

/** Returns the native module itself, which must have been built. */
export const builtModule = (): NativeModule =>
  createRequire(import.meta.url)('../../native/vaultspan-native.node') as NativeModule;

const [MAX_AAD, MAX_TEXT] = [2_048, 4_096];
const [KEY_AT, KEY_BYTES, AAD_AT] = [0, 32, 32];
const IV_AT = AAD_AT + MAX_AAD;
const TEXT_AT = IV_AT + IV_BYTES;
const MESSAGE_AT = TEXT_AT + MAX_TEXT + TAG_BYTES;
const SCRATCH_BYTES = MESSAGE_AT + 8_192;

/** Returns a module that does by node:crypto what the native one does, for machines without Rust. */
export function moduleDouble(): NativeModule {
  const partsIn = (scratch: Buffer, aadBytes: number, textBytes: number) => ({
    aad: Buffer.from(scratch.subarray(AAD_AT, AAD_AT + aadBytes)),
    iv: Buffer.from(scratch.subarray(IV_AT, TEXT_AT)),
    text: scratch.subarray(TEXT_AT, TEXT_AT + textBytes),
    tag: Buffer.from(scratch.subarray(TEXT_AT + textBytes, TEXT_AT + textBytes + TAG_BYTES)),
  });
  const takeKey = (scratch: Buffer): GcmKey => {
    const key = javascriptGcm.lastingKey(scratch.subarray(KEY_AT, KEY_BYTES));
    scratch.fill(0, KEY_AT, KEY_BYTES);
    return key;
  };
  const seal = (key: GcmKey, scratch: Buffer, aadBytes: number, textBytes: number) => {
    const { aad, iv, text } = partsIn(scratch, aadBytes, textBytes);
    const message = key.seal(aad, iv, text);
    scratch.write(message, MESSAGE_AT, 'latin1');
    partsOf(message, aad).ciphertext.copy(text);
  };
  const open = (key: GcmKey, scratch: Buffer, aadBytes: number, textBytes: number) => {
    const { aad, iv, text, tag } = partsIn(scratch, aadBytes, textBytes);
    const opened = key.open({ aad, iv, ciphertext: Buffer.from(text), tag });
    opened?.copy(text);
    return opened !== undefined;
  };
  return {
    ...{ KEY_AT, KEY_BYTES, AAD_AT, MAX_AAD, IV_AT, TEXT_AT, MAX_TEXT, MESSAGE_AT, SCRATCH_BYTES },
    newKey: (bytes) => javascriptGcm.lastingKey(bytes),
    seal: (key, scratch, ...lengths) => seal(key as GcmKey, scratch, ...lengths), // as newKey made it
    sealOnce: (scratch, ...lengths) => seal(takeKey(scratch), scratch, ...lengths),
    open: (key, scratch, ...lengths) => open(key as GcmKey, scratch, ...lengths),
    openOnce: (scratch, ...lengths) => open(takeKey(scratch), scratch, ...lengths),
  };
}
