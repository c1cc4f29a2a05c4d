/** A ratio's limit. */
interface Goal {
  readonly limit: number;
  readonly isLeast: boolean;
}

interface GoalsOfRow {
  /** CPU of OpenBao with its audit file ÷ ours, at least. */
  readonly audited?: number;
  /** CPU of OpenBao without audit ÷ ours, at least. */
  readonly plain?: number;
  /** Ours ÷ bare Express, at most. */
  readonly express?: number;
  /** Ours ÷ the least native server, at most: without our native module, and with it. */
  readonly floor?: readonly [number, number];
}

const GOALS: Readonly<Record<string, GoalsOfRow>> = {
  'encrypt 1 KiB': { audited: 6, express: 1, floor: [7, 7] },
  'decrypt 1 KiB': { audited: 6, express: 0.9, floor: [7, 7] },
  'data key': { audited: 5, express: 0.8 },
  'encrypt batch of 100 × 1 KiB': { audited: 9, express: 0.9, floor: [8, 3] },
  'decrypt batch of 100 × 1 KiB': { audited: 9, express: 1.1, floor: [8, 3] },
  'rewrap batch of 100 × 1 KiB': { audited: 6, express: 1.1 },
  'encrypt batch of 100 × 16 B': { plain: 1.5, express: 0.8, floor: [12, 4] },
  'decrypt batch of 100 × 16 B': { plain: 1.5, express: 1.1, floor: [12, 4] },
  'encrypt batch of 400 × 256 B': { audited: 6, express: 1 },
  'encrypt batch of 100 × 16 B, compact': { audited: 6, plain: 1.5, express: 0.8 },
  'decrypt batch of 100 × 16 B, compact': { audited: 6, plain: 1.5, express: 1.1 },
  'encrypt batch of 400 × 256 B, compact': { audited: 6, express: 1 },
  'encrypt 64 KiB': { audited: 13.7, express: 0.8 },
  'encrypt 1 MiB': { audited: 14, express: 0.85, floor: [4, 4] },
};

const atLeast = (limit: number | undefined): Goal | undefined =>
  limit === undefined ? undefined : { limit, isLeast: true };
const atMost = (limit: number | undefined): Goal | undefined =>
  limit === undefined ? undefined : { limit, isLeast: false };

export const hasGoals = (row: string): boolean => row in GOALS;

/** Returns the goals of a row's ratios. */
export function goalsOf(row: string, isNative: boolean) {
  const { audited, plain, express, floor } = GOALS[row] ?? {};
  return {
    audited: atLeast(audited),
    plain: atLeast(plain),
    express: atMost(express),
    floor: atMost(floor?.[isNative ? 1 : 0]),
  };
}

/** Returns a ratio with its goal as a cell of a table. */
export function ratioCell(ratio: number, goal?: Goal): string {
  const text = ratio.toFixed(ratio < 10 ? 2 : 1);
  if (!goal) return text;
  const isMet = goal.isLeast ? ratio >= goal.limit : ratio <= goal.limit;
  return `${text} (${goal.isLeast ? '≥' : '≤'} ${goal.limit}${isMet ? '' : ', missed'})`;
}
