// Checks what the objects of a rendered chart mean together, and prints those that Kubernetes itself
// has a schema for: node check-rendered.ts FILE NOTES.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseAllDocuments, stringify } from 'yaml';
import * as z from 'zod';
import { loadConfig } from '../../src/config/load-config.ts';

const KUBERNETES_GROUPS = /^(v1|apps\/v1|batch\/v1|policy\/v1|autoscaling\/v2|networking\.k8s\.io\/v1)$/;
const [file = '', notes = ''] = process.argv.slice(2);
const Metadata = z.looseObject({
  name: z.string(),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
});
const Objects = z.array(z.looseObject({ apiVersion: z.string(), kind: z.string(), metadata: Metadata }));
const Labels = z.record(z.string(), z.string());
const Probe = z.looseObject({ httpGet: z.object({ path: z.string(), port: z.string(), scheme: z.string() }) });
const Container = z.looseObject({
  image: z.string(),
  args: z.array(z.string()).default([]),
  env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })).default([]),
  securityContext: z.unknown(),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().optional() })),
});
const Server = Container.extend({
  lifecycle: z.object({ preStop: z.object({ sleep: z.object({ seconds: z.number() }) }) }),
  startupProbe: Probe,
  livenessProbe: Probe,
  readinessProbe: Probe,
});
const Pod = z.looseObject({
  serviceAccountName: z.string(),
  automountServiceAccountToken: z.literal(false),
  // Otherwise Kubernetes makes variables for Services, which could have the names of settings.
  enableServiceLinks: z.literal(false),
  securityContext: z.object({
    runAsNonRoot: z.literal(true),
    runAsUser: z.literal(1000),
    runAsGroup: z.literal(1000),
    fsGroup: z.literal(1000),
    fsGroupChangePolicy: z.string(),
    seccompProfile: z.object({ type: z.literal('RuntimeDefault') }),
  }),
  volumes: z.array(z.looseObject({ name: z.string() })),
});
const podOf = <Containers extends z.ZodType>(container: Containers) =>
  z.looseObject({
    metadata: z.looseObject({ labels: Labels, annotations: Labels.default({}) }),
    spec: Pod.extend({ containers: z.tuple([container]) }),
  });
const Deployment = z.looseObject({
  replicas: z.number().optional(),
  selector: z.object({ matchLabels: Labels }),
  strategy: z.object({ rollingUpdate: z.object({ maxUnavailable: z.literal(0), maxSurge: z.literal(1) }) }),
  template: podOf(Server).extend({
    spec: Pod.extend({
      terminationGracePeriodSeconds: z.number(),
      topologySpreadConstraints: z.array(z.looseObject({ labelSelector: z.object({ matchLabels: Labels }) })).length(2),
      containers: z.tuple([Server]),
    }),
  }),
});
const Policy = z.looseObject({
  podSelector: z.object({ matchLabels: Labels }),
  ingress: z.array(z.object({ from: z.array(z.unknown()), ports: z.array(z.object({ port: z.string() })) })),
});

const objects = Objects.parse(parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS() as unknown));
const all = (kind: string) => objects.filter((object) => object.kind === kind);
function one(kind: string, name = 'vaultspan') {
  const found = all(kind).filter(({ metadata }) => metadata.name === name);
  assert.equal(found.length, 1, `${kind} ${name}`);
  return found[0] ?? assert.fail();
}

const deployment = Deployment.parse(one('Deployment')['spec']);
const pod = deployment.template.spec;
const [server] = pod.containers;
const text = configOf(one('ConfigMap'));
const config = loaded(text);

// Each container runs the image's way: nothing to write to but its volumes, no privilege.
const RESTRICTED = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } };
assert.deepEqual(server.securityContext, RESTRICTED);

// The same labels everywhere; the policy covers the pods of the migration too.
const labels = deployment.selector.matchLabels;
const selectorOf = (kind: string): unknown => {
  const { selector } = z.looseObject({ selector: z.unknown() }).parse(one(kind)['spec']);
  return kind === 'Service' ? selector : z.object({ matchLabels: Labels }).parse(selector).matchLabels;
};
assert.deepEqual(selectorOf('Service'), labels);
assert.deepEqual(selectorOf('PodDisruptionBudget'), labels);
for (const { labelSelector } of pod.topologySpreadConstraints) assert.deepEqual(labelSelector.matchLabels, labels);
assert.ok(includes(deployment.template.metadata.labels, labels));
assert.equal(deployment.template.metadata.labels['azure.workload.identity/use'], 'true');
const policy = Policy.parse(one('NetworkPolicy')['spec']);

// A Job migrates with the image and configuration that serve, before they do.
const job = one('Job', 'vaultspan-migrate');
const migration = z.looseObject({ template: podOf(Container) }).parse(job['spec']).template;
const [migrate] = migration.spec.containers;
// A variable that names a file names one of a volume, for the migration too.
for (const { env, volumeMounts } of [server, migrate]) {
  for (const { name, value } of env) {
    if (!value?.startsWith('/')) continue;
    assert.ok(
      volumeMounts.some(({ mountPath }) => value.startsWith(`${mountPath}/`)),
      `nothing is mounted for ${name}`,
    );
  }
}
assert.equal(config.database.migrate, 'by-command');
assert.equal(configOf(one('ConfigMap', 'vaultspan-migrate')), text);
assert.deepEqual(
  [migrate.image, migrate.args, migrate.env, migrate.securityContext],
  [server.image, ['migrate', '--config', '/etc/vaultspan/config.yaml'], server.env, RESTRICTED],
);
const hooks = [job, one('ConfigMap', 'vaultspan-migrate'), one('ServiceAccount', 'vaultspan-migrate')];
for (const { metadata } of hooks) assert.equal(metadata.annotations['helm.sh/hook'], 'pre-install,pre-upgrade');
assert.ok(!includes(migration.metadata.labels, labels), 'the Service must not find the pod of the migration');
for (const each of [migration.metadata.labels, deployment.template.metadata.labels])
  assert.ok(includes(each, policy.podSelector.matchLabels));
