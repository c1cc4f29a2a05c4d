import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { expect, test } from '@jest/globals';
import { exportJWK, SignJWT } from 'jose';
import { createTokenVerifier } from '../../src/callers/verify-token.ts';
import { ServiceError } from '../../src/errors.ts';
import { fuzz, NO_LIMIT } from '../support/fuzz-runs.ts';
import { headerMutation, mutated, partMutation, textMutation } from '../support/mutations.ts';
import { TestClock } from '../support/test-clock.ts';

test(
  'no changed token is accepted, and its issuer is called once for its keys',
  async () => {
    const pairs = {
      RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
      ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    };
    const keys = await Promise.all(
      Object.entries(pairs).map(async ([alg, { publicKey }]) => ({ ...(await exportJWK(publicKey)), alg, kid: alg })),
    );
    let asked = 0;
    const server = createServer((_req, res) => {
      asked += 1;
      res.setHeader('Connection', 'close').end(JSON.stringify({ keys }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await using _closing = {
      [Symbol.asyncDispose]: async () => {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
    const { port } = server.address() as { readonly port: number };
    const clock = new TestClock('running');
    const issuer = {
      issuer: 'https://i',
      audience: ['api'],
      rolesClaim: 'roles',
      jwksUrl: `http://127.0.0.1:${port}/keys`,
    };
    // A clock that stands still: a run of hours makes no more requests than a short one.
    const wallMs = clock.wallMs();
    const verify = createTokenVerifier([issuer], { monotonicMs: () => 0, wallMs: () => wallMs });
    const texts = await Promise.all(
      Object.entries(pairs).flatMap(([alg, { privateKey }]) =>
        ['billing', 'reports'].map((sub) =>
          new SignJWT({ iss: 'https://i', aud: 'api', sub, roles: ['Data.Decrypt'] })
            .setProtectedHeader({ alg, kid: alg, typ: 'JWT' })
            .setExpirationTime('23h')
            .sign(privateKey),
        ),
      ),
    );
    for (const text of texts) expect((await verify(text)).roles).toEqual(new Set(['Data.Decrypt']));
    await fuzz('tokens', 0.15, mutated(texts, [textMutation, partMutation(texts), headerMutation]), async (text) => {
      if (texts.includes(text)) return;
      const outcome = await Promise.resolve(verify(text)).catch((error: unknown) => error);
      expect(outcome instanceof ServiceError ? outcome.code : outcome).toBe('unauthenticated');
    });
    expect(asked).toBe(1);
  },
  NO_LIMIT,
);
