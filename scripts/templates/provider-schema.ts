// Writes scripts/templates/providers.json: the members of the resources and data sources that our Terraform files use, as
// HashiCorp's own bindings of the providers (npm) have them. Usage: node scripts/templates/provider-schema.ts FOLDER…, where
// the folders are those that check-templates.sh gets.
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The last bindings that HashiCorp published. Raise a version here if another publisher's are trusted. */
const PACKAGES = { azurerm: '@cdktf/provider-azurerm@14.23.1', azuread: '@cdktf/provider-azuread@14.3.1' };

/** What a block may have: `true` for an attribute, its own members for a block. `!` ends a name that is required. */
interface Members {
  [name: string]: true | Members;
}

interface Schema {
  readonly members: Members;
  /** Names that expressions may read. */
  readonly readable: readonly string[];
}

const TYPE = /^(resource|data) "((azurerm|azuread)_\w+)"/gm;
const work = mkdtempSync(join(tmpdir(), 'providers-'));
try {
  const unpacked = Object.fromEntries(Object.entries(PACKAGES).map(([name, spec]) => [name, unpack(spec)]));
  const used = new Map<string, Schema>();
  for (const folder of process.argv.slice(2)) {
    for (const file of globSync(join(folder, '*.tf'))) {
      for (const [, kind, type, provider] of readFileSync(file, 'utf8').matchAll(TYPE)) {
        used.set(`${kind} ${type}`, schemaOf(join(unpacked[provider as string] as string, 'lib'), kind as string, type as string));
      }
    }
  }
  const blocks = Object.fromEntries([...used].sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync('scripts/templates/providers.json', `${JSON.stringify({ packages: PACKAGES, blocks }, undefined, 1)}\n`);
} finally {
  rmSync(work, { recursive: true });
}

function unpack(spec: string): string {
  const [packed] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', work, spec], { encoding: 'utf8' }));
  const folder = mkdtempSync(join(work, 'package-'));
  execFileSync('tar', ['xzf', join(work, packed.filename), '-C', folder, '--strip-components=1']);
  return folder;
}

function schemaOf(lib: string, kind: string, type: string): Schema {
  const [, rest] = type.split(/_(.*)/s) as [string, string];
  const folder = join(lib, kind === 'data' ? `data-${type.replaceAll('_', '-')}` : rest.replaceAll('_', '-'));
  if (!existsSync(folder)) throw new Error(`${kind} ${type} is not in the bindings`);
  const code = readFileSync(join(folder, 'index.js'), 'utf8');
  const types = readFileSync(join(folder, 'index.d.ts'), 'utf8');
  const config = /export interface (\w+Config) extends cdktf\.TerraformMetaArguments/.exec(types)?.[1];
  if (config === undefined) throw new Error(`${type}: no configuration`);
  const own = code.slice(code.lastIndexOf('synthesizeHclAttributes()'));
  const readable = code.slice(code.lastIndexOf(`tfResourceType = "${type}"`) < 0 ? 0 : code.lastIndexOf('class '));
  const names = [...readable.matchAll(/get\w+Attribute\('(\w+)'\)|\(this, "(\w+)"/g)].map(([, value, block]) => value ?? (block as string));
  return { members: membersOf(code, types, own, config), readable: [...new Set(names)].sort() };
}

/** Returns the members that a list of attributes in the bindings has; an interface says which are required. */
function membersOf(code: string, types: string, attributes: string, name: string): Members {
  const body = new RegExp(`export interface ${name}(?: extends [\\w.]+)? \\{(.*?)^\\}`, 'ms').exec(types)?.[1];
  if (body === undefined) throw new Error(`no interface ${name}`);
  const members: Members = {};
  const end = attributes.indexOf('// remove undefined attributes');
  const entry = /^ +(\w+): \{\n +value: .*\n +isBlock: (true|false),\n +type: "\w+",\n +storageClassType: "(\w+)",/gm;
  for (const [, member, isBlock, storage] of (end < 0 ? attributes : attributes.slice(0, end)).matchAll(entry)) {
    const optional = new RegExp(`readonly ${camelCase(member as string)}(\\??):`).exec(body)?.[1];
    if (optional === undefined) throw new Error(`${name} has no ${member}`);
    const key = optional === '' ? `${member}!` : (member as string);
    members[key] = isBlock === 'true' ? blockOf(code, types, storage as string) : true;
  }
  return members;
}

function blockOf(code: string, types: string, storage: string): Members {
  const name = storage.replace(/(List|Set)$/, '');
  const maker = `function ${name[0]?.toLowerCase()}${name.slice(1)}ToHclTerraform(`;
  const at = code.indexOf(maker);
  if (at < 0) throw new Error(`no ${maker}`);
  return membersOf(code, types, code.slice(at), name);
}

function camelCase(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}
