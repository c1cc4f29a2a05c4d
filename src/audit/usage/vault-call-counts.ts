import { RepeatedRounds } from '../repeated-rounds.ts';
import { HOUR_MS, type UsageTable, type VaultCalls } from './usage-table.ts';

export interface VaultCallCountsOptions {
  readonly table: Pick<UsageTable, 'addVaultCalls'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onFailure: (error: unknown) => void;
}

const FLUSH_MS = 30_000;
/** While the database is unreachable, calls for further tenants are not counted. */
const MAX_COUNTS = 200_000;

/**
 * Counts the calls to each tenant's vaults. They are no audit records of their own, so each process
 * counts its own and adds them to the sums every 30 s: a killed process loses its last ones.
 */
export class VaultCallCounts {
  readonly #options: VaultCallCountsOptions;
  readonly #rounds: RepeatedRounds;
  #counts = new Map<string, VaultCalls & { calls: number }>();

  constructor(options: VaultCallCountsOptions) {
    this.#options = options;
    this.#rounds = new RepeatedRounds(
      () => this.#flush(),
      () => FLUSH_MS,
    );
  }

  count(tenantId: string): void {
    this.#add({ tenantId, at: this.#options.now(), calls: 1 });
  }

  /** Adds the counts to the sums now. Never rejects. */
  flush(): Promise<void> {
    return this.#rounds.run();
  }

  async close(): Promise<void> {
    await this.#rounds.close();
    await this.flush();
  }

  #add({ tenantId, at, calls }: VaultCalls): void {
    const key = `${tenantId} ${Math.floor(at / HOUR_MS)}`;
    const known = this.#counts.get(key);
    if (known) known.calls += calls;
    else if (this.#counts.size < MAX_COUNTS) this.#counts.set(key, { tenantId, at, calls });
  }

  async #flush(): Promise<void> {
    if (this.#counts.size === 0) return;
    const counts = [...this.#counts.values()];
    this.#counts = new Map();
    try {
      await this.#options.table.addVaultCalls(counts);
    } catch (error) {
      for (const count of counts) this.#add(count);
      this.#options.onFailure(error);
    }
  }
}
