import { execFile } from 'node:child_process';
import { createPublicKey, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { exportLog } from '../../src/audit/receipts/export-log.ts';
import { withAuditDatabase } from '../../src/compose/audit-database.ts';
import { openHome } from '../../src/compose/home.ts';
import { openReceiptsKey } from '../../src/compose/receipts.ts';
import { logReader } from '../../src/database/tables/log-reader.ts';
import type { AuditEventRow } from '../../src/emulator/vault/audit-log.ts';
import { startService, type TestService } from '../support/start-service.ts';
import { until } from '../support/until.ts';

/** The join of the customer's script: an export with the log of the customer's own vault. */
const ROOT = join(import.meta.dirname, '..', '..');
const BOUND_SECONDS = 300;
const DAY_MS = 86_400_000;

let service: TestService;
let python: string;
beforeAll(async () => {
  service = await startService({
    config: { audit: { database: true }, receipts: { origin: 'vendor.example/vaultspan', checkpointSeconds: 1 } },
  });
  python = (await promisify(execFile)('scripts/python-venv.sh', { cwd: ROOT })).stdout.trim();
  const { publicKey } = await openReceiptsKey({ config: service.config, home: openHome(service.config) }).read();
  const key = createPublicKey({ key: Buffer.from(publicKey), type: 'spki', format: 'der' });
  await writeFile(join(service.folder, 'key.pem'), key.export({ type: 'spki', format: 'pem' }));
}, 240_000);
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const post = (path: string, body: unknown) => service.post(`/tenants/contoso/${path}`, body);

/** Uses the key in each way, with several proofs of access. */
async function useTheKey(): Promise<void> {
  for (let time = 0; time < 4; time += 1) {
    const { body } = await post('encrypt', { plaintext: 'aGVsbG8=' }).expect(200);
    await post('batch/decrypt', { items: [{ ciphertext: body.ciphertext }, { ciphertext: body.ciphertext }] }).expect(
      200,
    );
    await post('check', undefined).expect(200);
    const wrapped = await post('wrap', { value: 'aGVsbG8=', key: 'wrap' }).expect(200);
    await post('unwrap', wrapped.body).expect(200);
    await service.emulator.control.disableKey({ vault: 'contoso', key: 'wrap' });
    await post('unwrap', wrapped.body).expect(403);
    await service.emulator.control.enableKey({ vault: 'contoso', key: 'wrap' });
    service.clock.advance(BOUND_SECONDS + 1);
  }
}

async function exported(): Promise<string> {
  const folder = join(service.folder, 'export');
  const signal = new AbortController().signal;
  await withAuditDatabase(service.config, async (database) => {
    const reader = logReader(database);
    const records = (await service.auditRecords()).filter(({ tenantId }) => tenantId === 'contoso').length;
    await until(async () => ((await reader.signed('contoso'))?.size ?? 0) >= records, 'all records are signed');
    await exportLog(reader, 'contoso', folder, signal);
  });
  return folder;
}

async function script(folder: string, rows: readonly AuditEventRow[]): Promise<string> {
  const file = join(service.folder, 'audit-events.ndjson');
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const args = ['docs/verify_log.py', folder, join(service.folder, 'key.pem'), '--vault', file];
  return new Promise((resolve) => {
    execFile(python, args, { cwd: ROOT }, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}

/** Returns members of a row of the vault's log that stands at another time. */
const later = (ms: number) => ({
  OperationName: 'KeyGet',
  CorrelationId: randomUUID(),
  TimeGenerated: new Date(Date.now() + ms).toISOString(),
});

test("every unwrap in the vault's log has its record, and every record its call; what lacks the other is found", async () => {
  await useTheKey();
  const folder = await exported();
  const rows = service.emulator.control
    .auditEvents()
    .filter(({ Resource, Identity }) => Resource === 'contoso' && Identity.claim.appid === service.emulator.appId);
  // The script leaves out what is near the ends of the vault's log, which may not have arrived.
  for (const ms of [-DAY_MS, DAY_MS]) rows.push({ ...(rows[0] as AuditEventRow), ...later(ms) });
  const unwraps = rows.filter(({ OperationName }) => OperationName === 'KeyUnwrap');
  expect(unwraps.length).toBeGreaterThan(12);
  const output = await script(folder, rows);
  expect(output).toMatch(/\ncomplete and unchanged\n$/);
  expect(output).toContain(`compared ${unwraps.length} unwraps of the vault before `);
  expect(await script(folder, [])).toContain('has no rows');

  const [first] = unwraps;
  const hidden = { ...(first as AuditEventRow), CorrelationId: '00000000-0000-4000-8000-000000000000' };
  expect(await script(folder, [...rows, hidden])).toMatch(/^unwrap 00000000-.* has no record$/m);
  const used = unwraps[Math.floor(unwraps.length / 2)];
  expect(
    await script(
      folder,
      rows.filter((row) => row !== used),
    ),
  ).toContain(`the vault's log lacks ${used?.CorrelationId}, which a record of`);
});
