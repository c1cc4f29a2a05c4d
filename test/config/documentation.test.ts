import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { settingsTable } from '../../scripts/settings-table.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'configuration.md'), 'utf8');

test('docs/configuration.md has the settings of the schema: npm run configuration', () => {
  expect(page).toContain(`\n\n${settingsTable()}\n\n<!-- end of settings -->`);
});

test('its table has default, bounds and meaning of a setting of each kind', () => {
  const table = settingsTable();
  expect(table).toContain('| `http.maxPlaintextBytes` | 1048576 (1 MiB) | 1024 (1 KiB) to 25165824 (24 MiB) | Maximum');
  expect(table).toContain("| `callers[].issuer` | required | text | The token's exact `iss`.");
  expect(table).toContain('| `home.credential` | `client-secret` | `client-secret`, `certificate`, `vault-signed`,');
  expect(table).toContain('| `rounds.webhookUrl` |  | text | URL');
  expect(table).not.toContain('emulator');
});
