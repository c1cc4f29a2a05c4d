import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { loadConfig } from '../src/config/load-config.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: number | string };
}

interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly containers: readonly [
    { readonly probes: readonly Probe[]; readonly volumeMounts: readonly { readonly mountPath: string }[] },
  ];
}

function containerApps(): { readonly config: string; readonly pod: Pod } {
  const { configuration, template } = parse(read('deploy/azure-container-apps/vaultspan.yaml')).properties;
  return { config: configuration.secrets[0].value, pod: template };
}

function loaded(text: string) {
  const path = join(mkdtempSync(join(tmpdir(), 'deploy-')), 'config.yaml');
  writeFileSync(path, text);
  return loadConfig({ path, env: {}, cwd: tmpdir() });
}

describe('the example for Azure Container Apps', () => {
  const { config: text, pod } = containerApps();
  const config = loaded(text);
  const [container] = pod.containers;

  test('has a configuration that the service accepts, with the audit log on a volume', () => {
    expect(container.volumeMounts.map(({ mountPath }) => mountPath)).toContain(config.audit.directory);
  });

  test('waits for the drain, and probes only existing endpoints', () => {
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(config.http.drainMs / 1_000 + 5);
    const paths = container.probes.map((probe) => probe.httpGet.path);
    expect(paths).toEqual(['/healthz', '/healthz', '/readyz']);
  });
});

test('every image in deploy/ is the one of the package’s version', () => {
  const { version } = JSON.parse(read('package.json')) as { readonly version: string };
  const files = readdirSync(join(ROOT, 'deploy'), { recursive: true, encoding: 'utf8' });
  const images = files
    .filter((name) => name.endsWith('.yaml'))
    .flatMap((name) => [...read(`deploy/${name}`).matchAll(/image: \S*\bvaultspan:(\S+)/g)])
    .map(([, tag]) => tag);
  expect(images).toEqual([version, version]); // compose and Container Apps
});

// scripts/check-kubernetes.sh renders the chart and checks its objects: it needs Go and minutes.
test("the Helm chart is of the package's version and runs as the image's user", () => {
  const { version } = JSON.parse(read('package.json')) as { readonly version: string };
  expect(parse(read('deploy/helm/Chart.yaml'))).toMatchObject({ version, appVersion: version });
  const [, user] = /^runAsUser: (\d+)$/m.exec(read('deploy/helm/templates/_helpers.tpl')) ?? [];
  expect(user).toBeDefined();
  expect(read('Dockerfile')).toContain(`\nUSER ${user}:`);
});

test('systemd and compose wait for the drain', () => {
  expect(read('deploy/systemd/vaultspan.service')).toMatch(/^TimeoutStopSec=30$/m);
  expect(parse(read('deploy/compose.yaml')).services.vaultspan.stop_grace_period).toBe('30s');
});

test('systemd and compose use all cores, and systemd reloads by replacing processes', () => {
  const unit = read('deploy/systemd/vaultspan.service');
  expect(unit).toMatch(/^ExecStart=.* serve --processes auto --config \S+$/m);
  expect(unit).toMatch(/^ExecReload=\/bin\/kill -HUP \$MAINPID$/m);
  expect(unit).toMatch(/^KillMode=mixed$/m);
  const { command } = parse(read('deploy/compose.yaml')).services.vaultspan;
  expect(command.slice(0, 3)).toEqual(['serve', '--processes', 'auto']);
});

