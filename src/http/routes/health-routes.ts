import { ServiceError } from '../../errors.ts';
import type { Handler } from './mount.ts';

export interface ReadinessDeps {
  readonly audit: { trouble(): string | undefined };
  /** Returns the problems of an audit log that still accepts records. */
  readonly auditDegraded: () => readonly string[];
  /** Returns the names of the keys and credentials that the home vault no longer provides. */
  readonly degradedHome: () => readonly string[];
  /** Returns the problems of branch keys although messages are answered. */
  readonly branchesDegraded: () => readonly string[];
  readonly tenants: { trouble(): string | undefined };
  /** The listener's; absent for plain HTTP. */
  readonly certificate?: { trouble(): string | undefined } | undefined;
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
    const degraded = [
      ...(deps.tenants.trouble() === undefined ? [] : ['registry']),
      ...(deps.certificate?.trouble() === undefined ? [] : ['certificate']),
      ...deps.auditDegraded(),
      ...deps.degradedHome(),
      ...deps.branchesDegraded(),
    ];
    return degraded.length === 0 ? { status: 'ready' } : { status: 'ready', degraded };
  };
