import type { ReactNode } from 'react';
import type { Onboarding } from '../../api/types.ts';
import { Copyable } from '../../parts/copy-button.tsx';
import { saveFile } from '../../parts/download.ts';
import { Notice } from '../../parts/notice.tsx';

/** How the customer revokes access: by commands, by the doorbell, and both as a script. */
export const TakeBack = ({ onboarding }: { onboarding: Onboarding }): ReactNode => {
  const { tenantId, takeBack, doorbell, revokeScript } = onboarding;
  return (
    <>
      <h3>How the customer takes access back</h3>
      <p>The fastest way comes first.</p>
      {takeBack.map(({ title, command }) => (
        <section key={title} aria-label={title}>
          <p>{title}</p>
          <Copyable text={command} what={`Command: ${title}`} />
        </section>
      ))}
      <h3>Doorbell</h3>
      <p>{doorbell.explanation}</p>
      {doorbell.address === undefined ? (
        <p className="quiet">
          The address is a secret, and this answer does not have it: `vaultspan bell show {tenantId}` prints it.
        </p>
      ) : (
        <Notice
          kind="info"
          title="Whoever has this address can ring. It grants nothing. Give it to the customer alone."
        >
          <Copyable text={doorbell.address} what="the address of the doorbell" />
        </Notice>
      )}
      <Copyable text={doorbell.ring} what="Command: ring the doorbell" />
      {doorbell.eventGrid.length > 0 && (
        <details>
          <summary>Let the vault ring by itself, with Azure Event Grid</summary>
          {doorbell.eventGrid.map((command, at) => (
            <Copyable key={command} text={command} what={`Command ${at + 1} of Event Grid`} />
          ))}
        </details>
      )}
      <h3>Script that revokes access</h3>
      <p>
        It disables every version of each key and rings the doorbell. The customer keeps it for the day it is needed.{' '}
        <button type="button" onClick={() => saveFile(`revoke-${tenantId}.sh`, new Blob([revokeScript]))}>
          Download the script
        </button>
      </p>
      <Copyable text={revokeScript} what="the script that revokes access" />
    </>
  );
};
