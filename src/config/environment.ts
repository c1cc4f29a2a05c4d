import * as z from 'zod';
import { didYouMean } from '../lib/nearest.ts';
import { type Setting, settingsOf } from './settings.ts';

const PREFIX = 'VAULTSPAN_';
/** Variables that the commands read themselves; not settings. */
const OTHERS: ReadonlySet<string> = new Set([
  'VAULTSPAN_CONFIG',
  'VAULTSPAN_URL',
  'VAULTSPAN_TOKEN',
  'VAULTSPAN_PROCESS',
]);

/** Names that platforms set by themselves; our own take precedence. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['DATABASE_URL', 'VAULTSPAN_DATABASE_URL'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'VAULTSPAN_TELEMETRY_OTLP_ENDPOINT'],
]);

export interface EnvironmentOverrides {
  /** The settings found, in the form of the configuration file. */
  readonly overrides: Readonly<Record<string, unknown>>;
  /** The variable of each setting, by the setting's path with dots. */
  readonly variables: Map<string, string>;
  readonly problems: string[];
  /** Variables with our prefix that are no setting, with the nearest name. */
  readonly unknown: string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Returns the settings: `http.port` is VAULTSPAN_HTTP_PORT, and a list is JSON. An empty value
 * counts as unset.
 */
export function environmentOverrides(schema: z.ZodType, env: Environment): EnvironmentOverrides {
  const settings = new Map(settingsOf(schema).map((setting) => [variableOf(setting.path), setting]));
  const overrides: Record<string, unknown> = {};
  const variables = new Map<string, string>();
  const problems: string[] = [];
  const unknown: string[] = [];
  for (const [given, text = ''] of Object.entries(env)) {
    const alias = ALIASES.get(given);
    const name = alias ?? given;
    if (text.trim() === '' || !name.startsWith(PREFIX) || OTHERS.has(name) || isServiceLink(name, text)) continue;
    if (alias !== undefined && (env[alias] ?? '').trim() !== '') continue;
    const setting = settings.get(name);
    if (!setting) {
      unknown.push(`${name} is not a setting${didYouMean(name, [...settings.keys(), ...OTHERS])}`);
      continue;
    }
    const value = settingValue(setting.type, text);
    variables.set(setting.path.join('.'), given);
    if (value === undefined) problems.push(`${given}: must be JSON, such as [] for an empty list`);
    else put(overrides, setting.path, value);
  }
  return { overrides, variables, problems, unknown };
}

const LINK_NAME =
  /_SERVICE_HOST$|_SERVICE_PORT(?:_[A-Z0-9_]+)?$|_PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/;

/**
 * Returns whether Kubernetes made the variable. For a Service named vaultspan, or vaultspan-http,
 * it sets VAULTSPAN_PORT or VAULTSPAN_HTTP_PORT to tcp://10.0.0.1:443 and seven more:
 * https://kubernetes.io/docs/concepts/services-networking/service/
 */
const isServiceLink = (name: string, text: string): boolean =>
  LINK_NAME.test(name) || (name.endsWith('_PORT') && /^(?:tcp|udp|sctp):\/\//.test(text));

/**
 * Returns the variable of a setting: VAULTSPAN_HTTP_MAX_PLAINTEXT_BYTES for http.maxPlaintextBytes.
 */
const variableOf = (path: readonly string[]): string =>
  PREFIX + path.map((part) => part.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join('_');

/** Returns the value. Numbers, true, false and lists are JSON; any other text is used unchanged. */
function settingValue(type: Setting['type'], text: string): unknown {
  if (type instanceof z.ZodBoolean || type instanceof z.ZodLiteral) {
    const lower = text.trim().toLowerCase();
    return lower === 'true' || lower === 'false' ? lower === 'true' : text; // the schema rejects the rest
  }
  if (type instanceof z.ZodString || type instanceof z.ZodURL || type instanceof z.ZodEnum || type instanceof z.ZodGUID)
    return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Text is a choice of a union, such as `export`; the schema rejects any text that is no number.
    return type instanceof z.ZodNumber || type instanceof z.ZodUnion ? text : undefined;
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
