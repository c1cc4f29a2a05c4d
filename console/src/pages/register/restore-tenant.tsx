import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { useNavigate } from 'react-router';
import { tenantPath } from '../../api/paths.ts';
import type { Tenant } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx';
import { Field } from '../../parts/field.tsx';

/** Restores a removed tenant by its id, after a question. */
export function RestoreTenant(): ReactNode {
  const api = useApi();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [text, setText] = useState('');
  const [asked, setAsked] = useState('');
  const restore = useMutation({
    mutationFn: (id: string) => api.json<Tenant>(tenantPath(id, '/restore'), { method: 'POST' }),
    onSuccess: async ({ id }) => {
      await client.invalidateQueries();
      await navigate(`/tenants/${encodeURIComponent(id)}`);
    },
  });
  const close = (): void => {
    setAsked('');
    restore.reset();
  };
  return (
    <>
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault();
          setAsked(text.trim());
        }}
      >
        <Field label="Id of the removed tenant">
          {(ids) => (
            <input
              {...ids}
              required
              maxLength={64}
              autoComplete="off"
              spellCheck={false}
              value={text}
              onChange={({ target }) => setText(target.value)}
            />
          )}
        </Field>
        <button type="submit">Restore…</button>
      </form>
      {asked !== '' && (
        <ConfirmDialog
          title={`Restore ${asked}`}
          action="Restore"
          isPending={restore.isPending}
          error={restore.error}
          onConfirm={() => restore.mutate(asked)}
          onClose={close}
        >
          <p>It gets its last record back and is suspended: resume it to serve its data again.</p>
        </ConfirmDialog>
      )}
    </>
  );
}
