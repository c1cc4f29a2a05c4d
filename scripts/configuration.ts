import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { settingsTable } from './settings-table.ts';

/** Writes the table of settings into docs/configuration.md, between its two marks. */
const file = join(import.meta.dirname, '..', 'docs', 'configuration.md');
const page = readFileSync(file, 'utf8');
const [before = '', after] = page.split(/(?<=<!-- settings: [^\n]*-->\n)[\s\S]*(?=<!-- end of settings -->)/);
if (after === undefined) throw new Error(`${file} has no marks for the table`);
writeFileSync(file, `${before}\n${settingsTable()}\n\n${after}`);
