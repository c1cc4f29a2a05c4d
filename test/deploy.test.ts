import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { loadConfig } from '../src/config/load-config.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: number | string };
}

interface Container {
  readonly image: string;
  readonly probes?: readonly Probe[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly startupProbe?: Probe;
  readonly ports?: readonly object[];
  readonly volumeMounts: readonly { readonly name?: string; readonly mountPath: string }[];
}

interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly enableServiceLinks?: boolean;
  readonly securityContext?: { readonly runAsUser: number };
  readonly containers: readonly [Container];
  readonly initContainers?: readonly (Pick<Container, 'image' | 'volumeMounts'> & {
    readonly args: readonly string[];
  })[];
}

interface Ingress {
  readonly from: readonly { readonly namespaceSelector: { readonly matchLabels: object } }[];
  readonly ports: readonly { readonly port: string }[];
}

function kubernetes(): {
  readonly config: string;
  readonly pod: Pod;
  readonly selectors: readonly unknown[];
  readonly ingress: readonly Ingress[];
} {
  const objects = parseAllDocuments(read('deploy/kubernetes/vaultspan.yaml')).map((document) => document.toJS());
  const of = (kind: string) => objects.find((object) => object.kind === kind);
  const { spec } = of('Deployment');
  const selectors = [
    spec.selector.matchLabels,
    of('Service').spec.selector,
    of('PodDisruptionBudget').spec.selector.matchLabels,
    of('NetworkPolicy').spec.podSelector.matchLabels,
  ];
  return {
    config: of('ConfigMap').data['config.yaml'],
    pod: spec.template.spec,
    selectors,
    ingress: of('NetworkPolicy').spec.ingress,
  };
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

describe.each([
  ['Kubernetes', kubernetes()],
  ['Azure Container Apps', containerApps()],
])('the example for %s', (_name, { config: text, pod }) => {
  const config = loaded(text);
  const [container] = pod.containers;

  test('has a configuration that the service accepts, with the audit log on a volume', () => {
    expect(container.volumeMounts.map(({ mountPath }) => mountPath)).toContain(config.audit.directory);
  });

  test('waits for the drain, and probes only existing endpoints', () => {
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(config.http.drainMs / 1_000 + 5);
    const { startupProbe, livenessProbe, readinessProbe, probes } = container;
    const paths = (probes ?? [startupProbe, livenessProbe, readinessProbe]).map((probe) => probe?.httpGet.path);
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
  expect(images).toEqual([version, version, version, version]); // compose, Container Apps, and two containers of Kubernetes
});

test("the Kubernetes example uses the same names for its pods everywhere, and runs as the image's user", () => {
  const { pod, selectors } = kubernetes();
  const labels = { 'app.kubernetes.io/name': 'vaultspan' };
  expect(selectors).toEqual([labels, labels, labels, labels]);
  expect(read('Dockerfile')).toContain(`\nUSER ${pod.securityContext?.runAsUser}:`);
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

test('Kubernetes makes no variables for Services, which could have the names of settings', () => {
  expect(kubernetes().pod.enableServiceLinks).toBe(false);
});

test('Kubernetes migrates the database before a pod serves, with the image and configuration that serve', () => {
  const { pod, config } = kubernetes();
  const [migration] = pod.initContainers ?? [];
  const [container] = pod.containers;
  expect(loaded(config).database.migrate).toBe('by-command');
  expect([migration?.image, migration?.args]).toEqual([
    container.image,
    ['migrate', '--config', '/etc/vaultspan/config.yaml'],
  ]);
  expect(migration?.volumeMounts).toContainEqual(container.volumeMounts.find(({ name }) => name === 'config'));
  expect(read('Dockerfile')).toMatch(/^ENTRYPOINT /m);
});

test('Kubernetes allows only the monitoring to reach the metrics', () => {
  const { pod, config, ingress } = kubernetes();
  const { metrics } = loaded(config);
  expect([metrics.enabled, metrics.host]).toEqual([true, '0.0.0.0']);
  expect(pod.containers[0].ports).toContainEqual({ name: 'metrics', containerPort: metrics.port });
  const labels = ingress
    .filter(({ ports }) => ports.some(({ port }) => port === 'metrics'))
    .flatMap(({ from }) => from.map(({ namespaceSelector }) => namespaceSelector.matchLabels));
  expect(labels).toEqual([{ 'vaultspan-monitoring': 'true' }]);
});
