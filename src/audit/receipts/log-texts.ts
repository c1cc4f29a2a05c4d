const MAX_ENTRY_BYTES = 0xffff;

/** Returns an entry bundle of C2SP tlog-tiles; undefined if an entry is too long for its length field. */
export function bundleOf(lines: readonly string[]): Buffer | undefined {
  const parts: Buffer[] = [];
  for (const line of lines) {
    const bytes = Buffer.from(line);
    if (bytes.length > MAX_ENTRY_BYTES) return undefined;
    const length = Buffer.alloc(2);
    length.writeUInt16BE(bytes.length);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}

/** Returns a proof of one entry in the format of C2SP tlog-proof. */
export const inclusionText = (index: number, proof: readonly Buffer[], checkpoint: string): string =>
  `c2sp.org/tlog-proof@v1\nindex ${index}\n${linesOf(proof)}\n${checkpoint}`;

/** Returns a proof of consistency in the format that C2SP tlog-witness takes. */
export const consistencyText = (from: number, proof: readonly Buffer[], checkpoint: string): string =>
  `old ${from}\n${linesOf(proof)}\n${checkpoint}`;

const linesOf = (hashes: readonly Buffer[]): string => hashes.map((hash) => `${hash.toString('base64')}\n`).join('');
