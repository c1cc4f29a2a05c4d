import { stringify } from 'yaml';
import { ConfigError } from '../../config/load-config.ts';
import { defined } from '../../lib/defined.ts';
import { didYouMean } from '../../lib/nearest.ts';
import { deleteTenant, restoreTenant, resumeTenant, suspendTenant } from '../../operations/change-tenant.ts';
import { forgetKey } from '../../operations/forget-key.ts';
import type { Check } from '../../tenants/checks.ts';
import { recordOf, type Tenant } from '../../tenants/record.ts';
import { readArguments } from '../support/arguments.ts';
import type { Command, CommandIo } from '../support/command.ts';
import { allTenants, openTools, type Tools, tenantPages } from '../support/open-tools.ts';
import { showHistory } from '../support/tenant-history.ts';
import { importTenants } from '../support/tenants-import.ts';

interface Flags {
  readonly config?: string | undefined;
  readonly json: boolean;
  readonly 'dry-run': boolean;
  readonly yes?: string | undefined;
}

type Action = (tools: Tools, args: readonly string[], flags: Flags, io: CommandIo) => Promise<number>;

const ACTIONS: Readonly<Record<string, { readonly takes: readonly string[]; readonly run: Action }>> = {
  list: { takes: [], run: list },
  show: { takes: ['TENANT'], run: show },
  history: { takes: ['TENANT'], run: (tools, [id = ''], { json }, io) => showHistory(tools, id, json, io) },
  import: { takes: ['FILE'], run: (tools, [file = ''], flags, io) => importTenants(tools, file, flags['dry-run'], io) },
  export: { takes: [], run: exportAll },
  suspend: { takes: ['TENANT'], run: suspend },
  resume: { takes: ['TENANT'], run: resume },
  remove: { takes: ['TENANT'], run: remove },
  restore: { takes: ['TENANT'], run: restore },
  'forget-key': { takes: ['TENANT', 'KEY'], run: forget },
};

export const tenants: Command = {
  name: 'tenants',
  summary: 'List, show, import, export, suspend, resume, remove and restore tenants',
  help: `
Usage: vaultspan tenants ACTION [--config FILE]

  list [--json]            a line for each tenant: its state, its last check, its directory and its name
  show TENANT              its record as YAML
  history TENANT [--json]  who changed its record and when its checks changed; --json with each record and check
  import FILE [--dry-run]  register or replace every tenant of a YAML or JSON list; it can be repeated
  export                   all tenants as such a list, on standard output
  suspend TENANT           refuse every request for it, on every process, within a second
  resume TENANT            end a suspension
  remove TENANT --yes TENANT
                           remove a suspended tenant; its id is never reused
  restore TENANT           undo a removal; the tenant is then suspended
  forget-key TENANT KEY    release a key (https://VAULT/keys/NAME) that was registered by mistake and never used

An invalid file changes nothing: every problem is shown with its location. The service may be running or not. The audit log records each
change with the principal cli: and your user name.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, {
      config: { type: 'string' },
      json: { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
      yes: { type: 'string' },
    });
    const [name = '', ...given] = positionals;
    const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (!action) {
      const known = Object.keys(ACTIONS);
      if (name !== '') throw new ConfigError(`Unknown action ${name}${didYouMean(name, known)}`);
      throw new ConfigError(`Give one of the actions ${known.join(', ')}`);
    }
    if (given.length !== action.takes.length) {
      throw new ConfigError(`Usage: vaultspan tenants ${[name, ...action.takes].join(' ')}`);
    }
    await using tools = await openTools(values.config, io);
    return await action.run(tools, given, values, io);
  },
};

async function list(tools: Tools, _args: readonly string[], flags: Flags, io: CommandIo): Promise<number> {
  for await (const page of tenantPages(tools)) {
    const checks = await tools.lastChecks(page.map(({ id }) => id));
    for (const tenant of page) {
      const lastCheck = checks.get(tenant.id);
      io.stdout(flags.json ? `${JSON.stringify(defined({ ...tenant, lastCheck }))}\n` : lineOf(tenant, lastCheck));
    }
  }
  return 0;
}

const lineOf = ({ id, state, entraTenantId, displayName = '' }: Tenant, lastCheck: Check | undefined): string =>
  `${id.padEnd(24)} ${state.padEnd(9)} ${(lastCheck?.state ?? 'unchecked').padEnd(18)} ${entraTenantId}  ${displayName}\n`;

async function show(tools: Tools, [id = '']: readonly string[], _flags: Flags, io: CommandIo): Promise<number> {
  io.stdout(stringify(await tools.tenants.get(id)));
  return 0;
}

async function exportAll(tools: Tools, _args: readonly string[], _flags: Flags, io: CommandIo): Promise<number> {
  io.stdout('tenants:\n');
  for await (const tenant of allTenants(tools)) {
    io.stdout(
      `${stringify([recordOf(tenant)])
        .replaceAll(/^/gm, '  ')
        .trimEnd()}\n`,
    );
  }
  return 0;
}

async function suspend(tools: Tools, [id = '']: readonly string[], _flags: Flags, io: CommandIo): Promise<number> {
  await suspendTenant(tools, tools.call(), id);
  io.stdout(`${id}: suspended\n`);
  return 0;
}

async function resume(tools: Tools, [id = '']: readonly string[], _flags: Flags, io: CommandIo): Promise<number> {
  await resumeTenant(tools, tools.call(), id);
  io.stdout(`${id}: active\n`);
  return 0;
}

async function remove(tools: Tools, [id = '']: readonly string[], { yes }: Flags, io: CommandIo): Promise<number> {
  if (yes !== id) {
    throw new ConfigError(`After its removal no ciphertext of ${id} can be decrypted. To remove it, add: --yes ${id}`);
  }
  const { revision } = await tools.tenants.get(id);
  await deleteTenant(tools, tools.call(), { tenantId: id, ifMatch: `"${revision}"` });
  io.stdout(`${id}: removed; to undo: vaultspan tenants restore ${id}\n`);
  return 0;
}

async function restore(tools: Tools, [id = '']: readonly string[], _flags: Flags, io: CommandIo): Promise<number> {
  await restoreTenant(tools, tools.call(), id);
  io.stdout(`${id}: restored and suspended; to activate it: vaultspan tenants resume ${id}\n`);
  return 0;
}

async function forget(
  tools: Tools,
  [tenantId = '', vaultKey = '']: readonly string[],
  _flags: Flags,
  io: CommandIo,
): Promise<number> {
  await forgetKey(tools, tools.call(), { tenantId, vaultKey });
  io.stdout(`${vaultKey}: forgotten\n`);
  return 0;
}
