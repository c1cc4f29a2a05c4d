import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { ConfigSchema } from '../src/config/schema.ts';

export const HELM_SCHEMA_FILE = join(import.meta.dirname, '..', 'deploy', 'helm', 'values.schema.json');

/** Settings that the chart derives from its other values, and those that a pod cannot have. */
const OWNED: Readonly<Record<string, readonly string[]>> = {
  http: ['host', 'port', 'reusePort', 'tls', 'certificateFile', 'keyFile'],
  metrics: ['enabled', 'host', 'port'],
  audit: ['directory'],
  database: ['file', 'migrate'],
  registry: ['file'],
};

type Json = Readonly<Record<string, unknown>>;
const text = { type: 'string' } as const;
const name = { type: 'string', minLength: 1 } as const;
const flag = { type: 'boolean' } as const;
const object = { type: 'object' } as const;
const list = { type: 'array', items: object } as const;
const named = { type: 'array', items: { type: 'object', required: ['name'], properties: { name } } } as const;
const strings = { type: 'object', additionalProperties: text } as const;
const count = (minimum: number, maximum: number) => ({ type: 'integer', minimum, maximum }) as const;
const strict = (properties: Json, required: readonly string[] = []) =>
  ({ type: 'object', additionalProperties: false, properties, required }) as const;

/**
 * Returns the JSON schema of the chart's values, as text. `config` has the service's own settings,
 * so that Helm refuses a misspelt one before a pod starts.
 */
export function helmSchema(): string {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart vaultspan',
    ...strict(
      {
        global: object,
        image: strict({
          repository: name,
          tag: text,
          digest: { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
          pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] },
          pullSecrets: list,
        }),
        replicas: count(1, 256),
        config: configSchema(),
        env: named,
        volumes: named,
        volumeMounts: {
          type: 'array',
          items: { type: 'object', required: ['name', 'mountPath'], properties: { name, mountPath: name } },
        },
        workloadIdentity: strict({
          clientId: { type: 'string', pattern: '^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$' },
        }),
        tls: strict({ secretName: text }),
        audit: strict({
          storageClassName: text,
          size: { type: 'string', pattern: '^[0-9]+(Mi|Gi|Ti)$' },
          existingClaim: text,
        }),
        migrate: strict({ activeDeadlineSeconds: count(10, 86_400), backoffLimit: count(0, 10), resources: object }),
        resources: object,
        preStopSeconds: count(0, 60),
        autoscaling: strict({
          enabled: flag,
          minReplicas: count(1, 256),
          maxReplicas: count(1, 256),
          targetCPUUtilizationPercentage: count(1, 100),
        }),
        podDisruptionBudget: strict({
          minAvailable: { anyOf: [count(0, 256), { type: 'string', pattern: '^[0-9]{1,3}%$' }] },
        }),
        service: strict({
          type: { enum: ['ClusterIP', 'NodePort', 'LoadBalancer'] },
          port: count(1, 65_535),
          annotations: strings,
        }),
        metrics: strict({
          enabled: flag,
          serviceMonitor: strict({
            enabled: flag,
            interval: { type: 'string', pattern: '^[0-9]+(s|m)$' },
            labels: strings,
          }),
        }),
        networkPolicy: strict({
          enabled: flag,
          callers: { ...list, minItems: 1 },
          monitoring: { ...list, minItems: 1 },
          egress: list,
        }),
        podAnnotations: strings,
        podLabels: strings,
        nodeSelector: strings,
        tolerations: list,
        affinity: object,
        priorityClassName: text,
      },
      ['config'],
    ),
    // Without metrics nothing would answer the operator.
    not: {
      properties: {
        metrics: {
          properties: {
            enabled: { const: false },
            serviceMonitor: { properties: { enabled: { const: true } }, required: ['enabled'] },
          },
          required: ['enabled', 'serviceMonitor'],
        },
      },
      required: ['metrics'],
    },
  };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

/** Returns the schema of the configuration file, without the settings that the chart owns. */
function configSchema(): Json {
  const schema = z.toJSONSchema(ConfigSchema, { io: 'input', unrepresentable: 'any', target: 'draft-7' });
  const properties = Object.entries({ ...schema.properties })
    .filter(([section]) => section !== 'emulator')
    .map(([section, whole]) => [section, without(whole, OWNED[section] ?? [])] as const);
  const { $schema: _draft, ...rest } = schema;
  return { ...rest, properties: Object.fromEntries(properties) };
}

function without(section: unknown, members: readonly string[]): unknown {
  if (members.length === 0) return section;
  const { properties, ...rest } = z.looseObject({ properties: z.record(z.string(), z.unknown()) }).parse(section);
  const missing = members.filter((member) => !Object.hasOwn(properties, member));
  if (missing.length > 0) throw new Error(`The configuration has no ${missing.join(', ')}: change OWNED`);
  return {
    ...rest,
    properties: Object.fromEntries(Object.entries(properties).filter(([member]) => !members.includes(member))),
  };
}

if (import.meta.main) writeFileSync(HELM_SCHEMA_FILE, helmSchema());
