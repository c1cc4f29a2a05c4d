import type { Access } from '../access.ts';
import { fromBase64 } from '../bytes.ts';
import { Coalescer } from '../coalescer.ts';
import type { EncryptionContext } from '../context.ts';
import { startDeadline } from '../deadline.ts';
import type { components } from '../generated/api.ts';
import { retrying } from '../retry.ts';
import type { Transport } from '../transport.ts';
import type { UsageReport } from './usage.ts';

type Schemas = components['schemas'];

/** A lease, its key as bytes that the receiver overwrites after use. */
export type GivenLease = Omit<Schemas['LeaseResult'], 'key'> & { readonly key: Buffer };

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

/** The service's calls on leases of one tenant. */
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
}

const MESSAGES_PER_CALL = 100;
const BYTES_PER_CALL = 1_048_576;

/** Callers of one turn of the event loop share a call; one caller's cancellation does not end it. */
export function leaseCalls({ transport, tenantId, access, timeoutMs }: LeaseCallsParts): LeaseCalls {
  const post = async <T>(path: string, body: unknown): Promise<T> => {
    const deadline = startDeadline(timeoutMs, undefined);
    try {
      return await retrying(deadline, () => transport.json<T>({ tenantId, path, body, access, signal: deadline.signal }));
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
      onSent: () => {
        lane = undefined;
      },
      send: async (messages, signal) =>
        (
          await transport.json<Schemas['OpenLeasesResult']>({
            tenantId,
            path: 'leases/open',
            body: { messages },
            items: messages.length,
            access,
            signal,
          })
        ).items as never,
    });
  return {
    create: async (alias) => {
      const lease = await post<Schemas['LeaseResult']>('leases', alias === undefined ? {} : { key: alias });
      return { ...lease, key: Buffer.from(fromBase64(lease.key)) };
    },
    open: async (proof) => {
      const deadline = startDeadline(timeoutMs, undefined);
      try {
        lane ??= newLane();
        const { kid = '', key = '', expiresInSeconds = 0 } = await lane.add(proof, proof.ciphertext.length, deadline);
        return { kid, key: Buffer.from(fromBase64(key)), expiresInSeconds };
      } finally {
        deadline.release();
      }
    },
    report: (leaseId, report) => post(`leases/${leaseId}/usage`, report),
  };
}
