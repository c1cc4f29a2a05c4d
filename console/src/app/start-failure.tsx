import type { ReactNode } from 'react';

/** Shown when the console itself could not start: the settings did not come, or are wrong. */
export const StartFailure = ({ error }: { error: unknown }): ReactNode => (
  <main className="narrow">
    <h1>The console could not start</h1>
    <p className="break">{error instanceof Error ? error.message : String(error)}</p>
    <p>The service may be restarting, or its console settings may be wrong. Its log says more.</p>
    <p>
      <button type="button" className="primary" onClick={() => location.reload()}>
        Try again
      </button>
    </p>
  </main>
);
