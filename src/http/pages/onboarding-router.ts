import type { IncomingMessage } from 'node:http';
import { type Request, type Response, Router } from 'express';
import { type ErrorCode, ServiceError } from '../../errors.ts';
import type { CheckTenantDeps } from '../../operations/doctor/check-tenant.ts';
import { checkTenant } from '../../operations/doctor/check-tenant.ts';
import type { CheckStep } from '../../operations/doctor/tenant-check.ts';
import { cancelDrill, type DrillDeps, readDrill, startDrill } from '../../operations/drills/drills.ts';
import { type ConsentDeps, consentUrl, readConsent } from '../../operations/onboarding/consent.ts';
import {
  type CustomerPageDeps,
  type RingOfLinkDeps,
  readCustomerPage,
  ringOfLink,
} from '../../operations/onboarding/customer-page.ts';
import type { LinkDeps, LinkMaker } from '../../operations/onboarding/links.ts';
import { openLink, requestOfLink } from '../../operations/onboarding/open-link.ts';
import { revocationBoundMsOf } from '../../tenants/bounds.ts';
import type { LinkGrant } from '../../tenants/onboarding-links.ts';
import { pageHeaders } from '../answers/page-headers.ts';
import { type ProblemDeps, settleFailure } from '../answers/problem.ts';
import { problemTable } from '../answers/problem-table.ts';
import { scopeOf } from '../scope.ts';
import { checkResult, checkStep } from './check-steps.ts';
import { type DownloadDeps, sendCheckpoint, sendFile, sendKeys, sendProof, sendRecords } from './link-downloads.ts';
import { LinkRates } from './link-rates.ts';
import { type LinkRequest, notALink } from './link-request.ts';
import { consentPage, failurePage, refusedPage } from './notice-pages.ts';
import { onboardingPage } from './onboarding-page.ts';
import { PAGE_CSS, PAGE_SCRIPT } from './page-assets.ts';
import type { OnboardingPageInput } from './page-input.ts';

export interface OnboardingPagesDeps
  extends CustomerPageDeps,
    CheckTenantDeps,
    Omit<DrillDeps, 'tenants'>,
    DownloadDeps,
    RingOfLinkDeps,
    Omit<ConsentDeps, 'links'>,
    ProblemDeps {
  readonly links: LinkDeps['links'];
  readonly authorityHost: string;
}

type Work = (request: LinkRequest) => Promise<void>;

const LINES = 'application/x-ndjson';
/**
 * Returns the routes of the customers' pages. The link in the path is the only credential, so the
 * pages send no referrer, are not stored, and take posts only from themselves.
 */
