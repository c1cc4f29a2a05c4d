import { ServiceError } from '../errors.ts';
import type { Handler } from './mount.ts';

export interface ReadinessDeps {
  readonly audit: { trouble(): string | undefined };
  readonly tenants: { trouble(): string | undefined };
  readonly isDraining: () => boolean;
}

export const healthRoute: Handler<'getHealth'> = () => ({ status: 'ok' });

/** 503 only when this process can answer nobody: trouble of a part must not take every replica out at once. */
export const readinessRoute =
  (deps: ReadinessDeps): Handler<'getReadiness'> =>
  () => {
    if (deps.isDraining()) throw new ServiceError('draining', 'This process is shutting down');
    const audit = deps.audit.trouble();
    if (audit !== undefined)
      throw new ServiceError('audit-unavailable', 'The audit log takes no records', { retryAfter: 5 });
    return deps.tenants.trouble() === undefined ? { status: 'ready' } : { status: 'ready', degraded: ['registry'] };
  };
