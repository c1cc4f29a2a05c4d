import { type ReactNode, useEffect, useRef, useState } from 'react';
import { ErrorBoundary } from '../../src/parts/error-boundary.tsx';
import type { Contract, Operation } from './contract.ts';
import { Introduction } from './introduction.tsx';
import { Navigation } from './navigation.tsx';
import { OperationPage } from './operation-page.tsx';
import { Page, type PageContext } from './page-context.ts';
import { createExchanges } from './samples/exchanges.ts';
import { type Inputs, send } from './samples/request.ts';
import type { Language } from './samples/samples.ts';
import { TokenDialog } from './token/token-dialog.tsx';
import { useToken } from './token/use-token.ts';
import { HOME, useOperationId } from './use-operation-id.ts';

interface ReferenceProps {
  readonly contract: Contract;
  readonly operations: readonly Operation[];
  readonly base: string;
}

/** The whole page: the frame, the operations, and the one that the address names. */
export function Reference({ contract, operations, base }: ReferenceProps): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const token = useToken(base);
  const { source } = token;
  const [language, setLanguage] = useState<Language>('curl');
  const [drafts] = useState(() => new Map<string, Inputs>());
  const tokenNow = useRef(source);
  useEffect(() => {
    tokenNow.current = source;
  }, [source]);
  const [{ call, exchanges }] = useState(() => {
    const sendNow: PageContext['call'] = async (request, signal) =>
      send(base, request, request.needsToken ? await tokenNow.current.get() : '', signal);
    return { call: sendNow, exchanges: createExchanges({ contract, operations, call: sendNow }) };
  });
  const id = useOperationId();
  const operation = operations.find((one) => one.id === id);
  useEffect(() => {
    if (id !== '') document.querySelector('h1')?.scrollIntoView({ block: 'nearest' });
  }, [id]);
  // The place that the address names anyway, so that the link to the content changes nothing.
  const place = operation?.id ?? HOME;
  const page: PageContext = {
    contract,
    operations,
    base,
    token: source,
    exchanges,
    call,
    drafts,
    language,
    onLanguage: setLanguage,
    onAskToken: () => dialog.current?.showModal(),
  };
  return (
    <Page value={page}>
      <a className="skip" href={`#${place}`}>
        Skip to the content
      </a>
      <header className="top">
        <a href="#main" className="brand">
          Vaultspan API
        </a>
        <span className="vendor">{contract.info.version}</span>
        <a href="openapi.yaml">openapi.yaml</a>
        {token.signIn && <a href="console/">Console</a>}
        <span className="person">
          <span className="clip">{source.name ?? 'No token'}</span>
          {source.name === undefined ? (
            <button type="button" onClick={page.onAskToken}>
              Set a token
            </button>
          ) : (
            <button type="button" onClick={() => void token.drop()}>
              Forget it
            </button>
          )}
        </span>
      </header>
      <TokenDialog dialog={dialog} state={token} />
      <div className="reference">
        <Navigation current={operation?.id} />
        <main id={place} tabIndex={-1}>
          <ErrorBoundary place={id}>
            {operation ? <OperationPage key={operation.id} operation={operation} /> : <Introduction unknown={id} />}
          </ErrorBoundary>
        </main>
      </div>
    </Page>
  );
}