export function onboardingRouter(deps: OnboardingPagesDeps, maker: LinkMaker): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const rates = new LinkRates(deps.clock);
  router.use('/onboarding', pageHeaders({ mayPost: true }), (_req, res, next) => {
    res.setHeader('Cache-Control', 'no-store');
    next();
  });
  router.get('/onboarding/page.css', (_req, res) => sendAsset(res, 'css', PAGE_CSS));
  router.get('/onboarding/page.js', (_req, res) => sendAsset(res, 'js', PAGE_SCRIPT));
  router.get('/onboarding/consent', async (req, res) =>
    answering(deps, req, res, () => showConsent(deps, rates, req, res)),
  );

  const withLink = (operation: string, work: Work) => (req: Request, res: Response) =>
    answering(deps, req, res, async () => {
      const scope = scopeOf(res);
      scope.operation = operation;
      const text = String(req.params['link']);
      if (!rates.mayGuess()) throw throttled();
      const link = await openLink(deps, text);
      if (!link) {
        rates.countGuess();
        throw notALink();
      }
      scope.principal = requestOfLink(link, 'Tenants.Read', '').principal;
      scope.tenantId = link.tenantId;
      rates.countRequest(link.id);
      if (req.method === 'POST') {
        assertOwnPage(req, maker.url);
        rates.countAction(link.id);
      }
      await work({ req, res, link, path: `/onboarding/${text}`, requestId: scope.requestId });
      deps.onAnswered?.(scope, res.statusCode);
    });

  const show = async (request: LinkRequest, more: Partial<OnboardingPageInput> = {}) =>
    sendPage(request.res, 200, onboardingPage({ ...(await pageOf(deps, maker, request)), ...more }));
  const allowing =
    (grant: LinkGrant, work: Work): Work =>
    (request) => {
      if (!request.link.allow.includes(grant)) throw notALink();
      return work(request);
    };

  router.get('/onboarding/:link', withLink('onboarding-page', show));
  router.get(
    '/onboarding/:link/files/:format',
    withLink('tenant-onboarding', (request) => sendFile(deps, request)),
  );
  router.post(
    '/onboarding/:link/check',
    withLink('tenant-check', async (request) => {
      if (request.req.accepts(['text/html', LINES]) === LINES) await streamCheck(deps, request);
      else await show(request, { check: await check(deps, request) });
    }),
  );
  router.post(
    '/onboarding/:link/bell',
    withLink('doorbell', async (request) => {
      await ringOfLink(deps, request.link, request.requestId);
      await show(request, { hasRung: true });
    }),
  );
  router.post(
    '/onboarding/:link/drill',
    withLink('drill-start', async ({ res, link, path, requestId }) => {
      const { tenantId } = link;
      const { report } = await startDrill(deps, requestOfLink(link, 'Tenants.Manage', requestId), { tenantId });
      res.redirect(303, `${path}/drill/${report.drillId}`);
    }),
  );
  router.get(
    '/onboarding/:link/drill/:drill',
    withLink('drill-read', async (request) => show(request, { drill: await readDrill(deps, drillOf(request)) })),
  );
  router.post(
    '/onboarding/:link/drill/:drill/cancel',
    withLink('drill-cancel', async (request) => {
      const { res, link, path, requestId } = request;
      const input = drillOf(request);
      await cancelDrill(deps, requestOfLink(link, 'Tenants.Manage', requestId), input);
      res.redirect(303, `${path}/drill/${input.drillId}`);
    }),
  );
  router.get(
    '/onboarding/:link/records',
    withLink(
      'audit-read',
      allowing('records', (request) => sendRecords(deps, request)),
    ),
  );
  router.get(
    '/onboarding/:link/checkpoint',
    withLink(
      'log-read',
      allowing('records', (request) => sendCheckpoint(deps, request)),
    ),
  );
  router.get(
    '/onboarding/:link/proof',
    withLink(
      'log-read',
      allowing('records', (request) => sendProof(deps, request)),
    ),
  );
  router.get(
    '/onboarding/:link/branch-keys',
    withLink(
      'branch-keys-export',
      allowing('branch-keys', (request) => sendKeys(deps, request)),
    ),
  );
  router.use('/onboarding', (req, res) => answering(deps, req, res, () => Promise.reject(notALink())));
  return router;
}

const throttled = (): ServiceError =>
  new ServiceError('caller-throttled', 'Too many links were tried that do not open', { retryAfter: 5 });

/** Runs the work, and answers a failure with a page: one and the same for every link that does not open. */
async function answering(
  deps: OnboardingPagesDeps,
  req: Request,
  res: Response,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    const scope = scopeOf(res);
    const failure = await settleFailure(deps, scope, asLinkFailure(error));
    const { status, title } = problemTable[failure.code];
    deps.onAnswered?.(scope, status, failure.code);
    if (res.headersSent) {
      res.socket?.resetAndDestroy();
      return;
    }
    if (failure.retryAfter !== undefined) res.setHeader('Retry-After', failure.retryAfter);
    if (!req.complete) res.setHeader('Connection', 'close');
    const { vendor } = deps;
    sendPage(
      res,
      status,
      failure.code === 'link-not-found'
        ? refusedPage(vendor)
        : failurePage(vendor, title, failure.message, scope.requestId),
    );
  }
}

