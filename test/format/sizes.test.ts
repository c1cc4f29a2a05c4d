import { createSecretKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { compactHeader, deriveLeafKey, leafIdOf, sealCompact } from '../../src/format/compact.ts';
import { dataKeyFrom } from '../../src/format/data-key.ts';
import { sealJwe } from '../../src/format/jwe.ts';
import { headerTemplate } from '../../src/format/jwe-header.ts';
import type { WrapAlgorithm } from '../../src/format/wrap-algorithms.ts';
import { contentKeyOf, gcm } from '../support/gcm.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'sizes.md'), 'utf8');

const KEK = { vaultUrl: 'https://contoso-kv.vault.azure.net', name: 'vaultspan', keyVersion: '0'.repeat(32) };
const CONTEXT = Buffer.from('{"row":"4711"}');
/** Bytes of a name, an e-mail address, a telephone number and an IBAN. */
const RECORD = [14, 24, 13, 22];
const VALUES = [16, 64, 1_024];

type Length = (bytes: number) => number;

function selfContained(algorithm: WrapAlgorithm, wrappedBytes: number, context?: Buffer): Length {
  const dataKey = dataKeyFrom(gcm, Buffer.alloc(32, 1), {
    kek: KEK,
    algorithm,
    kid: `${KEK.vaultUrl}/keys/${KEK.name}/${KEK.keyVersion}`,
    tenantId: 'contoso',
    encryptedKey: Buffer.alloc(wrappedBytes).toString('base64url'),
  });
  const header = headerTemplate(dataKey, Buffer.alloc(16).toString('base64url'), 'vaultspan+jwe');
  return (bytes) => sealJwe({ dataKey, header }, Buffer.alloc(12), Buffer.alloc(bytes), context).length;
}

function compact(context?: Buffer): Length {
  const { kid } = leafIdOf(Buffer.alloc(8), Buffer.alloc(8));
  const leaf = deriveLeafKey(createSecretKey(Buffer.alloc(32)), 'message', 'contoso', kid);
  const header = compactHeader(kid);
  return (bytes) => sealCompact(contentKeyOf(leaf, context), header, Buffer.alloc(12), Buffer.alloc(bytes)).length;
}

/** `vault:v1:` and base64 of IV, ciphertext and tag. */
const openBao: Length = (bytes) => 'vault:v1:'.length + 4 * Math.ceil((12 + bytes + 16) / 3);

const rows: readonly (readonly [string, Length])[] = [
  ['self-contained, RSA 2048', selfContained('RSA-OAEP-256', 256)],
  ['self-contained, RSA 2048, with a context', selfContained('RSA-OAEP-256', 256, CONTEXT)],
  ['self-contained, RSA 3072', selfContained('RSA-OAEP-256', 384)],
  ['self-contained, RSA 4096', selfContained('RSA-OAEP-256', 512)],
  ['self-contained, AES in an HSM', selfContained('A256KW', 40)],
  ['compact, with a context or without', compact()],
  ['OpenBao transit, for comparison', openBao],
];

test('docs/sizes.md has the length of every form as the code makes it', () => {
  const lines = rows.map(([name, length]) => {
    const record = RECORD.map(length).reduce((sum, one) => sum + one, 0);
    return `| ${[name, ...VALUES.map(length), record].join(' | ')} |`;
  });
  for (const line of lines) expect(page).toContain(`${line}\n`);
  expect(compact(CONTEXT)(16)).toBe(compact()(16));
  expect(openBao(16)).toBe(69);
});
