import { readFileSync } from 'node:fs';
import { decodePrefix } from '../../src/format/stream-format.ts';
import { StreamOpener } from '../../src/format/stream-opener.ts';
import { StreamSealer } from '../../src/format/stream-sealer.ts';
import type { StreamTransform } from '../../src/format/stream-transform.ts';
import { systemRandom } from '../../src/lib/random.ts';

/** A header of an accepted length; other tests cover its content. */
export const JWE = 'eyJ.'.repeat(200);
export const FIRST = 1_048_520;
export const LATER = 1_048_560;
export const SEGMENT = 1_048_576;
/** Length of the bytes before Tink's part. */
export const PREFIX = 10 + JWE.length;

export const newStreamKey = () => Buffer.alloc(32, 'k');

/** Returns the whole output for pieces of these lengths, with the last one repeated. */
export function run(transform: StreamTransform, input: Buffer, lengths: readonly number[] = [65_536]): Buffer {
  const out: Buffer[] = [];
  let at = 0;
  for (let turn = 0; at < input.length; turn += 1) {
    const length = Math.max(1, lengths[Math.min(turn, lengths.length - 1)] ?? 1);
    out.push(...transform.push(Buffer.from(input.subarray(at, at + length))));
    at += length;
  }
  out.push(...transform.end());
  return Buffer.concat(out);
}

export const sealStream = (plaintext: Buffer, lengths?: readonly number[]): Buffer =>
  run(new StreamSealer(newStreamKey(), JWE, systemRandom), plaintext, lengths);

export function openStream(stream: Buffer, lengths?: readonly number[], streamKey = newStreamKey()): Buffer {
  const prefix = decodePrefix(stream);
  if (!prefix) throw new Error('no prefix');
  return run(new StreamOpener(streamKey), stream.subarray(prefix.bytes), lengths);
}

interface StreamVector {
  readonly file: string;
  readonly tenantId: string;
  readonly encryptionContext: Readonly<Record<string, string>>;
  readonly streamKey: string;
  readonly plaintextLength: number;
  readonly plaintextSha256: string;
}

export const streams = JSON.parse(readFileSync(new URL('../vectors/stream.json', import.meta.url), 'utf8')) as {
  readonly cases: readonly StreamVector[];
};

export const streamFile = (name: string): Buffer => readFileSync(new URL(`../vectors/${name}`, import.meta.url));
