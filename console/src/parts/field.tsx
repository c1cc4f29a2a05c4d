import { type ReactNode, useId } from 'react';

export interface FieldIds {
  readonly id: string;
  readonly 'aria-describedby': string | undefined;
  readonly 'aria-invalid': true | undefined;
}

export interface FieldProps {
  readonly label: string;
  readonly hint?: string;
  readonly error?: string | undefined;
  /** Returns the control; it takes these attributes. */
  readonly children: (ids: FieldIds) => ReactNode;
}

/** A control with its label, and what is wrong with its value. */
export function Field({ label, hint, error, children }: FieldProps): ReactNode {
  const id = useId();
  const about = [hint !== undefined && `${id}-hint`, error !== undefined && `${id}-error`].filter(Boolean).join(' ');
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        'aria-describedby': about === '' ? undefined : about,
        'aria-invalid': error === undefined ? undefined : true,
      })}
      {hint !== undefined && (
        <span id={`${id}-hint`} className="hint">
          {hint}
        </span>
      )}
      {error !== undefined && (
        <span id={`${id}-error`} className="wrong">
          {error}
        </span>
      )}
    </div>
  );
}
