import { ServiceError } from '../../errors.ts';
import type { Handler } from './mount.ts';

export interface ReadinessDeps {
  readonly audit: { trouble(): string | undefined };
  /** What is wrong with the audit log though it accepts records. */
  readonly auditDegraded: () => readonly string[];
  /** Names of the keys and credentials that the home vault would not give any more. */
  readonly degradedHome: () => readonly string[];
  readonly tenants: { trouble(): string | undefined };
  /** Of the listener; absent where it speaks plain HTTP. */
  readonly certificate?: { trouble(): string | undefined } | undefined;
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
    const degraded = [
      ...(deps.tenants.trouble() === undefined ? [] : ['registry']),
      ...(deps.certificate?.trouble() === undefined ? [] : ['certificate']),
      ...deps.auditDegraded(),
      ...deps.degradedHome(),
    ];
    return degraded.length === 0 ? { status: 'ready' } : { status: 'ready', degraded };
  };
