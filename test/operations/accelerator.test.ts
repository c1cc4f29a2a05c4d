import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openGcm } from '../../src/compose/gcm.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { gcm } from '../support/gcm.ts';
import { startService } from '../support/start-service.ts';

type Setting = 'auto' | 'off' | 'required';

/** Opens the implementation with a file in the place of the module, and returns it with its log. */
function opened(accelerator: Setting, file?: string) {
  const lines: string[] = [];
  const logger = createLogger('info', (line) => lines.push(line));
  const { name } = openGcm({ accelerator }, logger, file);
  const [{ level, implementation, reason }] = lines.map((line) => JSON.parse(line)) as [Record<string, unknown>];
  expect(lines.length).toBe(1);
  expect(implementation).toBe(name);
  return { name, level, reason };
}

/** Runs with a file that is there and is no module of ours. */
async function withModule(text: string, run: (file: string) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'vaultspan-'));
  try {
    const file = join(folder, 'module.cjs');
    await writeFile(file, text);
    run(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const [INFO, WARN] = [30, 40];
const LAYOUT = 'KEY_BYTES: 32, MAX_AAD: 2048, MAX_TEXT: 4096, MESSAGE_AT: 4096, SEALING_BYTES: 12288';

describe('the native accelerator', () => {
  test('that was not built leaves node:crypto, and the log says so', () => {
    const { name, level, reason } = opened('auto', '/nowhere/module.node');
    expect([name, level]).toEqual(['javascript', INFO]);
    expect(reason).toContain('npm run native');
  });

  test('that is off is not loaded', async () => {
    await withModule('throw new Error("loaded")', (file) => {
      expect(opened('off', file)).toMatchObject({ name: 'javascript', level: INFO });
    });
  });

  test.each([
    ['does not load', 'throw new Error("wrong machine")', 'wrong machine'],
    ['is of another version', 'module.exports = {}', 'does not work here'],
    [
      'seals other bytes',
      `module.exports = { ${LAYOUT}, newKey: () => ({}), seal() {}, sealOnce() {}, open: () => true, openOnce: () => true }`,
      'its results are wrong',
    ],
  ])('that %s leaves node:crypto with a warning, or no service if it is required', async (_fault, text, reason) => {
    await withModule(text, (file) => {
      const found = opened('auto', file);
      expect(found).toEqual({ name: 'javascript', level: WARN, reason: expect.stringContaining(reason) });
      expect(() => opened('required', file)).toThrow(
        expect.objectContaining({ name: 'ConfigError', message: expect.stringContaining('accelerator') }),
      );
    });
  });

  test('that is required and was not built keeps the service from starting', () => {
    expect(() => opened('required', '/nowhere/module.node')).toThrow(expect.objectContaining({ name: 'ConfigError' }));
  });

  test('is named in the log of a service at its start, which encrypts and decrypts either way', async () => {
    await using service = await startService();
    const started = service.logLines.map((line) => JSON.parse(line)).filter(({ implementation }) => implementation);
    expect(started.map(({ implementation }) => implementation)).toEqual([gcm.name]);
    const sealed = await service.post('/tenants/contoso/encrypt', { plaintext: 'aGk=' }).expect(200);
    const { ciphertext } = sealed.body;
    const answer = await service.post('/tenants/contoso/decrypt', { ciphertext }).expect(200);
    expect(answer.body.plaintext).toBe('aGk=');
  });
});
