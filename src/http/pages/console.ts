import { type Request, type RequestHandler, type Response, Router } from 'express';
import { ServiceError } from '../../errors.ts';
import { pageHeaders } from '../answers/page-headers.ts';
import { type ConsoleFile, type ConsoleFiles, PAGE, readConsoleFiles } from './console-files.ts';

export interface ConsoleDeps {
  /** The folder of the built console. */
  readonly directory: string;
  /** What the page must know before anybody has signed in. */
  readonly page: object;
  readonly signInOrigins: readonly string[];
}

const NOT_BUILT = 'The console is not built: run `npm run build` in the folder of Vaultspan.\n';
const YEAR_SECONDS = 31_536_000;
const IS_PAGE = /^[^.]*$/;

/**
 * Returns the routes of the operator's console: its files, its settings, and the page itself for
 * every address that the page understands.
 */
export function consoleRouter({ directory, page, signInOrigins }: ConsoleDeps): Router {
  let files: Promise<ConsoleFiles | undefined> | undefined;
  const read = async (): Promise<ConsoleFiles | undefined> => {
    files ??= readConsoleFiles(directory);
    const found = await files.catch(forget);
    if (!found) forget(); // it may be built at any time
    return found;
  };
  const forget = (): undefined => {
    files = undefined;
  };
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
  (read: () => Promise<ConsoleFiles | undefined>): RequestHandler =>
  async (req, res, next) => {
    const files = await read();
    if (!files) {
      res.status(503).setHeader('Cache-Control', 'no-store');
      res.type('text/plain').send(NOT_BUILT);
      return;
    }
    const name = req.path.slice('/console/'.length);
    const file = files.get(IS_PAGE.test(name) ? PAGE : name);
    if (file) sendFile(req, res, file);
    else next();
  };

function sendFile(req: Request, res: Response, { type, bytes, gzipped, isImmutable }: ConsoleFile): void {
  res.setHeader('Cache-Control', isImmutable ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-store');
  res.setHeader('Content-Type', type);
  if (gzipped === undefined) {
    res.end(bytes);
    return;
  }
  res.setHeader('Vary', 'Accept-Encoding');
  const isGzip = req.acceptsEncodings('gzip') === 'gzip';
  if (isGzip) res.setHeader('Content-Encoding', 'gzip');
  const body = isGzip ? gzipped : bytes;
  res.setHeader('Content-Length', body.length);
  res.end(body); // Node leaves the body out of an answer to HEAD
}
