import type { ReactNode } from 'react';
import type { DateRange } from '../text/usage-series.ts';
import { Field } from './field.tsx';

interface DateRangeFieldsProps {
  readonly range: DateRange;
  readonly fault: string | undefined;
  onChange(range: DateRange): void;
}

/** The first and the last day of a range, in UTC as usage is summed up. */
export const DateRangeFields = ({ range, fault, onChange }: DateRangeFieldsProps): ReactNode => (
  <>
    <Field label="From" hint="UTC">
      {(ids) => (
        <input
          {...ids}
          type="date"
          value={range.from}
          onChange={({ target }) => onChange({ ...range, from: target.value })}
        />
      )}
    </Field>
    <Field label="Until" error={fault}>
      {(ids) => (
        <input
          {...ids}
          type="date"
          value={range.until}
          onChange={({ target }) => onChange({ ...range, until: target.value })}
        />
      )}
    </Field>
  </>
);
