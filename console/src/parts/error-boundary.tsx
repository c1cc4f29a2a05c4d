import { Component, type ReactNode } from 'react';
import { Notice } from './notice.tsx';
import { PageTitle } from './page-title.tsx';

interface ErrorBoundaryProps {
  readonly children: ReactNode;
  /** Names what is shown. Another name is another page, which is tried again. */
  readonly place?: string;
}

interface ErrorBoundaryState {
  readonly failure?: { readonly error: unknown } | undefined;
  readonly place?: string | undefined;
}

/**
 * Shows the fault of a page in its place, so that what is around it stays usable. The fault is
 * shown here alone and reported to nobody. React has this for classes only.
 */
export class ErrorBoundary extends Component<ErrorBoundaryProps, ErrorBoundaryState> {
  override readonly state: ErrorBoundaryState = {};

  static getDerivedStateFromError(error: unknown): ErrorBoundaryState {
    return { failure: { error } };
  }

  static getDerivedStateFromProps({ place }: ErrorBoundaryProps, state: ErrorBoundaryState): ErrorBoundaryState {
    return place === state.place ? state : { place, failure: undefined };
  }

  override render(): ReactNode {
    const { failure } = this.state;
    return failure ? <PageFault error={failure.error} /> : this.props.children;
  }
}

const PageFault = ({ error }: { error: unknown }): ReactNode => (
  <div className="page-fault">
    <PageTitle>This page cannot be shown</PageTitle>
    <Notice kind="error" title={isOfLoading(error) ? 'A part of the page could not be loaded' : 'The page has a fault'}>
      <p>
        {isOfLoading(error)
          ? 'The service may be restarting, or it has a new version since this page was opened. Reload the page.'
          : 'The service works; other pages may work too. Reload the page. If the fault stays, report it with the text below.'}
      </p>
      <p className="quiet break">{error instanceof Error ? `${error.name}: ${error.message}` : String(error)}</p>
      <p>
        <button type="button" className="primary" onClick={() => location.reload()}>
          Reload the page
        </button>
      </p>
    </Notice>
  </div>
);

/** Returns whether a module did not load. Browsers word it differently, as a TypeError or Vite's error. */
const isOfLoading = (error: unknown): boolean =>
  error instanceof Error &&
  /dynamically imported module|importing a module script|unable to preload css/i.test(error.message);
