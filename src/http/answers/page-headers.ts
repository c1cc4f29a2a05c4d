import type { RequestHandler } from 'express';
import helmet from 'helmet';

/**
 * Returns helmet's headers for the pages that a browser renders, under a CSP without exceptions.
 * Pages may call their own origin and `origins`.
 */
export const pageHeaders = (origins: readonly string[] = []): RequestHandler =>
  helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'", ...origins],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
  });
