import { QueryClientProvider } from '@tanstack/react-query';
import { createRoot } from 'react-dom/client';
import { createQueryClient } from './api/query-client.ts';
import { loadSettings } from './app/settings.ts';
import { Shell } from './app/shell.tsx';
import { startSignIn } from './app/sign-in.ts';
import { isAnswerOfWindow } from './app/sign-in-window.ts';
import { StartFailure } from './app/start-failure.tsx';
import { ErrorBoundary } from './parts/error-boundary.tsx';

const element = document.querySelector('#console');
if (!element) throw new Error('index.html has no element for the console');
const root = createRoot(element);

try {
  if (isAnswerOfWindow(location.hash)) {
    const { broadcastResponseToMainFrame } = await import('@azure/msal-browser/redirect-bridge');
    await broadcastResponseToMainFrame(); // and closes this window
  } else {
    const settings = await loadSettings();
    const session = await startSignIn(settings);
    root.render(
      <ErrorBoundary>
        <QueryClientProvider client={createQueryClient()}>
          <Shell settings={settings} session={session} />
        </QueryClientProvider>
      </ErrorBoundary>,
    );
  }
} catch (error) {
  root.render(<StartFailure error={error} />);
}
