/** How a language writes the values of JSON. */
export interface Dialect {
  readonly text: (value: string) => string;
  readonly null: string;
  readonly boolean: (value: boolean) => string;
  /** The name of a member of an object. */
  readonly name: (value: string) => string;
  readonly objectPadding: '' | ' ';
  readonly indent: string;
}

const MAX_LINE = 90;

export const typescript: Dialect = {
  text: (value) => `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`,
  null: 'null',
  boolean: String,
  name: (value) => (/^[A-Za-z_$][\w$]*$/.test(value) ? value : typescript.text(value)),
  objectPadding: ' ',
  indent: '  ',
};

export const python: Dialect = {
  text: (value) => JSON.stringify(value),
  null: 'None',
  boolean: (value) => (value ? 'True' : 'False'),
  name: (value) => JSON.stringify(value),
  objectPadding: '',
  indent: '    ',
};

/** Returns the value as a literal, on one line if it is short. */
export function literal(dialect: Dialect, value: unknown, margin = ''): string {
  if (typeof value === 'string') return dialect.text(value);
  if (typeof value === 'boolean') return dialect.boolean(value);
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'object' || value === null) return dialect.null;
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  const inner = `${margin}${dialect.indent}`;
  const parts = Array.isArray(value)
    ? value.map((item) => literal(dialect, item, inner))
    : Object.entries(value).map(([name, member]) => `${dialect.name(name)}: ${literal(dialect, member, inner)}`);
  return list(dialect, { open, close, padding: Array.isArray(value) ? '' : dialect.objectPadding, parts, margin });
}

export interface ListParts {
  readonly open: string;
  readonly close: string;
  readonly padding?: string;
  readonly parts: readonly string[];
  readonly margin: string;
}

/** Returns parts between brackets, on one line if they are short. */
export function list(dialect: Dialect, { open, close, padding = '', parts, margin }: ListParts): string {
  if (parts.length === 0) return `${open}${close}`;
  const line = `${open}${padding}${parts.join(', ')}${padding}${close}`;
  if (line.length + margin.length <= MAX_LINE && !line.includes('\n')) return line;
  return `${open}\n${parts.map((part) => `${margin}${dialect.indent}${part},\n`).join('')}${margin}${close}`;
}
