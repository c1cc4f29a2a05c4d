import type { IncomingMessage, ServerResponse } from 'node:http';
import express, { type Express, type Request, type Response } from 'express';
import type { VerifyToken } from './callers/verify-token.ts';
import type { Admission } from './http/admission/admission.ts';
import { answerFailure, type ProblemDeps, problemHandler, routeNotFound } from './http/answers/problem.ts';
import { type ConsoleDeps, consoleRouter } from './http/pages/console.ts';
import { type DocsDeps, docsRouter } from './http/pages/docs.ts';
import { type OnboardingPagesDeps, onboardingRouter } from './http/pages/onboarding-router.ts';
import { listAuditRecordsRoute, readUsageRoute } from './http/routes/audit-routes.ts';
import type { AuthorizeDeps } from './http/routes/authorize.ts';
import { decryptBatchRoute, encryptBatchRoute, rewrapBatchRoute } from './http/routes/batch-routes.ts';
import { type BranchKeyRoutesDeps, branchKeyRoutes } from './http/routes/branch-key-routes.ts';
import { createDataKeyRoute, decryptDataRoute, encryptDataRoute, rewrapDataRoute } from './http/routes/data-routes.ts';
import { directRoutes } from './http/routes/direct-routes.ts';
import { documentRoutes } from './http/routes/document-routes.ts';
import { ringDoorbellRoute } from './http/routes/doorbell-route.ts';
import { drillRoutes } from './http/routes/drill-routes.ts';
import { healthRoute, type ReadinessDeps, readinessRoute } from './http/routes/health-routes.ts';
import { type IndexRoutesDeps, indexRoutes } from './http/routes/index-routes.ts';
import { unwrapKeyRoute, wrapKeyRoute } from './http/routes/key-routes.ts';
import { type LeaseRoutesDeps, leaseRoutes } from './http/routes/lease-routes.ts';
import { logRoutes } from './http/routes/log-routes.ts';
import { mount, routesOf } from './http/routes/mount.ts';
import { mountStreams } from './http/routes/mount-streams.ts';
import { onboardingRoutes } from './http/routes/onboarding-routes.ts';
import { rewrapStreamHeaderRoute, type StreamRoutesDeps, streamRoutes } from './http/routes/stream-routes.ts';
import { type TenantRoutesDeps, tenantRoutes } from './http/routes/tenant-routes.ts';
import { type OpenSpan, traced } from './http/server/trace-requests.ts';
import type { ListAuditRecordsDeps } from './operations/audit/list-audit-records.ts';
import type { ReadLogDeps } from './operations/audit/read-log.ts';
import type { ReadUsageDeps } from './operations/audit/read-usage.ts';
import type { CreateDataKeyDeps } from './operations/create-data-key.ts';
import type { DecryptDeps } from './operations/decrypt-data.ts';
import type { DrillDeps } from './operations/drills/drills.ts';
import type { EncryptDeps } from './operations/encrypt-data.ts';
import type { LinkDeps } from './operations/onboarding/links.ts';
import type { RingDoorbellDeps } from './operations/ring-doorbell.ts';
import type { UnwrapKeyDeps } from './operations/unwrap-key.ts';
import type { WrapKeyDeps } from './operations/wrap-key.ts';

/** The dependencies of the application's parts, and no more. */
export type AppDeps = EncryptDeps &
  CreateDataKeyDeps &
  DecryptDeps &
  WrapKeyDeps &
  UnwrapKeyDeps &
  LeaseRoutesDeps &
  RingDoorbellDeps &
  DrillDeps &
  StreamRoutesDeps &
  TenantRoutesDeps &
  LinkDeps &
  OnboardingPagesDeps &
  BranchKeyRoutesDeps &
  IndexRoutesDeps &
  ListAuditRecordsDeps &
  ReadLogDeps &
  ReadUsageDeps &
  ProblemDeps &
  ReadinessDeps & {
    readonly verifyToken: VerifyToken;
    readonly quotas: AuthorizeDeps['quotas'];
    readonly openSpan: OpenSpan | undefined;
    /** Absent if the console is off. */
    readonly console: ConsoleDeps | undefined;
    /** The folder of the built API reference. */
    readonly docsDirectory: DocsDeps['directory'];
    readonly bodyTimeoutMs: number;
    readonly maxBufferedBytes: number;
    readonly admission: Pick<Admission, 'admit' | 'countCall' | 'chargeItems'>;
  };

export interface App {
  /** The routes in Express. */
  readonly express: Express;
  /** Handles a request. `onUnanswered` is called if no handler could answer it. */
  readonly handle: (req: IncomingMessage, res: ServerResponse, onUnanswered: () => void) => void;
}

/** Returns the application: the order of the handlers of a request. */
export function createApp(deps: AppDeps): App {
  const app = express();
  app.disable('x-powered-by').disable('etag').enable('case sensitive routing').enable('strict routing');
  const routes = jsonRoutes(deps);
  mountStreams(app, streamRoutes(deps), deps);
  mount(app, routes);
  app.use(docsRouter({ directory: deps.docsDirectory, signIn: deps.console }));
  if (deps.console) app.use(consoleRouter(deps.console));
  if (deps.onboarding) app.use(onboardingRouter(deps, deps.onboarding));
  app.use(routeNotFound);
  app.use(problemHandler(deps));

  const directRoute = directRoutes(routes);
  const route: App['handle'] = (req, res, onUnanswered) => {
    const direct = directRoute(req);
    // Express adds its own methods to both objects.
    if (!direct) app(req as Request, res as Response, onUnanswered);
    else {
      direct
        .handle(req, res, direct)
        .catch((error: unknown) => answerFailure(deps, req, res, error))
        .catch(onUnanswered);
    }
  };
  const { openSpan } = deps;
  const handle: App['handle'] =
    openSpan === undefined
      ? route
      : (req, res, onUnanswered) => traced(openSpan, req, res, () => route(req, res, onUnanswered));
  return { express: app, handle };
}

const jsonRoutes = (deps: AppDeps) =>
  routesOf(
    {
      encryptData: encryptDataRoute(deps),
      decryptData: decryptDataRoute(deps),
      createDataKey: createDataKeyRoute(deps),
      rewrapData: rewrapDataRoute(deps),
      encryptBatch: encryptBatchRoute(deps),
      decryptBatch: decryptBatchRoute(deps),
      rewrapBatch: rewrapBatchRoute(deps),
      ...documentRoutes(deps),
      ...indexRoutes(deps),
      ...leaseRoutes(deps),
      wrapKey: wrapKeyRoute(deps),
      unwrapKey: unwrapKeyRoute(deps),
      rewrapStreamHeader: rewrapStreamHeaderRoute(deps),
      ...tenantRoutes(deps),
      ...onboardingRoutes(deps),
      ...branchKeyRoutes(deps),
      listAuditRecords: listAuditRecordsRoute(deps),
      readUsage: readUsageRoute(deps),
      ringDoorbell: ringDoorbellRoute(deps),
      ...drillRoutes(deps),
      ...logRoutes(deps),
      getHealth: healthRoute,
      getReadiness: readinessRoute(deps),
    },
    {
      verifyToken: deps.verifyToken,
      tenants: deps.tenants,
      quotas: deps.quotas,
      admission: deps.admission,
      maxPlaintextBytes: deps.maxPlaintextBytes,
      maxBufferedBytes: deps.maxBufferedBytes,
      bodyTimeoutMs: deps.bodyTimeoutMs,
      onAnswered: deps.onAnswered,
    },
  );
