import { describe, expect, test } from '@jest/globals';
import { ServiceError } from '../../src/errors.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { planted } from '../support/planted.ts';

function logged(fields: object): string {
  const lines: string[] = [];
  createLogger('debug', (line) => lines.push(line)).info(fields, 'a line');
  return lines.join('');
}

describe('the log', () => {
  test.each([
    'authorization',
    'clientSecret',
    'encryptionContext',
    'password',
    'plaintext',
    'secret',
    'token',
    'value',
  ])('removes %s, at the top and below', (name) => {
    const secret = planted(name);
    const line = logged({
      [name]: secret,
      request: { [name]: secret, headers: { [name]: secret } },
      tenantId: 'contoso',
    });
    expect(line).not.toContain(secret);
    expect(JSON.parse(line)).toMatchObject({ tenantId: 'contoso', msg: 'a line' });
  });

  test("has only an error's name, codes and place, and no text that may quote a request", () => {
    const secret = planted('request');
    const response = { bodyAsText: secret, headers: { authorization: secret } };
    const restError = Object.assign(new Error(`POST failed: ${secret}`), {
      statusCode: 403,
      code: 'Forbidden',
      response,
      request: secret,
    });
    const error = new ServiceError('vault-unavailable', secret, { reason: 'home-vault', cause: restError });
    const line = logged({ error });
    expect(line).not.toContain(secret);
    expect(JSON.parse(line).error).toMatchObject({
      name: 'ServiceError',
      code: 'vault-unavailable',
      reason: 'home-vault',
      stack: expect.stringContaining('logger.test.ts'),
      cause: { name: 'Error', code: 'Forbidden', status: 403 },
    });
  });

  test('does not even have that for a thrown text', () => {
    expect(logged({ error: planted('thrown') })).not.toContain('planted');
  });
});
