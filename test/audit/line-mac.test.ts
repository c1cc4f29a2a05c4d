import { createHmac, createSecretKey, hash, hkdfSync } from 'node:crypto';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ChainWriter } from '../../src/audit/chain/chain-writer.ts';
import { openFileSink } from '../../src/audit/chain/file-sink.ts';
import { lineKeyOf } from '../../src/audit/chain/line-key.ts';
import type { AuditEvent } from '../../src/audit/event.ts';
import { removeOldFiles } from '../../src/audit/retention/old-files.ts';
import type { MacRules } from '../../src/audit/verify/mac-check.ts';
import { verifyChain } from '../../src/audit/verify/verify.ts';
import { verifyDirectories } from '../../src/audit/verify/verify-directory.ts';
import { eventOf, linesOf, START, temporaryDirectory } from '../support/chains.ts';

const CHAIN = '3f0e9d3c-8f57-4b0e-9c86-1f2a6f3b7d10';
const AUDIT_KEY = createSecretKey(Buffer.alloc(32, 7));
const key = lineKeyOf(AUDIT_KEY);
const otherKey = lineKeyOf(createSecretKey(Buffer.alloc(32, 8)));
const rules: MacRules = { keys: [otherKey, key] };

function chainText(writer = new ChainWriter(CHAIN, key), event: (n: number) => AuditEvent = eventOf): string {
  const open = writer.open(START, undefined);
  const events = Array.from({ length: 6 }, (_, n) => writer.event(START + n, event(n)));
  return [open, ...events, writer.close(START + 9)].join('');
}

const check = (text: string, macs: MacRules | undefined = rules) => verifyChain(linesOf(text), { macs });

/**
 * Returns a chain that an attacker with only the disk could write: changed records with consistent
 * hashes.
 */
function rewritten(text: string, change: (record: Record<string, unknown>, at: number) => void): string {
  let previous: string | undefined;
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line, at) => {
      const record = JSON.parse(line) as Record<string, unknown>;
      change(record, at);
      if (previous !== undefined) record['previous'] = previous;
      const text = JSON.stringify(record);
      previous = hash('sha256', text, 'base64url');
      return `${text}\n`;
    });
  return lines.join('');
}

test('each line ends with its MAC, which every holder of the audit key can compute', () => {
  const lines = chainText().trimEnd().split('\n');
  const lineKey = hkdfSync('sha256', AUDIT_KEY, '', 'vaultspan audit line 1', 32);
  for (const line of lines) {
    const [, bare = '', mac] = /^(.*),"mac":"([\w-]{43})"\}$/.exec(line) ?? [];
    expect(createHmac('sha256', Buffer.from(lineKey)).update(`${bare}}`).digest('base64url')).toBe(mac);
  }
  const keyId = Buffer.from(hkdfSync('sha256', AUDIT_KEY, '', 'vaultspan audit key id 1', 9)).toString('base64url');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ type: 'open', macKey: keyId });
});

test('a chain with MACs verifies with the key and without it', async () => {
  expect(await check(chainText())).toMatchObject({ records: 8, closed: true });
  expect(await verifyChain(linesOf(chainText()))).toEqual({ chain: CHAIN, records: 8, closed: true });
});

test.each(Array.from({ length: 8 }, (_, at) => at))(
  'a chain that was rewritten from record %d on passes by its hashes, and fails by its MACs',
  async (from) => {
    const text = rewritten(chainText(), (record, at) => {
      if (at >= from) record['salt'] = 'A'.repeat(22);
    });
    expect(await verifyChain(linesOf(text))).not.toHaveProperty('firstBad');
    expect((await check(text)).firstBad).toEqual({ line: from + 1, sequence: from, problem: 'wrong-mac' });
  },
);

test('partly or completely stripped MACs are detected', async () => {
  const strip = (record: Record<string, unknown>) => {
    delete record['mac'];
    delete record['macKey'];
  };
  const all = rewritten(chainText(), strip);
  expect(await verifyChain(linesOf(all))).not.toHaveProperty('firstBad');
  expect((await check(all)).firstBad).toMatchObject({ line: 2, problem: 'no-mac' });
  const some = rewritten(chainText(), (record, at) => at > 3 && strip(record));
  expect((await verifyChain(linesOf(some))).firstBad).toMatchObject({ line: 5, problem: 'no-mac' });
  const open = rewritten(chainText(), (record, at) => at === 0 && strip(record));
  expect((await verifyChain(linesOf(open))).firstBad).toMatchObject({ line: 2, problem: 'wrong-mac' });
});

