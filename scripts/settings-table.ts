import * as z from 'zod';
import { ConfigSchema } from '../src/config/schema.ts';
import { innermost, type Setting, settingsOf } from '../src/config/settings.ts';

const UNITS = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
] as const;

/**
 * Returns the table of all settings in Markdown, with default, bounds and description from the
 * schema.
 */
export function settingsTable(): string {
  const rows = settingsOf(ConfigSchema)
    .filter(({ path }) => path[0] !== 'emulator')
    .flatMap(withItems)
    .map(rowOf);
  return ['| Setting | Default | Values | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

/** Returns a setting for each member of a list's items, in the list's place. */
function withItems(setting: Setting): Setting[] {
  const item = setting.type instanceof z.ZodArray ? innermost(setting.type.element as z.ZodType) : undefined;
  if (!(item instanceof z.ZodObject)) return [setting];
  const name = `${setting.path.at(-1)}[]`;
  return settingsOf(item, [...setting.path.slice(0, -1), name]);
}

function rowOf({ path, type, whole }: Setting): string {
  const name = path.join('.');
  const description = descriptionOf(whole);
  if (description === undefined) throw new Error(`${name} has no description in the schema`);
  return `| \`${name}\` | ${defaultOf(name, whole)} | ${valuesOf(name, type)} | ${description.replaceAll('|', '\\|')} |`;
}

/** Returns the description, which belongs to the outermost schema that has one. */
function descriptionOf(schema: z.ZodType): string | undefined {
  if (schema.description !== undefined) return schema.description;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault)
    return descriptionOf(schema.unwrap() as z.ZodType);
  return schema instanceof z.ZodPipe ? descriptionOf(schema.in as z.ZodType) : undefined;
}

function defaultOf(name: string, schema: z.ZodType): string {
  if (schema instanceof z.ZodDefault) return shown(name, schema.def.defaultValue);
  return schema instanceof z.ZodOptional ? '' : 'required';
}

function valuesOf(name: string, type: z.ZodType): string {
  if (type instanceof z.ZodEnum) return type.options.map((option) => `\`${String(option)}\``).join(', ');
  if (type instanceof z.ZodBoolean) return '`true`, `false`';
  if (type instanceof z.ZodArray) return 'list';
  if (type instanceof z.ZodRecord || type instanceof z.ZodObject) return 'section';
  if (type instanceof z.ZodUnion) return type.options.map((option) => valuesOf(name, option as z.ZodType)).join(', ');
  if (!(type instanceof z.ZodNumber)) return 'text';
  return `${shown(name, type.minValue)} to ${shown(name, type.maxValue)}`;
}

/** Returns a value as text. A number of bytes is shown with its unit, a power of two as one. */
function shown(name: string, value: unknown): string {
  if (typeof value !== 'number') return `\`${String(value)}\``;
  const [unit, size = 1] = /Bytes$/.test(name)
    ? (UNITS.find(([, bytes]) => value >= bytes && value % bytes === 0) ?? [])
    : [];
  return unit === undefined ? String(value) : `${value} (${value / size} ${unit})`;
}
