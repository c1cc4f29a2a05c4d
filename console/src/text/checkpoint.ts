export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly rootHash: string;
  readonly signedAt: string | undefined;
}

/** Returns what a C2SP tlog-checkpoint says, without verifying it; undefined if the text is none. */
export function checkpointOf(text: string): Checkpoint | undefined {
  const [origin, size = '', rootHash, ...rest] = text.split('\n');
  if (!origin || !/^\d{1,15}$/.test(size) || !rootHash) return undefined;
  const signedAt = rest.find((line) => line.startsWith('timestamp '))?.slice('timestamp '.length);
  return { origin, size: Number(size), rootHash, signedAt };
}
