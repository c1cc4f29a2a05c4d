import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { cloudOf, hostsOf } from '../compose.ts';
import { loadConfig } from '../config.ts';
import { parseTenantList } from '../tenants/tenant-list.ts';
import type { Command } from './command.ts';

export const checkConfig: Command = {
  name: 'check-config',
  summary: 'Check the configuration and the list of tenants, without calling anybody',
  help: `
Usage: vaultspan check-config [--config FILE]

Reads the configuration and the tenants as serve would, tells everything that is wrong with them at once, each with its place,
and what is in force. Exit codes: 0 usable, 2 not.`,
  async run(args, io) {
    const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } });
    const config = loadConfig({ path: values.config, env: io.env, cwd: io.cwd });
    const document: unknown = parse(readFileSync(config.registry.file, 'utf8'));
    const tenants = parseTenantList(document, hostsOf(config), new Date().toISOString());
    const { authorityHost } = cloudOf(config);
    io.stdout(
      [
        `listens     ${config.http.host}:${config.http.port}, TLS ${config.http.tls}`,
        `app         ${config.home.appId}, signing in at ${authorityHost}`,
        `home vault  ${config.home.vaultUrl}, secret ${config.home.secretName}, opened by ${config.home.identity} identity`,
        `callers     ${config.callers.map(({ issuer }) => issuer).join(', ')}`,
        `revocation  within ${config.revocation.boundSeconds} s of Azure's own refusal`,
        `audit       ${config.audit.directory}`,
        `tenants     ${tenants.size} in ${config.registry.file}`,
        '',
      ].join('\n'),
    );
    return 0;
  },
};
