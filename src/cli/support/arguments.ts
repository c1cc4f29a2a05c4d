import { type ParseArgsConfig, parseArgs } from 'node:util';
import { ConfigError } from '../../config/load-config.ts';
import { didYouMean } from '../../lib/nearest.ts';

/**
 * Returns the options and the other arguments.
 * @throws ConfigError that suggests the intended option
 */
export function readArguments<const O extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: O,
) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    if (!Error.isError(error) || !('code' in error)) throw error;
    const [, unknown] = /Unknown option '(-{1,2}[^']*)'/.exec(error.message) ?? [];
    if (unknown !== undefined) {
      const known = Object.keys(options).map((name) => `--${name}`);
      throw new ConfigError(`Unknown option ${unknown}${didYouMean(unknown, known)}`);
    }
    throw String(error.code).startsWith('ERR_PARSE_ARGS') ? new ConfigError(error.message) : error;
  }
}

/**
 * Checks that there is no argument.
 * @throws ConfigError for an argument that the command does not take
 */
export function noArguments([first]: readonly string[]): void {
  if (first !== undefined) throw new ConfigError(`Unexpected argument ${first}`);
}
