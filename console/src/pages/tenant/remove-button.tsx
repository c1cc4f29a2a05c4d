import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { useNavigate } from 'react-router';
import { tenantPath } from '../../api/paths.ts';
import type { Tenant } from '../../api/types.ts';
import { useApi, useRole } from '../../app/context.ts';
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx';

/** Removes a suspended tenant, against the revision that is shown. It asks for the tenant's id. */
export function RemoveButton({ tenant }: { tenant: Tenant }): ReactNode {
  const api = useApi();
  const client = useQueryClient();
  const navigate = useNavigate();
  const mayManage = useRole('Tenants.Manage');
  const [isAsking, setAsking] = useState(false);
  const remove = useMutation({
    mutationFn: () => api.json<void>(tenantPath(tenant.id), { method: 'DELETE', revision: tenant.revision }),
    onSuccess: async () => {
      await navigate('/');
      client.removeQueries({ queryKey: ['tenant', tenant.id] });
      await Promise.all(['tenants', 'overview'].map((name) => client.invalidateQueries({ queryKey: [name] })));
    },
  });
  if (!mayManage || tenant.state !== 'suspended') return null;
  const close = (): void => {
    setAsking(false);
    remove.reset();
  };
  return (
    <>
      <button type="button" className="danger" onClick={() => setAsking(true)}>
        Remove…
      </button>
      {isAsking && (
        <ConfirmDialog
          title={`Remove ${tenant.id}`}
          action="Remove"
          typed={tenant.id}
          isDangerous
          isPending={remove.isPending}
          error={remove.error}
          onConfirm={remove.mutate}
          onClose={close}
        >
          <p>
            Its data cannot be decrypted here any more, and its id is never used for another tenant. Restoring it under
            “Register a tenant” undoes this.
          </p>
        </ConfirmDialog>
      )}
    </>
  );
}
