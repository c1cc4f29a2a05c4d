import type { QueryClient } from '@tanstack/react-query';
import type { Api } from '../../api/api.ts';
import { Unreachable } from '../../api/api-error.ts';
import { tenantPath } from '../../api/paths.ts';
import { readLines } from '../../api/read-lines.ts';
import type { CheckStep, Tenant, TenantCheck } from '../../api/types.ts';
import { keyOf, refreshTenant } from './use-tenant.ts';

const TIMEOUT_MS = 5 * 60_000;
/** When to look for the service's own visit, which follows a check that has another result. */
const LOOK_AGAIN_MS = [2_000, 4_000, 8_000];

/** Returns the result of a check, and calls `onStep` with each step as it ends. */
export async function runCheck(
  api: Api,
  tenantId: string,
  signal: AbortSignal,
  onStep: (step: CheckStep) => void,
): Promise<TenantCheck> {
  const response = await api.raw(tenantPath(tenantId, '/check'), {
    method: 'POST',
    accept: 'application/x-ndjson',
    signal,
    timeoutMs: TIMEOUT_MS,
  });
  let result: TenantCheck | undefined;
  try {
    await readLines(response, (line) => {
      const { step, result: last } = line as { readonly step?: CheckStep; readonly result?: TenantCheck };
      if (step) onStep(step);
      result ??= last;
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Unreachable('The check broke off.', { cause: error });
  }
  if (!result) throw new Unreachable('The check broke off.');
  return result;
}

/**
 * Shows the last check of the service anew. It follows within seconds if the result is another one
 * than the service had.
 */
export async function refreshAfterCheck(client: QueryClient, tenant: Tenant, check: TenantCheck): Promise<void> {
  await refreshTenant(client, tenant.id);
  const before = tenant.lastCheck;
  if (before && (before.state === 'passed') === (check.state === 'passed')) return;
  for (const pauseMs of LOOK_AGAIN_MS) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    const shown = client.getQueryData<Tenant>(keyOf(tenant.id));
    if (!shown || shown.lastCheck?.checkedAt !== before?.checkedAt) return;
    await refreshTenant(client, tenant.id);
  }
}
