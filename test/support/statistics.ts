/** Returns the middle value, the upper one of two; NaN for none. */
export const median = (values: readonly number[]): number => percentile(values, 0.5);

/** Returns the value below which this part (0 to 1) of the values lies; NaN for none. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** Returns the median of the least quarter: of the turns that other work disturbed least. */
export const leastQuarter = (values: readonly number[]): number =>
  median([...values].sort((a, b) => a - b).slice(0, Math.ceil(values.length / 4)));
