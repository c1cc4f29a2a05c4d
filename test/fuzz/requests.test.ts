import { Agent, request } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { problemTable } from '../../src/http/answers/problem-table.ts';
import { fuzz, NO_LIMIT } from '../support/fuzz-runs.ts';
import { headerMutation, mutated, partMutation, textMutation } from '../support/mutations.ts';
import { startService, type TestService } from '../support/start-service.ts';

const DATA = '/tenants/contoso';
const context = { purpose: 'invoice' };
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

let service: TestService;
let token: string;
let texts: readonly string[];
beforeAll(async () => {
  service = await startService({ config: { revocation: { boundSeconds: 3_600 } } });
  token = await service.emulator.issueCallerToken({
    roles: ['Data.Encrypt', 'Data.Decrypt'],
    expiresInSeconds: 86_400,
  });
  const seal = async (tenant: string): Promise<string> =>
    JSON.parse(
      (await send(`/tenants/${tenant}/encrypt`, JSON.stringify({ plaintext: 'aGk=', encryptionContext: context })))
        .body,
    ).ciphertext;
  texts = [await seal('contoso'), await seal('contoso'), await seal('fabrikam')];
  await send(`${DATA}/decrypt`, JSON.stringify({ ciphertext: texts[0], encryptionContext: context }));
  service.emulator.control.clearRequests();
});
afterAll(async () => {
  agent.destroy();
  await service[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: string;
}

function send(path: string, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      'Content-Type': 'application/json',
      Authorization: `Bearer ${token}`,
      'Content-Length': Buffer.byteLength(body),
    };
    const req = request(`${service.url}${path}`, { method: 'POST', agent, headers }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      });
      res.on('end', () => resolve({ status: res.statusCode ?? 0, type: res.headers['content-type'], body: text }));
    });
    req.on('error', reject).end(body);
  });
}

interface ProblemLike {
  readonly code: keyof typeof problemTable;
  readonly status: number;
}

/** Expects a refusal for the caller's fault, with a published code. */
function expectRefusal(problem: ProblemLike): void {
  expect(problemTable[problem.code].status).toBe(problem.status);
  expect(problem.status).toBeGreaterThanOrEqual(400);
  expect(problem.status).toBeLessThan(500);
}

function expectProblem({ status, type, body }: Answer): void {
  const problem = JSON.parse(body) as ProblemLike;
  expect([type, problem.status]).toEqual(['application/problem+json', status]);
  expectRefusal(problem);
}

const expectNoVaultCalls = (): void => {
  expect([...service.vaultCalls('contoso'), ...service.vaultCalls('fabrikam')]).toEqual([]);
};

test(
  'no changed ciphertext opens over the wire, alone or in a batch, and none causes a vault call',
  async () => {
    const changed = mutated(texts, [textMutation, partMutation(texts), headerMutation]).filter(
      (text) => !texts.includes(text),
    );
    const paths = fc.constantFrom('decrypt', 'rewrap', 'batch/decrypt', 'batch/rewrap');
    await fuzz('ciphertexts over the wire', 0.05, fc.tuple(paths, changed), async ([path, ciphertext]) => {
      const item = { ciphertext, encryptionContext: context };
      const isBatch = path.startsWith('batch/');
      const answer = await send(`${DATA}/${path}`, JSON.stringify(isBatch ? { items: [item, { ciphertext }] } : item));
      if (!isBatch) {
        expectProblem(answer);
        return;
      }
      expect(answer.status).toBe(200);
      const { items } = JSON.parse(answer.body) as { readonly items: readonly { readonly error: ProblemLike }[] };
      expect(items).toHaveLength(2);
      for (const { error } of items) expectRefusal(error);
    });
    expectNoVaultCalls();
  },
  NO_LIMIT,
);

const MEMBERS = [
  'plaintext',
  'ciphertext',
  'encryptionContext',
  'key',
  'to',
  'items',
  '__proto__',
  'constructor',
  'toString',
  'then',
  '',
];
const VALUES = [
  '"aGk="',
  '"data"',
  '"archive"',
  'null',
  'true',
  '-0',
  '1e400',
  '9007199254740993',
  '123456789012345678901234567890',
  '[]',
  '{}',
  '"\\ud800"',
  '"\\u0000"',
  '{"__proto__":"a"}',
  '{"__proto__":{"key":"data"}}',
  '{"constructor":{"prototype":{"key":"data"}}}',
  '{"a":"b","a":"c"}',
  '{"vaultspan":"a"}',
  '[{"plaintext":"aGk="}]',
  '[{"ciphertext":"....."},null]',
  '[[[[]]]]',
];
const value: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...VALUES) },
  { weight: 2, arbitrary: fc.json({ maxDepth: 4 }) },
  fc.nat(20_000).map((length) => `"${'a'.repeat(length)}"`),
  fc.nat(20_000).map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
  fc.nat(5_000).map((depth) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`),
  fc.nat(1_200).map((count) => `[${Array(count).fill('{}').join(',')}]`),
  fc
    .dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), { maxKeys: 80 })
    .map((context) => JSON.stringify(context)),
);
/** Objects whose members may occur twice, and texts that are no JSON any more. */
const bodies: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(fc.tuple(fc.constantFrom(...MEMBERS), value), { maxLength: 4 }),
    fc.option(
      fc.oneof(
        textMutation,
        fc.constant((text: string) => text + text),
      ),
      { freq: 4, nil: (text: string) => text },
    ),
  )
  .map(([members, change]) =>
    change(`{${members.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`),
  );

test(
  'no body causes a fault of the service, and every refusal has a published code',
  async () => {
    const paths = fc.constantFrom(
      'encrypt',
      'decrypt',
      'data-keys',
      'rewrap',
      'batch/encrypt',
      'batch/decrypt',
      'batch/rewrap',
      'streams/rewrap-header',
    );
    await fuzz('bodies over the wire', 0.15, fc.tuple(paths, bodies), async ([path, body]) => {
      const answer = await send(`${DATA}/${path}`, body);
      if (answer.status !== 200) {
        expectProblem(answer);
        return;
      }
      const { items } = JSON.parse(answer.body) as { readonly items?: readonly { readonly error?: ProblemLike }[] };
      for (const { error } of items ?? []) if (error) expectRefusal(error);
      if (path.endsWith('crypt') && !path.endsWith('encrypt')) expect(items?.every(({ error }) => error)).toBe(true);
    });
    expectNoVaultCalls();
    expect({}).not.toHaveProperty('key');
  },
  NO_LIMIT,
);
