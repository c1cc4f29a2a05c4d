import type { Contract, Schema } from '../contract.ts';
import { resolveSchema, schemaName } from '../contract.ts';

/** Returns the type of a value in words: `string (byte)`, `array of TenantKey`. */
export function typeText(contract: Contract, schema: Schema): string {
  const resolved = resolveSchema(contract, schema);
  const name = schemaName(schema);
  if (resolved.items) return `array of ${typeText(contract, resolved.items)}`;
  if (name !== undefined) return name;
  const choices = resolved.oneOf ?? resolved.anyOf;
  if (choices) return choices.map((choice) => typeText(contract, choice)).join(' or ');
  if (resolved.type === 'object' && typeof resolved.additionalProperties === 'object') {
    return `map of ${typeText(contract, resolved.additionalProperties)}`;
  }
  const type = resolved.type ?? 'any';
  return `${type}${resolved.format === undefined ? '' : ` (${resolved.format})`}${resolved.nullable ? ' or null' : ''}`;
}

/** Returns the bounds, values, default and example of a schema, each as a short text. */
export function boundsOf(schema: Schema): readonly string[] {
  const { enum: values, default: usual, example, pattern } = schema;
  return [
    between(schema.minLength, schema.maxLength, 'characters'),
    between(schema.minimum, schema.maximum, ''),
    between(schema.minItems, schema.maxItems, 'items'),
    between(schema.minProperties, schema.maxProperties, 'members'),
    values && `one of ${values.map((value) => `\`${text(value)}\``).join(', ')}`,
    usual === undefined ? undefined : `default \`${text(usual)}\``,
    pattern === undefined || pattern.length > MAX_PATTERN ? undefined : `matches \`${pattern}\``,
    example === undefined ? undefined : `for example \`${text(example)}\``,
  ].filter((part) => part !== undefined && part !== '') as readonly string[];
}

/** Patterns of times are longer than what they say. */
const MAX_PATTERN = 80;

function between(least: number | undefined, most: number | undefined, unit: string): string {
  const [from, to] = [least?.toLocaleString('en'), most?.toLocaleString('en')];
  if (from === undefined && to === undefined) return '';
  const range = to === undefined ? `at least ${from}` : from === undefined ? `at most ${to}` : `${from} to ${to}`;
  return unit === '' ? range : `${range} ${unit}`;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
