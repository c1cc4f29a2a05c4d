import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { ApiError } from '../../api/api-error.ts';
import { tenantPath } from '../../api/paths.ts';
import type { Tenant } from '../../api/types.ts';
import { useApi, useRole } from '../../app/context.ts';
import { Failure } from '../../parts/failure.tsx';
import { Field } from '../../parts/field.tsx';
import { TableFrame } from '../../parts/table-frame.tsx';
import { Time } from '../../parts/time.tsx';
import { draftOfQuota, type QuotaDraft, quotaOf } from '../../text/quota-draft.ts';
import { refreshTenant } from './use-tenant.ts';

/** The tenant's quota, what is left of it, and a form to change it. */
export function QuotaPart({ tenant }: { tenant: Tenant }): ReactNode {
  const mayManage = useRole('Tenants.Manage');
  const [isEditing, setEditing] = useState(false);
  return (
    <section aria-labelledby="quota">
      <h3 id="quota">Quota</h3>
      <QuotaUse quota={tenant.quotaUse} />
      {mayManage && !isEditing && (
        <p>
          <button type="button" onClick={() => setEditing(true)}>
            Change the quota
          </button>
        </p>
      )}
      {isEditing && <QuotaForm tenant={tenant} onDone={() => setEditing(false)} />}
    </section>
  );
}

function QuotaUse({ quota }: { quota: Tenant['quotaUse'] }): ReactNode {
  if (!quota) return <p className="quiet">The tenant has no quota.</p>;
  const { isDefault, periodSeconds, endsAt, limits } = quota;
  return (
    <>
      <p>
        {isDefault ? "The configuration's quota for every tenant" : "The tenant's own quota"}, in periods of{' '}
        {periodSeconds.toLocaleString()} s. This one ends <Time at={endsAt} />.
      </p>
      <TableFrame label="Quota">
        <thead>
          <tr>
            <th scope="col">Of</th>
            <th scope="col">Limit</th>
            <th scope="col">Left</th>
            <th scope="col">Used</th>
          </tr>
        </thead>
        <tbody>
          {limits.map(({ name, limit, left }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td className="number">{limit.toLocaleString()}</td>
              <td className="number">{left.toLocaleString()}</td>
              <td>
                <meter min={0} max={limit} high={limit * 0.9} value={limit - left} aria-label={`Used ${name}`} />{' '}
                {Math.round(((limit - left) / limit) * 100)} %
              </td>
            </tr>
          ))}
        </tbody>
      </TableFrame>
    </>
  );
}

const FIELDS: readonly { readonly name: keyof QuotaDraft; readonly label: string }[] = [
  { name: 'operations', label: 'Operations in a period' },
  { name: 'bytes', label: 'Bytes in a period' },
  { name: 'periodSeconds', label: 'Period, in seconds' },
];

/** Changes the quota against the revision that is shown: another admin's change is not overwritten. */
function QuotaForm({ tenant, onDone }: { tenant: Tenant; onDone: () => void }): ReactNode {
  const api = useApi();
  const client = useQueryClient();
  const [draft, setDraft] = useState(() => draftOfQuota(tenant));
  const [base, setBase] = useState(tenant.revision);
  const result = quotaOf(draft);
  const faults = 'faults' in result ? result.faults : {};
  const save = useMutation({
    mutationFn: (quota: object | null) =>
      api.json<Tenant>(tenantPath(tenant.id), {
        method: 'PATCH',
        body: { quota },
        contentType: 'application/merge-patch+json',
        revision: base,
      }),
    onSuccess: async () => {
      await refreshTenant(client, tenant.id);
      onDone();
    },
    onError: async (error) => {
      if (error instanceof ApiError && error.problem.code === 'revision-mismatch') {
        const { revision } = await api.json<Tenant>(tenantPath(tenant.id));
        await refreshTenant(client, tenant.id);
        setBase(revision);
      }
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if ('quota' in result) save.mutate(result.quota);
      }}
    >
      <p className="quiet">
        Empty fields: no quota of its own, so that the configuration's applies. Beyond a quota calls on data are refused
        until the period ends.
      </p>
      <div className="form">
        {FIELDS.map(({ name, label }) => (
          <Field key={name} label={label} error={faults[name]}>
            {(ids) => (
              <input
                {...ids}
                inputMode="numeric"
                maxLength={15}
                value={draft[name]}
                onChange={({ target }) => setDraft({ ...draft, [name]: target.value })}
              />
            )}
          </Field>
        ))}
      </div>
      {save.error && <Failure error={save.error} />}
      {save.error && base !== tenant.revision && <p>Read the quota above, and save again to replace it.</p>}
      <p className="row">
        <button type="submit" className="primary" disabled={'faults' in result || save.isPending}>
          {save.isPending ? 'Saving…' : 'Save the quota'}
        </button>
        <button type="button" onClick={onDone}>
          Cancel
        </button>
      </p>
    </form>
  );
}
