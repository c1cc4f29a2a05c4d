import { setGlobalProxyFromEnv } from 'node:http';
import { ConfigError } from '../../config/load-config.ts';
import type { CommandIo } from './command.ts';

type Environment = CommandIo['env'];

/**
 * Sends every outgoing call of the process through the proxy of the environment, by one rule. The
 * Azure SDK reads the environment itself, so its rule applies. The proxy is HTTPS_PROXY, else
 * ALL_PROXY, else HTTP_PROXY, in either case, for all addresses. NO_PROXY lists exact hosts, and
 * with a leading dot a domain and its subdomains. Other forms that Node.js would read are left out.
 * @throws ConfigError
 */
export function useProxyOf(env: Environment): void {
  const name = ['HTTPS_PROXY', 'ALL_PROXY', 'HTTP_PROXY'].find((each) => settingOf(env, each) !== undefined);
  const proxy = name && settingOf(env, name);
  if (name === undefined || proxy === undefined) return;
  if (!/^https?:$/.test(URL.parse(proxy)?.protocol ?? '')) {
    throw new ConfigError('Invalid proxy in the environment', [`${name}: must be an http:// or https:// URL`]);
  }
  setGlobalProxyFromEnv({ http_proxy: proxy, https_proxy: proxy, no_proxy: noProxyOf(env).join(',') });
}

/**
 * Makes an emulated Azure on loopback reachable if the environment has a proxy and no exceptions of
 * its own.
 */
export function bypassLoopback({ env, setEnv }: Pick<CommandIo, 'env' | 'setEnv'>): void {
  if (settingOf(env, 'NO_PROXY') !== undefined) return;
  const noProxy = 'localhost,127.0.0.1';
  setEnv('NO_PROXY', noProxy);
  useProxyOf({ ...env, NO_PROXY: noProxy });
}

/**
 * Returns the exceptions in Node.js's form, where a leading dot means only subdomains. Node.js's
 * wildcards and ports are left out.
 */
function noProxyOf(env: Environment): readonly string[] {
  const entries = (settingOf(env, 'NO_PROXY') ?? '').split(',').map((entry) => entry.trim());
  const hosts = entries.filter((entry) => entry !== '' && !/[*:/]/.test(entry));
  return hosts.flatMap((host) => (host.startsWith('.') ? [host, host.slice(1)] : [host]));
}

/** Returns the variable's value; an empty one counts as unset. */
const settingOf = (env: Environment, name: string): string | undefined =>
  env[name] || env[name.toLowerCase()] || undefined;
