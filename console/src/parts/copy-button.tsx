import { type ReactNode, useState } from 'react';
import { Scrollable } from './scrollable.tsx';

const CONFIRMED_MS = 2_000;

/** Copies a text. The label says what, since a page has many of these. */
function CopyButton({ text, what }: { text: string; what: string }): ReactNode {
  const [outcome, setOutcome] = useState<'copied' | 'failed'>();
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setOutcome('copied');
    } catch {
      setOutcome('failed'); // without TLS, or refused by the browser
    }
    setTimeout(() => setOutcome(undefined), CONFIRMED_MS);
  };
  return (
    <button type="button" aria-label={`Copy ${what}`} onClick={() => void copy()}>
      <span aria-live="polite">
        {outcome === 'copied' ? 'Copied' : outcome === 'failed' ? 'Select and copy' : 'Copy'}
      </span>
    </button>
  );
}

/** A command or address to be copied. */
export const Copyable = ({ text, what }: { text: string; what: string }): ReactNode => (
  <div className="copyable">
    <Scrollable label={what} className="scroll">
      <pre>{text}</pre>
    </Scrollable>
    <CopyButton text={text} what={what} />
  </div>
);
