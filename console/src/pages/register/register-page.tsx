import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { useNavigate } from 'react-router';
import { tenantPath } from '../../api/paths.ts';
import type { Tenant } from '../../api/types.ts';
import { useApi, useRole } from '../../app/context.ts';
import { Failure } from '../../parts/failure.tsx';
import { Field } from '../../parts/field.tsx';
import { PageTitle } from '../../parts/page-title.tsx';
import { faultsOf, type NewTenant, recordOf } from '../../text/new-tenant.ts';
import { RestoreTenant } from './restore-tenant.tsx';

export default function RegisterPage(): ReactNode {
  const mayManage = useRole('Tenants.Manage');
  return (
    <>
      <PageTitle>Register a tenant</PageTitle>
      {mayManage ? (
        <>
          <RegisterForm />
          <h2>Restore a removed tenant</h2>
          <RestoreTenant />
        </>
      ) : (
        <p className="quiet">Registering needs the role Tenants.Manage.</p>
      )}
    </>
  );
}

const EMPTY: NewTenant = { id: '', displayName: '', entraTenantId: '', vaultUrl: '', keyName: 'data' };

const FIELDS: readonly { readonly name: keyof NewTenant; readonly label: string; readonly hint?: string }[] = [
  { name: 'id', label: 'Id', hint: 'Names the tenant in the API for ever: a-z, 0-9 and hyphens' },
  { name: 'displayName', label: 'Display name' },
  { name: 'entraTenantId', label: "Customer's directory", hint: 'The GUID of its Entra tenant' },
  { name: 'vaultUrl', label: "Customer's vault", hint: 'Such as https://contoso-kv.vault.azure.net' },
  { name: 'keyName', label: 'Name of the key in the vault' },
];

/** Registers a tenant with one key for data. Everything else is edited in its record afterwards. */
function RegisterForm(): ReactNode {
  const api = useApi();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [form, setForm] = useState(EMPTY);
  const [isShowingFaults, setShowingFaults] = useState(false);
  const faults = faultsOf(form);
  const register = useMutation({
    mutationFn: () => api.json<Tenant>(tenantPath(form.id), { method: 'PUT', body: recordOf(form) }),
    onSuccess: async ({ id }) => {
      await Promise.all(['tenants', 'overview'].map((name) => client.invalidateQueries({ queryKey: [name] })));
      await navigate(`/tenants/${encodeURIComponent(id)}/onboarding`);
    },
  });
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        setShowingFaults(true);
        if (Object.keys(faults).length === 0) register.mutate();
      }}
    >
      <p>The tenant gets one key for data. Its onboarding is shown next; the rest is edited in its record.</p>
      <div className="form">
        {FIELDS.map(({ name, label, hint }) => (
          <Field key={name} label={label} error={isShowingFaults ? faults[name] : undefined} {...(hint && { hint })}>
            {(ids) => (
              <input
                {...ids}
                value={form[name]}
                autoComplete="off"
                spellCheck={false}
                maxLength={300}
                onChange={({ target }) => setForm({ ...form, [name]: target.value })}
              />
            )}
          </Field>
        ))}
      </div>
      {register.error && <Failure error={register.error} />}
      <p>
        <button type="submit" className="primary" disabled={register.isPending}>
          {register.isPending ? 'Registering…' : 'Register'}
        </button>
      </p>
    </form>
  );
}
