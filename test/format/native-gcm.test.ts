import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { javascriptGcm } from '../../src/format/aes-gcm.ts';
import { nativeGcm } from '../../src/format/native-gcm.ts';
import { gcm } from '../support/gcm.ts';
import { partsOf } from '../support/jwe-parts.ts';
import { builtModule, moduleDouble } from '../support/native-module.ts';

const module = gcm.name === 'native' ? builtModule() : moduleDouble();
const bytes = randomBytes(32);
const aad = Buffer.from('a protected header');
const iv = randomBytes(12);
const reference = javascriptGcm.lastingKey(bytes);

/** Returns keys of both kinds, the calls that reach the module, and the memory for messages. */
function watched() {
  const calls: string[] = [];
  const seen: { sealing: Buffer } = { sealing: Buffer.alloc(0) };
  const watch =
    <A extends unknown[], R>(name: string, run: (...args: A) => R) =>
    (...args: A): R => {
      calls.push(name);
      const last = args.at(-1);
      if (name.startsWith('seal') && Buffer.isBuffer(last)) seen.sealing = last;
      return run(...args);
    };
  const own = nativeGcm({
    ...module,
    seal: watch('seal', module.seal),
    sealOnce: watch('sealOnce', module.sealOnce),
    open: watch('open', module.open),
    openOnce: watch('openOnce', module.openOnce),
  });
  calls.length = 0;
  return { lasting: own.lastingKey(bytes), once: own.keyOfOneUse(Buffer.from(bytes)), calls, seen };
}

describe('the native module', () => {
  test.each([0, 1, 4_095, 4_096])('seals and opens a text of %i bytes by one call each', (length) => {
    const { lasting, once, calls } = watched();
    const text = randomBytes(length);
    const message = reference.seal(aad, iv, text);
    for (const key of [lasting, once]) {
      expect(key.seal(aad, iv, text)).toBe(message);
      expect(key.open(partsOf(message, aad))).toEqual(text);
    }
    expect(calls).toEqual(['seal', 'open', 'sealOnce', 'openOnce']);
  });

  test.each([
    ['text', aad, 4_097],
    ['header', Buffer.alloc(2_049, 'a'), 16],
  ])('does not get a longer %s, which node:crypto seals and opens', (_what, header, length) => {
    const { lasting, once, calls } = watched();
    const text = randomBytes(length);
    const message = reference.seal(header, iv, text);
    for (const key of [lasting, once]) {
      expect(key.seal(header, iv, text)).toBe(message);
      expect(key.open(partsOf(message, header))).toEqual(text);
    }
    expect(calls).toEqual([]);
  });

  test('leaves no text and no key in the memory that gets its messages', () => {
    const { lasting, once, seen } = watched();
    const text = randomBytes(100);
    for (const key of [lasting, once]) {
      key.seal(aad, iv, text);
      expect(seen.sealing.length).toBe(module.SEALING_BYTES);
      expect(seen.sealing.includes(text)).toBe(false);
      expect(seen.sealing.includes(bytes)).toBe(false);
    }
  });

  test('is refused if its results differ from those of node:crypto', () => {
    expect(() => nativeGcm({ ...module, open: () => true })).toThrow('its results are wrong');
    expect(() => nativeGcm({ ...module, openOnce: () => true })).toThrow('its results are wrong');
    expect(() => nativeGcm({ ...module, seal: () => undefined })).toThrow('its results are wrong');
  });
});