test('a chain under an unknown key is distinguished from a changed one', async () => {
  expect((await check(chainText(), { keys: [otherKey] })).firstBad).toMatchObject({ line: 1, problem: 'unknown-key' });
  const named = rewritten(chainText(), (record, at) => {
    if (at === 0) record['macKey'] = otherKey.id;
  });
  expect((await check(named)).firstBad).toMatchObject({ line: 1, problem: 'wrong-mac' });
});

test('chains of an older release verify without MACs, up to the given time', async () => {
  const old = chainText(new ChainWriter(CHAIN));
  expect(old).not.toContain('"mac"');
  expect(await verifyChain(linesOf(old))).toEqual({ chain: CHAIN, records: 8, closed: true });
  expect((await check(old)).firstBad).toMatchObject({ line: 2, problem: 'no-mac' });
  expect(await check(old, { ...rules, unkeyedBefore: START + 1000 })).not.toHaveProperty('firstBad');
  expect((await check(old, { ...rules, unkeyedBefore: START + 3 })).firstBad).toMatchObject({ problem: 'no-mac' });
});

test('a chain of the command line needs no MAC, and may contain only records of the command line', async () => {
  const event = (n: number): AuditEvent => ({ ...eventOf(n), operation: 'tenant-put', principal: 'cli:ann' });
  expect(await check(chainText(new ChainWriter(CHAIN), event))).not.toHaveProperty('firstBad');
  const mixed = chainText(new ChainWriter(CHAIN), (n) => (n === 3 ? eventOf(n) : event(n)));
  expect((await check(mixed)).firstBad).toMatchObject({ line: 5, problem: 'no-mac' });
});

test('a removal record without a MAC excuses nothing, one with a MAC does', async () => {
  for (const [made, problem] of [
    [key, undefined],
    [undefined, 'start-missing'],
  ] as const) {
    await using directory = await temporaryDirectory();
    let at = START;
    const sink = await openFileSink({ directory: directory.path, key, maxFileBytes: 1000, now: () => at });
    for (let n = 0; n < 4; n += 1, at += 86_400_000) await sink.record(eventOf(n));
    await sink.close();
    for (const name of await directory.files()) await utimes(join(directory.path, name), START / 1000, START / 1000);
    const remover = await openFileSink({ directory: directory.path, key: made, now: () => at });
    await removeOldFiles({ directory: directory.path, sink: remover, days: 1 }, at);
    await remover.close();
    const [chain] = await verifyDirectories([directory.path], { macs: rules });
    expect(chain?.begins?.sequence).toBeGreaterThan(0);
    expect(chain?.firstBad?.problem).toBe(problem);
  }
});

test('a chain whose beginning was removed shows its key in its first line', async () => {
  const lines = chainText()
    .split(/(?<=\n)/)
    .slice(3);
  const late = (macs: MacRules) => verifyChain(linesOf(lines.join('')), { macs, mayBeginLate: true });
  expect(await late(rules)).not.toHaveProperty('firstBad');
  expect((await late({ keys: [otherKey] })).firstBad).toMatchObject({ line: 1, problem: 'wrong-mac' });
});

test('files: a line that was replaced under the same hashes is detected by its MAC', async () => {
  await using directory = await temporaryDirectory();
  const sink = await openFileSink({ directory: directory.path, key });
  await Promise.all([0, 1, 2].map((n) => sink.record(eventOf(n))));
  await sink.close();
  const [name = ''] = await directory.files();
  const text = rewritten(await directory.read(name), (record, at) => {
    if (at === 2) record['outcome'] = 'refused';
  });
  await writeFile(join(directory.path, name), text);
  expect(await verifyDirectories([directory.path], { macs: rules })).toMatchObject([
    { firstBad: { line: 3, problem: 'wrong-mac' } },
  ]);
});
