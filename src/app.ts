import express, { type Express } from 'express';
import type { VerifyToken } from './callers/verify-token.ts';
import type { Admission } from './http/admission/admission.ts';
import { type ProblemDeps, problemHandler, routeNotFound } from './http/answers/problem.ts';
import { listAuditRecordsRoute } from './http/routes/audit-routes.ts';
import { decryptBatchRoute, encryptBatchRoute, rewrapBatchRoute } from './http/routes/batch-routes.ts';
import { type BranchKeyRoutesDeps, branchKeyRoutes } from './http/routes/branch-key-routes.ts';
import { createDataKeyRoute, decryptDataRoute, encryptDataRoute, rewrapDataRoute } from './http/routes/data-routes.ts';
import { docsRouter } from './http/routes/docs.ts';
import { documentRoutes } from './http/routes/document-routes.ts';
import { healthRoute, type ReadinessDeps, readinessRoute } from './http/routes/health-routes.ts';
import { unwrapKeyRoute, wrapKeyRoute } from './http/routes/key-routes.ts';
import { mount } from './http/routes/mount.ts';
import { mountStreams } from './http/routes/mount-streams.ts';
import { rewrapStreamHeaderRoute, type StreamRoutesDeps, streamRoutes } from './http/routes/stream-routes.ts';
import { type TenantRoutesDeps, tenantRoutes } from './http/routes/tenant-routes.ts';
import { type OpenSpan, traceRequests } from './http/server/trace-requests.ts';
import type { CreateDataKeyDeps } from './operations/create-data-key.ts';
import type { DecryptDeps } from './operations/decrypt-data.ts';
import type { EncryptDeps } from './operations/encrypt-data.ts';
import type { ListAuditRecordsDeps } from './operations/list-audit-records.ts';
import type { UnwrapKeyDeps } from './operations/unwrap-key.ts';
import type { WrapKeyDeps } from './operations/wrap-key.ts';

/** The dependencies of the application's parts, and no more. */
export type AppDeps = EncryptDeps &
  CreateDataKeyDeps &
  DecryptDeps &
  WrapKeyDeps &
  UnwrapKeyDeps &
  StreamRoutesDeps &
  TenantRoutesDeps &
  BranchKeyRoutesDeps &
  ListAuditRecordsDeps &
  ProblemDeps &
  ReadinessDeps & {
    readonly verifyToken: VerifyToken;
    readonly openSpan: OpenSpan | undefined;
    readonly bodyTimeoutMs: number;
    readonly maxBufferedBytes: number;
    readonly admission: Pick<Admission, 'admit' | 'countCall' | 'chargeItems'>;
  };

/** Returns the application: the order of the handlers of a request. */
export function createApp(deps: AppDeps): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag').enable('case sensitive routing').enable('strict routing');
  if (deps.openSpan) app.use(traceRequests(deps.openSpan));
  mountStreams(app, streamRoutes(deps), deps);
  mount(
    app,
    {
      encryptData: encryptDataRoute(deps),
      decryptData: decryptDataRoute(deps),
      createDataKey: createDataKeyRoute(deps),
      rewrapData: rewrapDataRoute(deps),
      encryptBatch: encryptBatchRoute(deps),
      decryptBatch: decryptBatchRoute(deps),
      rewrapBatch: rewrapBatchRoute(deps),
      ...documentRoutes(deps),
      wrapKey: wrapKeyRoute(deps),
      unwrapKey: unwrapKeyRoute(deps),
      rewrapStreamHeader: rewrapStreamHeaderRoute(deps),
      ...tenantRoutes(deps),
      ...branchKeyRoutes(deps),
      listAuditRecords: listAuditRecordsRoute(deps),
      getHealth: healthRoute,
      getReadiness: readinessRoute(deps),
    },
    {
      verifyToken: deps.verifyToken,
      tenants: deps.tenants,
      admission: deps.admission,
      maxPlaintextBytes: deps.maxPlaintextBytes,
      maxBufferedBytes: deps.maxBufferedBytes,
      bodyTimeoutMs: deps.bodyTimeoutMs,
      onAnswered: deps.onAnswered,
    },
  );
  app.use(docsRouter());
  app.use(routeNotFound);
  app.use(problemHandler(deps));

  return app;
}
