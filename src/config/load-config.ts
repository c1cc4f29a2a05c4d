import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type * as z from 'zod';
import { isGone } from '../lib/gone-files.ts';
import { didYouMean } from '../lib/nearest.ts';
import { type Bag, isBag, parseDocument } from '../lib/parse-document.ts';
import { environmentOverrides } from './environment.ts';
import { issueText } from './issue-text.ts';
import { type Config, type Machine, resolveConfig } from './resolved.ts';
import { ConfigSchema, type Settings } from './schema.ts';
import { settingsOf } from './settings.ts';

/**
 * The path of the configuration that `dev` writes, so that other commands find the running service.
 */
const DEFAULT_CONFIG_FILE = '.vaultspan/config.yaml';

/** All problems of the configuration, each with its place. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(summary: string, problems: readonly string[] = [], options?: ErrorOptions) {
    super([summary, ...problems].join(problems.length > 1 ? '\n  ' : ': '), options);
    this.problems = problems;
  }
}

export interface ConfigSource extends Machine {
  /** Value of `--config`. */
  readonly path?: string | undefined;
  /** Value of `--processes`, which overrides `http.processes`. */
  readonly processes?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /**
   * Called with each variable with our prefix that is not a setting. Without it each one is a
   * problem.
   */
  readonly onUnknown?: (warning: string) => void;
}

/**
 * Returns the checked configuration: the file (`--config`, then VAULTSPAN_CONFIG, then
 * `.vaultspan/config.yaml`), overridden by the environment.
 * @throws ConfigError
 */
export function loadConfig(source: ConfigSource): Config {
  const named = source.path ?? (source.env['VAULTSPAN_CONFIG'] || undefined);
  const file = resolve(source.cwd, named ?? DEFAULT_CONFIG_FILE);
  const document = readDocument(file, named !== undefined);
  const { overrides, variables, problems, unknown } = environmentOverrides(ConfigSchema, source.env);
  if (source.onUnknown) for (const warning of unknown) source.onUnknown(warning);
  else problems.push(...unknown);
  if (source.processes !== undefined) variables.set('http.processes', '--processes');
  const settings = merge(merge(document ?? {}, overrides), optionsOf(source));
  const parsed = ConfigSchema.safeParse(settings, { reportInput: true, error: issueText });
  if (!parsed.success) problems.push(...parsed.error.issues.flatMap((issue) => describe(issue, variables)));
  if (!parsed.success || problems.length > 0) {
    const where = document === undefined ? `no configuration file (looked for ${file})` : file;
    throw new ConfigError(`Invalid configuration: ${where}`, problems);
  }
  const absolute = withAbsolutePaths(parsed.data, document === undefined ? source.cwd : dirname(file));
  return resolveConfig(absolute, source);
}

/** Returns the settings of the command line, in the form of the configuration file. */
function optionsOf({ processes }: ConfigSource): Bag {
  if (processes === undefined) return {};
  return { http: { processes: /^\d{1,9}$/.test(processes) ? Number(processes) : processes } };
}

function readDocument(file: string, isNamed: boolean): Bag | undefined {
  try {
    return parseDocument(readFileSync(file), 'http: {port: 8080}');
  } catch (error) {
    if (!Error.isError(error)) throw error;
    if (isGone(error) && !isNamed) return undefined;
    throw new ConfigError(`Invalid configuration file: ${file}`, [error.message]);
  }
}

/**
 * Returns absolute paths. A relative path is relative to the configuration file's folder, not to
 * the folder of the command.
 */
function withAbsolutePaths(config: Settings, base: string): Settings {
  const { http, registry, database, branchKeys, audit, emulator } = config;
  const { copies } = branchKeys;
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
    branchKeys: {
      ...branchKeys,
      copies: typeof copies === 'object' ? { directory: at(copies.directory) } : copies,
    },
    audit: { ...audit, directory: at(audit.directory) },
    emulator: emulator && { ...emulator, caFile: at(emulator.caFile) },
  };
}

function merge(below: unknown, above: unknown): unknown {
  if (!isBag(below) || !isBag(above)) return above === undefined ? below : above;
  const merged: Record<string, unknown> = { ...below };
  for (const [name, value] of Object.entries(above)) merged[name] = merge(below[name], value);
  return merged;
}

/** Returns a line for each problem. A setting from the environment is named by its variable. */
function describe(issue: z.core.$ZodIssue, variables: ReadonlyMap<string, string>): string[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownSetting([...path, key]));
  const variable = path.map((_, index) => variables.get(path.slice(0, index + 1).join('.'))).find(Boolean);
  const place = path.join('.');
  return [`${variable === undefined ? place : `${variable} (${place})`}: ${issue.message}`];
}

function unknownSetting(path: readonly string[]): string {
  const name = path.join('.');
  const known = settingsOf(ConfigSchema).map((setting) => setting.path.join('.'));
  const sections = known.map((setting) => setting.split('.').slice(0, path.length).join('.'));
  return `${name}: unknown setting${didYouMean(name, new Set([...known, ...sections]))}`;
}
