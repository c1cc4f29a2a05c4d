import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import type * as z from 'zod';
import { environmentOverrides } from './environment.ts';
import { type Config, resolveConfig } from './resolved.ts';
import { ConfigSchema, type Settings } from './schema.ts';

/** Where `dev` leaves its configuration, so that other commands find the running service. */
const DEFAULT_CONFIG_FILE = '.vaultspan/config.yaml';

/** What is wrong with the configuration: all of it at once, each with its place. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(summary: string, problems: readonly string[] = []) {
    super([summary, ...problems.map((problem) => `  ${problem}`)].join('\n'));
    this.problems = problems;
  }
}

export interface ConfigSource {
  /** Value of `--config`. */
  readonly path?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/**
 * Reads the file (`--config`, then VAULTSPAN_CONFIG, then `.vaultspan/config.yaml`), lays the environment over it and checks all.
 *
 * @throws ConfigError
 */
export function loadConfig(source: ConfigSource): Config {
  const file = resolve(source.cwd, source.path ?? source.env['VAULTSPAN_CONFIG'] ?? DEFAULT_CONFIG_FILE);
  const isNamed = source.path !== undefined || source.env['VAULTSPAN_CONFIG'] !== undefined;
  const document = readDocument(file, isNamed);
  const { overrides, problems } = environmentOverrides(ConfigSchema, source.env);
  const parsed = ConfigSchema.safeParse(merge(document ?? {}, overrides), { reportInput: true });
  if (!parsed.success) problems.push(...parsed.error.issues.flatMap(describe));
  if (!parsed.success || problems.length > 0) {
    const where = document === undefined ? `no configuration file (looked for ${file})` : file;
    throw new ConfigError(`The configuration is not usable: ${where}`, problems);
  }
  return resolveConfig(withAbsolutePaths(parsed.data, document === undefined ? source.cwd : dirname(file)));
}

function readDocument(file: string, isNamed: boolean): unknown {
  try {
    return parse(readFileSync(file, 'utf8')) ?? {};
  } catch (error) {
    const isMissing = Error.isError(error) && 'code' in error && error.code === 'ENOENT';
    if (isMissing && !isNamed) return undefined;
    throw new ConfigError(`The configuration can't be read: ${file}`, [Error.isError(error) ? error.message : '']);
  }
}

/** Relative paths are the configuration file's, wherever the command was started. */
function withAbsolutePaths(config: Settings, base: string): Settings {
  const { http, registry, database, audit, emulator } = config;
  const at = (path: string) => resolve(base, path);
  const atIf = (path: string | undefined) => (path === undefined ? undefined : at(path));
  return {
    ...config,
    http: {
      ...http,
      certificateFile: atIf(http.certificateFile),
      keyFile: atIf(http.keyFile),
      clientCaFile: atIf(http.clientCaFile),
    },
    registry: { file: atIf(registry.file) },
    database: { ...database, file: at(database.file), caFile: atIf(database.caFile) },
    audit: { ...audit, directory: at(audit.directory) },
    emulator: emulator && { ...emulator, caFile: at(emulator.caFile) },
  };
}

type Bag = Readonly<Record<string, unknown>>;
const isBag = (value: unknown): value is Bag => typeof value === 'object' && value !== null && !Array.isArray(value);

function merge(below: unknown, above: unknown): unknown {
  if (!isBag(below) || !isBag(above)) return above === undefined ? below : above;
  const merged: Record<string, unknown> = { ...below };
  for (const [name, value] of Object.entries(above)) merged[name] = merge(below[name], value);
  return merged;
}

function describe(issue: z.core.$ZodIssue): string[] {
  const place = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${place === '' ? key : `${place}.${key}`}: there is no such setting`);
  }
  const isMissing = issue.code === 'invalid_type' && issue.input === undefined;
  return [`${place}: ${isMissing ? 'is missing' : issue.message}`];
}
