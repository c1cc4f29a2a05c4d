import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Router } from 'express';
import { pageHeaders } from '../answers/page-headers.ts';
import { builtFiles, PAGE, sendFile, sendNotBuilt } from './built-files.ts';
import type { ConsoleDeps } from './console.ts';

export interface DocsDeps {
  /** The folder of the built page. */
  readonly directory: string;
  /** The console's sign-in, which gives the page a token; absent if the console is off. */
  readonly signIn: Pick<ConsoleDeps, 'page' | 'signInOrigins'> | undefined;
}

/**
 * Returns the routes of the contract and of the API reference, a page to read and try it. Its
 * addresses are relative, so it works behind a proxy that serves it below another path.
 */
export function docsRouter({ directory, signIn }: DocsDeps): Router {
  const contract = readFileSync(fileURLToPath(new URL('../../../openapi.yaml', import.meta.url)), 'utf8');
  const read = builtFiles(directory);
  const router = Router({ caseSensitive: true, strict: true });
  router.use(['/openapi.yaml', '/docs'], pageHeaders({ origins: signIn?.signInOrigins ?? [] }));
  router.get('/openapi.yaml', (_req, res) => {
    res.type('application/yaml').send(contract);
  });
  router.get('/docs/', (_req, res) => {
    res.redirect(308, '../docs');
  });
  router.get('/docs/settings.json', (_req, res) => {
    res.setHeader('Cache-Control', 'no-store');
    res.json({ signIn: signIn?.page });
  });
  router.get(['/docs', '/docs/*path'], async (req, res, next) => {
    const files = await read();
    const file = files?.get(req.path === '/docs' ? PAGE : req.path.slice('/docs/'.length));
    if (file) sendFile(req, res, file);
    else if (files) next();
    else sendNotBuilt(res, 'The API reference');
  });
  return router;
}
