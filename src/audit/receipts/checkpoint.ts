import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import { HASH_BYTES } from './tree.ts';

/** The content of a checkpoint (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** Names the log. */
  readonly origin: string;
  /** Number of entries. */
  readonly size: number;
  readonly root: Buffer;
  /** RFC 3339, UTC. */
  readonly at: string;
}

/** Signature type of ECDSA with SHA-256 in C2SP signed-note. */
const ECDSA = Buffer.of(2);
const KEY_ID_BYTES = 4;
const TEXT = /^([^\s+]+)\n(0|[1-9]\d{0,14})\n([A-Za-z0-9+/]{43}=)\ntimestamp (\d{4}-\d\d-\d\dT[\d:.]+Z)\n$/;
const SIGNATURE = /^— (\S+) ([A-Za-z0-9+/]+=*)$/;

/** Returns the text that is signed. Its extension line has the time. */
export const checkpointText = ({ origin, size, root, at }: Checkpoint): string =>
  `${origin}\n${size}\n${root.toString('base64')}\ntimestamp ${at}\n`;

/** Returns the first bytes of the SHA-256 of the public key (DER), which name an ECDSA key in notes. */
const keyIdOf = (publicKey: Uint8Array): Buffer => hash('sha256', publicKey, 'buffer').subarray(0, KEY_ID_BYTES);

/** Returns a signed note (C2SP signed-note). The log's key has the name of the log. */
export function signedNote(text: string, origin: string, publicKey: Uint8Array, signature: Uint8Array): string {
  return `${text}\n— ${origin} ${Buffer.concat([keyIdOf(publicKey), signature]).toString('base64')}\n`;
}

/** Returns the key as a verifier key of C2SP signed-note, for tools of transparency logs. */
export const verifierKey = (origin: string, publicKey: Uint8Array): string =>
  `${origin}+${keyIdOf(publicKey).toString('hex')}+${Buffer.concat([ECDSA, publicKey]).toString('base64')}`;

/** Returns the checkpoint in a note, without a check of its signature; undefined if it is none. */
export function parseCheckpoint(note: string): Checkpoint | undefined {
  const [, origin, size, root = '', at] = TEXT.exec(note.slice(0, note.indexOf('\n\n') + 1)) ?? [];
  if (origin === undefined || at === undefined) return undefined;
  const bytes = Buffer.from(root, 'base64');
  return bytes.length === HASH_BYTES ? { origin, size: Number(size), root: bytes, at } : undefined;
}

/** Returns whether one of the keys signed the note as the log that it names. */
export function isSigned(note: string, keys: readonly KeyObject[]): boolean {
  const end = note.indexOf('\n\n') + 1;
  const [origin] = note.split('\n', 1);
  const signatures = note
    .slice(end + 1)
    .split('\n')
    .map((line) => SIGNATURE.exec(line));
  return keys.some((key) => {
    const id = keyIdOf(key.export({ type: 'spki', format: 'der' }));
    return signatures.some((found) => {
      const bytes = Buffer.from(found?.[2] ?? '', 'base64');
      if (found?.[1] !== origin || !id.equals(bytes.subarray(0, KEY_ID_BYTES))) return false;
      return verify('sha256', Buffer.from(note.slice(0, end)), key, bytes.subarray(KEY_ID_BYTES));
    });
  });
}

const PEM = /-----BEGIN PUBLIC KEY-----[\s\S]+?-----END PUBLIC KEY-----/g;

/** Returns the P-256 public keys in a PEM text; none if it has another one. */
export function publicKeysIn(pem: string): readonly KeyObject[] {
  try {
    const keys = (pem.match(PEM) ?? []).map((text) => createPublicKey(text));
    return keys.every(({ asymmetricKeyDetails }) => asymmetricKeyDetails?.namedCurve === 'prime256v1') ? keys : [];
  } catch {
    return [];
  }
}
