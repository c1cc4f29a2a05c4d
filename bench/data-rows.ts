import { randomBytes } from 'node:crypto';
import type { MeasuredServer } from './cpu.ts';

const KIB = 1_024;
const ITEMS = 100;
const PREFIX = '/tenants/contoso';
const bound = { encryptionContext: { table: 'invoices', row: '4711' } };

/** Settings of a measured service: on a busy machine large requests wait instead of being shed. */
export const PATIENT = { http: { queueTargetSeconds: 60 } };

/** Posts a body to a server and returns its answer. */
export type Call = (path: string, body: unknown) => Promise<Record<string, unknown>>;

/** One kind of request. */
export interface Row {
  readonly name: string;
  readonly path: string;
  /** Highest allowed cost of the product, relative to the Express server's. */
  readonly ratio: number;
  readonly body: (call: Call) => Promise<unknown>;
}

const encryptBody = (bytes: number, context: object = {}) => ({
  plaintext: randomBytes(bytes).toString('base64'),
  ...context,
});
const sealed = async (call: Call, bytes: number, context: object = {}) => {
  const { ciphertext } = await call(`${PREFIX}/encrypt`, encryptBody(bytes, context));
  return { ciphertext, ...context };
};
const batchOf = async (make: () => unknown, length = ITEMS) => ({
  items: await Promise.all(Array.from({ length }, make)),
});

const rows: readonly Row[] = [
  { name: 'encrypt 1 KiB', path: `${PREFIX}/encrypt`, ratio: 1.15, body: async () => encryptBody(KIB) },
  { name: 'decrypt 1 KiB', path: `${PREFIX}/decrypt`, ratio: 1.15, body: (call) => sealed(call, KIB) },
  { name: 'data key', path: `${PREFIX}/data-keys`, ratio: 1.15, body: async () => ({}) },
  {
    name: 'encrypt 1 KiB with a context',
    path: `${PREFIX}/encrypt`,
    ratio: 1.15,
    body: async () => encryptBody(KIB, bound),
  },
  {
    name: 'decrypt 1 KiB with a context',
    path: `${PREFIX}/decrypt`,
    ratio: 1.15,
    body: (call) => sealed(call, KIB, bound),
  },
  {
    name: 'encrypt batch of 100 × 1 KiB',
    path: `${PREFIX}/batch/encrypt`,
    ratio: 1,
    body: () => batchOf(() => encryptBody(KIB)),
  },
  {
    name: 'decrypt batch of 100 × 1 KiB',
    path: `${PREFIX}/batch/decrypt`,
    ratio: 1,
    body: (call) => batchOf(() => sealed(call, KIB)),
  },
  {
    name: 'rewrap batch of 100 × 1 KiB',
    path: `${PREFIX}/batch/rewrap`,
    ratio: 1,
    body: (call) => batchOf(() => sealed(call, KIB)),
  },
  {
    name: 'encrypt batch of 100 × 16 B',
    path: `${PREFIX}/batch/encrypt`,
    ratio: 1,
    body: () => batchOf(() => encryptBody(16)),
  },
  {
    name: 'decrypt batch of 100 × 16 B',
    path: `${PREFIX}/batch/decrypt`,
    ratio: 1,
    body: (call) => batchOf(() => sealed(call, 16)),
  },
  {
    name: 'encrypt batch of 400 × 256 B',
    path: `${PREFIX}/batch/encrypt`,
    ratio: 1,
    body: () => batchOf(() => encryptBody(256), 400),
  },
  { name: 'encrypt 64 KiB', path: `${PREFIX}/encrypt`, ratio: 1, body: async () => encryptBody(64 * KIB) },
  { name: 'encrypt 1 MiB', path: `${PREFIX}/encrypt`, ratio: 1, body: async () => encryptBody(KIB * KIB) },
  { name: 'decrypt 64 KiB', path: `${PREFIX}/decrypt`, ratio: 1, body: (call) => sealed(call, 64 * KIB) },
  { name: 'decrypt 1 MiB', path: `${PREFIX}/decrypt`, ratio: 1, body: (call) => sealed(call, KIB * KIB) },
];

/** Batches of short values, as columns of a table have them, under a key with this alias. */
export const columnRows = (alias: string): readonly Row[] => [
  {
    name: `encrypt batch of 100 × 16 B, ${alias}`,
    path: `${PREFIX}/batch/encrypt`,
    ratio: 1,
    body: () => batchOf(() => encryptBody(16, { key: alias })),
  },
  {
    name: `decrypt batch of 100 × 16 B, ${alias}`,
    path: `${PREFIX}/batch/decrypt`,
    ratio: 1,
    body: (call) => batchOf(() => sealedUnder(call, 16, alias, {})),
  },
  {
    name: `encrypt batch of 400 × 256 B, ${alias}`,
    path: `${PREFIX}/batch/encrypt`,
    ratio: 1,
    body: () => batchOf(() => encryptBody(256, { key: alias }), 400),
  },
];

/** Work under a compact key and under a self-contained one: `alias` names the key. */
export const rowsOfForms = (alias: string): readonly Row[] => {
  const key = { key: alias };
  const sizes = [
    ['64 B', 64],
    ['1 KiB', KIB],
  ] as const;
  const single = sizes.flatMap(([size, bytes]) =>
    [
      ['', {}],
      [' with a context', bound],
    ].flatMap(([suffix, context]) => [
      {
        name: `encrypt ${size}${String(suffix)}`,
        path: `${PREFIX}/encrypt`,
        ratio: 1,
        body: async () => encryptBody(bytes, { ...key, ...(context as object) }),
      },
      {
        name: `decrypt ${size}${String(suffix)}`,
        path: `${PREFIX}/decrypt`,
        ratio: 1,
        body: async (call: Call) => sealedUnder(call, bytes, alias, context as object),
      },
    ]),
  );
  return [
    ...single,
    {
      name: 'encrypt batch of 100 × 64 B',
      path: `${PREFIX}/batch/encrypt`,
      ratio: 0.6,
      body: () => batchOf(() => encryptBody(64, key)),
    },
    {
      name: 'decrypt batch of 100 × 64 B',
      path: `${PREFIX}/batch/decrypt`,
      ratio: 0.6,
      body: (call) => batchOf(() => sealedUnder(call, 64, alias, {})),
    },
  ];
};

async function sealedUnder(call: Call, bytes: number, alias: string, context: object) {
  const { ciphertext } = await call(`${PREFIX}/encrypt`, encryptBody(bytes, { ...context, key: alias }));
  return { ciphertext, ...context };
}

/** Returns the rows whose names contain one of the parts; without parts, all. */
export const rowsNamed = (parts: readonly string[]): readonly Row[] =>
  rows.filter(({ name }) => parts.length === 0 || parts.some((part) => name.includes(part)));

export const callOf =
  (server: MeasuredServer, token: string): Call =>
  async (path, body) => {
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
    const response = await fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path} answers ${response.status}: ${await response.text()}`);
    return (await response.json()) as Record<string, unknown>;
  };
