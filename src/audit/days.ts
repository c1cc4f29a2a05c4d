export const DAY_MS = 86_400_000;

/** Returns the UTC day of a time, counted from 1970. */
export const dayOf = (at: number): number => Math.floor(at / DAY_MS);
