import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { tenantPath } from '../../api/paths.ts';
import type { Tenant } from '../../api/types.ts';
import { useApi, useRole } from '../../app/context.ts';
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx';
import { refreshTenant } from './use-tenant.ts';

/** The vendor's kill switch, and its opposite. Suspending asks for the tenant's id. */
export function StateButtons({ tenant }: { tenant: Tenant }): ReactNode {
  const api = useApi();
  const client = useQueryClient();
  const mayManage = useRole('Tenants.Manage');
  const [isAsking, setAsking] = useState(false);
  const isSuspended = tenant.state === 'suspended';
  const change = useMutation({
    mutationFn: () => api.json<Tenant>(tenantPath(tenant.id, isSuspended ? '/resume' : '/suspend'), { method: 'POST' }),
    onSuccess: () => {
      setAsking(false);
      return refreshTenant(client, tenant.id);
    },
  });
  if (!mayManage) return null;
  const close = (): void => {
    setAsking(false);
    change.reset();
  };
  return (
    <>
      <button type="button" className={isSuspended ? '' : 'danger'} onClick={() => setAsking(true)}>
        {isSuspended ? 'Resume…' : 'Suspend…'}
      </button>
      {isAsking && (
        <ConfirmDialog
          title={isSuspended ? `Resume ${tenant.id}` : `Suspend ${tenant.id}`}
          action={isSuspended ? 'Resume' : 'Suspend'}
          typed={tenant.id}
          isDangerous={!isSuspended}
          isPending={change.isPending}
          error={change.error}
          onConfirm={change.mutate}
          onClose={close}
        >
          <p>
            {isSuspended
              ? "Calls on this tenant's data are served again, as far as the customer's vault allows."
              : 'Within a second every process refuses all calls on its data, and deletes its data keys and tokens from memory. Nothing is lost; resume undoes it.'}
          </p>
        </ConfirmDialog>
      )}
    </>
  );
}
