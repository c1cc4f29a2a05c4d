import { type ReactNode, useState } from 'react';
import type { Tenant } from '../../api/types.ts';
import { useRole } from '../../app/context.ts';
import { Facts } from '../../parts/facts.tsx';
import { Notice } from '../../parts/notice.tsx';
import { Time } from '../../parts/time.tsx';
import { editable } from '../../text/record-draft.ts';
import { DirectoryFacts } from './directory-facts.tsx';
import { RecordForm } from './record-form.tsx';
import type { SectionProps } from './tenant-page.tsx';

export default function RecordSection({ tenant }: SectionProps): ReactNode {
  const mayManage = useRole('Tenants.Manage');
  const [editing, setEditing] = useState(false);
  const [isSaved, setSaved] = useState(false);
  if (editing) {
    const done = (saved: boolean): void => {
      setEditing(false);
      setSaved(saved);
    };
    return <RecordForm tenant={tenant} onDone={done} />;
  }
  return (
    <>
      <h2>Record</h2>
      {isSaved && <Notice kind="success" title={`Saved as revision ${tenant.revision}`} />}
      {mayManage && (
        <p>
          <button type="button" onClick={() => setEditing(true)}>
            Edit the record
          </button>
        </p>
      )}
      <RecordFacts tenant={tenant} />
      {mayManage && tenant.graph && <DirectoryFacts tenant={tenant} />}
      <details>
        <summary>The whole record as JSON</summary>
        <pre>{JSON.stringify(editable(tenant), undefined, 2)}</pre>
      </details>
    </>
  );
}

const RecordFacts = ({ tenant }: { tenant: Tenant }): ReactNode => (
  <Facts
    facts={[
      ['Display name', tenant.displayName],
      ["Customer's directory", <code key="directory">{tenant.entraTenantId}</code>],
      ['Default key', tenant.defaultKey],
      ['Revocation bound', seconds(tenant.revocationBoundSeconds) ?? "the service's default"],
      ['Check interval', seconds(tenant.checkIntervalSeconds)],
      ['Required context', tenant.requiredContext?.join(', ') || undefined],
      ['Required access claims', tenant.requiredAccess?.join(', ') || undefined],
      ['Origin', tenant.origin],
      ['Leases', tenant.leases && `at most ${tenant.leases.maxSeconds} s`],
      ['Canary secret', tenant.canarySecret],
      ['Metadata', metadataText(tenant)],
      ['Records in the SIEM', siemText(tenant)],
      ['Revision', tenant.revision],
      ['Created', <Time key="created" at={tenant.createdAt} />],
      ['Changed', <Time key="changed" at={tenant.updatedAt} />],
    ]}
  />
);

const seconds = (value: number | undefined): string | undefined => (value === undefined ? undefined : `${value} s`);

const metadataText = ({ metadata }: Tenant): string | undefined =>
  metadata &&
  Object.entries(metadata)
    .map(([name, value]) => `${name}: ${value}`)
    .join(', ');

function siemText({ siemDelivery }: Tenant): string | undefined {
  if (!siemDelivery) return undefined;
  const { waiting, trouble, fix } = siemDelivery;
  return [`${waiting} waiting`, trouble, fix].filter((part) => part !== undefined).join('; ');
}
