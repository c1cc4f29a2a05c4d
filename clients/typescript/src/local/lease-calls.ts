import type { Access } from '../access.ts';
import { itemMembers, textMember, unexpectedAnswer } from '../answers.ts';
import { fromBase64 } from '../bytes.ts';
import { Coalescer } from '../coalescer.ts';
import type { EncryptionContext } from '../context.ts';
import { Deadline } from '../deadline.ts';
import type { components } from '../generated/api.ts';
import { retrying } from '../retry.ts';
import type { Transport } from '../transport.ts';
import type { UsageReport } from './usage.ts';

type Schemas = components['schemas'];

/** A lease, its key as bytes that the receiver overwrites after use. */
export type GivenLease = Omit<Schemas['LeaseResult'], 'key' | 'maxPlaintextBytes'> & {
  readonly key: Buffer;
  /** Absent in answers of older versions of the service. */
  readonly maxPlaintextBytes?: number;
};

/** The key of a leaf that an earlier lease sealed under. */
export interface OpenedLeaf {
  readonly kid: string;
  readonly key: Buffer;
  readonly expiresInSeconds: number;
}

/** A message that opens under the leaf that is asked for. */
export interface ProofMessage {
  readonly ciphertext: string;
  readonly encryptionContext?: EncryptionContext;
  /** The field's name where the message is a record's field. */
  readonly field?: string;
}

/** The service's calls on leases of one tenant. Only reports are tried again: the service can encrypt meanwhile. */
export interface LeaseCalls {
  create(alias: string | undefined): Promise<GivenLease>;
  open(proof: ProofMessage): Promise<OpenedLeaf>;
  report(leaseId: string, report: UsageReport): Promise<void>;
}

export interface LeaseCallsParts {
  readonly transport: Transport;
  readonly tenantId: string;
  readonly access: Access | undefined;
  readonly timeoutMs: number;
  /** Whether leases are asked for again, as there is no other way. */
  readonly isRequired: boolean;
}

const MESSAGES_PER_CALL = 100;
const BYTES_PER_CALL = 1_048_576;
const KEY_BYTES = 32;

/** Callers of one turn of the event loop share a call; one caller's cancellation does not end it. */
export function leaseCalls({ transport, tenantId, access, timeoutMs, isRequired }: LeaseCallsParts): LeaseCalls {
  const post = async <T>(path: string, body: unknown, isTriedAgain: boolean): Promise<T> => {
    const deadline = new Deadline(timeoutMs, undefined);
    const attempt = () => transport.json<T>({ tenantId, path, body, access, signal: deadline.signal });
    try {
      return await (isTriedAgain ? retrying(deadline, attempt) : attempt());
    } finally {
      deadline.release();
    }
  };
  let lane: Coalescer<ProofMessage, Schemas['OpenLeasesResultItem']> | undefined;
  const newLane = () =>
    new Coalescer<ProofMessage, Schemas['OpenLeasesResultItem']>({
      maxItems: MESSAGES_PER_CALL,
      maxBytes: BYTES_PER_CALL,
      maxWaitMs: 0,
      isTriedAgain: isRequired,
      onSent: () => {
        lane = undefined;
      },
      send: async (messages, signal) => {
        const call = { tenantId, path: 'leases/open', body: { messages }, items: messages.length, access, signal };
        return itemMembers(await transport.json<unknown>(call), messages.length) as readonly Schemas['OpenLeasesResultItem'][];
      },
    });
  return {
    create: async (alias) => {
      const lease = await post<Schemas['LeaseResult']>('leases', alias === undefined ? {} : { key: alias }, isRequired);
      if (!(lease.maxMessages > 0 && lease.maxBytes > 0)) throw unexpectedAnswer('the lease has no limits');
      return { ...lease, ...leafOf(lease), leaseId: textMember(lease, 'leaseId') };
    },
    open: async (proof) => {
      const deadline = new Deadline(timeoutMs, undefined);
      try {
        lane ??= newLane();
        return leafOf(await lane.add(proof, proof.ciphertext.length, deadline));
      } finally {
        deadline.release();
      }
    },
    report: (leaseId, report) => post(`leases/${leaseId}/usage`, report, true),
  };
}

/** @throws VaultspanError `unexpected-answer` for what is no leaf of a lease: its key must be the 32 bytes of HMAC-SHA-256 */
function leafOf(answer: { readonly expiresInSeconds?: number }): OpenedLeaf {
  const key = Buffer.from(fromBase64(textMember(answer, 'key')));
  const { expiresInSeconds = Number.NaN } = answer;
  if (key.length !== KEY_BYTES || !Number.isFinite(expiresInSeconds)) throw unexpectedAnswer('the answer has no key with an end');
  return { kid: textMember(answer, 'kid'), key, expiresInSeconds };
}
