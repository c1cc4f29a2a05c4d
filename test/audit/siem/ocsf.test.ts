import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import type { AuditEvent } from '../../../src/audit/event.ts';
import { checkEvent, OCSF_VERSION, ocsfEvent } from '../../../src/audit/siem/ocsf.ts';

/**
 * The JSON schema of class 6003 without its texts, as `ocsf-json-schema` 1.2.0 (PyPI, MIT) makes it
 * from the schema that OCSF publishes (Apache-2.0). It allows no attribute that it does not name.
 */
const published = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', '..', 'support', 'ocsf-api-activity.json'), 'utf8'),
);
const schema = z.fromJSONSchema(published);

const PLACE = { tenantId: 'contoso', sequence: 17, version: '0.1.0' };
const CHAIN = '11111111-1111-4111-8111-111111111111';
const HEAD = { chain: CHAIN, sequence: 4, at: '2026-11-26T21:00:00.000Z', type: 'event' } as const;
const CHAIN_MEMBERS = { salt: 'the-salt', mac: 'the-mac', previous: 'the-previous', tenantSequence: 3 };
const KEY = 'https://contoso-kv.vault.azure.net/keys/data/0123456789abcdef0123456789abcdef';

/** An event with every member that one can have. */
const FULL: Required<AuditEvent> = {
  operation: 'batch-decrypt',
  outcome: 'refused',
  phase: 'finished',
  code: 'access-revoked',
  reason: 'key-disabled',
  requestId: 'the-request',
  clientRequestId: 'the-callers-id',
  principal: 'https://login.example/ caller',
  tenantId: 'contoso',
  keyId: KEY,
  bytes: 12,
  context: 'a-mac-of-the-context',
  vaultRequestId: 'the-vault-call',
  vaultClientRequestId: 'our-id-of-it',
  policy: '0123456789abcdef',
  items: { succeeded: 2 },
  keys: [{ keyId: `${KEY}0`, vaultRequestId: 'another-call', count: 2 }],
  index: 'email',
  storedKey: { id: 'abc', label: 'email 1', jweDigest: 'digest' },
  access: { subject: 'ticket 4711' },
  lease: 'the-lease',
  leaves: ['leaf'],
  link: 'the-link',
  count: 3,
};

const lineOf = (event: object) => JSON.stringify({ ...HEAD, ...CHAIN_MEMBERS, ...event });
const eventOf = (event: object) => ocsfEvent(lineOf(event), PLACE);
const problemsOf = (event: unknown) => schema.safeParse(event).error?.issues ?? [];

describe('events by the published schema of OCSF', () => {
  const minimal = { operation: 'encrypt', outcome: 'succeeded', requestId: 'r' };

  test.each([
    ['a record with every member', eventOf(FULL)],
    ['a record with the fewest', eventOf(minimal)],
    ['a record of a newer release', eventOf({ ...minimal, addedLater: { any: 'thing' } })],
    ['lost records', ocsfEvent(JSON.stringify({ type: 'lost', chain: CHAIN, first: 3, last: 5, at: HEAD.at }), PLACE)],
    ['a damaged line', ocsfEvent('{"type":"ev', PLACE)],
  ])('%s is one', (_name, event) => {
    expect(problemsOf(JSON.parse(JSON.stringify(event)))).toEqual([]);
    expect(event).toMatchObject({ metadata: { version: published.$id.split('/')[4], tenant_uid: 'contoso' } });
  });

  test('the schema refuses an event without a required attribute, with another one, or of another type', () => {
    const { api: _api, ...without } = eventOf(minimal);
    expect(problemsOf(without)).not.toEqual([]);
    expect(problemsOf({ ...eventOf(minimal), vaultRequestId: 'x' })).not.toEqual([]);
    expect(problemsOf({ ...eventOf(minimal), type_uid: 600_305 })).not.toEqual([]);
    expect(problemsOf({ ...eventOf(minimal), src_endpoint: 'unknown' })).not.toEqual([]);
  });
});

test('the event has every member of the record, and none of its chain', () => {
  const event = JSON.stringify(eventOf(FULL));
  const { outcome: _outcome, tenantId: _tenantId, ...members } = FULL;
  for (const [name, value] of Object.entries(members)) {
    const text = JSON.stringify(value);
    expect([name, event.includes(text)]).toEqual([name, true]);
  }
  for (const secret of [CHAIN_MEMBERS.salt, CHAIN_MEMBERS.mac, CHAIN_MEMBERS.previous])
    expect(event).not.toContain(secret);
  expect(JSON.stringify(eventOf({ ...FULL, plaintext: 'unmistakable' }))).not.toContain('unmistakable');
});

test('the id of an event is that of the record, the same at every delivery', () => {
  expect(eventOf(FULL).metadata).toMatchObject({ uid: `${CHAIN}/4`, sequence: 17, version: OCSF_VERSION });
  expect(eventOf(FULL)).toEqual(eventOf(FULL));
});

test.each([
  ['encrypt', 1],
  ['batch-encrypt-document', 1],
  ['wrap', 1],
  ['data-key', 1],
  ['lease', 1],
  ['decrypt', 2],
  ['deterministic-decrypt', 2],
  ['unwrap', 2],
  ['vault-unwrap', 2],
  ['tenant-read', 2],
  ['audit-read', 2],
  ['tenant-patch', 3],
  ['rewrap-document', 3],
  ['tenant-remove', 4],
  ['branch-keys-destroy', 4],
  ['lease-usage', 99],
])('%s is the activity %d', (operation, activity) => {
  expect(eventOf({ ...FULL, operation })).toMatchObject({ activity_id: activity, type_uid: 600_300 + activity });
});

test("the doctor's event stands for no record", () => {
  expect(problemsOf({ ...checkEvent('contoso', '0.1.0', HEAD.at), src_endpoint: { name: 'unknown' } })).toEqual([]);
  expect(checkEvent('contoso', '0.1.0', HEAD.at).metadata).not.toHaveProperty('uid');
});
