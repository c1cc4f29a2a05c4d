/**
 * Returns rows as CSV with a header (RFC 4180). Its callers' values are numbers, times and ids of
 * letters, digits and hyphens, which need no quotes; any other text is quoted.
 */
export function encodeCsv(columns: readonly string[], rows: readonly object[]): string {
  const lines = rows.map((row) =>
    columns.map((name) => cellOf((row as Readonly<Record<string, unknown>>)[name])).join(','),
  );
  return [columns.join(','), ...lines, ''].join('\r\n');
}

const PLAIN = /^[\w.:-]*$/;

function cellOf(value: unknown): string {
  const text = value === undefined ? '' : String(value);
  return PLAIN.test(text) ? text : `"${text.replaceAll('"', '""')}"`;
}
