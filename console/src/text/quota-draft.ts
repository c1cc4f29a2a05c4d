import type { Tenant } from '../api/types.ts';

/** A quota as it stands in the form; all empty: none of its own. */
export interface QuotaDraft {
  readonly operations: string;
  readonly bytes: string;
  readonly periodSeconds: string;
}

export type QuotaFaults = Partial<Record<keyof QuotaDraft, string>>;

const MOST = 999_999_999_999_999;
const [SHORTEST_SECONDS, LONGEST_SECONDS] = [60, 31 * 86_400];

export const draftOfQuota = ({ quota }: Pick<Tenant, 'quota'>): QuotaDraft => ({
  operations: textOf(quota?.operations),
  bytes: textOf(quota?.bytes),
  periodSeconds: textOf(quota?.periodSeconds),
});

/** Returns the `quota` of a merge patch that the draft stands for, or what is wrong with it. */
export function quotaOf(draft: QuotaDraft): { readonly quota: object | null } | { readonly faults: QuotaFaults } {
  if (Object.values(draft).every((text) => text.trim() === '')) return { quota: null };
  const { operations, bytes, periodSeconds } = draft;
  const seconds = numberOf(periodSeconds) ?? 0;
  const faults: QuotaFaults = {
    ...(isAmount(operations) ? {} : { operations: 'Must be a whole number' }),
    ...(isAmount(bytes) ? {} : { bytes: 'Must be a whole number' }),
    ...(seconds >= SHORTEST_SECONDS && seconds <= LONGEST_SECONDS
      ? {}
      : { periodSeconds: `Must be ${SHORTEST_SECONDS} to ${LONGEST_SECONDS} seconds` }),
    ...(operations.trim() === '' && bytes.trim() === '' ? { operations: 'Operations or bytes are needed' } : {}),
  };
  if (Object.keys(faults).length > 0) return { faults };
  // In a merge patch `null` removes a limit that the record had.
  const limits = { operations: numberOf(operations) ?? null, bytes: numberOf(bytes) ?? null };
  return { quota: { ...limits, periodSeconds: seconds } };
}

const isAmount = (text: string): boolean => {
  const value = numberOf(text);
  return text.trim() === '' || (value !== undefined && value >= 1 && value <= MOST);
};
const numberOf = (text: string): number | undefined => (/^\s*\d{1,15}\s*$/.test(text) ? Number(text) : undefined);
const textOf = (value: number | undefined): string => (value === undefined ? '' : String(value));
