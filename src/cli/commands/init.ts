import {
  AUDIT_KEY_SECRET,
  BELL_KEY_SECRET,
  LINK_KEY_SECRET,
  newSecretKey,
  ORIGIN_KEY_SECRET,
  WEBHOOK_KEY_SECRET,
} from '../../azure/home/home-keys.ts';
import { type Home, openHome } from '../../compose/home.ts';
import { openReceiptsKey } from '../../compose/receipts.ts';
import type { Config } from '../../config/resolved.ts';
import { noArguments, readArguments } from '../support/arguments.ts';
import type { Command, CommandIo } from '../support/command.ts';
import { prepareForEmulator } from '../support/emulated-azure.ts';
import { readConfig } from '../support/read-config.ts';

export const init: Command = {
  name: 'init',
  summary: "Create the deployment's own keys in the home vault",
  help: `
Usage: vaultspan init [--config FILE]

Creates five secrets in the home vault, each 32 random bytes, unless they already exist:
  ${ORIGIN_KEY_SECRET}  marks the data keys of this deployment; without it no ciphertext can be decrypted, so back up the vault
  ${AUDIT_KEY_SECRET}   hides encryption contexts in the audit log
  ${WEBHOOK_KEY_SECRET} signs the webhook's messages (Standard Webhooks)
  ${BELL_KEY_SECRET}    makes the customers' doorbells (vaultspan bell)
  ${LINK_KEY_SECRET}    makes the links to the customers' pages (vaultspan onboard TENANT --link)

With receipts it also creates an EC key, which signs the checkpoints of the transparency logs (receipts.keyName).

Run it once per deployment. It needs the role "Key Vault Secrets Officer" on the home vault, for the EC key "Key Vault Crypto
Officer" too; the service itself needs only "Key Vault Secrets User", and "Key Vault Crypto User" on the EC key.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, { config: { type: 'string' } });
    noArguments(positionals);
    const config = readConfig(values.config, io);
    prepareForEmulator(config, io);
    const home = openHome(config);
    io.progress('creating the keys in the home vault');
    await createHomeKeys(home, io.stdout);
    await createReceiptsKey(config, home, io.stdout);
    return 0;
  },
};

/**
 * Creates the missing keys.
 * @throws ServiceError
 */
export async function createHomeKeys({ vault }: Pick<Home, 'vault'>, tell: CommandIo['stdout']): Promise<void> {
  for (const name of [ORIGIN_KEY_SECRET, AUDIT_KEY_SECRET, WEBHOOK_KEY_SECRET, BELL_KEY_SECRET, LINK_KEY_SECRET]) {
    const exists = Object.values(await vault.versions(name, 1)).some(({ length }) => length > 0);
    if (!exists) await vault.add(name, newSecretKey(), 'application/vnd.vaultspan.key');
    tell(`${name}: ${exists ? 'already exists' : 'created'}\n`);
  }
}

/**
 * Creates the key of checkpoints if receipts are on and it is missing.
 * @throws ServiceError
 */
export async function createReceiptsKey(config: Config, home: Home, tell: CommandIo['stdout']): Promise<void> {
  if (config.receipts.origin === undefined) return;
  const isNew = await openReceiptsKey({ config, home }).create();
  tell(`${config.receipts.keyName}: ${isNew ? 'created' : 'already exists'}\n`);
}
