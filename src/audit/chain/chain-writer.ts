import type { AuditEvent } from '../event.ts';
import { createClock, createSalts, encodeRecord, hashLine, type RecordHead, type Removal } from './chain.ts';
import { type LineKey, withMac } from './line-key.ts';
import { TenantSequences } from './tenant-sequences.ts';

/** The end of an earlier chain at the start of a new one. */
export interface ChainEnd {
  readonly chain: string;
  /** Sequence number and hash of its last whole line. */
  readonly sequence: number;
  readonly hash: string;
}

const NO_EVENT: Partial<AuditEvent> = {};

/**
 * Makes the lines of one chain, each with its newline. Lines encoded since the last `keep` are
 * provisional: the writer of the file reports how many of them reached the disk, and the chain
 * continues from there.
 */
export class ChainWriter {
  readonly chain: string;
  readonly #key: LineKey | undefined;
  readonly #salt = createSalts();
  readonly #clock = createClock();
  readonly #tenants = new TenantSequences();
  /** Hashes of the lines that are not kept yet. */
  #hashes: string[] = [];
  #keptSequence = 0;
  #keptHash: string | undefined;
  #lastHash: string | undefined;

  /** @param key makes the MACs of the lines; without it they have none */
  constructor(chain: string, key?: LineKey) {
    this.chain = chain;
    this.#key = key;
  }

  open(at: number, continued: ChainEnd | undefined): string {
    const tenantSequence = this.#tenants.next(undefined);
    const head = {
      ...this.#head(at, 'open'),
      macKey: this.#key?.id,
      continues: continued?.hash,
      continuesChain: continued?.chain,
      continuesSequence: continued?.sequence,
    };
    return this.#line(encodeRecord(head, NO_EVENT, tenantSequence));
  }

  event(at: number, event: AuditEvent): string {
    const tenantSequence = this.#tenants.next(event.tenantId);
    return this.#line(encodeRecord(this.#head(at, 'event'), event, tenantSequence));
  }

  removed(at: number, removed: Removal): string {
    const tenantSequence = this.#tenants.next(undefined);
    return this.#line(encodeRecord({ ...this.#head(at, 'removed'), removed }, NO_EVENT, tenantSequence));
  }

  close(at: number): string {
    const tenantSequence = this.#tenants.next(undefined);
    return this.#line(encodeRecord(this.#head(at, 'close'), NO_EVENT, tenantSequence));
  }

  /** Keeps the first `count` lines made since the last call and discards the others. */
  keep(count: number): void {
    this.#tenants.keep(count);
    this.#keptHash = this.#hashes[count - 1] ?? this.#keptHash;
    this.#keptSequence += count;
    this.#lastHash = this.#keptHash;
    this.#hashes = [];
  }

  #head(at: number, type: RecordHead['type']): RecordHead {
    return {
      chain: this.chain,
      sequence: this.#keptSequence + this.#hashes.length,
      at: this.#clock(at),
      salt: this.#salt(),
      previous: this.#lastHash,
      type,
    };
  }

  #line(bare: string): string {
    const line = this.#key === undefined ? bare : withMac(bare, this.#key.mac(bare));
    this.#lastHash = hashLine(line);
    this.#hashes.push(this.#lastHash);
    return `${line}\n`;
  }
}
