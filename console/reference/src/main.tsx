import { createRoot } from 'react-dom/client';
import contract from '../../../openapi.yaml';
import { ErrorBoundary } from '../../src/parts/error-boundary.tsx';
import { operationsOf } from './contract.ts';
import { Reference } from './reference.tsx';

const element = document.querySelector('#reference');
if (!element) throw new Error('index.html has no element for the reference');
// The page is at /docs, maybe below the path of a proxy; the service is beside it.
const base = new URL('.', location.href).href;
createRoot(element).render(
  <ErrorBoundary>
    <Reference contract={contract} operations={operationsOf(contract)} base={base} />
  </ErrorBoundary>,
);
