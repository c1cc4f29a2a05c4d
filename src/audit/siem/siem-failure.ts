import type { SiemTrouble } from './siem-table.ts';

type SiemReason =
  | 'siem-refused'
  | 'siem-rule-missing'
  | 'siem-rows-refused'
  | 'siem-too-large'
  | 'siem-sign-in'
  | 'siem-throttled'
  | 'siem-unavailable';

/** A delivery that a customer's SIEM did not accept. Its text has no text of a foreign error. */
export class SiemFailure extends Error {
  override readonly name = 'SiemFailure';
  readonly reason: SiemReason;
  /** What to do; absent if waiting helps. */
  readonly fix: { readonly action: string; readonly command?: string } | undefined;
  /** Seconds. */
  readonly retryAfter: number | undefined;

  constructor(
    reason: SiemReason,
    message: string,
    options: ErrorOptions & Partial<Pick<SiemFailure, 'fix' | 'retryAfter'>> = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.reason = reason;
    this.fix = options.fix;
    this.retryAfter = options.retryAfter;
  }

  get trouble(): SiemTrouble {
    return { reason: this.reason, fix: this.fix?.action };
  }
}
