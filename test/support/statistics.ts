/** The middle value, the upper one of two; NaN of nothing. */
export const median = (values: readonly number[]): number => percentile(values, 0.5);

/** The value below which this part (0 to 1) of the values lies; NaN of nothing. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
