import { openHome } from '../../compose/home.ts';
import { databaseMistake, namingSettings } from '../../compose/setting-mistakes.ts';
import { databaseOptions } from '../../compose/store.ts';
import { migrate as migrateDatabase } from '../../database/migrations/migrations.ts';
import { noArguments, readArguments } from '../support/arguments.ts';
import type { Command } from '../support/command.ts';
import { prepareForEmulator } from '../support/emulated-azure.ts';
import { readConfig } from '../support/read-config.ts';

export const migrate: Command = {
  name: 'migrate',
  summary: "Migrate the database to this version's schema",
  help: `
Usage: vaultspan migrate [--config FILE]

Runs the pending migrations under a lock, so that several processes may run it at once. serve migrates when it starts,
unless database.migrate is by-command. A schema newer than this version is an error.`,
  async run(args, io) {
    const { values, positionals } = readArguments(args, { config: { type: 'string' } });
    noArguments(positionals);
    const config = readConfig(values.config, io);
    prepareForEmulator(config, io);
    const migrateIt = () => migrateDatabase(databaseOptions(config, openHome(config)));
    io.progress('migrating the database');
    const taken = await namingSettings(migrateIt, databaseMistake(config));
    io.stdout(taken.length === 0 ? 'The database is up to date\n' : taken.map((name) => `${name}: done\n`).join(''));
    return 0;
  },
};
