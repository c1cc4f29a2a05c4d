const MAX_DISTANCE = 2;

/**
 * Returns the known name that was probably meant: it differs in at most two letters or in case, or
 * one name contains the other. Returns undefined if none is near.
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const distance = distanceOf(name.toLowerCase(), candidate.toLowerCase());
    if (distance >= least) continue;
    nearest = candidate;
    least = distance;
  }
  return nearest;
}

/**
 * Returns the distance; infinite for names that are too far apart. A name within another counts as
 * one letter more than any spelling mistake.
 */
function distanceOf(a: string, b: string): number {
  const letters = editDistance(a, b);
  if (letters <= Math.min(MAX_DISTANCE, Math.floor(b.length / 2))) return letters;
  const isWithin = a.length >= 3 && b.length >= 3 && (b.includes(a) || a.includes(b));
  return isWithin ? MAX_DISTANCE + 1 : Number.POSITIVE_INFINITY;
}

/** Returns Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MAX_DISTANCE) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 0; i < a.length; i += 1) {
    const next: number[] = [i + 1];
    for (let j = 0; j < b.length; j += 1) {
      const replaced = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
