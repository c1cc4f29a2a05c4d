import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { Failure } from './failure.tsx';
import { Field } from './field.tsx';

export interface ConfirmDialogProps {
  readonly title: string;
  readonly children: ReactNode;
  /** The word to type before the button works: the tenant's id. Absent: a click is enough. */
  readonly typed?: string;
  readonly action: string;
  readonly isDangerous?: boolean;
  readonly isPending: boolean;
  readonly error: unknown;
  onConfirm(): void;
  onClose(): void;
}

/** A modal dialog. The browser keeps the focus in it, closes it on Escape and gives the focus back. */
export function ConfirmDialog(props: ConfirmDialogProps): ReactNode {
  const { title, children, typed, action, isDangerous, isPending, error, onConfirm, onClose } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [word, setWord] = useState('');
  useEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    // The browser gives the focus back on close, and not when the element is removed.
    return () => (opener instanceof HTMLElement ? opener.focus() : undefined);
  }, []);
  const isAllowed = (typed === undefined || word === typed) && !isPending;
  return (
    <dialog ref={dialog} aria-labelledby={heading} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (isAllowed) onConfirm();
        }}
      >
        <h2 id={heading}>{title}</h2>
        {children}
        {typed !== undefined && (
          <Field label={`Type ${typed} to confirm`}>
            {(ids) => (
              <input
                {...ids}
                value={word}
                autoComplete="off"
                spellCheck={false}
                onChange={({ target }) => setWord(target.value)}
              />
            )}
          </Field>
        )}
        {error !== null && error !== undefined && <Failure error={error} />}
        <p className="row actions">
          <button type="submit" className={isDangerous ? 'danger' : 'primary'} disabled={!isAllowed}>
            {isPending ? 'Working…' : action}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </p>
      </form>
    </dialog>
  );
}
