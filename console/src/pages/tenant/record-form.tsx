import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { ApiError } from '../../api/api-error.ts';
import { tenantPath } from '../../api/paths.ts';
import type { Tenant } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { Failure } from '../../parts/failure.tsx';
import { Field, type FieldIds } from '../../parts/field.tsx';
import { Notice } from '../../parts/notice.tsx';
import { draftOf, editable, membersOf, mergePatch, type RecordDraft } from '../../text/record-draft.ts';
import { ChangeConflict } from './change-conflict.tsx';
import { refreshTenant } from './use-tenant.ts';

interface RecordFormProps {
  readonly tenant: Tenant;
  onDone(isSaved: boolean): void;
}

/**
 * Sends only the members that changed, against the revision that was read. When another admin saved
 * in between, it shows what they changed and lets the person decide.
 */
export function RecordForm({ tenant, onDone }: RecordFormProps): ReactNode {
  const api = useApi();
  const client = useQueryClient();
  const [base, setBase] = useState(tenant);
  const [latest, setLatest] = useState<Tenant>();
  const [draft, setDraft] = useState(() => draftOf(tenant));
  const result = membersOf(draft);
  const faults = 'faults' in result ? result.faults : {};
  const patch = 'members' in result ? mergePatch(editable(base), result.members) : {};
  const save = useMutation({
    mutationFn: (revision: string) =>
      api.json<Tenant>(tenantPath(tenant.id), {
        method: 'PATCH',
        body: patch,
        contentType: 'application/merge-patch+json',
        revision,
      }),
    onSuccess: async () => {
      await refreshTenant(client, tenant.id);
      onDone(true);
    },
    onError: async (error) => {
      const isConflict = error instanceof ApiError && error.problem.code === 'revision-mismatch';
      if (isConflict) setLatest(await api.json<Tenant>(tenantPath(tenant.id)));
    },
  });
  const startAgain = (newest: Tenant): void => {
    setBase(newest);
    setDraft(draftOf(newest));
    setLatest(undefined);
    save.reset();
  };
  const text = (name: keyof RecordDraft, ids: FieldIds): ReactNode => (
    <input {...ids} value={draft[name]} onChange={({ target }) => setDraft({ ...draft, [name]: target.value })} />
  );
  const isUnchanged = Object.keys(patch).length === 0;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(base.revision);
      }}
    >
      <h2>Edit the record</h2>
      {latest && 'members' in result && (
        <ChangeConflict
          base={base}
          latest={latest}
          ours={result.members}
          isPending={save.isPending}
          onOverwrite={() => save.mutate(latest.revision)}
          onStartAgain={() => startAgain(latest)}
        />
      )}
      {save.error && !latest && <Failure error={save.error} />}
      <div className="form">
        <Field label="Display name">{(ids) => text('displayName', ids)}</Field>
        <Field label="Default key">
          {(ids) => (
            <select
              {...ids}
              value={draft.defaultKey}
              onChange={({ target }) => setDraft({ ...draft, defaultKey: target.value })}
            >
              {Object.keys(base.keys).map((alias) => (
                <option key={alias}>{alias}</option>
              ))}
            </select>
          )}
        </Field>
        <Field
          label="Revocation bound, in seconds"
          hint="How long a data key may be used without a proof of access. Empty: the service's default."
          error={faults.revocationBoundSeconds}
        >
          {(ids) => text('revocationBoundSeconds', ids)}
        </Field>
        <Field label="Check interval, in seconds" error={faults.checkIntervalSeconds}>
          {(ids) => text('checkIntervalSeconds', ids)}
        </Field>
        <Field label="Required context" hint="Names that every new encryption context must have, with commas between.">
          {(ids) => text('requiredContext', ids)}
        </Field>
        <Field label="All other members, as JSON" error={faults.rest}>
          {(ids) => (
            <textarea
              {...ids}
              className="code"
              rows={16}
              spellCheck={false}
              value={draft.rest}
              onChange={({ target }) => setDraft({ ...draft, rest: target.value })}
            />
          )}
        </Field>
      </div>
      {isUnchanged && !('faults' in result) && <p className="quiet">Nothing is changed yet.</p>}
      {!isUnchanged && <Notice kind="info" title={`Changes ${Object.keys(patch).join(', ')}`} />}
      <p className="row">
        <button type="submit" className="primary" disabled={isUnchanged || save.isPending || latest !== undefined}>
          {save.isPending ? 'Saving…' : 'Save'}
        </button>
        <button type="button" onClick={() => onDone(false)}>
          Cancel
        </button>
      </p>
    </form>
  );
}
