import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { tenantPath } from '../../api/paths.ts';
import type { IssuedOnboardingLink, OnboardingLinkRequest, Tenant } from '../../api/types.ts';
import { useApi, useRole } from '../../app/context.ts';
import { Copyable } from '../../parts/copy-button.tsx';
import { Failure } from '../../parts/failure.tsx';
import { Field } from '../../parts/field.tsx';
import { Notice } from '../../parts/notice.tsx';
import { Time } from '../../parts/time.tsx';

const DAY_SECONDS = 86_400;

interface IssueLinkProps {
  readonly tenant: Tenant;
  readonly issued: IssuedOnboardingLink | undefined;
  onIssued(link: IssuedOnboardingLink): void;
}

export function IssueLink({ tenant, issued, onIssued }: IssueLinkProps): ReactNode {
  const api = useApi();
  const mayReadAudit = useRole('Audit.Read');
  const [days, setDays] = useState('14');
  const [records, setRecords] = useState(false);
  const [branchKeys, setBranchKeys] = useState(false);
  const issue = useMutation({
    mutationFn: () => {
      const allow = [...(records ? (['records'] as const) : []), ...(branchKeys ? (['branch-keys'] as const) : [])];
      const body: OnboardingLinkRequest = { expiresInSeconds: Number(days) * DAY_SECONDS, allow };
      return api.json<IssuedOnboardingLink>(tenantPath(tenant.id, '/onboarding-links'), { method: 'POST', body });
    },
    onSuccess: onIssued,
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        issue.mutate();
      }}
    >
      <div className="row">
        <Field label="Valid for, in days">
          {(ids) => (
            <input
              {...ids}
              type="number"
              min={1}
              max={90}
              required
              value={days}
              onChange={({ target }) => setDays(target.value)}
            />
          )}
        </Field>
        {mayReadAudit && (
          <label>
            <input type="checkbox" checked={records} onChange={({ target }) => setRecords(target.checked)} /> may read
            audit records and receipts
          </label>
        )}
        <label>
          <input type="checkbox" checked={branchKeys} onChange={({ target }) => setBranchKeys(target.checked)} /> may
          export the wrapped branch keys
        </label>
        <button type="submit" className="primary" disabled={issue.isPending}>
          Issue a link
        </button>
      </div>
      {issue.error && <Failure error={issue.error} />}
      {issued && (
        <Notice kind="success" title="Give this link to the customer. It is shown only now.">
          <Copyable text={issued.url} what="the link" />
          <p>
            It expires <Time at={issued.expiresAt} />.
          </p>
        </Notice>
      )}
    </form>
  );
}
