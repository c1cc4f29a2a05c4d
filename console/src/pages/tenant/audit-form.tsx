import { type ReactNode, useState } from 'react';
import { Field } from '../../parts/field.tsx';
import { type AuditSearch, faultsOfSearch, NO_SEARCH } from '../../text/audit-filter.ts';

/** What to look for in the audit log; the service searches. */
export function AuditForm({ onSearch }: { onSearch: (search: AuditSearch) => void }): ReactNode {
  const [form, setForm] = useState(NO_SEARCH);
  const faults = faultsOfSearch(form);
  const set = (change: Partial<AuditSearch>): void => setForm({ ...form, ...change });
  return (
    <form
      className="row"
      onSubmit={(event) => {
        event.preventDefault();
        if (Object.keys(faults).length === 0) onSearch(form);
      }}
    >
      {(['from', 'to'] as const).map((name) => (
        <Field key={name} label={name === 'from' ? 'From' : 'Until'}>
          {(ids) => (
            <input
              {...ids}
              type="datetime-local"
              step={1}
              value={form[name]}
              onChange={({ target }) => set({ [name]: target.value })}
            />
          )}
        </Field>
      ))}
      <Field label="Operation" error={faults.operation}>
        {(ids) => (
          <input
            {...ids}
            size={14}
            maxLength={64}
            value={form.operation}
            onChange={({ target }) => set({ operation: target.value })}
          />
        )}
      </Field>
      <Field label="Outcome">
        {(ids) => (
          <select {...ids} value={form.outcome} onChange={({ target }) => set({ outcome: target.value })}>
            <option value="">any</option>
            <option>succeeded</option>
            <option>refused</option>
            <option>failed</option>
          </select>
        )}
      </Field>
      <Field label="Caller" hint="The whole id, or the part after #">
        {(ids) => (
          <input
            {...ids}
            maxLength={512}
            value={form.caller}
            onChange={({ target }) => set({ caller: target.value })}
          />
        )}
      </Field>
      <Field label="Text" hint="Of a request id, key, code or claim" error={faults.text}>
        {(ids) => (
          <input {...ids} maxLength={200} value={form.text} onChange={({ target }) => set({ text: target.value })} />
        )}
      </Field>
      <button type="submit" className="primary">
        Search
      </button>
    </form>
  );
}
