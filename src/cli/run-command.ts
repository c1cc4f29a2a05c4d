import { ConfigError } from '../config/load-config.ts';
import { DatabaseTrouble, ServiceError } from '../errors.ts';
import { CertificateError } from '../http/server/certificate-files.ts';
import { didYouMean } from '../lib/nearest.ts';
import { packageVersion } from '../lib/package-version.ts';
import { TenantListError } from '../tenants/tenant-list.ts';
import type { Command, ProcessIo } from './support/command.ts';
import { useProxyOf } from './support/outgoing-proxy.ts';
import { openProgress } from './support/progress.ts';

/** Every command has a file of its own, loaded when it is called. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./commands/serve.ts')).serve,
  dev: async () => (await import('./commands/dev.ts')).dev,
  init: async () => (await import('./commands/init.ts')).init,
  'check-config': async () => (await import('./commands/check-config.ts')).checkConfig,
  migrate: async () => (await import('./commands/migrate.ts')).migrate,
  tenants: async () => (await import('./commands/tenants.ts')).tenants,
  'branch-keys': async () => (await import('./commands/branch-keys.ts')).branchKeys,
  indexes: async () => (await import('./commands/indexes.ts')).indexes,
  usage: async () => (await import('./commands/usage.ts')).usage,
  bell: async () => (await import('./commands/bell.ts')).bell,
  drill: async () => (await import('./commands/drill.ts')).drill,
  check: async () => (await import('./commands/check.ts')).check,
  links: async () => (await import('./commands/links.ts')).links,
  onboard: async () => (await import('./commands/onboard.ts')).onboard,
  audit: async () => (await import('./commands/audit.ts')).auditCommand,
  log: async () => (await import('./commands/log.ts')).log,
  health: async () => (await import('./commands/health.ts')).health,
  token: async () => (await import('./commands/token.ts')).token,
  'encrypt-file': async () => (await import('./commands/encrypt-file.ts')).encryptFile,
  'decrypt-file': async () => (await import('./commands/decrypt-file.ts')).decryptFile,
  'rewrap-file': async () => (await import('./commands/rewrap-file.ts')).rewrapFile,
};

const USAGE = 2;

/** Runs the command that the arguments name; resolves with the exit code. */
export async function runCommand([name, ...args]: readonly string[], io: ProcessIo): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h')
    return help(undefined, io, name === undefined ? USAGE : 0);
  if (name === 'help') return help(args[0], io, 0);
  if (name === '--version' || name === '-V' || name === 'version') {
    io.stdout(`${packageVersion()}\n`);
    return 0;
  }
  const command = await commandNamed(name);
  if (!command) return noCommand(name, io);
  if (args.includes('--help') || args.includes('-h')) {
    io.stdout(`${command.help.trim()}\n`);
    return 0;
  }
  const progress = openProgress(io);
  try {
    useProxyOf(io.env);
    return await command.run(args, progress.io);
  } catch (error) {
    return report(error, name, progress.io);
  } finally {
    progress.end();
  }
}

async function commandNamed(name: string): Promise<Command | undefined> {
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name]?.() : undefined;
}

function noCommand(name: string, io: ProcessIo): number {
  io.stderr(
    `vaultspan: there is no command ${name}${didYouMean(name, Object.keys(COMMANDS)) || '.'} Try vaultspan --help\n`,
  );
  return USAGE;
}

async function help(name: string | undefined, io: ProcessIo, exitCode: number): Promise<number> {
  if (name === undefined) {
    io.stdout(await overview());
    return exitCode;
  }
  const command = await commandNamed(name);
  if (!command) return noCommand(name, io);
  io.stdout(`${command.help.trim()}\n`);
  return exitCode;
}

/**
 * Prints a failure with a known cause and its fix. Any other failure is a bug, printed with its
 * stack.
 */
function report(error: unknown, name: string, io: ProcessIo): number {
  if (error instanceof ConfigError) {
    const isAboutConfiguration = error.problems.length > 0;
    io.stderr(`${error.message}\n${isAboutConfiguration ? '' : `See vaultspan ${name} --help\n`}`);
    return USAGE;
  }
  if (error instanceof TenantListError) {
    io.stderr(`${error.message}\n`);
    return USAGE;
  }
  if (error instanceof CertificateError) {
    io.stderr(`Invalid certificate: ${error.message}\n`);
    return USAGE;
  }
  if (error instanceof ServiceError) {
    const { code, reason, message, fix, cause } = error;
    io.stderr(`${message} (${reason ? `${code}, ${reason}` : code})\n`);
    if (Error.isError(cause)) io.stderr(`  because of ${describeCause(cause)}\n`);
    if (fix) io.stderr(`  ${fix.action}${fix.command ? `:\n  ${fix.command}` : ''}\n`);
    return 1;
  }
  io.stderr(`${describeFault(error)}\n`);
  return 1;
}

function describeFault(error: unknown): string {
  if (!Error.isError(error)) return 'failed without an error';
  const code = 'code' in error ? error.code : undefined;
  if (Error.isError(error.cause) && 'code' in error.cause && error.cause.code === 'EADDRINUSE') return error.message;
  return code === 'EADDRINUSE' || code === 'ENOENT' || code === 'EACCES'
    ? error.message
    : (error.stack ?? error.message);
}

/** Returns codes and not the text, which may quote a request. */
function describeCause(cause: Error & { readonly code?: unknown; readonly statusCode?: unknown }): string {
  if (cause instanceof DatabaseTrouble) return cause.message; // this text is our own
  return [cause.name, cause.code, cause.statusCode]
    .filter((part) => typeof part === 'string' || typeof part === 'number')
    .join(' ');
}

async function overview(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `vaultspan: encrypts data under each customer's own key, in the customer's own tenant

Usage: vaultspan COMMAND [options]

${lines.join('\n')}

vaultspan help COMMAND has the details, vaultspan --version the version. Configuration: --config FILE, then VAULTSPAN_CONFIG, then .vaultspan/config.yaml;
VAULTSPAN_… in the environment takes precedence (http.port is VAULTSPAN_HTTP_PORT).
`;
}
