import type { ReactNode } from 'react';
import { Copyable } from '../../src/parts/copy-button.tsx';
import { Notice } from '../../src/parts/notice.tsx';
import { PageTitle } from '../../src/parts/page-title.tsx';
import { usePage } from './page-context.ts';
import { Prose } from './parts/prose.tsx';

/** The first page: what the API is, and how to make the first call. */
export function Introduction({ unknown }: { unknown: string }): ReactNode {
  const { contract, operations, token, onAskToken } = usePage();
  return (
    <div className="introduction">
      <PageTitle>API reference</PageTitle>
      {unknown !== '' && <Notice kind="warning" title={`The API has no operation ${unknown}.`} />}
      <Prose text={contract.info.description} />
      <h2>The first call</h2>
      <ol className="steps">
        <li>
          {token.name === undefined ? (
            <button type="button" onClick={onAskToken}>
              Set a token
            </button>
          ) : (
            <span>Your token is set: {token.name}.</span>
          )}
        </li>
        <li>
          Open <a href="#encryptData">encryptData</a> and choose <strong>Send</strong>. Then open{' '}
          <a href="#decryptData">decryptData</a>, which takes the ciphertext by one click.
        </li>
        <li>
          Copy the code for curl, TypeScript or Python. It reads the token from a variable:
          <Copyable text="export VAULTSPAN_TOKEN=…" what="the variable of the token" />
        </li>
      </ol>
      <h2>Operations</h2>
      <dl className="facts">
        {contract.tags.map(({ name, description }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              {description} ({operations.filter(({ tag }) => tag === name).length})
            </dd>
          </div>
        ))}
      </dl>
      <p>
        <a href="openapi.yaml">openapi.yaml</a> is the contract, for generators and other tools.
      </p>
    </div>
  );
}
