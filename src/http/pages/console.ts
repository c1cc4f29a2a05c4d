import { type RequestHandler, Router } from 'express';
import { ServiceError } from '../../errors.ts';
import { pageHeaders } from '../answers/page-headers.ts';
import { type BuiltFiles, builtFiles, PAGE, sendFile, sendNotBuilt } from './built-files.ts';

export interface ConsoleDeps {
  /** The folder of the built console. */
  readonly directory: string;
  /** What the page must know before anybody has signed in. */
  readonly page: object;
  readonly signInOrigins: readonly string[];
}

const IS_PAGE = /^[^.]*$/;

/**
 * Returns the routes of the operator's console: its files, its settings, and the page itself for
 * every address that the page understands.
 */
export function consoleRouter({ directory, page, signInOrigins }: ConsoleDeps): Router {
  const read = builtFiles(directory);
  const router = Router({ caseSensitive: true, strict: true });
  router.use('/console', pageHeaders({ origins: signInOrigins }));
  router.get('/console', (_req, res) => {
    res.redirect(308, '/console/');
  });
  router.get('/console/settings.json', (_req, res) => {
    res.setHeader('Cache-Control', 'no-store');
    res.json(page);
  });
  router.get('/console/*path', answerFile(read));
  router.get('/console/', answerFile(read));
  router.all(['/console', '/console/', '/console/*path'], (req, res, next) => {
    if (req.method === 'GET' || req.method === 'HEAD') {
      next();
      return;
    }
    res.setHeader('Allow', 'GET, HEAD');
    throw new ServiceError('method-not-allowed', 'This route supports GET, HEAD');
  });
  return router;
}

const answerFile =
  (read: () => Promise<BuiltFiles | undefined>): RequestHandler =>
  async (req, res, next) => {
    const files = await read();
    if (!files) {
      sendNotBuilt(res, 'The console');
      return;
    }
    const name = req.path.slice('/console/'.length);
    const file = files.get(IS_PAGE.test(name) ? PAGE : name);
    if (file) sendFile(req, res, file);
    else next();
  };
