import type { ReactNode } from 'react';
import type { Tenant, TenantKey } from '../../api/types.ts';
import { useRole } from '../../app/context.ts';
import { Badge, moodOf } from '../../parts/badge.tsx';
import { KeyName } from '../../parts/key-name.tsx';
import { TableFrame } from '../../parts/table-frame.tsx';
import { Time } from '../../parts/time.tsx';
import { Rotation } from './rotation.tsx';
import type { SectionProps } from './tenant-page.tsx';

export default function KeysSection({ tenant }: SectionProps): ReactNode {
  const mayManage = useRole('Tenants.Manage');
  return (
    <>
      <h2>Keys</h2>
      <Keys tenant={tenant} />
      <h2>Versions in use</h2>
      <p>
        A version is still needed while stored data names it. Rewrap moves data and branch keys to the newest version.
      </p>
      <Uses tenant={tenant} />
      {tenant.branchKeys && <BranchKeyNeeds tenant={tenant} />}
      {tenant.branchKeys && mayManage && <Rotation tenant={tenant} />}
      <h2>The customer's policy</h2>
      <Policies tenant={tenant} />
    </>
  );
}

const Keys = ({ tenant }: { tenant: Tenant }): ReactNode => (
  <TableFrame label="Keys">
    <thead>
      <tr>
        <th scope="col">Alias</th>
        <th scope="col">Key</th>
        <th scope="col">Use</th>
        <th scope="col">Messages</th>
        <th scope="col">Version</th>
      </tr>
    </thead>
    <tbody>
      {Object.entries(tenant.keys).map(([alias, key]) => (
        <tr key={alias}>
          <th scope="row">
            {alias} {alias === tenant.defaultKey && <Badge mood="plain">default</Badge>}
          </th>
          <td>
            <KeyName keyId={keyIdOf(key)} />
          </td>
          <td>{key.use}</td>
          <td>{key.use === 'data' ? (key.form ?? 'self-contained') : '–'}</td>
          <td>{key.keyVersion === undefined ? 'newest' : <code>{key.keyVersion.slice(0, 8)} (pinned)</code>}</td>
        </tr>
      ))}
      {tenant.retiredKeys?.map((key) => (
        <tr key={keyIdOf(key)}>
          <th scope="row">–</th>
          <td>
            <KeyName keyId={keyIdOf(key)} />
          </td>
          <td>retired: only decrypts</td>
          <td>–</td>
          <td>–</td>
        </tr>
      ))}
    </tbody>
  </TableFrame>
);

const keyIdOf = ({ vaultUrl, name }: Pick<TenantKey, 'vaultUrl' | 'name'>): string =>
  `${vaultUrl.replace(/\/$/, '')}/keys/${name}`;

function Uses({ tenant: { keyUsage = [] } }: { tenant: Tenant }): ReactNode {
  if (keyUsage.length === 0)
    return <p className="quiet">No key version has been used yet, as far as the service has seen.</p>;
  return (
    <TableFrame label="Versions in use">
      <thead>
        <tr>
          <th scope="col">Version</th>
          <th scope="col">Encrypted</th>
          <th scope="col">Decrypted</th>
          <th scope="col">Last used</th>
        </tr>
      </thead>
      <tbody>
        {keyUsage.map(({ keyId, sealed, opened, lastUsedAt }) => (
          <tr key={keyId}>
            <th scope="row">
              <KeyName keyId={keyId} />
            </th>
            <td className="number">{sealed.toLocaleString()}</td>
            <td className="number">{opened.toLocaleString()}</td>
            <td>
              <Time at={lastUsedAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </TableFrame>
  );
}

const BranchKeyNeeds = ({ tenant }: { tenant: Tenant }): ReactNode => (
  <>
    <h3>Branch and index keys by version</h3>
    <p>
      Compact messages and look-ups do not need a version that is not listed. Copies are those outside the database.
    </p>
    <TableFrame label="Branch and index keys by version">
      <thead>
        <tr>
          <th scope="col">Version</th>
          <th scope="col">Keys in the database</th>
          <th scope="col">Keys by newest copy</th>
        </tr>
      </thead>
      <tbody>
        {tenant.branchKeys?.map(({ keyId, keys, copies }) => (
          <tr key={keyId}>
            <th scope="row">
              <KeyName keyId={keyId} />
            </th>
            <td className="number">{keys.toLocaleString()}</td>
            <td className="number">{copies.toLocaleString()}</td>
          </tr>
        ))}
      </tbody>
    </TableFrame>
  </>
);

function Policies({ tenant: { keyPolicies = {} } }: { tenant: Tenant }): ReactNode {
  const policies = Object.entries(keyPolicies);
  if (policies.length === 0) return <p className="quiet">No key has tags with a policy.</p>;
  return policies.map(([alias, { state, policy, tags = {}, detail }]) => (
    <section key={alias} aria-label={`Policy of ${alias}`}>
      <h3>
        {alias} <Badge mood={moodOf(state)}>{state}</Badge>
      </h3>
      {detail !== undefined && <p className="break">{detail}</p>}
      <dl className="facts">
        {Object.entries(tags).map(([name, value]) => (
          <div key={name}>
            <dt className="break">{name}</dt>
            <dd className="break">{value}</dd>
          </div>
        ))}
        {policy !== undefined && (
          <div>
            <dt>Hash, as in audit records</dt>
            <dd className="break">
              <code>{policy}</code>
            </dd>
          </div>
        )}
      </dl>
    </section>
  ));
}
