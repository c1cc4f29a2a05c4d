import { ServiceError } from '../../errors.ts';
import { degradedParts, type PartsDeps } from '../../operations/overview/degraded-parts.ts';
import type { Handler } from './mount.ts';

export interface ReadinessDeps extends PartsDeps {
  readonly audit: { trouble(): string | undefined };
  readonly isDraining: () => boolean;
}

export const healthRoute: Handler<'getHealth'> = () => ({ status: 'ok' });

/**
 * Answers 503 only when this process can serve nobody: a failure of one part must not remove every
 * replica at once.
 */
export const readinessRoute =
  (deps: ReadinessDeps): Handler<'getReadiness'> =>
  () => {
    if (deps.isDraining()) throw new ServiceError('draining', 'This process is shutting down');
    const audit = deps.audit.trouble();
    if (audit !== undefined)
      throw new ServiceError('audit-unavailable', 'The audit log cannot be written', { retryAfter: 5 });
    const degraded = degradedParts(deps);
    return degraded.length === 0 ? { status: 'ready' } : { status: 'ready', degraded: [...degraded] };
  };
