import type { RequestHandler } from 'express';
import helmet from 'helmet';

interface PageHeaderOptions {
  readonly origins?: readonly string[];
  readonly mayPost?: boolean;
}

/**
 * Returns helmet's headers for the pages that a browser renders, under a CSP without exceptions.
 * Pages may call their own origin and `origins`. `mayPost`: their forms may post to the service.
 */
export const pageHeaders = ({ origins = [], mayPost = false }: PageHeaderOptions = {}): RequestHandler =>
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
        formAction: [mayPost ? "'self'" : "'none'"],
        frameAncestors: ["'none'"],
      },
    },
  });
