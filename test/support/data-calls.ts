import type { SecondProcess } from './second-process.ts';
import { beginStream, postStream } from './stream-client.ts';

/** More than a segment, so that a stream's answer begins while its body continues. */
const PIECE = Buffer.alloc(1_100_000, 'p');
const plaintext = Buffer.from('an invoice').toString('base64');

/** A tenant's stored messages. */
export interface Sealed {
  readonly ciphertext: string;
  readonly stream: Buffer;
  /** A stream of more than two segments. */
  readonly long: Buffer;
}

/** The service to call, with a token that stays valid however far a test moves the clock. */
export interface Callee extends Pick<SecondProcess, 'url' | 'post'> {
  token(): string;
}

/** `ok`, or the code and the reason of the refusal; `cut` for a stream that had begun. */
type Told = string;
type Call = (callee: Callee, tenant: string, sealed: Sealed) => Promise<Told>;

interface Refused {
  readonly code?: string;
  readonly reason?: string;
}
const told = ({ code = 'ok', reason }: Refused): Told => (reason === undefined ? code : `${code} ${reason}`);

const json =
  (path: string, bodyOf: (sealed: Sealed) => object): Call =>
  async ({ post, token }, tenant, sealed) =>
    told((await post(`/tenants/${tenant}/${path}`, bodyOf(sealed), token())).body as Refused);

const batch =
  (path: string, itemOf: (sealed: Sealed) => object): Call =>
  async ({ post, token }, tenant, sealed) => {
    const { body } = await post(
      `/tenants/${tenant}/batch/${path}`,
      { items: [itemOf(sealed), itemOf(sealed)] },
      token(),
    );
    const items = (body as { items?: readonly { readonly error?: Refused }[] }).items ?? [{ error: body as Refused }];
    return [...new Set(items.map(({ error = {} }) => told(error)))].join(', ');
  };

const stream =
  (path: string, bodyOf: (sealed: Sealed) => Buffer): Call =>
  async (callee, tenant, sealed) =>
    told((await postStream(callee, `/tenants/${tenant}/streams/${path}`, { body: bodyOf(sealed) })).problem);

const jweOf = (sealed: Buffer): string => sealed.toString('latin1', 10, 10 + sealed.readUInt32BE(6));

/** Every call that seals new data. */
export const sealing: Readonly<Record<string, Call>> = {
  encrypt: json('encrypt', () => ({ plaintext })),
  'data-keys': json('data-keys', () => ({})),
  'batch/encrypt': batch('encrypt', () => ({ plaintext })),
  'streams/encrypt': stream('encrypt', () => Buffer.from('an invoice')),
};

/** Every call that opens sealed data. */
export const opening: Readonly<Record<string, Call>> = {
  decrypt: json('decrypt', ({ ciphertext }) => ({ ciphertext })),
  'batch/decrypt': batch('decrypt', ({ ciphertext }) => ({ ciphertext })),
  'streams/decrypt': stream('decrypt', ({ stream: sealed }) => sealed),
};

/** Every call that opens and seals again. */
export const resealing: Readonly<Record<string, Call>> = {
  rewrap: json('rewrap', ({ ciphertext }) => ({ ciphertext })),
  'batch/rewrap': batch('rewrap', ({ ciphertext }) => ({ ciphertext })),
  'streams/rewrap-header': json('streams/rewrap-header', ({ stream: sealed }) => ({ ciphertext: jweOf(sealed) })),
};

/** Begins streams, and continues them after `between`. */
export async function streamsAcross(
  callee: Callee,
  tenant: string,
  { long }: Sealed,
  between: () => Promise<void>,
): Promise<Readonly<Record<'encrypt' | 'decrypt', Told>>> {
  const begin = (path: string, body: Buffer) => beginStream(callee, `/tenants/${tenant}/streams/${path}`, { body });
  const encrypting = await begin('encrypt', PIECE);
  const decrypting = await begin('decrypt', long.subarray(0, PIECE.length));
  await between();
  encrypting.req.end(PIECE);
  decrypting.req.end(long.subarray(PIECE.length));
  const endOf = async (closed: Promise<boolean>) => ((await closed) ? 'ok' : 'cut');
  return { encrypt: await endOf(encrypting.closed), decrypt: await endOf(decrypting.closed) };
}

/**
 * Returns sealed messages.
 * @throws Error if one is not sealed
 */
export async function seal(callee: Callee, tenant: string): Promise<Sealed> {
  const { body } = await callee.post(`/tenants/${tenant}/encrypt`, { plaintext }, callee.token());
  const { ciphertext } = body as { readonly ciphertext?: string };
  const path = `/tenants/${tenant}/streams/encrypt`;
  const short = await postStream(callee, path, { body: Buffer.from('an invoice') });
  const long = await postStream(callee, path, { body: Buffer.concat([PIECE, PIECE]) });
  if (ciphertext === undefined || short.status !== 200 || long.status !== 200)
    throw new Error(`${tenant} seals nothing`);
  return { ciphertext, stream: short.body, long: long.body };
}