const ENDED: ReadonlySet<ErrorCode> = new Set(['tenant-not-found', 'malformed-request']);

/** A link of a removed tenant does not open either. */
const asLinkFailure = (error: unknown): unknown =>
  error instanceof ServiceError && ENDED.has(error.code) ? notALink() : error;

/**
 * Refuses posts that other pages caused. Browsers name the page's site; other programs do not, and
 * have the link themselves.
 * @throws ServiceError `link-not-found`
 */
function assertOwnPage({ headers }: Pick<IncomingMessage, 'headers'>, url: string): void {
  const site = headers['sec-fetch-site'];
  const isOwn = site === undefined ? [undefined, url].includes(headers.origin) : site === 'same-origin';
  if (!isOwn) throw notALink();
}

async function pageOf(
  deps: OnboardingPagesDeps,
  maker: LinkMaker,
  { link, path, requestId }: LinkRequest,
): Promise<OnboardingPageInput> {
  const now = deps.clock.wallMs();
  const content = await readCustomerPage(deps, link, { requestId, now });
  const { authorityHost, appId } = deps;
  const { entraTenantId } = content.tenant;
  return {
    ...content,
    path,
    allow: link.allow,
    expiresAt: link.expiresAt,
    consentUrl: consentUrl(maker, { authorityHost, appId, entraTenantId, linkId: link.id, now }),
    boundSeconds: revocationBoundMsOf(content.tenant, deps.revocation.boundMs) / 1_000,
  };
}

const check = (
  deps: OnboardingPagesDeps,
  { link, requestId }: LinkRequest,
  follow?: Parameters<typeof checkTenant>[3],
): ReturnType<typeof checkTenant> =>
  checkTenant(deps, requestOfLink(link, 'Tenants.Manage', requestId), link.tenantId, follow);

/**
 * Sends each step of a check as soon as it has a result, as a line with a part of the page. The
 * check ends when the page is left.
 */
async function streamCheck(deps: OnboardingPagesDeps, request: LinkRequest): Promise<void> {
  const { res, link } = request;
  const names = { tenant: await deps.tenants.get(link.tenantId), vendor: deps.vendor };
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  const onStep = (step: CheckStep): void => {
    if (!res.headersSent) res.type(LINES);
    res.write(`${JSON.stringify({ step: checkStep(names, step).text })}\n`);
  };
  const result = await check(deps, request, { onStep, signal: gone.signal });
  res.end(`${JSON.stringify({ result: checkResult(result).text })}\n`);
}

const DRILL = /^[0-9a-f-]{36}$/;

function drillOf({ req, link }: LinkRequest): { readonly tenantId: string; readonly drillId: string } {
  const drillId = String(req.params['drill']);
  if (!DRILL.test(drillId)) throw notALink();
  return { tenantId: link.tenantId, drillId };
}

/** Shows what Entra's page led to. The browser's address has no link, only a state that names one. */
async function showConsent(deps: OnboardingPagesDeps, rates: LinkRates, req: Request, res: Response): Promise<void> {
  const scope = scopeOf(res);
  scope.operation = 'onboarding-consent';
  if (!rates.mayGuess()) throw throttled();
  const given = (name: string): string | undefined => {
    const value = req.query[name];
    return typeof value === 'string' ? value : undefined;
  };
  const answer = {
    state: given('state') ?? '',
    error: given('error'),
    description: given('error_description'),
    directory: given('tenant'),
  };
  const outcome = await readConsent(deps, answer, scope.requestId);
  if (outcome === 'unknown-state') rates.countGuess();
  sendPage(res, 200, consentPage(deps.vendor, outcome));
  deps.onAnswered?.(scope, 200);
}

function sendAsset(res: Response, type: string, text: string): void {
  res.setHeader('Cache-Control', 'public, max-age=3600');
  res.type(type).send(text);
}

const sendPage = (res: Response, status: number, page: string): void => void res.status(status).type('html').send(page);
