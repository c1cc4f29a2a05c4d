import * as z from 'zod';

const PREFIX = 'VAULTSPAN_';
/** Read by the commands themselves; no settings. */
const OTHERS: ReadonlySet<string> = new Set(['VAULTSPAN_CONFIG', 'VAULTSPAN_URL', 'VAULTSPAN_TOKEN']);

/** Names that platforms set by themselves; ours go over them. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['DATABASE_URL', 'VAULTSPAN_DATABASE_URL'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'VAULTSPAN_TELEMETRY_OTLP_ENDPOINT'],
]);

export interface EnvironmentOverrides {
  /** The settings found, in the shape of the configuration file. */
  readonly overrides: Readonly<Record<string, unknown>>;
  readonly problems: string[];
}

/** `http.port` is VAULTSPAN_HTTP_PORT; lists are given as JSON. A name that is no setting is a problem, since it is most likely a typing error. */
export function environmentOverrides(
  schema: z.ZodType,
  env: Readonly<Record<string, string | undefined>>,
): EnvironmentOverrides {
  const settings = new Map(settingsOf(schema, []).map((setting) => [nameOf(setting.path), setting]));
  const overrides: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [given, text] of Object.entries(env)) {
    const alias = ALIASES.get(given);
    const name = alias ?? given;
    if (text === undefined || !name.startsWith(PREFIX) || OTHERS.has(name)) continue;
    if (alias !== undefined && env[alias] !== undefined) continue;
    const setting = settings.get(name);
    if (!setting) {
      problems.push(`${name}: there is no such setting`);
      continue;
    }
    const value = settingValue(setting.type, text);
    if (value === undefined) problems.push(`${name}: is not JSON`);
    else put(overrides, setting.path, value);
  }
  return { overrides, problems };
}

interface Setting {
  readonly path: readonly string[];
  readonly type: z.ZodType;
}

/** Every leaf of the schema: whatever is not an object with members of its own. */
function settingsOf(schema: z.ZodType, path: readonly string[]): Setting[] {
  const type = unwrapped(schema);
  if (!(type instanceof z.ZodObject)) return [{ path, type }];
  return Object.entries(type.shape).flatMap(([name, member]) => settingsOf(member as z.ZodType, [...path, name]));
}

function unwrapped(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrapped(schema.unwrap() as z.ZodType);
  }
  return schema instanceof z.ZodPipe ? unwrapped(schema.in as z.ZodType) : schema;
}

const nameOf = (path: readonly string[]): string =>
  PREFIX + path.map((part) => part.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join('_');

/** Numbers, true, false and lists as JSON; everything else as it stands. */
function settingValue(type: z.ZodType, text: string): unknown {
  if (type instanceof z.ZodString || type instanceof z.ZodURL || type instanceof z.ZodEnum || type instanceof z.ZodGUID)
    return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return type instanceof z.ZodNumber ? text : undefined; // the schema says what a number is
  }
}

function put(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path;
  if (rest.length === 0) {
    target[name] = value;
    return;
  }
  const inner = (target[name] ?? {}) as Record<string, unknown>;
  target[name] = inner;
  put(inner, rest, value);
}