for (const { serviceAccountName } of [pod, migration.spec]) {
  const { metadata } = one('ServiceAccount', serviceAccountName);
  assert.match(metadata.annotations['azure.workload.identity/client-id'] ?? '', /^4{8}-/);
  assert.match(readFileSync(notes, 'utf8'), new RegExp(`system:serviceaccount:vaultspan:${serviceAccountName}$`, 'm'));
}

// A pod drains before it is killed, after the load balancers have forgotten it.
const grace = server.lifecycle.preStop.sleep.seconds + config.http.drainMs / 1_000 + 5;
assert.equal(pod.terminationGracePeriodSeconds, grace);

// The probes ask existing endpoints of the port that serves, in its protocol.
const probes = [server.startupProbe, server.livenessProbe, server.readinessProbe].map(({ httpGet }) => httpGet);
assert.deepEqual(
  probes.map(({ path }) => path),
  ['/healthz', '/healthz', '/readyz'],
);
const isHttps = config.http.certificate !== undefined;
assert.ok(probes.every(({ scheme, port }) => scheme === (isHttps ? 'HTTPS' : 'HTTP') && port === 'api'));
assert.deepEqual(
  server.ports.find(({ name }) => name === 'api'),
  { name: 'api', containerPort: config.http.port },
);

// The audit log is on a volume that outlives the pods, and every file of the configuration is mounted.
const mounts = new Map(server.volumeMounts.map((mount) => [mount.mountPath, mount]));
assert.ok(mounts.has(config.audit.directory));
const claim = z
  .looseObject({ persistentVolumeClaim: z.object({ claimName: z.string() }) })
  .parse(pod.volumes.find(({ name }) => name === mounts.get(config.audit.directory)?.name));
const [own] = all('PersistentVolumeClaim');
if (own) {
  assert.equal(own.metadata.name, claim.persistentVolumeClaim.claimName);
  assert.equal(own.metadata.annotations['helm.sh/resource-policy'], 'keep');
  assert.deepEqual(z.looseObject({ accessModes: z.unknown() }).parse(own['spec']).accessModes, ['ReadWriteMany']);
}

// Only the monitoring reaches the metrics.
assert.equal(config.metrics.host, '0.0.0.0');
const metrics = policy.ingress.filter(({ ports }) => ports.some(({ port }) => port === 'metrics'));
assert.deepEqual(
  metrics.map(({ from }) => from),
  [[{ namespaceSelector: { matchLabels: { 'vaultspan-monitoring': 'true' } } }]],
);
assert.deepEqual(
  server.ports.find(({ name }) => name === 'metrics'),
  { name: 'metrics', containerPort: config.metrics.port },
);
const monitor = all('ServiceMonitor')[0];
assert.equal(deployment.template.metadata.annotations['prometheus.io/scrape'] === undefined, monitor !== undefined);
if (monitor) {
  const spec = z
    .object({
      jobLabel: z.string(),
      selector: z.object({ matchLabels: Labels }),
      endpoints: z.tuple([z.object({ port: z.literal('metrics'), interval: z.string() })]),
    })
    .parse(monitor['spec']);
  const service = one('Service', 'vaultspan-metrics').metadata;
  assert.ok(includes(service.labels, spec.selector.matchLabels));
  assert.equal(service.labels[spec.jobLabel], 'vaultspan'); // the job of deploy/prometheus and deploy/grafana
}

// Autoscaling owns the number of pods, and each vault's budget is divided by the most there can be.
const scaler = all('HorizontalPodAutoscaler')[0];
const most = scaler ? z.looseObject({ maxReplicas: z.number() }).parse(scaler['spec']).maxReplicas : deployment.replicas;
assert.equal(deployment.replicas === undefined, scaler !== undefined);
assert.equal(z.object({ processes: z.number() }).parse(parseAllDocuments(text)[0]?.toJS().vault).processes, most);

process.stdout.write(
  objects
    .filter(({ apiVersion }) => KUBERNETES_GROUPS.test(apiVersion))
    .map((object) => `---\n${stringify(object)}`)
    .join(''),
);

function loaded(yaml: string) {
  const folder = mkdtempSync(join(tmpdir(), 'helm-'));
  const path = join(folder, 'config.yaml');
  writeFileSync(path, yaml);
  try {
    return loadConfig({ path, env: {}, cwd: folder });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function configOf(configMap: Readonly<Record<string, unknown>>): string {
  return z.object({ 'config.yaml': z.string() }).parse(configMap['data'])['config.yaml'];
}

function includes(labels: z.output<typeof Labels>, wanted: z.output<typeof Labels>): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}
