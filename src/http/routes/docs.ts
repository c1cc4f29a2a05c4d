import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Router } from 'express';
import { pageHeaders } from '../answers/page-headers.ts';

const ASSETS = ['swagger-ui-dist/swagger-ui.css', 'swagger-ui-dist/swagger-ui-bundle.js'];
const PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Vaultspan API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="ui"></div><script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body></html>
`;
const START = `SwaggerUIBundle({ url: 'openapi.yaml', dom_id: '#ui', validatorUrl: null, deepLinking: true });\n`;

/**
 * Returns the routes of the contract and of a page to read and try it. They refer to no other
 * address and have no inline script or style, so the CSP stays strict.
 */
export function docsRouter(): Router {
  const contract = readFileSync(fileURLToPath(new URL('../../../openapi.yaml', import.meta.url)), 'utf8');
  const router = Router();
  router.use(['/openapi.yaml', '/docs'], pageHeaders());
  router.get('/openapi.yaml', (_req, res) => {
    res.type('application/yaml').send(contract);
  });
  router.get('/docs', (_req, res) => {
    res.type('html').send(PAGE);
  });
  router.get('/docs/start.js', (_req, res) => {
    res.type('js').send(START);
  });
  for (const asset of ASSETS) {
    const file = fileURLToPath(import.meta.resolve(asset));
    const content = readFileSync(file); // sent whole: ranges and conditional requests are not worth their failure modes
    router.get(`/docs/${basename(file)}`, (_req, res) => {
      res.setHeader('Cache-Control', 'public, max-age=86400');
      res.type(basename(file)).send(content);
    });
  }
  return router;
}
