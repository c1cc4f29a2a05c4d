import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import express from 'express';
import supertest from 'supertest';
import { consoleRouter } from '../../src/http/pages/console.ts';
import { startService, type TestService } from '../support/start-service.ts';

const PAGE = '<!doctype html><title>console</title>';
const SCRIPT = `${'console.log(1);\n'.repeat(100)}`;
const ASSET = '/console/assets/main-0123abCD.js';

let folder: string;
let directory: string;
let site: ReturnType<typeof supertest>;
const settings = { clientId: 'a7f0c3d2-6b14-4e89-9d35-81c2f4e6b709' };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'console-'));
  directory = join(folder, 'dist', 'console');
  const router = consoleRouter({ directory, page: settings, signInOrigins: ['https://login.example'] });
  site = supertest(express().disable('x-powered-by').disable('etag').use(router));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function build(): Promise<void> {
  await mkdir(join(directory, 'assets'), { recursive: true });
  await writeFile(join(directory, 'index.html'), PAGE);
  await writeFile(join(directory, 'assets', 'main-0123abCD.js'), SCRIPT);
  await writeFile(join(directory, 'licences.md'), '# Licences');
  await writeFile(join(directory, 'secret.pem'), 'a key');
  await writeFile(join(folder, 'outside.js'), 'outside');
  await symlink(join(folder, 'outside.js'), join(directory, 'assets', 'link-0123abCD.js'));
}

describe('the console', () => {
  test('says how to build it while it is not built, and needs no restart afterwards', async () => {
    const before = await site.get('/console/');
    expect([before.status, before.headers['content-type'], before.headers['cache-control']]).toEqual([
      503,
      'text/plain; charset=utf-8',
      'no-store',
    ]);
    expect(before.text).toContain('npm run build');
    await build();
    expect((await site.get('/console/')).text).toBe(PAGE);
  });

  test('answers each address without a dot with the page, which is never cached', async () => {
    for (const path of ['/console/', '/console/tenants', '/console/tenants/contoso/audit?code=x']) {
      const { status, text, headers } = await site.get(path);
      expect([status, text, headers['cache-control']]).toEqual([200, PAGE, 'no-store']);
    }
    const { status, headers } = await site.get('/console?next=//evil.example');
    expect([status, headers['location']]).toEqual([308, '/console/']);
  });

  test('lets browsers keep files with a hash for ever, compressed for those that accept it', async () => {
    const { headers, text } = await site.get(ASSET).set('Accept-Encoding', 'gzip');
    expect([headers['cache-control'], headers['content-encoding'], headers['vary'], headers['content-type']]).toEqual([
      'public, max-age=31536000, immutable',
      'gzip',
      'Accept-Encoding',
      'text/javascript; charset=utf-8',
    ]);
    expect(text).toBe(SCRIPT);
    const plain = await site.get(ASSET).set('Accept-Encoding', 'identity');
    expect([plain.headers['content-encoding'], plain.text]).toEqual([undefined, SCRIPT]);
    expect((await site.get('/console/licences.md')).headers['cache-control']).toBe('no-store');
    const head = await site.head(ASSET).set('Accept-Encoding', 'identity');
    expect([head.headers['content-length'], head.text]).toEqual([String(SCRIPT.length), undefined]);
  });

  test('forbids inline code, frames and other hosts than the sign-in', async () => {
    for (const path of ['/console', '/console/', ASSET, '/console/settings.json']) {
      const { headers } = await site.get(path);
      expect(headers['content-security-policy']?.split(';').sort()).toEqual(
        [
          "default-src 'none'",
          "script-src 'self'",
          "style-src 'self'",
          "img-src 'self' data:",
          "connect-src 'self' https://login.example",
          "base-uri 'none'",
          "form-action 'none'",
          "frame-ancestors 'none'",
        ].sort(),
      );
      expect(headers).toMatchObject({
        'x-frame-options': expect.stringMatching(/^(?:DENY|SAMEORIGIN)$/),
        'x-content-type-options': 'nosniff',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
      });
    }
  });

  test.each([
    '/console/../outside.js',
    '/console/..%2f..%2foutside.js',
    '/console/assets/..%2f..%2f..%2foutside.js',
    '/console/assets/..\\..\\..\\outside.js',
    '/console/assets/link-0123abCD.js',
    '/console/secret.pem',
    '/console/index.html%00.js',
    '/console/assets/missing-0123abCD.js',
    '/console/assets/__proto__.js',
    '/console/.env',
    '/console/x.js',
  ])('has no file for %s', async (path) => {
    expect(await statusOf(path)).toBe(404);
  });
});

/** Sends a path as it is; other clients resolve dots first. */
function statusOf(path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = express()
      .use(consoleRouter({ directory, page: settings, signInOrigins: [] }))
      .listen(0, '127.0.0.1', () => {
        const { port } = server.address() as { port: number };
        request({ port, host: '127.0.0.1', path }, (response) => {
          response.resume();
          server.close(() => resolve(response.statusCode));
          server.closeAllConnections();
        })
          .on('error', reject)
          .end();
      });
  });
}

describe('in the service', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ console: true, config: { onboarding: { vendorName: 'Example Vendor' } } });
  });
  afterAll(async () => {
    await service[Symbol.asyncDispose]();
  });

  test('the settings name the sign-in and the scope, and no secret', async () => {
    const { emulator } = service;
    const { body, headers } = await service.request().get('/console/settings.json').expect(200);
    const authority = `${emulator.authorityHost}/${emulator.homeTenantId}`;
    expect(headers['cache-control']).toBe('no-store');
    expect(body).toEqual({
      clientId: emulator.consoleClientId,
      authority,
      knownAuthorities: [new URL(authority).host],
      scopes: [`api://${emulator.callerAudience}/access_as_user`],
      authorityMetadata: expect.stringContaining(`"token_endpoint":"${emulator.signInUrl}/`),
      vendorName: 'Example Vendor',
    });
    expect(headers['content-security-policy']).toContain(`connect-src 'self' ${emulator.signInUrl};`);
  });

  test('only reading is allowed, and neighbouring paths are not the console', async () => {
    for (const path of ['/console/', '/console/settings.json', '/console/tenants']) {
      const { status, headers } = await service.request().post(path);
      expect([status, headers['allow']]).toEqual([405, 'GET, HEAD']);
    }
    for (const path of ['/consoles', '/Console/']) {
      expect((await service.request().get(path)).body.code).toBe('route-not-found');
    }
  });

  test('no cookie is set, and no other origin may read an answer', async () => {
    for (const path of ['/console/', '/console/settings.json', '/tenants']) {
      const { headers } = await service.request().get(path).set('Origin', 'https://evil.example');
      expect([headers['set-cookie'], headers['access-control-allow-origin']]).toEqual([undefined, undefined]);
    }
  });
});
