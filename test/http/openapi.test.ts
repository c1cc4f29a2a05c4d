import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Express } from 'express';
import { parse, stringify } from 'yaml';
import { buildOpenApi } from '../../scripts/openapi.ts';
import { type AppDeps, createApp } from '../../src/app.ts';
import { problemTable } from '../../src/http/answers/problem-table.ts';
import { operations } from '../../src/http/contract/contract.ts';
import type { Operation } from '../../src/http/contract/operation.ts';
import { streamOperations } from '../../src/http/contract/stream-contract.ts';
import { readTree } from '../support/source-tree.ts';

interface Described {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}

const ROOT = join(import.meta.dirname, '..', '..');
const file = parse(readFileSync(join(ROOT, 'openapi.yaml'), 'utf8')) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: {
    readonly schemas: {
      readonly Problem: { readonly properties: { readonly code: { readonly description: string } } };
    };
  };
};
const everyOperation: Readonly<Record<string, Pick<Operation, 'method' | 'path' | 'errors'>>> = {
  ...operations,
  ...streamOperations,
};
const contract = Object.entries(everyOperation);
const described = Object.entries(file.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
);

const EXPORTED_FUNCTION = /^export (?:async function|function|const) ([a-z]\w+)/gm;

interface Layer {
  readonly route?: {
    readonly path: string;
    readonly methods?: Readonly<Record<string, boolean>>;
    readonly stack: readonly { readonly method?: string }[];
  };
}

/** Returns the routes in Express' own table. */
function mountedRoutes(app: Express): string[] {
  const layers = (app.router as unknown as { readonly stack: readonly Layer[] }).stack;
  return layers.flatMap(({ route }) => {
    const methods = route ? [...new Set(route.stack.flatMap(({ method }) => method ?? []))] : [];
    return methods.map((method) => `${method} ${route?.path.replace(/[:*](\w+)/g, '{$1}')}`);
  });
}

describe('openapi.yaml', () => {
  test('is generated from the contract', () => {
    expect(file).toEqual(parse(stringify(buildOpenApi(), { aliasDuplicateObjects: false })));
  });

  test('has the same operations as the contract, both ways', () => {
    const ofContract = contract.map(([id, { method, path }]) => `${id} ${method} ${path}`).sort();
    expect(described.map(({ operationId, method, path }) => `${operationId} ${method} ${path}`).sort()).toEqual(
      ofContract,
    );
  });

  test('has the same operations as the mounted routes, both ways', () => {
    const app = createApp({ isDraining: () => false } as unknown as AppDeps).express;
    const handshake = 'options /doorbell/{bell}'; // of CloudEvents, and no operation
    expect(mountedRoutes(app).sort()).toEqual(
      [...described.map(({ method, path }) => `${method} ${path}`), handshake].sort(),
    );
  });

  test('has the same operation names as src/operations: one each, and no route but health in addition', () => {
    const texts = [...readTree(join(ROOT, 'src', 'operations')).values()];
    const exported = texts.flatMap((text) => [...text.matchAll(EXPORTED_FUNCTION)].map(([, name = '']) => name));
    const unnamed = described.map(({ operationId }) => operationId).filter((id) => !exported.includes(id));
    expect(unnamed.sort()).toEqual(['getHealth', 'getReadiness']);
    expect(new Set(exported).size).toBe(exported.length);
  });

  test('names every code, and no other', () => {
    const listed = file.components.schemas.Problem.properties.code.description.matchAll(/`([a-z-]+)`/g);
    expect([...listed].map(([, code]) => code).sort()).toEqual(Object.keys(problemTable).sort());
  });

  test('lists for each operation the codes of each status', () => {
    for (const { operationId, responses } of described) {
      const told = Object.entries(responses).flatMap(([status, { description }]) =>
        [...description.matchAll(/`([a-z-]+)`:/g)].map(([, code = '']) => [code, Number(status)] as const),
      );
      const table = new Map(Object.entries(problemTable));
      for (const [code, status] of told) {
        expect([operationId, code, status]).toEqual([operationId, code, table.get(code)?.status]);
      }
      expect(told.map(([code]) => code)).toEqual(
        expect.arrayContaining([...(everyOperation[operationId]?.errors ?? [])]),
      );
    }
  });

  test('docs/errors.md lists the same codes', () => {
    const text = readFileSync(join(ROOT, 'docs', 'errors.md'), 'utf8');
    const rows = [...text.matchAll(/^\| (\d{3}) \| `([a-z-]+)` \|/gm)].map(([, status, code]) => `${code} ${status}`);
    expect(rows.sort()).toEqual(
      Object.entries(problemTable)
        .map(([code, { status }]) => `${code} ${status}`)
        .sort(),
    );
  });
});
