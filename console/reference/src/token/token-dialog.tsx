import { type FormEvent, type ReactNode, type RefObject, useRef, useState } from 'react';
import { Field } from '../../../src/parts/field.tsx';
import { Notice } from '../../../src/parts/notice.tsx';
import type { TokenState } from './use-token.ts';

interface TokenDialogProps {
  readonly dialog: RefObject<HTMLDialogElement | null>;
  readonly state: TokenState;
}

/** Takes the token of the calls. */
export function TokenDialog({ dialog, state }: TokenDialogProps): ReactNode {
  const input = useRef<HTMLTextAreaElement>(null);
  const [failure, setFailure] = useState(state.failure);
  const signIn = async (): Promise<void> => {
    setFailure(undefined);
    try {
      await state.signIn?.();
      dialog.current?.close();
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    }
  };
  const use = (event: FormEvent): void => {
    event.preventDefault();
    state.paste(input.current?.value ?? '');
    if (input.current) input.current.value = '';
    dialog.current?.close();
  };
  return (
    <dialog ref={dialog} aria-labelledby="token-title">
      <h2 id="token-title">Token</h2>
      {state.signIn && (
        <p className="row middle">
          <button type="button" className="primary" onClick={() => void signIn()}>
            Sign in with Microsoft Entra ID
          </button>
          <span>or paste a token:</span>
        </p>
      )}
      {failure !== undefined && (
        <Notice kind="error" title="The sign-in did not succeed">
          <p className="break">{failure}</p>
        </Notice>
      )}
      <form className="form" onSubmit={use}>
        <Field
          label="Bearer token"
          hint="It stays in this page's memory until you reload or close it. On a service started with `npm start`, `npx vaultspan token` prints one."
        >
          {(ids) => (
            <textarea {...ids} ref={input} className="code" rows={4} required autoComplete="off" spellCheck={false} />
          )}
        </Field>
        <div className="row">
          <button type="submit" className="primary">
            Use this token
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  );
}
