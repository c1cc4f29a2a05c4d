import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import express from 'express';
import supertest from 'supertest';
import { type DocsDeps, docsRouter } from '../../src/http/pages/docs.ts';
import { startService } from '../support/start-service.ts';

const PAGE = '<!doctype html><title>Vaultspan API</title>';
const ASSET = '/docs/assets/index-0123abCD.js';
const signIn = { page: { clientId: 'a7f0c3d2-6b14-4e89-9d35-81c2f4e6b709' }, signInOrigins: ['https://login.example'] };

let folder: string;
let directory: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'docs-'));
  directory = join(folder, 'dist', 'docs');
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

function siteWith(deps: Pick<DocsDeps, 'signIn'>): ReturnType<typeof supertest> {
  return supertest(express().use(docsRouter({ directory, ...deps })));
}

async function build(): Promise<void> {
  await mkdir(join(directory, 'assets'), { recursive: true });
  await writeFile(join(directory, 'index.html'), PAGE);
  await writeFile(join(directory, 'assets', 'index-0123abCD.js'), 'console.log(1);');
  await writeFile(join(folder, 'outside.js'), 'outside');
  await symlink(join(folder, 'outside.js'), join(directory, 'assets', 'link-0123abCD.js'));
}

describe('the API reference', () => {
  test('says how to build it while it is not built; the contract is there without it', async () => {
    const site = siteWith({ signIn: undefined });
    const before = await site.get('/docs');
    expect([before.status, before.headers['content-type']]).toEqual([503, 'text/plain; charset=utf-8']);
    expect(before.text).toContain('npm run build');
    expect((await site.get('/openapi.yaml')).text).toMatch(/^openapi: 3\.0\.3/);
    await build();
    expect((await site.get('/docs')).text).toBe(PAGE);
  });

  test('is never cached, and its files with a hash are kept for ever', async () => {
    const site = siteWith({ signIn: undefined });
    expect((await site.get('/docs')).headers).toMatchObject({
      'cache-control': 'no-store',
      'content-type': 'text/html; charset=utf-8',
    });
    const asset = await site.get(ASSET).set({ Range: 'bytes=99999999-', 'If-Match': '"x"' });
    expect([asset.status, asset.headers['cache-control']]).toEqual([200, 'public, max-age=31536000, immutable']);
  });

  test('is found with a slash behind its name, also below the path of a proxy', async () => {
    const { status, headers } = await siteWith({ signIn: undefined }).get('/docs/?x=//evil.example');
    expect([status, headers['location']]).toEqual([308, '../docs']);
  });

  test('forbids inline code, frames and other hosts than the sign-in', async () => {
    for (const [deps, hosts] of [
      [{ signIn }, "'self' https://login.example"],
      [{ signIn: undefined }, "'self'"],
    ] as const) {
      for (const path of ['/docs', ASSET, '/docs/settings.json', '/openapi.yaml']) {
        const { headers } = await siteWith(deps).get(path);
        expect(headers['content-security-policy']?.split(';').sort()).toEqual(
          [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            `connect-src ${hosts}`,
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
          ].sort(),
        );
      }
    }
  });

  test("tells the page the console's sign-in, and nothing while the console is off", async () => {
    const on = await siteWith({ signIn }).get('/docs/settings.json');
    expect([on.body, on.headers['cache-control']]).toEqual([{ signIn: signIn.page }, 'no-store']);
    expect((await siteWith({ signIn: undefined }).get('/docs/settings.json')).body).toEqual({});
  });

  test.each([
    '/docs/assets/..%2f..%2f..%2foutside.js',
    '/docs/assets/link-0123abCD.js',
    '/docs/assets/missing-0123abCD.js',
    '/docs/assets/__proto__.js',
    '/docs/encryptData',
    '/docs/assets',
  ])('has no file for %s', async (path) => {
    expect((await siteWith({ signIn: undefined }).get(path)).status).toBe(404);
  });
});

test('the service has the sign-in of its console in the settings of the API reference', async () => {
  await using service = await startService({ console: true });
  const { body } = await service.request().get('/docs/settings.json');
  expect(body).toMatchObject({ signIn: { clientId: expect.any(String), scopes: [expect.any(String)] } });
});
