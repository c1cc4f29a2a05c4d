import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { startService, type TestService } from '../support/start-service.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: Readonly<Record<'h' | 'w' | 'x' | 'y', number>>;
  readonly targets?: readonly { readonly expr: string }[];
}

const { groups } = parse(read('deploy/prometheus/alerts.yaml')) as { groups: readonly { rules: readonly Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const { panels } = JSON.parse(read('deploy/grafana/vaultspan.json')) as { readonly panels: readonly Panel[] };
const expressions = [
  ...rules.map(({ alert, expr }) => ({ where: alert, expr })),
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ where: title, expr }))),
];

let service: TestService;
let metrics: string;
/**
 * Names and labels of exported metrics, from the TYPE lines, which exist before the first value.
 */
let types: ReadonlyMap<string, string>;

beforeAll(async () => {
  service = await startService({
    config: {
      metrics: { enabled: true, port: 0, tenantLabels: true },
      rounds: {},
      audit: { database: true },
      receipts: { origin: 'vendor.example/vaultspan' },
      siem: { enabled: true, otlpEndpoint: 'http://127.0.0.1:9' },
    },
  });
  await service.post('/tenants/contoso/encrypt', { plaintext: 'aGk=' }).expect(200);
  await service.post('/tenants/nobody/encrypt', { plaintext: 'aGk=' }).expect(404);
  metrics = await (await fetch(service.metricsUrl)).text();
  types = new Map([...metrics.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name = '', type = '']) => [name, type]));
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

/** Returns whether a name is exported; a histogram is queried by the names of its parts. */
function isShown(name: string): boolean {
  const [, base = name] = /^(\w+)_(?:bucket|sum|count)$/.exec(name) ?? [];
  return types.has(name) || types.get(base) === 'histogram';
}

const METRIC = /\b(?:vaultspan|nodejs|process)_\w+/g;

describe('the dashboard and the alerts', () => {
  test('name only metrics that the service exports', () => {
    const named = expressions.flatMap(({ where, expr }) => (expr.match(METRIC) ?? []).map((name) => ({ where, name })));
    expect(named.length).toBeGreaterThan(40);
    expect(named.filter(({ name }) => !isShown(name))).toEqual([]);
  });

  test('select only labels that the metric has, if it has a value', () => {
    const wrong = expressions.flatMap(({ where, expr }) =>
      [...expr.matchAll(/\b(vaultspan_\w+)\{([^}]*)\}/g)].flatMap(([, name = '', selector = '']) => {
        const series = metrics.split('\n').filter((line) => line.startsWith(`${name}{`));
        const labels = [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label);
        return labels
          .filter((label) => label !== 'instance' && label !== 'job')
          .filter((label) => !series.some((line) => new RegExp(`[{,]${label}="`).test(line)))
          .map((label) => ({ where, name, label }));
      }),
    );
    expect(wrong).toEqual([]);
  });

  test('use every metric of ours', () => {
    const seen = expressions.map(({ expr }) => expr).join(' ');
    const ours = [...types.keys()].filter((name) => name.startsWith('vaultspan_'));
    expect(ours.length).toBeGreaterThan(25);
    expect(ours.filter((name) => !seen.includes(name))).toEqual([]);
  });
});

describe('metrics of ours', () => {
  test("are named by Prometheus' rules: base units, _total only for counters", () => {
    const counters = [...types].filter(([name, type]) => name.startsWith('vaultspan_') && type === 'counter');
    expect(counters.filter(([name]) => !name.endsWith('_total'))).toEqual([]);
    const others = [...types].filter(([name, type]) => name.startsWith('vaultspan_') && type !== 'counter');
    expect(
      others.filter(([name]) => name.endsWith('_total') || /_(?:ms|milliseconds|minutes|kib)\b/.test(name)),
    ).toEqual([]);
    expect(others.filter(([, type]) => type === 'histogram').every(([name]) => name.endsWith('_seconds'))).toBe(true);
  });

  test('each have a help text', () => {
    for (const name of types.keys()) expect(metrics).toMatch(new RegExp(`^# HELP ${name} \\S`, 'm'));
  });
});

test('each alert has a severity, a summary and a section of the runbook', () => {
  const sections = [...read('docs/operating.md').matchAll(/^#### (\w+)$/gm)].map(([, title]) => title);
  expect(rules.map(({ alert }) => alert).sort()).toEqual(sections.sort());
  for (const { alert, labels, annotations } of rules) {
    expect(['warning', 'critical']).toContain(labels.severity);
    expect(annotations.summary).not.toBe('');
    expect(annotations.runbook).toBe(`docs/operating.md#${alert.toLowerCase()}`);
  }
});

test('panels of the dashboard have ids and places of their own', () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { h, w, x, y } }) =>
    Array.from({ length: h * w }, (_, cell) => `${x + (cell % w)} ${y + Math.floor(cell / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
});