/** Returns deploy/azure-config.yaml with values, and the names of these. */
function azureConfig(): { readonly text: string; readonly names: readonly string[] } {
  const guid = '11111111-1111-4111-8111-111111111111';
  const values: Readonly<Record<string, string>> = {
    vault_url: 'https://vendor-home.vault.azure.net',
    identity_name: 'vaultspan',
    database_host: 'db.example',
  };
  const template = read('deploy/azure-config.yaml').replace(/^#.*\n/gm, '');
  const names = new Set([...template.matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => name));
  const text = template.replaceAll(/\$\{(\w+)\}/g, (_whole, name: string) => values[name] ?? guid);
  return { text, names: [...names].sort() };
}

function rolesOfService(): readonly (string | undefined)[] {
  const [, type = ''] = /export type Role =([^;]+);/.exec(read('src/callers/principal.ts')) ?? [];
  return [...type.matchAll(/'([A-Za-z.]+)'/g)].map(([, role]) => role);
}

/** Returns the first group of each match. */
const allOf = (pattern: RegExp, text: string): readonly (string | undefined)[] =>
  [...text.matchAll(pattern)].map(([, found]) => found);

test("the vendor's Terraform and Bicep fill in a configuration that the service accepts", () => {
  const { home, database } = loaded(azureConfig().text);
  expect([home.credential, database.migrate]).toEqual(['managed-identity', 'at-start']);
});

describe("the vendor's Terraform", () => {
  test('gives each name of the configuration a value', () => {
    const given = /azure-config\.yaml", \{([^}]*)\}/.exec(read('deploy/terraform/container-app.tf'))?.[1] ?? '';
    expect(allOf(/^ *(\w+) +=/gm, given).toSorted()).toEqual(azureConfig().names);
  });

  test('creates the roles that the service knows', () => {
    expect(allOf(/^ {4}"([A-Za-z.]+)" +=/gm, read('deploy/terraform/apps.tf'))).toEqual(rolesOfService());
  });

  test('starts the service with the file that it mounts, which has the name of the secret', () => {
    const app = read('deploy/terraform/container-app.tf');
    expect(app).toMatch(/secret \{\n {4}name {2}= "config"/);
    expect(app).toMatch(/args += \["serve", "--config", "\/etc\/vaultspan\/config"\]/);
    expect(app).toMatch(/name = "config"\n {8}path = "\/etc\/vaultspan"/);
  });

  test('protects the home vault from being purged or destroyed, and opens the database to Entra alone', () => {
    const vault = read('deploy/terraform/vault.tf');
    expect(vault).toMatch(/^ {2}purge_protection_enabled += true$/m);
    expect(vault).toMatch(/^ {2}rbac_authorization_enabled += true$/m);
    expect(vault).toMatch(/^ {4}prevent_destroy = true$/m);
    const database = read('deploy/terraform/database.tf');
    expect(database).toMatch(/^ {4}password_auth_enabled += false$/m);
    expect(database).toMatch(/^ {2}public_network_access_enabled += false$/m);
  });
});

describe("the vendor's Bicep", () => {
  test('gives each name of the configuration a value', () => {
    const given = /^var values = \{([^}]*)\}/m.exec(read('deploy/bicep/main.bicep'))?.[1] ?? '';
    expect(allOf(/^ *(\w+):/gm, given).toSorted()).toEqual(azureConfig().names);
  });

  test('creates the roles that the service knows', () => {
    expect(allOf(/^ {2}'([A-Za-z.]+)': /gm, read('deploy/bicep/apps.bicep'))).toEqual(rolesOfService());
  });

  test("mounts the configuration where the image's command reads it, and probes existing endpoints", () => {
    const app = read('deploy/bicep/container-app.bicep');
    expect(app).toContain("secrets: [{ secretRef: 'config', path: 'config.yaml' }]");
    expect(app).toContain("{ volumeName: 'config', mountPath: '/etc/vaultspan' }");
    expect(allOf(/httpGet: \{ path: '([^']+)'/g, app)).toEqual(['/healthz', '/healthz', '/readyz']);
  });

  test('protects the home vault from being purged or deleted, and opens the database to Entra alone', () => {
    const vault = read('deploy/bicep/vault.bicep');
    expect(vault).toMatch(/^ {4}enablePurgeProtection: true$/m);
    expect(vault).toMatch(/^ {4}enableRbacAuthorization: true$/m);
    expect(vault).toMatch(/^ {4}level: 'CanNotDelete'$/m);
    const database = read('deploy/bicep/database.bicep');
    expect(database).toMatch(/^ {6}passwordAuth: 'Disabled'$/m);
    expect(database).toMatch(/^ {6}publicNetworkAccess: 'Disabled'$/m);
  });
});
